"""How points with residuals look: classes symmetric around zero, from too low through right to too high."""

from __future__ import annotations

from pathlib import Path

from qgis.core import (
    QgsClassificationRange,
    QgsGraduatedSymbolRenderer,
    QgsMarkerSymbol,
    QgsRendererRange,
    QgsVectorLayer,
)

from .translation import tr

# Blue, white, brown of equal lightness steps (vik, Crameri 2018): too low, right, too high.
_COLOURS = ("00406f", "5b96b8", "ece5e0", "c98a63", "782004")
_SIZES = (2.8, 2.2, 1.8, 2.2, 2.8)  # mm: large residuals are seen first
_SHARE_SHOWN = 0.98  # of the residuals inside the outermost limits that the classes are made for


def write_residual_style(path: str) -> str:
    """Write a .qml beside a point layer, for its first field of residuals; its path, empty where there is none."""
    layer = QgsVectorLayer(path, "residuals", "ogr")
    fields = [field.name() for field in layer.fields() if field.name().endswith("residual")]
    if not layer.isValid() or not fields:
        return ""
    index = layer.fields().indexOf(fields[0])
    sizes = sorted(abs(feature[index]) for feature in layer.getFeatures() if isinstance(feature[index], (int, float)))
    if not sizes or sizes[-1] == 0:
        return ""
    layer.setRenderer(_renderer(fields[0], sizes[round(_SHARE_SHOWN * (len(sizes) - 1))] or sizes[-1]))
    qml = str(Path(path).with_suffix(".qml"))
    layer.saveNamedStyle(qml)
    return qml


def _renderer(field: str, outermost: float) -> QgsGraduatedSymbolRenderer:
    step = float(f"{outermost / 2:.1g}")
    limits = [-float("1e30"), -1.5 * step, -0.5 * step, 0.5 * step, 1.5 * step, float("1e30")]
    words = (tr("far too low"), tr("too low"), tr("about right"), tr("too high"), tr("far too high"))
    ranges = []
    for number, (colour, size, word) in enumerate(zip(_COLOURS, _SIZES, words)):
        low, high = limits[number], limits[number + 1]
        span = f"< {high:g}" if number == 0 else f"> {low:g}" if number == len(words) - 1 else f"{low:g} - {high:g}"
        symbol = QgsMarkerSymbol.createSimple(
            {"name": "circle", "color": f"#{colour}", "size": str(size), "outline_color": "#404040"}
        )
        label = f"{span} ({word})"
        ranges.append(QgsRendererRange(QgsClassificationRange(label, low, high), symbol))
    return QgsGraduatedSymbolRenderer(f'"{field}"', ranges)
