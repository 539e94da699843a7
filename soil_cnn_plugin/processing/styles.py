"""Styles of results: ramps by soil property, class limits from percentiles, names, and a .qml beside each raster."""

from __future__ import annotations

import math
import re
from array import array
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    Qgis,
    QgsColorRamp,
    QgsColorRampShader,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
    QgsRasterShader,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from .class_styles import colour_classes, has_classes, texture_title, write_right_and_wrong_style
from .point_styles import write_problem_style, write_residual_style
from .profile_styles import write_profile_style
from .project_layers import free_group_name, place_in_group, reload_layers
from .translation import tr

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
KINDS = {
    "PREDICTION": tr("predicted"),
    "LOWER": tr("lower limit"),
    "UPPER": tr("upper limit"),
    "STANDARD_DEVIATION": tr("standard deviation"),
    "CLASSES": tr("most probable class"),
}
SHARES = {  # rasters of numbers from 0 to 1 -> title and ramp
    "PROBABILITIES": (tr("Probabilities of the classes"), "mako_reversed"),
    "CONFUSION_INDEX": (tr("Confusion index"), "rocket_reversed"),
    "EXCEEDANCE_PROBABILITY": (tr("Probability of exceeding thresholds"), "inferno_reversed"),
}
ORDER = (
    "DISSIMILARITY",
    *SHARES,
    "TEXTURE_CLASSES",
    "STANDARD_DEVIATION",
    "UPPER",
    "LOWER",
    "CLASSES",
    "PREDICTION",
)  # from the bottom, below points
VECTOR_NAMES = {
    "HELD_OUT": tr("Held-out predictions"),
    "DROPPED": tr("Observations not used"),
    "PROBLEMS": tr("Problems"),
    "RESIDUALS": tr("Residuals of the map"),
}


def write_held_out_style(path: str) -> str:
    """Write the style of residuals, or of correct and wrong classes; return its path."""
    return write_residual_style(path) or write_right_and_wrong_style(path)


_VECTOR_STYLES = {
    "HELD_OUT": write_held_out_style,
    "PROBLEMS": write_problem_style,
    "RESIDUALS": write_residual_style,
}
LOW_SHARE, HIGH_SHARE = 0.02, 0.98
SAMPLED_CELLS = 250_000


def dress(results: dict[str, Any], context: QgsProcessingContext) -> None:
    """Write a .qml beside each raster of a run, and give the layers that QGIS will load a name, a group and a style."""
    limits: Optional[tuple[float, float]] = None
    group = tr("Soil CNN")
    for name, kind in KINDS.items():
        if name not in results:
            continue
        layer = QgsRasterLayer(results[name], name, "gdal")
        if not layer.isValid():
            continue
        bands = [_split_kind(layer.dataProvider().bandDescription(band + 1)) for band in range(layer.bandCount())]
        labels = [label for label, _ in bands]
        if has_classes(layer):
            if name == "PREDICTION":
                group = tr("Soil map: {}").format(labels[0])
            colour_classes(layer)
            _finish(layer, results[name], layer_title(labels, tr("most probable class")), group, context, name)
            continue
        if name == "PREDICTION":
            limits = percentiles(layer)
            group = tr("Soil map: {}").format(_in_few_words([_split_unit(label)[0] for label in labels]))
        is_spread = name == "STANDARD_DEVIATION"
        ramp = UNCERTAINTY_RAMP if is_spread else ramp_for(_split_unit(labels[0])[0])
        _colour(layer, ramp, percentiles(layer) if is_spread or limits is None else limits)
        _finish(layer, results[name], layer_title(labels, bands[0][1] or kind), group, context, name)
    for name, (title, ramp) in SHARES.items():
        layer = QgsRasterLayer(results.get(name, ""), name, "gdal")
        if layer.isValid():
            _colour(layer, ramp, (0.0, 1.0))
            if name == "EXCEEDANCE_PROBABILITY":
                title = _threshold_title(layer)
            _finish(layer, results[name], title, group, context, name)
    texture = QgsRasterLayer(results.get("TEXTURE_CLASSES", ""), "TEXTURE_CLASSES", "gdal")
    if texture.isValid() and has_classes(texture):
        colour_classes(texture)
        _finish(texture, results["TEXTURE_CLASSES"], texture_title(texture), group, context, "TEXTURE_CLASSES")
    if "DISSIMILARITY" in results and "DISSIMILARITY_THRESHOLD" in results:
        _dress_dissimilarity(results["DISSIMILARITY"], results["DISSIMILARITY_THRESHOLD"], group, context)
    if "ATTRIBUTION" in results:
        _dress_contributions(results["ATTRIBUTION"], group, context)
    if "IMPORTANCE" in results:
        _announce(results["IMPORTANCE"], tr("Importance of the covariates"), group, "", context, len(ORDER))
    if "OUTPUT" in results:
        qml, shown = write_profile_style(results["OUTPUT"], lambda soil_property: colour_ramp(ramp_for(soil_property)))
        title = tr("Standard depths: {}").format(shown) if shown else tr("Standard depths")
        _announce(results["OUTPUT"], title, group, qml, context, len(ORDER))
    for name, title in VECTOR_NAMES.items():
        if name in results:
            write_style = _VECTOR_STYLES.get(name)
            qml = write_style(results[name]) if write_style else ""
            _announce(results[name], title, group, qml, context, len(ORDER))


