"""Compare patch sizes: held-out error against patch size, beside the random forests."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterFile, QgsProcessingParameterString

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, explained, html_output, metrics_output
from .train_network import training_parameters


class ComparePatchSizes(JobAlgorithm):
    ID = "comparepatchsizes"
    GROUP_ID = "4 Assess"
    NUMBERS = {"BEST_PATCH_SIZE": tr("Recommended patch size in pixels")}
    TEXTS = {"VERDICT": tr("How far the landscape matters")}

    def label(self) -> str:
        return tr("Compare patch sizes")

    def summary(self) -> str:
        return tr(
            "Measures how the held-out error changes with the patch size, and recommends the smallest size that is good"
            " enough."
        )

    def explanation(self) -> str:
        return tr(
            "How far does the landscape around an observation matter? The patches of one file are cut down to several"
            " sizes. For each size, networks and a random forest are trained and assessed on the same folds, beside a"
            " random forest that sees only the covariates at the point. The report shows the error against the size in"
            " pixels and metres.\n\n"
            "Errors are noisy, so the recommended size is the smallest whose error is within one standard error of the"
            " lowest. For several targets, the error of each is divided by the target's standard deviation, and the"
            " results are averaged. The run takes about as long as one Train network for each size."
        )

    def keywords(self) -> list[str]:
        return ["window size", "context", "scale", "neighbourhood", "receptive field", "vicinity"]

    def parameters(self) -> Parameters:
        patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5")
        sizes = QgsProcessingParameterString(
            "SIZES", tr("Patch sizes in pixels"), _as_text(jobs.ComparePatchSizes.sizes)
        )
        as_in_training = {parameter.name(): parameter for parameter in training_parameters()}
        return [
            explained(
                patches,
                tr(
                    "Patch file written by Extract patches with a patch size at least as large as the largest to"
                    " compare."
                ),
            ),
            explained(
                sizes,
                tr(
                    "Odd numbers of at least 3, separated by commas; the literature calls them window sizes. Sizes"
                    " above that of the patch file are left out. The random forest at the point represents a size of 1."
                ),
            ),
            *(as_in_training[name] for name in ("ARCHITECTURE", "VALIDATION", "FOLDS", "DOMAIN")),
            *(as_in_training[name] for name in ("DEVICE", "FULL_GPU", "SEED")),
            explained(
                html_output(tr("Report")),
                tr("Web page with a figure of error against patch size, the recommendation and the numbers."),
            ),
            metrics_output(),
        ]

    def job(self, inputs: Inputs) -> jobs.ComparePatchSizes:
        return jobs.ComparePatchSizes(
            patches=inputs.file("PATCHES", tr("patch file")),
            report=inputs.destination("REPORT"),
            metrics=inputs.destination("METRICS"),
            sizes=parse_sizes(inputs.text("SIZES")),
            architecture=inputs.choice("ARCHITECTURE"),
            validation=inputs.choice("VALIDATION"),
            domain=inputs.domain("DOMAIN"),
            folds=inputs.integer("FOLDS"),
            device=inputs.choice("DEVICE"),
            full_gpu=inputs.choice("FULL_GPU"),
            seed=inputs.integer("SEED"),
        )


def parse_sizes(text: str) -> tuple[int, ...]:
    """Read `3, 7,15` as (3, 7, 15)."""
    sizes = []
    for item in text.replace(",", " ").replace(";", " ").split():
        if not item.isdecimal():
            raise jobs.JobError(
                tr(
                    "SIZES has {!r}, which is not a whole number of pixels. Write odd numbers separated by"
                    " commas, for example {}."
                ).format(item, _as_text(jobs.ComparePatchSizes.sizes))
            )
        sizes.append(int(item))
    return tuple(sizes)


def _as_text(sizes: tuple[int, ...]) -> str:
    return ",".join(map(str, sizes))
