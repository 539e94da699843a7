"""Explain network: importance of covariates and surroundings, and contributions to the map."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, devices, explained, html_output, metrics_output, rasters, seed


class ExplainNetwork(JobAlgorithm):
    ID = "explainnetwork"
    GROUP_ID = "4 Assess"
    NUMBERS = {"CONTEXT_RADIUS": tr("Metres beyond which the surroundings change the error by less than 1 %")}
    TEXTS = {"VERDICT": tr("How far the surroundings matter")}

    def label(self) -> str:
        return tr("Explain network")

    def summary(self) -> str:
        return tr(
            "Shows which covariates a trained network uses, how far around a pixel it looks, and how each covariate"
            " shaped the map."
        )

    def explanation(self) -> str:
        return tr(
            "Each covariate in turn is exchanged between held-out observations, over the whole patch at once: the more"
            " the error grows, the more the network uses that covariate. The same is done with the surroundings beyond"
            " a growing radius, which shows how much of the landscape around a point matters. If the map is a blend"
            " with a random forest, the report explains the blend and, beside it, its parts.\n\n"
            "On request, a raster shows for each pixel what each covariate adds to or takes from the prediction of one"
            " target, or by how much it multiplies it or the odds of a class (expected gradients of the networks,"
            " Shapley values of the forest). It shows what the network uses, not what formed the soil."
        )

    def keywords(self) -> list[str]:
        return ["importance", "SHAP", "Shapley", "attribution", "interpretation", "permutation", "context"]

    def parameters(self) -> Parameters:
        network = QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors")
        patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5")
        return [
            explained(network, tr("File written by Train network or Map soil properties.")),
            explained(
                patches,
                tr(
                    "Patch file that the network was trained on, so that each observation is judged by the members of"
                    " the ensemble that have not seen it; or a patch file of new observations with the same covariates,"
                    " targets and patch size."
                ),
            ),
            *_attribution_parameters(),
            *devices(),
            seed(jobs.ExplainNetwork.seed, tr("Seed of the random numbers that decide what is exchanged with what.")),
            *_outputs(),
        ]

    def job(self, inputs: Inputs) -> jobs.ExplainNetwork:
        extent, extent_crs = inputs.extent("EXTENT")
        return jobs.ExplainNetwork(
            network=inputs.file("NETWORK", tr("trained network")),
            patches=inputs.file("PATCHES", tr("patch file")),
            report=inputs.destination("REPORT"),
            importance=inputs.destination("IMPORTANCE"),
            attribution=inputs.destination("ATTRIBUTION"),
            metrics=inputs.destination("METRICS"),
            target=inputs.text("TARGET"),
            target_class=inputs.text("CLASS"),
            covariates=inputs.covariates(),
            extent=extent,
            extent_crs=extent_crs,
            device=inputs.choice("DEVICE"),
            full_gpu=inputs.choice("FULL_GPU"),
            seed=inputs.integer("SEED"),
        )


def _attribution_parameters() -> Parameters:
    return [
        explained(
            QgsProcessingParameterString("TARGET", tr("Target of the contributions"), optional=True),
            tr("Field name of the target for the raster of contributions. Empty: the first target."),
        ),
        explained(
            QgsProcessingParameterString("CLASS", tr("Class of the contributions"), optional=True),
            tr(
                "If the target holds classes: the class whose odds the raster of contributions explains. Empty: the"
                " class of most observations."
            ),
        ),
        explained(
            rasters("COVARIATES", tr("Covariates"), optional=True),
            tr(
                "Rasters for the raster of contributions, matched by name with the covariates of the training. Empty:"
                " the files that the network was trained on, if they still exist."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterExtent("EXTENT", tr("Extent"), optional=True),
            tr(
                "Part of the covariates' area for the raster of contributions. Empty: all of it. About 10,000 pixels"
                " are explained; in a larger area, one pixel in 2 x 2, 3 x 3 and so on."
            ),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    table = QgsProcessingParameterVectorDestination(
        "IMPORTANCE", tr("Importance"), Qgis.ProcessingSourceType.Vector, optional=True, createByDefault=False
    )
    raster = QgsProcessingParameterRasterDestination(
        "ATTRIBUTION", tr("Contributions"), optional=True, createByDefault=False
    )
    return [
        explained(
            html_output(tr("Report"), optional=False),
            tr("Web page with the figures and numbers. It opens without internet."),
        ),
        explained(
            table,
            tr(
                "Table with one row per target and covariate: the growth of the held-out error when the covariate is"
                " exchanged and its standard deviation over folds, in the unit of the target and in percent."
            ),
        ),
        explained(
            raster,
            tr(
                "Raster with one band per covariate: what the covariate adds to or takes from the prediction of the"
                " target at the pixel, in the unit of the target. If the network learned a logarithm, log-ratio, logit"
                " or classes, bands hold natural logarithms of factors: 0.3 says that the covariate multiplies the"
                " value, the ratio or the odds by 1.35. The legend shows the factors. The layer opens with the most"
                " important covariate."
            ),
        ),
        metrics_output(),
    ]