def _threshold_title(layer: QgsRasterLayer) -> str:
    """Return `Probability: copper > 150 mg/kg` for the band that is shown, and the number of further bands."""
    shown = layer.dataProvider().bandDescription(1).removesuffix(", probability")
    more = tr(" and {} more").format(layer.bandCount() - 1) if layer.bandCount() > 1 else ""
    return f"{tr('Probability: {}').format(shown)}{more}"


def _dress_dissimilarity(path: str, threshold: float, group: str, context: QgsProcessingContext) -> None:
    """Show applicable and not applicable pixels in two families of colours, and name them in the legend."""
    layer = QgsRasterLayer(path, "DISSIMILARITY", "gdal")
    if not layer.isValid():
        return
    items, below = [], 0.0
    for share, colour in _DISSIMILARITY:
        limit = share * threshold
        kind = tr("applicable") if share <= 1 else tr("not applicable")
        span = tr("above {:.3g}").format(below) if math.isinf(limit) else f"{below:.3g} - {limit:.3g}"
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
    qml = str(Path(path).with_suffix(".qml"))
    layer.saveNamedStyle(qml)
    title = tr("Dissimilarity index, applicable up to {:.3g}").format(threshold)
    _announce(path, title, group, qml, context, ORDER.index("DISSIMILARITY"))


def _dress_contributions(path: str, group: str, context: QgsProcessingContext) -> None:
    """Show the contributions of the first covariate, with 0 in the middle of the ramp."""
    layer = QgsRasterLayer(path, "ATTRIBUTION", "gdal")
    if not layer.isValid():
        return
    limit = max(map(abs, percentiles(layer)))
    _colour(layer, CONTRIBUTION_RAMP, (-limit, limit))
    qml = str(Path(path).with_suffix(".qml"))
    layer.saveNamedStyle(qml)
    _announce(path, tr("Contributions of the covariates"), group, qml, context, 0)


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


def layer_title(labels: list[str], kind: str) -> str:
    """Return `Zinc (mg/kg), predicted` or `Zinc (mg/kg), copper (mg/kg) and 3 more, predicted`."""
    text = _in_few_words(labels)
    is_plain = text[:1].islower() and not re.match(r"p[hH]\b", text)
    return f"{text[:1].upper() + text[1:] if is_plain else text}, {kind}"


def _in_few_words(labels: list[str]) -> str:
    shown = labels if len(labels) <= 3 else [*labels[:2], tr("{} more").format(len(labels) - 2)]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {tr('and')} {shown[-1]}"


