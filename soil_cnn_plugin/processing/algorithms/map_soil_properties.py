"""Map soil properties: the whole chain in one dialog and one worker."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterFile

from ...contract import jobs
from ...contract.language import tr
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameter, Parameters, explained, folded, made_by_default, optional
from ..target_parameters import observation_parameters, precision_parameters
from .extract_patches import (
    ExtractPatches,
    covariate_parameters,
    extract_patches_job,
    extraction_outputs,
    extraction_parameters,
)
from .predict_map import APPLICABILITY, DEFAULT_MAPS, mapping_outputs, mapping_parameters, predict_map_job
from .train_network import SCORES, VERDICT, train_network_job, training_outputs, training_parameters

FIRST_SCREEN = ("OBSERVATIONS", "TARGETS", "COVARIATES", "CATEGORICAL_COVARIATES", "RESULTS")


class MapSoilProperties(JobAlgorithm):
    ID = "mapsoilproperties"
    GROUP_ID = "3 Map"
    DEFAULTS = (*DEFAULT_MAPS, "HELD_OUT", "REPORT", "NETWORK", "PATCHES")
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
            "Choose the observations, what to map and the covariates, then run it. The results folder receives, in a"
            " folder of this run: the map of the prediction, its lower and upper limit (or the probabilities of soil"
            " classes), where the map is applicable, the held-out points, the report, the trained network and the"
            " patches. What the fields to map cannot fill is left out. An output with a file name of its own goes"
            " there; without a results folder, only outputs with file names are made.\n\n"
            "The network learns how the covariates around an observation relate to the soil there. Its error is"
            " measured on held-out observations, beside that of random forests; read the report before you use the"
            " maps. Keep the trained network to map other areas or dates with Predict map. The steps Extract patches,"
            " Train network and Predict map do the same one by one."
        )

    def keywords(self) -> list[str]:
        return ["zinc", "organic carbon", "clay", "regression", "uncertainty", "kriging"]

    def parameters(self) -> Parameters:
        inputs = [
            *observation_parameters(),
            *covariate_parameters(),
            _results_folder(),
            *precision_parameters(),
            *extraction_parameters(),
            *training_parameters(),
            *mapping_parameters(),
        ]
        first = [parameter for parameter in inputs if parameter.name() in FIRST_SCREEN]
        outputs = [*mapping_outputs(), *training_outputs(network_optional=True), *extraction_outputs(is_wanted=False)]
        return [
            *first,
            *folded([parameter for parameter in inputs if parameter not in first]),
            *folded([optional(parameter) for parameter in made_by_default(outputs, self.DEFAULTS)]),
        ]

    def job(self, inputs: Inputs) -> jobs.MapSoilProperties:
        if not inputs.destination("PREDICTION"):
            raise jobs.JobError(
                tr(
                    "There is no place for the map. Choose a results folder (RESULTS), or a file for the prediction"
                    " (PREDICTION)."
                )
            )
        patches = inputs.destination("PATCHES") or str(inputs.folder / "patches.h5")
        network = inputs.destination("NETWORK") or str(inputs.folder / "network.safetensors")
        if not inputs.destination("NETWORK"):
            inputs.notes.append(tr("The trained network is not kept; choose a file (NETWORK) to map with it again."))
        return jobs.MapSoilProperties(
            extract=extract_patches_job(inputs, patches),
            train=train_network_job(inputs, patches, network),
            predict=predict_map_job(inputs, network, covariates_given=False),
        )


def _results_folder() -> Parameter:
    folder = QgsProcessingParameterFile.Behavior.Folder
    return explained(
        QgsProcessingParameterFile("RESULTS", tr("Results folder"), behavior=folder, optional=True),
        tr(
            "Each run makes a folder of its own in it, named by the time, for all results without a file name, except"
            " those with the word skip in place of a name. The steps that follow, such as Explain network, find the"
            " network and the patches there."
        ),
    )
