"""Predict map: a trained network and covariates -> maps."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterFile

from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, device, explained, mapping_outputs, mapping_parameters, rasters
from ..translation import tr


class PredictMap(JobAlgorithm):
    ID = "predictmap"
    GROUP_ID = "map"

    def label(self) -> str:
        return tr("Predict map")

    def summary(self) -> str:
        return tr("Predicts every pixel of the covariates with a trained network.")

    def explanation(self) -> str:
        return tr(
            "The map has the grid of the covariates the network was trained on; each target is one band. Pixels whose own"
            " covariates are missing stay empty. Optional maps give the limits of the prediction interval and the standard"
            " deviation.\n\n"
            "A style file (.qml) is written beside each raster, so that it looks the same wherever it is opened in QGIS."
        )

    def keywords(self) -> list[str]:
        return ["inference", "apply", "raster", "uncertainty", "interval"]

    def parameters(self) -> Parameters:
        network = QgsProcessingParameterFile("NETWORK", tr("Trained network"), extension="safetensors")
        return [
            explained(network, tr("File made by Train network or Map soil properties.")),
            explained(
                rasters("COVARIATES", tr("Covariates"), optional=True),
                tr(
                    "Rasters for the map, in any order: they are matched by name with those of the training. Empty: the"
                    " files the network was trained on, if they are still there."
                ),
            ),
            *mapping_parameters(),
            device(),
            *mapping_outputs(),
        ]

    def job(self, inputs: Inputs) -> jobs.PredictMap:
        return predict_map_job(inputs, inputs.file("NETWORK", "trained network"))


def predict_map_job(inputs: Inputs, network: str, covariates_given: bool = True) -> jobs.PredictMap:
    extent, extent_crs = inputs.extent("EXTENT")
    return jobs.PredictMap(
        network=network,
        prediction=inputs.destination("PREDICTION"),
        lower=inputs.destination("LOWER"),
        upper=inputs.destination("UPPER"),
        standard_deviation=inputs.destination("STANDARD_DEVIATION"),
        covariates=inputs.covariates() if covariates_given else (),
        extent=extent,
        extent_crs=extent_crs,
        area=inputs.area("AREA"),
        block_size=inputs.integer_or_none("BLOCK_SIZE"),
        device=inputs.choice("DEVICE"),
    )