def _sample(layer: QgsRasterLayer, band: int) -> list[float]:
    """Return a band's values without missing ones, from a coarser grid if the raster is large."""
    step = max(1.0, math.sqrt(layer.width() * layer.height() / SAMPLED_CELLS))
    width, height = max(1, int(layer.width() / step)), max(1, int(layer.height() / step))
    block = layer.dataProvider().block(band, layer.extent(), width, height)
    block.convert(Qgis.DataType.Float64)
    values = array("d")
    values.frombytes(bytes(block.data()))
    return [value for index, value in enumerate(values) if math.isfinite(value) and not block.isNoData(index)]


def _split_kind(description: str) -> tuple[str, str]:
    """Split a band's description into the soil property's label and the kind: `zinc (mg/kg), lower 90 % limit`."""
    match = re.match(r"^(?P<label>.*?)(?:, (?P<kind>(?:lower|upper) .*limit|standard deviation))?$", description)
    return (match["label"], match["kind"] or "") if match else (description, "")


def _split_unit(label: str) -> tuple[str, str]:
    """Split `clay 5-15 cm (%)` into (`clay 5-15 cm`, `%`)."""
    match = re.match(r"^(?P<title>.*?)(?: \((?P<unit>[^()]*)\))?$", label)
    return (match["title"], match["unit"] or "") if match else (label, "")


def _colour(layer: QgsRasterLayer, ramp: str, limits: tuple[float, float]) -> None:
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1)
    renderer.setClassificationMin(limits[0])
    renderer.setClassificationMax(limits[1])
    renderer.createShader(
        colour_ramp(ramp), Qgis.ShaderInterpolationMethod.Linear, QgsColorRampShader.ClassificationMode.Continuous
    )
    layer.setRenderer(renderer)


def _finish(layer: QgsRasterLayer, path: str, title: str, group: str, context: QgsProcessingContext, name: str) -> None:
    """Save a raster's style beside it and announce both to Processing."""
    qml = str(Path(path).with_suffix(".qml"))
    layer.saveNamedStyle(qml)
    _announce(path, title, group, qml, context, ORDER.index(name))


def _announce(path: str, title: str, group: str, qml: str, context: QgsProcessingContext, height: int) -> None:
    """Tell Processing how to load a result; a greater `height` puts it further up. Headless runs load nothing."""
    if not context.willLoadLayerOnCompletion(path):
        return
    details = context.layerToLoadOnCompletionDetails(path)
    details.name = title
    details.groupName = group
    details.layerSortKey = height
    dresser = Dresser(path, qml, height)
    _KEPT.append(dresser)
    details.setPostProcessor(dresser)


def settle(paths: list[str], context: QgsProcessingContext) -> None:
    """Before the results are loaded, in the main thread: show replaced files anew, and choose the run's group."""
    project = context.project()
    if project is None:
        return
    loading = [path for path in paths if context.willLoadLayerOnCompletion(path)]
    groups = {path: context.layerToLoadOnCompletionDetails(path).groupName for path in loading}
    free = {name: free_group_name(project, name, paths) for name in set(groups.values()) if name}
    for path, name in groups.items():
        context.layerToLoadOnCompletionDetails(path).groupName = free.get(name, name)
    reload_layers(project, paths)


class Dresser(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer its style, and its place in the group of its run."""

    def __init__(self, path: str, qml: str, height: int) -> None:
        super().__init__()
        self._path, self._qml, self._height = path, qml, height

    def postProcessLayer(self, layer: Optional[QgsMapLayer], context: QgsProcessingContext, feedback: object) -> None:
        if self._qml:
            layer.loadNamedStyle(self._qml)
            layer.triggerRepaint()
        if context.project() is not None and context.willLoadLayerOnCompletion(self._path):
            group = context.layerToLoadOnCompletionDetails(self._path).groupName  # a model may have chosen another
            place_in_group(context.project(), layer, group, self._height)
        if self in _KEPT:
            _KEPT.remove(self)


_KEPT: list[Dresser] = []
"""Holds post-processors, because Python must keep each one until QGIS has called it."""
