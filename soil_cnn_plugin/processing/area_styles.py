"""The style of summarized areas: the first mean, or class's share, from low to high; hatched where unknown."""

from __future__ import annotations

from qgis.core import (
    QgsColorRamp,
    QgsFeatureRequest,
    QgsFillSymbol,
    QgsRuleBasedRenderer,
    QgsVectorLayer,
)

from ..contract.language import localized, tr
from .raster_styles import colour_ramp, ramp_for

_CLASSES = 5
_DARKEST, _LIGHTEST = 0.1, 0.95  # of a ramp; its ends hide outlines
_OUTLINE = {"outline_color": "#4a4f57", "outline_width": "0.25"}
_ENDINGS = ("_mean", "_share")
_NO_ANSWERS = ("mapped_share", "applicable_share")


def colour_areas(layer: QgsVectorLayer) -> str:
    """Colour the layer by its first answer, small areas on top; return a map tip, empty if it holds no answers."""
    names = [field.name() for field in layer.fields().toList()]
    told = [name for ending in _ENDINGS for name in names if name.endswith(ending) and name not in _NO_ANSWERS]
    if not told:
        return ""
    shown = told[0]
    index = layer.fields().indexOf(shown)
    values = sorted(row[index] for row in layer.getFeatures() if isinstance(row[index], (int, float)))
    title = shown.rsplit("_", 1)[0]
    layer.setRenderer(_renderer(shown, values, colour_ramp(ramp_for(title))))
    value, lower, upper = (f'[% round("{name}", 3) %]' for name in (shown, f"{title}_lower", f"{title}_upper"))
    return f"<b>{title}</b>: {value} ({tr('{} to {}').format(lower, upper)})"


def _renderer(field: str, values: list[float], ramp: QgsColorRamp) -> QgsRuleBasedRenderer:
    """Return classes of equally many areas, and hatching for areas without an answer."""
    root = QgsRuleBasedRenderer.Rule(QgsFillSymbol())
    root.setSymbol(None)
    edges = _edges(values)
    for number, (low, high) in enumerate(zip(edges, edges[1:])):
        place = _DARKEST + (_LIGHTEST - _DARKEST) * number / max(len(edges) - 2, 1)
        symbol = QgsFillSymbol.createSimple({"color": ramp.color(place).name(), **_OUTLINE})
        is_last = number == len(edges) - 2
        rule = f'"{field}" >= {low!r} AND "{field}" {"<=" if is_last else "<"} {high!r}'
        label = localized(f"{low:.4g} - {high:.4g}" if low < high else f"{low:.4g}")
        root.appendChild(QgsRuleBasedRenderer.Rule(symbol, filterExp=rule, label=label))
    hatched = QgsFillSymbol.createSimple({"style": "b_diagonal", "color": "#9aa0a8", **_OUTLINE})
    unknown = QgsRuleBasedRenderer.Rule(hatched, label=tr("not mapped"))
    unknown.setIsElse(True)
    root.appendChild(unknown)
    renderer = QgsRuleBasedRenderer(root)
    renderer.setOrderBy(QgsFeatureRequest.OrderBy([QgsFeatureRequest.OrderByClause("area($geometry)", False)]))
    renderer.setOrderByEnabled(True)
    return renderer


def _edges(values: list[float]) -> list[float]:
    """Return the borders of classes; a single value makes a class of its own, no value none."""
    if not values:
        return []
    count = min(_CLASSES, len(set(values)))
    places = [values[min(round(number * (len(values) - 1) / count), len(values) - 1)] for number in range(count + 1)]
    edges = list(dict.fromkeys(places))
    return edges if len(edges) > 1 else [edges[0], edges[0]]
