"""Styles of points: residuals from too low to too high, and problems by their severity."""

from __future__ import annotations

from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsClassificationRange,
    QgsFeatureRequest,
    QgsGraduatedSymbolRenderer,
    QgsMarkerSymbol,
    QgsRendererCategory,
    QgsRendererRange,
    QgsVectorLayer,
)

from ..contract.language import localized, tr

# Blue, white, brown of equal lightness steps (vik, Crameri 2018): too low, right, too high.
_COLOURS = ("00406f", "5b96b8", "ece5e0", "c98a63", "782004")
_SIZES = (2.8, 2.2, 1.8, 2.2, 2.8)  # mm: large residuals stand out
_SEVERITIES = (  # word, label, colour, shape, mm; the gravest are drawn on top
    ("repair", tr("to repair"), "a3303a", "diamond", 3.0),
    ("check", tr("to check"), "e08e1b", "triangle", 2.8),
    ("note", tr("good to know"), "8a9099", "circle", 1.8),
)
_SHARE_SHOWN = 0.98  # of the residuals, by size, for which the class limits are chosen


def colour_residuals(layer: QgsVectorLayer, field: str) -> bool:
    """Colour points from too low to too high; return whether there is a residual that is not 0."""
    index = layer.fields().indexOf(field)
    sizes = sorted(abs(feature[index]) for feature in layer.getFeatures() if isinstance(feature[index], (int, float)))
    if not sizes or sizes[-1] == 0:
        return False
    layer.setRenderer(_renderer(field, sizes[round(_SHARE_SHOWN * (len(sizes) - 1))] or sizes[-1]))
    return True


def colour_problems(layer: QgsVectorLayer) -> None:
    """Show problems by their severity, the gravest on top."""
    categories = []
    for word, label, colour, shape, size in _SEVERITIES:
        symbol = QgsMarkerSymbol.createSimple(
            {"name": shape, "color": f"#{colour}", "size": str(size), "outline_color": "#ffffff"}
        )
        categories.append(QgsRendererCategory(word, symbol, label))
    renderer = QgsCategorizedSymbolRenderer("severity", categories)
    grave_last = "CASE WHEN \"severity\" = 'repair' THEN 2 WHEN \"severity\" = 'check' THEN 1 ELSE 0 END"
    renderer.setOrderBy(QgsFeatureRequest.OrderBy([QgsFeatureRequest.OrderByClause(grave_last, True)]))
    renderer.setOrderByEnabled(True)
    layer.setRenderer(renderer)
    layer.setDisplayExpression('"sentence"')
    layer.setMapTipTemplate('<b>[% "problem" %]</b><br>[% "sentence" %]')


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
        label = f"{localized(span)} ({word})"
        ranges.append(QgsRendererRange(QgsClassificationRange(label, low, high), symbol))
    return QgsGraduatedSymbolRenderer(f'"{field}"', ranges)
