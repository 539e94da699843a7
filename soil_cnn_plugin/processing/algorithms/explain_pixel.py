"""Explain pixel: what a network predicts at one place, and why."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    Qgis,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingParameterFile,
    QgsProcessingParameterPoint,
)

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, devices, explained, html_output, integer, metrics_output, rasters


class ExplainPixel(JobAlgorithm):
    ID = "explainpixel"
    GROUP_ID = "4 Assess"
    TEXTS = {"SUMMARY": tr("What is predicted there")}
    IS_NOTED = False

    def __init__(self) -> None:
        super().__init__()
        self._point = (0.0, 0.0, "")  # x, y and the WKT of their CRS

    def label(self) -> str:
        return tr("Explain pixel")

    def summary(self) -> str:
        return tr("Shows what a network predicts at one place, and why: what each covariate adds, and what lies near.")

    def explanation(self) -> str:
        return tr(
            "Choose a trained network and a point on its map. The report shows the prediction with its limits, what"
            " each covariate adds to it, whether the map is applicable there, and the nearest observations.\n\n"
            "In the window, Plugins > Soil CNN > Explain a pixel does the same with a click on the map."
        )

    def keywords(self) -> list[str]:
        return ["click", "identify", "SHAP", "Shapley", "attribution", "why"]

    def parameters(self) -> Parameters:
        network = QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors")
        patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5", optional=True)
        return [
            explained(network, tr("File written by Train network or Map soil properties.")),
            explained(QgsProcessingParameterPoint("POINT", tr("Point")), tr("A place on the map of the network.")),
            explained(
                patches,
                tr("Patch file that the network was trained on. Empty: the one that lies beside the network."),
                advanced=True,
            ),
            explained(
                rasters("COVARIATES", tr("Covariates"), optional=True),
                tr(
                    "Rasters, matched by name with the covariates of the training. Empty: the files that the network"
                    " was trained on, if they still exist."
                ),
                advanced=True,
            ),
            explained(
                integer("NEIGHBOURS", tr("Nearest observations"), jobs.ExplainPixel.neighbours, 1),
                tr("How many of the nearest observations are shown."),
                advanced=True,
            ),
            *devices(),
            explained(html_output(tr("Report")), tr("Web page that opens without internet.")),
            metrics_output(),
        ]

    def prepareAlgorithm(  # type: ignore[override]  # QGIS always gives a feedback
        self, parameters: dict[str, Any], context: QgsProcessingContext, feedback: QgsProcessingFeedback
    ) -> bool:
        point = self.parameterAsPoint(parameters, "POINT", context)
        crs = self.parameterAsPointCrs(parameters, "POINT", context)
        self._point = point.x(), point.y(), crs.toWkt(Qgis.CrsWktVariant.PreferredGdal) if crs.isValid() else ""
        return super().prepareAlgorithm(parameters, context, feedback)

    def job(self, inputs: Inputs) -> jobs.ExplainPixel:
        x, y, crs = self._point
        return jobs.ExplainPixel(
            network=inputs.file("NETWORK", tr("trained network")),
            x=x,
            y=y,
            crs=crs,
            patches=inputs.file("PATCHES", tr("patch file")) if inputs.text("PATCHES") else "",
            report=inputs.destination("REPORT"),
            metrics=inputs.destination("METRICS"),
            covariates=inputs.covariates(),
            neighbours=inputs.integer("NEIGHBOURS"),
            device=inputs.choice("DEVICE"),
            full_gpu=inputs.choice("FULL_GPU"),
        )
