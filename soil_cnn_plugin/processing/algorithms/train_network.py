"""Train network: a patch file -> a trained network and its held-out report."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterFile

from ...contract import jobs
from ..algorithm import JobAlgorithm
from ..inputs import Inputs
from ..parameters import Parameters, explained, training_outputs, training_parameters
from ..translation import tr

SCORES = {
    "RMSE": tr("Held-out RMSE of the network, mean over targets"),
    "MEC": tr("Held-out model efficiency, mean over targets"),
    "CCC": tr("Held-out concordance, mean over targets"),
    "PICP": tr("Held-out coverage of the interval, mean over targets"),
    "BASELINE_RMSE": tr("Held-out RMSE of the better random forest, mean over targets"),
}
VERDICT = {"VERDICT": tr("Whether the network beats the random forests")}


class TrainNetwork(JobAlgorithm):
    ID = "trainnetwork"
    GROUP_ID = "train"
    NUMBERS = SCORES
    TEXTS = VERDICT

    def label(self) -> str:
        return tr("Train network")

    def summary(self) -> str:
        return tr(
            "Trains an ensemble of convolutional networks on a patch file and measures its error on held-out observations."
        )

    def explanation(self) -> str:
        return tr(
            "Observations are divided into folds. Each fold is predicted by networks that have not seen it, and by random"
            " forests on the same folds for comparison: the report shows whether the network is worth using for these"
            " data. The final network is trained on all observations and gives a prediction interval that was calibrated"
            " on held-out predictions.\n\n"
            "The defaults suit most data of one hundred to a few thousand observations."
        )

    def keywords(self) -> list[str]:
        return ["fit", "model", "cross-validation", "random forest", "padarian"]

    def parameters(self) -> Parameters:
        patches = QgsProcessingParameterFile("PATCHES", tr("Patches"), extension="h5")
        return [
            explained(patches, tr("Patch file made by Extract patches.")),
            *training_parameters(),
            *training_outputs(network_optional=False),
        ]

    def job(self, inputs: Inputs) -> jobs.TrainNetwork:
        return train_network_job(inputs, inputs.file("PATCHES", "patch file"), inputs.destination("NETWORK"))


def train_network_job(inputs: Inputs, patches: str, network: str) -> jobs.TrainNetwork:
    return jobs.TrainNetwork(
        patches=patches,
        network=network,
        report=inputs.destination("REPORT"),
        held_out=inputs.destination("HELD_OUT"),
        metrics=inputs.destination("METRICS"),
        architecture=inputs.choice("ARCHITECTURE"),
        preset=inputs.choice("PRESET"),
        members=inputs.integer_or_none("MEMBERS"),
        epochs=inputs.integer_or_none("EPOCHS"),
        batch_size=inputs.integer_or_none("BATCH_SIZE"),
        learning_rate=inputs.number_or_none("LEARNING_RATE"),
        weight_decay=inputs.number_or_none("WEIGHT_DECAY"),
        patience=inputs.integer_or_none("PATIENCE"),
        transform=inputs.choice("TRANSFORM"),
        validation=inputs.choice("VALIDATION"),
        folds=inputs.integer("FOLDS"),
        coverage=inputs.number("COVERAGE"),
        device=inputs.choice("DEVICE"),
        seed=inputs.integer("SEED"),
    )
