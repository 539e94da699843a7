"""Map soil properties: the whole chain in one dialog and one worker."""

from __future__ import annotations

from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters
from ..target_parameters import observation_parameters, precision_parameters
from ..translation import tr
from .extract_patches import (
    ExtractPatches,
    covariate_parameters,
    extract_patches_job,
    extraction_outputs,
    extraction_parameters,
)
from .predict_map import APPLICABILITY, mapping_outputs, mapping_parameters, predict_map_job
from .train_network import SCORES, VERDICT, train_network_job, training_outputs, training_parameters


class MapSoilProperties(JobAlgorithm):
    ID = "mapsoilproperties"
    GROUP_ID = "3 Map"
    NUMBERS = {**SCORES, **ExtractPatches.NUMBERS, **APPLICABILITY}
    TEXTS = VERDICT

    def label(self) -> str:
        return tr("Map soil properties")

    def summary(self) -> str:
        return tr(
            "Makes maps of soil properties or soil classes, and a report of their error, from observations and"
            " covariates in one run."
        )

    def explanation(self) -> str:
        return tr(
            "This combines Extract patches, Train network and Predict map. Choose the observations, the fields to map"
            " (soil properties, parts of a whole such as sand, silt and clay, or one field of soil classes) and the"
            " covariates, then run it.\n\n"
            "The network learns how the covariates around an observation relate to the soil there. Its error is"
            " measured on held-out observations, beside that of random forests; read the report before you use the"
            " maps. Keep the trained network to map other areas or dates with Predict map."
        )

    def keywords(self) -> list[str]:
        return ["zinc", "organic carbon", "clay", "regression", "uncertainty", "kriging"]

    def parameters(self) -> Parameters:
        return [
            *observation_parameters(),
            *precision_parameters(),
            *covariate_parameters(),
            *extraction_parameters(),
            *training_parameters(),
            *mapping_parameters(),
            *mapping_outputs(),
            *training_outputs(network_optional=True),
            *extraction_outputs(is_wanted=False),
        ]

    def job(self, inputs: Inputs) -> jobs.MapSoilProperties:
        patches = inputs.destination("PATCHES") or str(inputs.folder / "patches.h5")
        network = inputs.destination("NETWORK") or str(inputs.folder / "network.safetensors")
        return jobs.MapSoilProperties(
            extract=extract_patches_job(inputs, patches),
            train=train_network_job(inputs, patches, network),
            predict=predict_map_job(inputs, network, covariates_given=False),
        )
