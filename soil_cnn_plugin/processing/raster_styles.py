"""Colours of rasters: ramps by soil property, their limits from percentiles, and the legend of dissimilarity."""

from __future__ import annotations

import math
import re
from array import array

from qgis.core import (
    Qgis,
    QgsColorRamp,
    QgsColorRampLegendNodeSettings,
    QgsColorRampShader,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from ..contract.language import localized, tr

# Perceptually uniform: viridis, magma, inferno, plasma, cividis of matplotlib; mako, rocket of seaborn; at equal steps.
RAMPS = {
    "viridis": "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725",
    "magma": "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf",
    "inferno_reversed": "fcffa4 f6d746 fca50a f37819 dd513a bc3754 932667 6a176e 420a68 160b39 000004",
    "plasma": "0d0887 41049d 6a00a8 8f0da4 b12a90 cc4778 e16462 f2844b fca636 fcce25 f0f921",
    "cividis": "00224e 083370 35456c 4f576c 666970 7d7c78 948e77 aea371 c8b866 e5cf52 fee838",
    "mako": "0b0405 26172a 382a54 414082 395d9c 357ba3 3498a9 3eb4ad 62cfac aae1bd def5e5",
    "rocket_reversed": "faebdd f7c6a7 f69e75 f3714d e8403e cb1b4f a21a5b 761f58 4c1d4b 261534 03051a",
    "mako_reversed": "def5e5 aae1bd 62cfac 3eb4ad 3498a9 357ba3 395d9c 414082 382a54 26172a 0b0405",
}
_METALS = (
    "zn|zinc|cu|copper|pb|lead|cd|cadmium|ni|nickel|cr|chromium|as|arsenic|hg|mercury|co|cobalt|mn|manganese"
    "|sb|antimony|fe|iron|al|alumini?um|mo|molybdenum|v|vanadium|u|uranium"
)
_RAMP_BY_PROPERTY = (  # the first pattern that matches a word of the property's name decides
    (_METALS, "inferno_reversed"),
    ("soc|oc|toc|som|om|org|organic|carbon|corg|humus|peat|stock|socs?d?", "rocket_reversed"),
    ("clay|silt|sand|texture|gravel|coarse|lutum|tone?", "cividis"),
    ("ph|phh2o|phcacl2|phkcl|acidity", "plasma"),
    ("awc|water|moisture|wetness|swc|fc|pwp|theta", "mako_reversed"),
    ("n|tn|nitrogen|p|phosphorus|k|potassium|mg|magnesium|ca|calcium|cec|fertility", "magma"),
)
UNCERTAINTY_RAMP = "mako"
CONTRIBUTION_RAMP = "contributions"
_DIVERGING = {  # blue below 0, brown above
    CONTRIBUTION_RAMP: "004e92 356ea6 6690bb 94b0ce c4d2e1 f3f3f3 decac2 c8a494 b07d66 995839 803100",
}
_DISSIMILARITY = (  # up to this many thresholds, colour: two families that colour-blind readers can tell apart, too
    (0.25, "e3f1ee"),
    (0.5, "b5dcd4"),
    (0.75, "7fc0b5"),
    (1.0, "4a9f93"),
    (1.5, "e8a33d"),
    (2.0, "cf6f1c"),
    (math.inf, "96380b"),
)
LOW_SHARE, HIGH_SHARE = 0.02, 0.98
SAMPLED_CELLS = 250_000


def colour_numbers(layer: QgsRasterLayer, ramp: str, limits: tuple[float, float], band: int = 1) -> None:
    """Colour a band by a ramp between two limits."""
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), band)
    renderer.setClassificationMin(limits[0])
    renderer.setClassificationMax(limits[1])
    renderer.createShader(
        colour_ramp(ramp), Qgis.ShaderInterpolationMethod.Linear, QgsColorRampShader.ClassificationMode.Continuous
    )
    layer.setRenderer(renderer)


def colour_dissimilarity(layer: QgsRasterLayer, threshold: float) -> None:
    """Show applicable and not applicable pixels in two families of colours, and name them in the legend."""
    items, below = [], 0.0
    for share, colour in _DISSIMILARITY:
        limit = share * threshold
        kind = tr("applicable") if share <= 1 else tr("not applicable")
        span = tr("above {:.3g}").format(below) if math.isinf(limit) else localized(f"{below:.3g} - {limit:.3g}")
        items.append(QgsColorRampShader.ColorRampItem(limit, QColor(f"#{colour}"), f"{kind}: {span}"))
        below = limit
    function = QgsColorRampShader(0.0, 2 * threshold, None, QgsColorRampShader.Type.Discrete)
    function.setColorRampItemList(items)
    shader = QgsRasterShader()
    shader.setRasterShaderFunction(function)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader)
    renderer.setClassificationMin(0.0)
    renderer.setClassificationMax(2 * threshold)
    layer.setRenderer(renderer)


