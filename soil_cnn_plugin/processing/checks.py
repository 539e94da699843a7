"""Explains what is wrong with a parameter's value, because Processing itself says no more than "incorrect"."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
)

from ..contract.language import tr
from .fields import no_field

Definitions = list[QgsProcessingParameterDefinition]


def find_problem(definitions: Definitions, parameters: dict[str, Any], context: QgsProcessingContext) -> Optional[str]:
    """Return a sentence about the first value that Processing would refuse; None if there is nothing to say."""
    names = {definition.name() for definition in definitions}
    if {"TARGETS", "COMPOSITION"} <= names and not parameters.get("TARGETS"):
        return no_field("TARGETS")
    for definition in definitions:
        value = parameters.get(definition.name())
        if value in (None, "") or isinstance(value, (list, tuple)):
            continue
        if not definition.checkValueIsAcceptable(value, context):
            rule = _rule(definition)
            if rule:
                return tr("{} is {}; it must be {}.").format(definition.name(), value, rule)
    return None


def _rule(definition: QgsProcessingParameterDefinition) -> str:
    if isinstance(definition, QgsProcessingParameterFile) and definition.extension():
        return tr("a file whose name ends in .{}").format(definition.extension())
    if isinstance(definition, QgsProcessingParameterEnum):
        return tr("one of: {}").format(", ".join(map(repr, definition.options())))
    if isinstance(definition, QgsProcessingParameterNumber):
        is_whole = definition.dataType() == QgsProcessingParameterNumber.Type.Integer
        kind = tr("a whole number") if is_whole else tr("a number")
        lowest, highest = definition.minimum(), definition.maximum()
        above = tr(" of at least {:g}").format(lowest) if lowest > -_UNBOUNDED else ""
        below = tr(" and at most {:g}").format(highest) if highest < _UNBOUNDED else ""
        return f"{kind}{above}{below}"
    return ""


_UNBOUNDED = 1e300
"""Processing uses the largest float where an algorithm sets no bound."""
