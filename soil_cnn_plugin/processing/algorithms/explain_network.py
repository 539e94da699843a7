"""Explain network: importance of covariates and of the surroundings, and the map taken apart."""

from __future__ import annotations

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
)

from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, device, explained, html_output, integer, metrics_output, rasters
from ..translation import tr


class ExplainNetwork(JobAlgorithm):
    ID = "explainnetwork"
    GROUP_ID = "4 Assess"
    NUMBERS = {"CONTEXT_RADIUS": tr("Metres beyond which the surroundings change the error by less than 1 %")}
    TEXTS = {"VERDICT": tr("How far the surroundings matter")}

    def label(self) -> str:
        return tr("Explain network")

    def summary(self) -> str:
        return tr(
            "Shows which covariates a trained network uses, how far around a pixel it looks, and what made the map."
        )

    def explanation(self) -> str:
        return tr(
            "One covariate after the other, the whole layer of the patch at once, is exchanged between observations"
            " that were held out: the more the error grows, the more the network uses it. The same is done with the"
            " surroundings beyond a growing radius: it tells how much of the landscape around a point matters. If the"
            " map is a blend with a random forest, the blend is explained, and its parts beside it.\n\n"
            "On request a raster tells for each pixel what each covariate adds to the prediction of one target, or"
            " takes from it (expected gradients of the networks, Shapley values of the forest). It tells what the"
            " network uses, not what made the soil."
        )

    def keywords(self) -> list[str]:
        return ["importance", "SHAP", "Shapley", "attribution", "interpretation", "permutation", "context"]

    def parameters(self) -> Parameters:
        network = QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors")
        patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5")
        return [
            explained(network, tr("File made by Train network or Map soil properties.")),
            explained(
                patches,
                tr(
                    "Patch file that the network was trained on: each observation is then judged by the members of the"
                    " ensemble that have not seen it. Or a file of new observations with the same covariates, targets"
                    " and patch size."
                ),
            ),
            *_attribution_parameters(),
            device(),
            explained(
                integer("SEED", tr("Seed"), jobs.ExplainNetwork.seed, 0),
                tr("Start of the random numbers that say what is exchanged with what."),
                advanced=True,
            ),
            *_outputs(),
        ]

    def job(self, inputs: Inputs) -> jobs.ExplainNetwork:
        extent, extent_crs = inputs.extent("EXTENT")
        return jobs.ExplainNetwork(
            network=inputs.file("NETWORK", "trained network"),
            patches=inputs.file("PATCHES", "patch file"),
            report=inputs.destination("REPORT"),
            importance=inputs.destination("IMPORTANCE"),
            attribution=inputs.destination("ATTRIBUTION"),
            metrics=inputs.destination("METRICS"),
            target=inputs.text("TARGET"),
            covariates=inputs.covariates(),
            extent=extent,
            extent_crs=extent_crs,
            device=inputs.choice("DEVICE"),
            seed=inputs.integer("SEED"),
        )


def _attribution_parameters() -> Parameters:
    return [
        explained(
            QgsProcessingParameterString("TARGET", tr("Target of the contributions"), optional=True),
            tr("Field name of the target that the raster of contributions is about. Empty: the first one."),
        ),
        explained(
            rasters("COVARIATES", tr("Covariates"), optional=True),
            tr(
                "Rasters for the raster of contributions, matched by name with those of the training. Empty: the files"
                " the network was trained on, if they are still there."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterExtent("EXTENT", tr("Extent"), optional=True),
            tr(
                "Part of the covariates for the raster of contributions. Empty: all of it. About 10,000 pixels are"
                " explained; of a larger area one in 2 x 2, 3 x 3 and so on."
            ),
            advanced=True,
        ),
    ]


def _outputs() -> Parameters:
    table = QgsProcessingParameterVectorDestination(
        "IMPORTANCE", tr("Importance"), QgsProcessing.SourceType.TypeVector, optional=True, createByDefault=False
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
                "Table with a row a target and covariate: growth of the held-out error when the covariate is exchanged,"
                " and its standard deviation over folds, in the unit of the target and in percent."
            ),
        ),
        explained(
            raster,
            tr(
                "Raster with one band a covariate: what it adds to the prediction of the target at the pixel, or takes"
                " from it, in the unit of the target, or of its logarithm where that was learned."
            ),
        ),
        metrics_output(),
    ]
