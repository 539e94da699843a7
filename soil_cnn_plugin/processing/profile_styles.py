"""Style of profiles with standard depths: points coloured by the first value's uppermost interval."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Optional

from qgis.core import (
    QgsClassificationRange,
    QgsColorRamp,
    QgsGraduatedSymbolRenderer,
    QgsMarkerSymbol,
    QgsRendererRange,
    QgsVectorLayer,
)

from ..contract.language import localized
from ..contract.soil_property import SoilProperty
from .field_aliases import add_aliases

CLASSES = 5
_SHARE_SHOWN = 0.96  # of the values, the middle ones, for which the class limits are chosen


def colour_profiles(layer: QgsVectorLayer, path: str, ramp_for: Callable[[str], QgsColorRamp]) -> str:
    """Give the layer its aliases and colour it; return the title of the soil property shown, empty if none is.

    `ramp_for` returns the ramp of a soil property.
    """
    for index, field in enumerate(add_aliases(layer.fields(), path, None).toList()):
        if field.alias():
            layer.setFieldAlias(index, field.alias())
    names = [field.name() for field in layer.fields().toList() if field.isNumeric()]
    field = next((name for name in names if SoilProperty(name).depth_cm is not None), "")
    renderer = _renderer(layer, field, ramp_for(SoilProperty(field).name)) if field and layer.isSpatial() else None
    if renderer is None:
        return ""
    layer.setRenderer(renderer)
    return SoilProperty(field).title


def _renderer(layer: QgsVectorLayer, field: str, ramp: QgsColorRamp) -> Optional[QgsGraduatedSymbolRenderer]:
    """Return classes of equal width between round limits; None if all values are missing or equal."""
    index = layer.fields().indexOf(field)
    values = sorted(row[index] for row in layer.getFeatures() if isinstance(row[index], (int, float)))
    if not values or values[0] == values[-1]:
        return None
    cut = round((1 - _SHARE_SHOWN) / 2 * (len(values) - 1))
    low, high = (values[cut], values[-1 - cut]) if values[cut] < values[-1 - cut] else (values[0], values[-1])
    width = (high - low) / CLASSES
    digits = max(0, 1 - math.floor(math.log10(width)))
    limits = [round(low + step * width, digits) for step in range(1, CLASSES)]
    ranges = []
    for number in range(CLASSES):
        below = limits[number - 1] if number else values[0]
        above = limits[number] if number < CLASSES - 1 else values[-1]
        word = f"< {above:g}" if number == 0 else f"> {below:g}" if number == CLASSES - 1 else f"{below:g} - {above:g}"
        colour = ramp.color(number / (CLASSES - 1)).name()
        symbol = QgsMarkerSymbol.createSimple(
            {"name": "circle", "color": colour, "size": "2.4", "outline_color": "#404040", "outline_width": "0.2"}
        )
        ranges.append(QgsRendererRange(QgsClassificationRange(localized(word), below, above), symbol))
    return QgsGraduatedSymbolRenderer(f'"{field}"', ranges)
