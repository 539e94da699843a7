"""Parameters that say what is mapped and how well it was measured, and the fields of a job made from them."""

from __future__ import annotations

from typing import Any

from qgis.core import (
    Qgis,
    QgsFields,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterString,
)

from ..contract import jobs
from ..contract.language import tr
from .inputs import Inputs
from .parameters import Parameter, Parameters, choice, explained


def observation_parameters() -> Parameters:
    """Return the parameters for the points and the targets."""
    observations = QgsProcessingParameterFeatureSource(
        "OBSERVATIONS", tr("Observations"), [Qgis.ProcessingSourceType.VectorPoint]
    )
    return [
        explained(
            observations,
            tr(
                "Points where soil properties were measured. Filters, selections and unsaved edits are respected. At"
                " least 20 usable observations are needed."
            ),
        ),
        explained(
            _field("TARGETS", tr("What to map"), is_many=True, is_optional=False),
            tr(
                "Fields of the observations: soil properties, soil classes or both. One network learns all of them"
                " together; an observation may lack some of them. A name such as clay_5_15 means clay at a"
                " depth of 5 to 15 cm; an alias such as Copper, mg/kg tells the unit. Numbers may be written as text,"
                " with a decimal point or comma; a less-than sign before a number means that the value lies below this"
                " detection limit."
            ),
        ),
        explained(
            _field("COMPOSITION", tr("Parts of a whole, such as sand, silt and clay"), is_many=True),
            tr(
                "Fields to map that are parts of one whole. In the map they are positive and sum to 100 in every pixel"
                " (or to 1 or 1000, as in the observations). Their names, such as sand_0_5 and sand_5_15, tell the"
                " parts of different depths apart. Parts that are not listed under What to map are mapped, too."
            ),
            advanced=True,
        ),
        explained(
            _field("CLASS_TARGETS", tr("Fields of soil classes"), is_many=True),
            tr(
                "Fields to map whose numbers are codes of soil classes, such as 3 for Luvisol. Text fields of names are"
                " recognized as soil classes without this."
            ),
            advanced=True,
        ),
        explained(
            choice(
                "TARGET_TYPE",
                tr("What the fields to map hold"),
                jobs.ExtractPatches.TARGET_TYPES,
                jobs.ExtractPatches.target_type,
            ),
            tr(
                "auto: a text field of names holds soil classes; all other fields hold numbers. class: all targets are"
                " soil classes, and numbers are their codes, such as 3 for Luvisol. continuous: the targets are"
                " measured numbers."
            ),
            advanced=True,
        ),
    ]


def precision_parameters() -> Parameters:
    """Return the parameters for the precision of the targets, duplicates and rare classes."""
    return [
        explained(
            _field("DETECTION_LIMIT", tr("Detection limits"), is_many=True),
            tr(
                "Fields with the detection limits of the targets. A value at or below its limit is only known to lie"
                " below it, and is learned as such. Choose one field for each target, in the same order, or fields"
                " named after their targets, such as copper_dl for copper. Where the limit is empty, the value was"
                " measured."
            ),
            advanced=True,
        ),
        explained(
            _field("ERROR", tr("Measurement errors"), is_many=True),
            tr(
                "Fields with the standard deviation of the measurement, in the unit of the target. Less precise values,"
                " such as spectroscopic ones among laboratory values, count less. Choose one field for each target, in"
                " the same order, or fields named after their targets, such as clay_sd for clay."
            ),
            advanced=True,
        ),
        explained(
            _field("WEIGHT", tr("Weight")),
            tr(
                "Field that says how much an observation counts in training: 2 counts twice as much as 1, and 0"
                " excludes it."
            ),
            advanced=True,
        ),
        explained(
            choice("DUPLICATES", tr("Duplicates"), jobs.ExtractPatches.DUPLICATES, jobs.ExtractPatches.duplicates),
            tr(
                "What to do with observations in the same pixel. keep: all are used, and they are held out together."
                " average: they become one observation with their mean, or with their most frequent class."
            ),
            advanced=True,
        ),
        explained(
            choice(
                "RARE_CLASSES", tr("Rare classes"), jobs.ExtractPatches.RARE_CLASSES, jobs.ExtractPatches.rare_classes
            ),
            tr(
                "What to do with soil classes of at most 5 observations, too few to learn and to assess. drop: they are"
                " left out, and the map does not show them. merge: they are merged into one class, called other"
                " classes."
            ),
            advanced=True,
        ),
        explained(
            QgsProcessingParameterString("UNITS", tr("Units"), optional=True),
            tr(
                "Units for legends and reports: mg/kg for all targets, or target by target as in zinc=mg/kg; ph=- (a"
                " hyphen means no unit). Empty: taken from a field's alias or comment, such as Zinc (mg/kg) or Zinc,"
                " mg/kg."
            ),
            advanced=True,
        ),
    ]


def target_values(inputs: Inputs, fields: QgsFields) -> dict[str, Any]:
    """Return the fields of `jobs.ExtractPatches` that describe the targets."""
    return {
        "targets": inputs.targets("TARGETS", "UNITS", fields, also=("COMPOSITION", "CLASS_TARGETS")),
        "target_type": inputs.choice("TARGET_TYPE"),
        "composition": inputs.fields("COMPOSITION", fields),
        "class_targets": inputs.fields("CLASS_TARGETS", fields),
        "detection_limits": inputs.fields("DETECTION_LIMIT", fields),
        "errors": inputs.fields("ERROR", fields),
        "weight": inputs.field("WEIGHT", fields),
        "duplicates": inputs.choice("DUPLICATES"),
        "rare_classes": inputs.choice("RARE_CLASSES"),
    }


def _field(name: str, label: str, is_many: bool = False, is_optional: bool = True) -> Parameter:
    return QgsProcessingParameterField(
        name, label, parentLayerParameterName="OBSERVATIONS", allowMultiple=is_many, optional=is_optional
    )
