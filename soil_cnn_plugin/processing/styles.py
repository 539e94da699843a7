"""Results in QGIS: the name, group and style of each layer, and a .qml beside each raster."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
)

from .area_styles import write_area_style
from .class_styles import colour_classes, has_classes, texture_title, write_right_and_wrong_style
from .plan_styles import PLAN_TITLE, write_plan_style
from .point_styles import write_problem_style, write_residual_style
from .profile_styles import write_profile_style
from .project_layers import free_group_name, place_in_group, reload_layers
from .raster_styles import (
    UNCERTAINTY_RAMP,
    colour_contributions,
    colour_detectable,
    colour_difference,
    colour_dissimilarity,
    colour_numbers,
    colour_ramp,
    percentiles,
    ramp_for,
)
from .translation import tr

KINDS = {
    "PREDICTION": tr("predicted"),
    "MEDIAN": tr("median"),
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
    "DIFFERENCE",
    "DETECTABLE",
    "ATTRIBUTION",
    "DISSIMILARITY",
    *SHARES,
    "TEXTURE_CLASSES",
    "STANDARD_DEVIATION",
    "UPPER",
    "LOWER",
    "MEDIAN",
    "CLASSES",
    "PREDICTION",
)  # from the bottom, below points
VECTOR_NAMES = {
    "AREAS": tr("Summarized areas"),
    "HELD_OUT": tr("Held-out predictions"),
    "DROPPED": tr("Observations not used"),
    "PROBLEMS": tr("Problems"),
    "RESIDUALS": tr("Residuals of the map"),
    "PAIRS": tr("Pairs at the observations"),
}


def write_assessed_style(path: str) -> str:
    """Write the style of residuals, or of correct and wrong classes; return its path."""
    return write_residual_style(path) or write_right_and_wrong_style(path)


_VECTOR_STYLES = {
    "AREAS": write_area_style,
    "HELD_OUT": write_assessed_style,
    "PROBLEMS": write_problem_style,
    "RESIDUALS": write_assessed_style,
    "PAIRS": write_assessed_style,
}


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
        colour_numbers(layer, ramp, percentiles(layer) if is_spread or limits is None else limits)
        _finish(layer, results[name], layer_title(labels, bands[0][1] or kind), group, context, name)
    for name, (title, ramp) in SHARES.items():
        layer = QgsRasterLayer(results.get(name, ""), name, "gdal")
        if layer.isValid():
            colour_numbers(layer, ramp, (0.0, 1.0))
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
    _dress_differences(results, group, context)
    if "IMPORTANCE" in results:
        _announce(results["IMPORTANCE"], tr("Importance of the covariates"), group, "", context, len(ORDER))
    if "OUTPUT" in results:
        qml, shown = write_profile_style(results["OUTPUT"], lambda soil_property: colour_ramp(ramp_for(soil_property)))
        title = tr("Standard depths: {}").format(shown) if shown else tr("Standard depths")
        _announce(results["OUTPUT"], title, group, qml, context, len(ORDER))
    if "PLAN" in results:
        qml = write_plan_style(results["PLAN"], colour_ramp)
        _announce(results["PLAN"], PLAN_TITLE, group, qml, context, len(ORDER))
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
    layer = QgsRasterLayer(path, "DISSIMILARITY", "gdal")
    if layer.isValid():
        colour_dissimilarity(layer, threshold)
        title = tr("Dissimilarity index, applicable up to {:.3g}").format(threshold)
        _finish(layer, path, title, group, context, "DISSIMILARITY")


def _dress_contributions(path: str, group: str, context: QgsProcessingContext) -> None:
    layer = QgsRasterLayer(path, "ATTRIBUTION", "gdal")
    if layer.isValid():
        name = layer.dataProvider().bandDescription(1)
        band = colour_contributions(layer, _FACTOR in name, _split_unit(name)[1])
        shown = layer.dataProvider().bandDescription(band)
        title = tr("Contributions of the covariates ({})").format(shown) if shown else tr("Contributions")
        _finish(layer, path, title, group, context, "ATTRIBUTION")


def _dress_differences(results: dict[str, Any], group: str, context: QgsProcessingContext) -> None:
    """Dress the rasters of two maps compared: the difference around 0, and where it is detectable."""
    for name, title, colour in (
        ("DIFFERENCE", tr("Second map less first"), colour_difference),
        ("DETECTABLE", tr("Detectable difference"), colour_detectable),
    ):
        layer = QgsRasterLayer(results.get(name, ""), name, "gdal")
        if layer.isValid():
            colour(layer)
            _finish(layer, results[name], title, group, context, name)


_FACTOR = ": ln of the factor on "  # in the bands' names, where contributions are logarithms


def layer_title(labels: list[str], kind: str) -> str:
    """Return `Zinc (mg/kg), predicted` or `Zinc (mg/kg), copper (mg/kg) and 3 more, predicted`."""
    text = _in_few_words(labels)
    is_plain = text[:1].islower() and not re.match(r"p[hH]\b", text)
    return f"{text[:1].upper() + text[1:] if is_plain else text}, {kind}"


def _in_few_words(labels: list[str]) -> str:
    shown = labels if len(labels) <= 3 else [*labels[:2], tr("{} more").format(len(labels) - 2)]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} {tr('and')} {shown[-1]}"


def _split_kind(description: str) -> tuple[str, str]:
    """Split a band's description into the soil property's label and the kind: `zinc (mg/kg), lower 90 % limit`."""
    match = re.match(r"^(?P<label>.*?)(?:, (?P<kind>(?:lower|upper) .*limit|standard deviation|median))?$", description)
    return (match["label"], match["kind"] or "") if match else (description, "")


def _split_unit(label: str) -> tuple[str, str]:
    """Split `clay 5-15 cm (%)` into (`clay 5-15 cm`, `%`)."""
    match = re.match(r"^(?P<title>.*?)(?: \((?P<unit>[^()]*)\))?$", label)
    return (match["title"], match["unit"] or "") if match else (label, "")


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
    """Show replaced files anew and choose the run's group. Call it in the main thread, before results are loaded."""
    project = context.project()
    if project is None:
        return
    loading = [path for path in paths if context.willLoadLayerOnCompletion(path)]
    groups = {path: context.layerToLoadOnCompletionDetails(path).groupName or "" for path in loading}
    free = {name: free_group_name(project, name, paths) for name in set(groups.values()) if name}
    for path, name in groups.items():
        context.layerToLoadOnCompletionDetails(path).groupName = free.get(name, name)
    reload_layers(project, paths)


class Dresser(QgsProcessingLayerPostProcessorInterface):
    """Gives a loaded layer its style and its place in the group of its run."""

    def __init__(self, path: str, qml: str, height: int) -> None:
        super().__init__()
        self._path, self._qml, self._height = path, qml, height

    def postProcessLayer(  # type: ignore[override]  # QGIS always gives a layer
        self, layer: QgsMapLayer, context: QgsProcessingContext, feedback: object
    ) -> None:
        if self._qml:
            layer.loadNamedStyle(self._qml)
            layer.triggerRepaint()
        project = context.project()
        if project is not None and context.willLoadLayerOnCompletion(self._path):
            group = context.layerToLoadOnCompletionDetails(self._path).groupName  # a model may have chosen another
            place_in_group(project, layer, group or "", self._height)
        if self in _KEPT:
            _KEPT.remove(self)


_KEPT: list[Dresser] = []
"""Holds post-processors, because Python must keep each one until QGIS has called it."""
