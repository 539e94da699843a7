"""Plans for the rasters of two maps compared: their difference, and where it is detectable."""

from __future__ import annotations

from typing import Any

from qgis.core import QgsPalettedRasterRenderer, QgsRasterLayer
from qgis.PyQt.QtGui import QColor

from ..contract.language import tr
from .layer_plan import LayerPlan, style_of
from .layer_words import class_tip, number_tip, read_words
from .raster_styles import CONTRIBUTION_RAMP, colour_numbers, colour_ramp, percentiles

_CLASSES = {1: tr("second map lower"), 2: tr("not detectable"), 3: tr("second map higher")}
_PLACES = {1: 0.2, 2: 0.5, 3: 0.8}  # in the ramp, of blue, nearly white and brown


def difference_plans(results: dict[str, Any]) -> dict[str, list[LayerPlan]]:
    """Return path -> plans, those of detectable differences above."""
    found = {}
    for height, name in enumerate(("DETECTABLE", "DIFFERENCE")):
        path = results.get(name, "")
        layer = QgsRasterLayer(path, name, "gdal") if path else None
        if layer is not None and layer.isValid():
            found[path] = [_detectable(layer, path, height) if name == "DETECTABLE" else _plan(layer, path, height)]
    return found


def _plan(layer: QgsRasterLayer, path: str, height: int) -> LayerPlan:
    """Show a difference with 0 in the middle of the ramp: blue below, brown above."""
    limit = max(map(abs, percentiles(layer)))
    colour_numbers(layer, CONTRIBUTION_RAMP, (-limit, limit))
    title = tr("Second map less first")
    words = read_words(path, 1, tr("The second map less the first."))
    return LayerPlan(path, title, order=(height,), style=style_of(layer), map_tip=number_tip(title, 1), words=words)


def _detectable(layer: QgsRasterLayer, path: str, height: int) -> LayerPlan:
    ramp, title = colour_ramp(CONTRIBUTION_RAMP), tr("Detectable difference")
    classes = [
        QgsPalettedRasterRenderer.Class(value, QColor(ramp.color(_PLACES[value])), label)
        for value, label in _CLASSES.items()
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, classes))
    words = read_words(path, 1, tr("Where two maps differ by more than their intervals leave in doubt."))
    tip = class_tip(title, 1, _CLASSES)
    return LayerPlan(path, title, order=(height,), style=style_of(layer), map_tip=tip, words=words)