def by_contribution(layer: QgsRasterLayer) -> tuple[list[int], float]:
    """Return the bands, the most important covariate first, and the limit of the colours that all of them share."""
    sizes = {band: _mean_size(_sample(layer, band)) for band in range(1, layer.bandCount() + 1)}
    bands = sorted(sizes, key=lambda band: -sizes[band])
    return bands, max(map(abs, percentiles(layer, bands[0])))


def colour_contributions(layer: QgsRasterLayer, band: int, limit: float, is_factor: bool, unit: str) -> None:
    """Show the contributions of a covariate, with 0 in the middle of the ramp. The legend names the factors that
    logarithms stand for, or the unit."""
    colour_numbers(layer, CONTRIBUTION_RAMP, (-limit, limit), band)
    shader = layer.renderer().shader().rasterShaderFunction()
    settings = QgsColorRampLegendNodeSettings(shader.legendSettings())
    if is_factor:
        settings.setUseContinuousLegend(False)
        items = shader.colorRampItemList()
        shader.setColorRampItemList(
            [QgsColorRampShader.ColorRampItem(item.value, item.color, _factor(item.value)) for item in items]
        )
    elif unit:
        settings.setSuffix(f" {unit}")
    shader.setLegendSettings(settings)


def _factor(logarithm: float) -> str:
    """Return `× 1.35` for 0.3."""
    return localized(f"× {math.exp(logarithm):.3g}") if logarithm < 700 else f"× e^{logarithm:.0f}"


def _mean_size(values: list[float]) -> float:
    return sum(map(abs, values)) / len(values) if values else 0.0


def ramp_for(soil_property: str) -> str:
    words = set(re.split(r"[^a-z0-9]+", soil_property.lower()))
    for pattern, ramp in _RAMP_BY_PROPERTY:
        if any(re.fullmatch(pattern, word) for word in words):
            return ramp
    return "viridis"


def colour_ramp(name: str) -> QgsColorRamp:
    colours = [QColor(f"#{code}") for code in (RAMPS | _DIVERGING)[name].split()]
    step = 1 / (len(colours) - 1)
    stops = [QgsGradientStop(index * step, colour) for index, colour in enumerate(colours)][1:-1]
    return QgsGradientColorRamp(colours[0], colours[-1], False, stops)


def percentiles(layer: QgsRasterLayer, band: int = 1) -> tuple[float, float]:
    """Return the 2 % and 98 % percentiles of a band, never equal, so that a ramp fits between them.

    They come from the values themselves: QGIS's `cumulativeCut` counts in bins, and one extreme value puts all others
    into one bin.
    """
    values = sorted(_sample(layer, band))
    if not values:
        return 0.0, 1.0
    low, high = (values[round(share * (len(values) - 1))] for share in (LOW_SHARE, HIGH_SHARE))
    low, high = _outward(low, high)
    if low == high:
        margin = abs(low) * 0.01 or 1.0
        low, high = low - margin, low + margin
    return low, high


def _outward(low: float, high: float) -> tuple[float, float]:
    """Round both limits away from each other, to a tenth of their distance's power of ten, for a readable legend."""
    if low == high:
        return low, high
    digits = 1 - math.floor(math.log10(high - low))
    step = 10.0**-digits
    # Round first: 0.97 as float32 is a little above 0.97.
    lowest, highest = math.floor(round(low / step, 4)), math.ceil(round(high / step, 4))
    return round(lowest * step, max(digits, 0)), round(highest * step, max(digits, 0))


def _sample(layer: QgsRasterLayer, band: int) -> list[float]:
    """Return a band's values without missing ones, from a coarser grid if the raster is large."""
    step = max(1.0, math.sqrt(layer.width() * layer.height() / SAMPLED_CELLS))
    width, height = max(1, int(layer.width() / step)), max(1, int(layer.height() / step))
    block = layer.dataProvider().block(band, layer.extent(), width, height)
    block.convert(Qgis.DataType.Float64)
    values = array("d")
    values.frombytes(bytes(block.data()))
    return [value for index, value in enumerate(values) if math.isfinite(value) and not block.isNoData(index)]
