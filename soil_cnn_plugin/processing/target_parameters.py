"""Parameters that say what is mapped, and how well it was measured; and what a job is told of them."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    QgsFields,
    QgsProcessing,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterString,
)

from ..contract import jobs
from .inputs import Inputs
from .parameters import Parameter, Parameters, choice, explained
from .translation import tr


def observation_parameters() -> Parameters:
    """The points and what is mapped of them."""
    observations = QgsProcessingParameterFeatureSource(
        "OBSERVATIONS", tr("Observations"), [QgsProcessing.SourceType.TypeVectorPoint]
    )
    return [
        explained(
            observations,
            tr(
                "Points where soil properties were measured. A filter or a selection is honoured, and edits that are"
                " not saved yet are seen. At least 20 usable observations are needed."
            ),
        ),
        explained(
            _field("TARGETS", tr("Targets: soil properties to map, or a soil class"), is_many=True),
            tr(
                "Fields of the observations: soil properties, or one field of soil classes. Several properties are"
                " learned by one network together; an observation may lack some of them. A name like clay_5_15 is"
                " understood as clay from 5 to 15 cm depth. Numbers written as text are read, with point or comma; a"
                " less-than sign before a number says that the value lies below this detection limit. Empty only if"
                " a composition is chosen."
            ),
        ),
        explained(
            _field("COMPOSITION", tr("Composition: parts of a whole"), is_many=True),
            tr(
                "Fields that are parts of a whole, such as sand, silt and clay: in the map they are positive and sum to"
                " 100 in every pixel (or to 1 or 1000, as the observations do). They need not be listed under Targets"
                " too. Parts of several depths are told apart by their names, sand_0_5 and sand_5_15."
            ),
        ),
        explained(
            choice("TARGET_TYPE", tr("Target type"), jobs.ExtractPatches.TARGET_TYPES, jobs.ExtractPatches.target_type),
            tr(
                "auto: a text field of names holds soil classes, all others hold numbers. class: numbers are codes of"
                " soil classes, too, such as 3 for Luvisol. continuous: the targets are measured numbers."
            ),
        ),
    ]


def precision_parameters() -> Parameters:
    """How well the targets were measured, and what becomes of duplicates and rare classes."""
    return [
        explained(
            _field("DETECTION_LIMIT", tr("Detection limits"), is_many=True),
            tr(
                "Fields with the detection limit of a target: a value at or below it is only known to be below, and is"
                " learned as that. One field for each target, in their order, or named after it: copper_dl for"
                " copper. Where the limit is empty, the value was measured."
            ),
            advanced=True,
        ),
        explained(
            _field("ERROR", tr("Measurement errors"), is_many=True),
            tr(
                "Fields with the standard deviation of the measurement, in the unit of the target: what was measured"
                " worse counts less, such as spectroscopic among laboratory values. One field for each target, in their"
                " order, or named after it: clay_sd for clay."
            ),
            advanced=True,
        ),
        explained(
            _field("WEIGHT", tr("Weight")),
            tr(
                "Field that says how much an observation counts in training: 2 counts twice as much as 1, and 0 leaves"
                " it out."
            ),
            advanced=True,
        ),
        explained(
            choice("DUPLICATES", tr("Duplicates"), jobs.ExtractPatches.DUPLICATES, jobs.ExtractPatches.duplicates),
            tr(
                "Observations in the same pixel. keep: all are used, and stay together when some are held out. average:"
                " they become one with their mean, or their most frequent class."
            ),
            advanced=True,
        ),
        explained(
            choice(
                "RARE_CLASSES", tr("Rare classes"), jobs.ExtractPatches.RARE_CLASSES, jobs.ExtractPatches.rare_classes
            ),
            tr(
                "Soil classes of at most 5 observations, too few to learn and to assess. drop: they are left out, and"
                " the map does not show them. merge: together they become one class, other classes."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("UNITS", tr("Units"), optional=True),
            tr(
                "Units for legends and reports: mg/kg for all targets, or target by target as in zinc=mg/kg; ph=-"
                " (a hyphen: no unit). Empty: taken from a field's alias or comment such as Zinc (mg/kg)."
            ),
            advanced=True,
        ),
    ]


def target_values(inputs: Inputs, fields: QgsFields) -> dict[str, Any]:
    """What `jobs.ExtractPatches` is told of the targets."""
    return {
        "targets": inputs.targets("TARGETS", "UNITS", fields, also="COMPOSITION"),
        "target_type": inputs.choice("TARGET_TYPE"),
        "composition": inputs.fields("COMPOSITION", fields),
        "detection_limits": inputs.fields("DETECTION_LIMIT", fields),
        "errors": inputs.fields("ERROR", fields),
        "weight": inputs.field("WEIGHT", fields),
        "duplicates": inputs.choice("DUPLICATES"),
        "rare_classes": inputs.choice("RARE_CLASSES"),
    }


def _field(name: str, label: str, is_many: bool = False) -> Parameter:
    return QgsProcessingParameterField(
        name, label, parentLayerParameterName="OBSERVATIONS", allowMultiple=is_many, optional=True
    )
