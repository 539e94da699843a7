"""Style of a sampling plan: points by their stratum or order, labelled by their place along the way."""

from __future__ import annotations

from typing import Optional

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsClassificationRange,
    QgsColorRamp,
    QgsFeatureRenderer,
    QgsGraduatedSymbolRenderer,
    QgsMarkerSymbol,
    QgsPalLayerSettings,
    QgsRendererCategory,
    QgsRendererRange,
    QgsTextBufferSettings,
    QgsTextFormat,
    QgsVectorLayer,
    QgsVectorLayerSimpleLabeling,
)
from qgis.PyQt.QtGui import QColor

from ..contract.language import tr
from .raster_styles import colour_ramp

_WORDS = {
    "walk": tr("place along the way"),
    "order": tr("order"),
    "stratum": tr("stratum"),
    "inclusion": tr("inclusion probability"),
    "longitude": tr("longitude"),
    "latitude": tr("latitude"),
}
_MOST_CLASSES = 5
_MOST_STRATA = 30


def colour_plan(layer: QgsVectorLayer) -> str:
    """Colour and label the points of a plan; return a map tip, empty if the layer is no plan."""
    names = layer.fields().names()
    if "walk" not in names:
        return ""
    by_stratum = _by_stratum(layer, colour_ramp("viridis"))
    layer.setRenderer(by_stratum or _by_order(layer.featureCount(), colour_ramp("mako")))
    _label(layer)
    shown = [(name, word) for name, word in _WORDS.items() if name in names]
    rows = "".join(f'<tr><td>{word}</td><td>[% "{name}" %]</td></tr>' for name, word in shown)
    return f"<table>{rows}</table>"


def _by_stratum(layer: QgsVectorLayer, ramp: QgsColorRamp) -> Optional[QgsFeatureRenderer]:
    index = layer.fields().indexOf("stratum")
    names = sorted(map(str, layer.uniqueValues(index))) if index >= 0 else []
    if not 1 < len(names) <= _MOST_STRATA:
        return None
    categories = []
    for number, name in enumerate(names):
        colour = ramp.color(number / (len(names) - 1)).name().lstrip("#")
        categories.append(QgsRendererCategory(name, _symbol(colour), name))
    return QgsCategorizedSymbolRenderer("stratum", categories)


def _by_order(count: int, ramp: QgsColorRamp) -> QgsFeatureRenderer:
    """Return equal classes of the order, dark to light: the first ones stand out."""
    classes = min(_MOST_CLASSES, count)
    limits = [round(count * step / classes) for step in range(classes + 1)]
    ranges = []
    for number, (below, above) in enumerate(zip(limits, limits[1:])):
        first = below + 1
        label = f"{_WORDS['order']} {first}" if first == above else f"{_WORDS['order']} {first} - {above}"
        colour = ramp.color(0.1 + 0.75 * number / max(1, classes - 1)).name().lstrip("#")
        ranges.append(QgsRendererRange(QgsClassificationRange(label, below + 0.5, above + 0.5), _symbol(colour)))
    return QgsGraduatedSymbolRenderer("order", ranges)


def _symbol(colour: str) -> QgsMarkerSymbol:
    return QgsMarkerSymbol.createSimple(  # type: ignore[return-value]  # None only of properties that make no symbol
        {"name": "circle", "color": f"#{colour}", "size": "2.8", "outline_color": "#ffffff", "outline_width": "0.3"}
    )


def _label(layer: QgsVectorLayer) -> None:
    """Label the points with their place along the way."""
    text, halo = QgsTextFormat(), QgsTextBufferSettings()
    halo.setEnabled(True)
    halo.setSize(0.7)
    halo.setColor(QColor("#ffffff"))
    text.setSize(8)
    text.setColor(QColor("#22262b"))
    text.setBuffer(halo)
    settings = QgsPalLayerSettings()
    settings.fieldName = "walk"
    settings.placement = Qgis.LabelPlacement.OrderedPositionsAroundPoint
    settings.dist = 0.6
    settings.setFormat(text)
    layer.setLabeling(QgsVectorLayerSimpleLabeling(settings))
    layer.setLabelsEnabled(True)
