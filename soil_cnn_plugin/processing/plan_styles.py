"""Style of a sampling plan: points by their stratum or order, labelled by their place along the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
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

from .translation import tr

_MOST_CLASSES = 5
_MOST_STRATA = 30
_PLAIN = "1b6896"


def write_plan_style(path: str, ramp: Callable[[str], QgsColorRamp]) -> str:
    """Write a .qml beside the point layer of a plan; return its path, empty if the layer is none. `ramp` returns the
    colours of a name."""
    layer = QgsVectorLayer(path, "plan", "ogr")
    if not layer.isValid() or layer.fields().indexOf("walk") < 0:
        return ""
    renderer = _by_stratum(layer, ramp("viridis")) or _by_order(layer.featureCount(), ramp("mako"))
    layer.setRenderer(renderer)
    _label(layer)
    layer.setDisplayExpression("\"walk\" || ' (' || \"order\" || ')'")
    qml = str(Path(path).with_suffix(".qml"))
    layer.saveNamedStyle(qml)
    return qml


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
        label = str(first) if first == above else f"{first} - {above}"
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


PLAN_TITLE = tr("Sampling plan (labels: walking order)")
