"""Writes the shipped models, "Map in three steps" and "Horizons to depth maps".

Run it with QGIS's Python after a change of the algorithms' parameters:
`/usr/bin/python3 .ci/build_model.py`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
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

FIELDS_BY_DEPTH = r"""
array_to_string(array_foreach(if(is_array(@VALUES), @VALUES, string_to_array(@VALUES, ';')), with_variable('value',
@element, array_to_string(array_foreach(string_to_array(@INTERVALS, ','), @value || '_' || array_to_string(
regexp_matches(@element, '([0-9.]+)\\D+([0-9.]+)'), '_')), ';'))), ';')
""".replace("\n", " ").strip()
"""The fields that Standardize depths makes: clay_0_5;clay_5_15 of the value clay and the intervals 0-5,5-15."""
BOX = QSizeF(230, 40)


@dataclass(frozen=True)
class Model:
    """What a model consists of. The inputs stand in the order of the dialog."""

    name: str
    file: str
    help: str
    children: tuple[str, ...]
    inputs: dict[str, str]  # input -> the child whose parameter it is
    outputs: dict[str, tuple[str, str, bool]]  # output, whose name QGIS makes of this -> child, output, mandatory
    links: dict[str, dict[str, tuple[str, str]]]  # child -> parameter -> child and output that it takes
    expressions: dict[str, dict[str, str]]  # child -> parameter -> expression


STEPS = {
    "trainnetwork": {"PATCHES": ("extractpatches", "PATCHES")},
    "predictmap": {"NETWORK": ("trainnetwork", "NETWORK")},
}
MAPS = {
    "Prediction": ("predictmap", "PREDICTION", True),
    "Lower limit": ("predictmap", "LOWER", False),
    "Upper limit": ("predictmap", "UPPER", False),
    "Dissimilarity index": ("predictmap", "DISSIMILARITY", False),
}
TRAINED = {
    "Trained network": ("trainnetwork", "NETWORK", True),
    "Report": ("trainnetwork", "REPORT", False),
}
MODELS = (
    Model(
        name="Map in three steps",
        file="map_in_three_steps.model3",
        help="Extracts patches, trains a network and predicts a map as three steps of a model. Open it in the Model"
        " Designer and save a copy to change steps, for example to predict with other covariates. Map soil properties"
        " does the same in one step, with all options.",
        children=("extractpatches", "trainnetwork", "predictmap"),
        inputs={
            "OBSERVATIONS": "extractpatches",
            "TARGETS": "extractpatches",
            "COVARIATES": "extractpatches",
            "CATEGORICAL_COVARIATES": "extractpatches",
            "PATCH_SIZE": "extractpatches",
            "PRESET": "trainnetwork",
            "VALIDATION": "trainnetwork",
        },
        outputs={**TRAINED, **MAPS},
        links=STEPS,
        expressions={},
    ),
    Model(
        name="Horizons to depth maps",
        file="horizons_to_depth_maps.model3",
        help="Converts horizons to fixed depth intervals, trains one network for all of them, and predicts a map with"
        " one band per property and interval. The limits of the horizons are in cm. Open it in the Model Designer and"
        " save a copy to change steps.",
        children=("standardizedepths", "extractpatches", "trainnetwork", "predictmap"),
        inputs={
            "HORIZONS": "standardizedepths",
            "PROFILE": "standardizedepths",
            "UPPER": "standardizedepths",
            "LOWER": "standardizedepths",
            "VALUES": "standardizedepths",
            "INTERVALS": "standardizedepths",
            "COVARIATES": "extractpatches",
            "CATEGORICAL_COVARIATES": "extractpatches",
            "PRESET": "trainnetwork",
        },
        outputs={"Profiles with standard depths": ("standardizedepths", "OUTPUT", False), **TRAINED, **MAPS},
        links={"extractpatches": {"OBSERVATIONS": ("standardizedepths", "OUTPUT")}, **STEPS},
        expressions={"extractpatches": {"TARGETS": FIELDS_BY_DEPTH}},
    ),
)


def main() -> None:
    application = QgsApplication([], False)
    application.initQgis()
    provider = SoilCnnProvider()
    QgsApplication.processingRegistry().addProvider(provider)
    for model in MODELS:
        path = ROOT / "resources" / "models" / model.file
        if not build_model(model).toFile(str(path)):
            raise SystemExit(f"{path} could not be written.")
    application.exitQgis()


def build_model(model: Model) -> QgsProcessingModelAlgorithm:
    """Return the model: inputs stand on the left, steps in the middle, and on the right the outputs of each step."""
    made = QgsProcessingModelAlgorithm(model.name, "3 Map", "map")
    help_texts = {"ALG_DESC": model.help, "ALG_CREATOR": "Soil CNN"}
    for row, (name, child) in enumerate(model.inputs.items()):
        definition = algorithm(child).parameterDefinition(name).clone()
        help_texts[name] = definition.help()
        component = QgsProcessingModelParameter(name)
        component.setPosition(QPointF(160, 80 + 80 * row))
        component.setSize(BOX)
        made.addModelParameter(definition, component)
    top = 100.0
    for child_id in model.children:
        child, height = child_of(model, child_id, top)
        made.addChildAlgorithm(child)
        top += height
    made.setHelpContent(help_texts)
    made.setOutputGroup(model.name)
    made.setParameterOrder(list(model.inputs))
    made.updateDestinationParameters()
    return made


def child_of(model: Model, child_id: str, top: float) -> tuple[QgsProcessingModelChildAlgorithm, float]:
    """Return a step of the model, and the height that it and its outputs take."""
    child = QgsProcessingModelChildAlgorithm(f"soilcnn:{child_id}")
    child.setChildId(child_id)
    child.setDescription(algorithm(child_id).displayName())
    child.setPosition(QPointF(520, top))
    child.setSize(BOX)
    source = QgsProcessingModelChildParameterSource
    for name, owner in model.inputs.items():
        if owner == child_id:
            child.addParameterSources(name, [source.fromModelParameter(name)])
    for name, (other, output) in model.links.get(child_id, {}).items():
        child.addParameterSources(name, [source.fromChildOutput(other, output)])
    for name, expression in model.expressions.get(child_id, {}).items():
        child.addParameterSources(name, [source.fromExpression(expression)])
    outputs = outputs_of(model, child_id, top)
    child.setModelOutputs(outputs)
    return child, max(160.0, 70.0 * len(outputs) + 40)


def outputs_of(model: Model, child_id: str, top: float) -> dict[str, QgsProcessingModelOutput]:
    outputs: dict[str, QgsProcessingModelOutput] = {}
    for description, (owner, name, is_mandatory) in model.outputs.items():
        if owner == child_id:
            output = QgsProcessingModelOutput(description, description)
            output.setChildId(owner)
            output.setChildOutputName(name)
            output.setMandatory(is_mandatory)
            output.setPosition(QPointF(860, top + 70 * len(outputs)))
            output.setSize(BOX)
            outputs[description] = output
    return outputs


def algorithm(child_id: str):
    return QgsApplication.processingRegistry().algorithmById(f"soilcnn:{child_id}")


if __name__ == "__main__":
    main()
