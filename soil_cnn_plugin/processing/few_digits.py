"""Numbers of a result in tables and map tips: four significant digits, whatever the file holds."""

from __future__ import annotations

import math
from collections.abc import Callable

from qgis.core import QgsEditorWidgetSetup, QgsVectorLayer
from qgis.PyQt.QtCore import QMetaType

_DIGITS = 4
_MOST_DECIMALS = 12


def show_few_digits(layer: QgsVectorLayer, is_ours: Callable[[str], bool]) -> None:
    """Let QGIS show the decimal numbers of fields whose names are `is_ours` with few digits; others stay as they are.

    The precision is that of the field's widget, which styles keep and `represent_value` follows.
    """
    for index, field in enumerate(layer.fields().toList()):
        if field.type() == QMetaType.Type.Double and is_ours(field.name()):
            decimals = _decimals(layer.minimumAndMaximumValue(index))
            layer.setEditorWidgetSetup(index, QgsEditorWidgetSetup("Range", {"Precision": decimals}))


def _decimals(limits: tuple[object, object]) -> int:
    """Return the decimals that show so many digits of the number farthest from 0."""
    largest = max((abs(each) for each in limits if isinstance(each, (int, float)) and math.isfinite(each)), default=0.0)
    return min(_MOST_DECIMALS, max(0, _DIGITS - 1 - math.floor(math.log10(largest)))) if largest else 0
