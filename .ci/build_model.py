"""Writes the shipped model, "Map in three steps": extract patches, train network, predict map.

Run it with QGIS's Python after a change of the algorithms' parameters:
`/usr/bin/python3 .ci/build_model.py`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ["QT_HASH_SEED"] = "0"  # the same file each time
ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))

from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsProcessingModelAlgorithm,
    QgsProcessingModelChildAlgorithm,
    QgsProcessingModelChildParameterSource,
    QgsProcessingModelOutput,
    QgsProcessingModelParameter,
)
from qgis.PyQt.QtCore import QPointF, QSizeF  # noqa: E402

from soil_cnn_plugin.processing.provider import SoilCnnProvider  # noqa: E402

NAME = "Map in three steps"
PATH = ROOT / "resources" / "models" / "map_in_three_steps.model3"
INPUTS = {  # model input -> the child whose parameter it is
    "OBSERVATIONS": "extractpatches",
    "TARGETS": "extractpatches",
    "COVARIATES": "extractpatches",
    "CATEGORICAL_COVARIATES": "extractpatches",
    "PATCH_SIZE": "extractpatches",
    "PRESET": "trainnetwork",
    "VALIDATION": "trainnetwork",
}
OUTPUTS = {  # model output (its name is what QGIS makes of this) -> child, output, mandatory
    "Trained network": ("trainnetwork", "NETWORK", True),
    "Report": ("trainnetwork", "REPORT", False),
    "Prediction": ("predictmap", "PREDICTION", True),
    "Lower limit": ("predictmap", "LOWER", False),
    "Upper limit": ("predictmap", "UPPER", False),
}
LINKS = {  # child -> parameter -> child and output that it takes
    "trainnetwork": {"PATCHES": ("extractpatches", "PATCHES")},
    "predictmap": {"NETWORK": ("trainnetwork", "NETWORK")},
}
HELP = {
    "ALG_DESC": "Extracts patches, trains a network and predicts a map as three steps of a model. Open it in the Model"
    " Designer and save a copy to change steps, for example to predict with other covariates. Map soil properties does"
    " the same in one step, with all options.",
    "ALG_CREATOR": "Soil CNN",
}


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    provider = SoilCnnProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    model = build_model()
    if not model.toFile(str(PATH)):
        raise SystemExit(f"{PATH} could not be written.")
    application.exitQgis()


def build_model() -> QgsProcessingModelAlgorithm:
    model = QgsProcessingModelAlgorithm(NAME, "3 Map", "map")
    help_texts = dict(HELP)
    for index, (name, child) in enumerate(INPUTS.items()):
        definition = algorithm(child).parameterDefinition(name).clone()
        help_texts[name] = definition.help()
        component = QgsProcessingModelParameter(name)
        component.setPosition(QPointF(150 + 230 * (index % 4), 80 + 90 * (index // 4)))
        model.addModelParameter(definition, component)
    for index, child_id in enumerate(("extractpatches", "trainnetwork", "predictmap")):
        model.addChildAlgorithm(child_of(child_id, index))
    model.setHelpContent(help_texts)
    model.setOutputGroup("Map in three steps")
    model.updateDestinationParameters()
    return model


def child_of(child_id: str, index: int) -> QgsProcessingModelChildAlgorithm:
    child = QgsProcessingModelChildAlgorithm(f"soilcnn:{child_id}")
    child.setChildId(child_id)
    child.setDescription(algorithm(child_id).displayName())
    child.setPosition(QPointF(260 + 260 * index, 320 + 90 * index))
    for name, owner in INPUTS.items():
        if owner == child_id:
            child.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromModelParameter(name)])
    for name, (other, output) in LINKS.get(child_id, {}).items():
        child.addParameterSources(name, [QgsProcessingModelChildParameterSource.fromChildOutput(other, output)])
    child.setModelOutputs(outputs_of(child_id))
    return child


def outputs_of(child_id: str) -> dict[str, QgsProcessingModelOutput]:
    outputs = {}
    for row, (description, (owner, name, is_mandatory)) in enumerate(OUTPUTS.items()):
        if owner == child_id:
            output = QgsProcessingModelOutput(description, description)
            output.setChildId(owner)
            output.setChildOutputName(name)
            output.setMandatory(is_mandatory)
            output.setPosition(QPointF(960, 300 + 70 * row))
            output.setSize(QSizeF(200, 30))
            outputs[description] = output
    return outputs


def algorithm(child_id: str):
    return QgsApplication.processingRegistry().algorithmById(f"soilcnn:{child_id}")


if __name__ == "__main__":
    main()
