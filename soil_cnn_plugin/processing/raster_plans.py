"""Plans for the rasters of a run: each target and depth is a layer of its own, in its colours and its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

from qgis.core import QgsRasterLayer

from ..contract.language import localized, tr
from .band_labels import FACTOR, Label, contribution_title, in_few_words, read_label, sentence_case
from .class_styles import class_names, colour_classes, has_classes, texture_title
from .interval_width import colour_pale, write_width
from .layer_plan import LayerPlan, style_of
from .layer_words import class_tip, number_tip, read_words
from .raster_styles import (
    UNCERTAINTY_RAMP,
    by_contribution,
    colour_contributions,
    colour_dissimilarity,
    colour_numbers,
    percentiles,
    ramp_for,
)

NUMBERS = {
    "PREDICTION": tr("predicted"),
    "MEDIAN": tr("median"),
    "LOWER": tr("lower limit"),
    "UPPER": tr("upper limit"),
    "STANDARD_DEVIATION": tr("standard deviation"),
}
CLASSES = ("PREDICTION", "CLASSES")
SHARES = {  # rasters of numbers from 0 to 1 -> ramp
    "PROBABILITIES": "mako_reversed",
    "CONFUSION_INDEX": "rocket_reversed",
    "EXCEEDANCE_PROBABILITY": "inferno_reversed",
}
_KINDS = ("PALE", *NUMBERS, "CLASSES", "CONFUSION_INDEX", "PROBABILITIES")
"""What a soil property has, from the top down."""
FIRST_PROPERTY = 10
"""The place of the first soil property in the run's group; points and hatching stand above it."""
_LATER = {"TEXTURE_CLASSES": 1000, "EXCEEDANCE_PROBABILITY": 1010, "DISSIMILARITY": 1020, "ATTRIBUTION": 1030}
_SHOWS = {
    "PREDICTION": tr("The predicted value of each pixel."),
    "MEDIAN": tr("The true value is as likely to lie above as below it."),
    "LOWER": tr("The lower end of the prediction interval: few true values lie below."),
    "UPPER": tr("The upper end of the prediction interval: few true values lie above."),
    "STANDARD_DEVIATION": tr("How far true values scatter around the prediction."),
    "PALE": tr("White over the pixels where the prediction interval is wide. Show it together with the prediction."),
    "CLASSES": tr("The most probable class of each pixel."),
    "CONFUSION_INDEX": tr("Near 0 the class is certain; near 1 two classes are equally probable."),
    "PROBABILITIES": tr("The probability of one class, from 0 to 1."),
    "EXCEEDANCE_PROBABILITY": tr("The probability that the value lies above the threshold, from 0 to 1."),
    "TEXTURE_CLASSES": tr("The texture class of the predicted sand, silt and clay."),
    "DISSIMILARITY": tr("How far each pixel lies from the observations. Do not trust the map above the threshold."),
    "ATTRIBUTION": tr("What one covariate adds to the prediction of each pixel."),
}


class RasterPlans:
    """The plans of a run, made from its results: output name -> path, and the threshold of dissimilarity."""

    def __init__(self, results: dict[str, Any]) -> None:
        self._results = results
        self._layers = {name: layer for name in _SHOWS if (layer := self._open(name)) is not None}
        self._labels = {
            name: [read_label(text) for text in _descriptions(layer)] for name, layer in self._layers.items()
        }
        named = [label for name in (*NUMBERS, "CLASSES", "CONFUSION_INDEX") for label in self._labels.get(name, [])]
        self.properties = list(dict.fromkeys(label.soil_property for label in named))
        self._depths = {
            name: {label.depth_cm for label in named if label.soil_property == name} for name in self.properties
        }

    @property
    def subject(self) -> str:
        """What the run maps, in few words; empty without a prediction."""
        labels = self._labels.get("PREDICTION", self._labels.get("CLASSES", []))
        return in_few_words(
            list(dict.fromkeys(label.soil_property if self._has_depths(label) else label.title for label in labels))
        )

    def labels(self) -> list[Label]:
        return [label for labels in self._labels.values() for label in labels]

    def plans(self) -> dict[str, list[LayerPlan]]:
        """Return path -> plans of its layers. The first raster of numbers decides the colours of its limits."""
        found: dict[str, list[LayerPlan]] = {}
        limits: dict[str, tuple[float, float]] = {}
        for name, layer in self._layers.items():
            if name in CLASSES and has_classes(layer):
                found[self._results[name]] = [self._of_class(layer, band) for band in _bands(layer)]
            elif name in NUMBERS:
                found[self._results[name]] = [self._of_number(name, layer, band, limits) for band in _bands(layer)]
            elif name in SHARES:
                found[self._results[name]] = [self._of_share(name, layer, band) for band in _bands(layer)]
            elif name == "TEXTURE_CLASSES" and has_classes(layer):
                found[self._results[name]] = [self._of_texture(layer, band) for band in _bands(layer)]
            elif name == "DISSIMILARITY" and "DISSIMILARITY_THRESHOLD" in self._results:
                found[self._results[name]] = [self._of_dissimilarity(layer)]
            elif name == "ATTRIBUTION":
                found[self._results[name]] = self._of_contributions(layer)
        return found

    def pale(self) -> list[LayerPlan]:
        """Write the width of the interval if both limits are there, and return plans that show it as paleness."""
        lower, upper = self._results.get("LOWER"), self._results.get("UPPER")
        path = write_width(lower, upper) if lower and upper else ""
        layer = QgsRasterLayer(path, "PALE", "gdal") if path else None
        if layer is None or not layer.isValid():
            return []
        plans = []
        for band, label in zip(_bands(layer), self._labels["UPPER"]):
            colour_pale(layer, band, percentiles(layer, band), label.unit)
            share = re.search(r"[\d.]+ %", label.kind)
            what = (
                tr("width of the {} interval (pale where wide)").format(localized(share[0]))
                if share
                else tr("width of the prediction interval (pale where wide)")
            )
            plans.append(self._plan("PALE", path, layer, band, label, what, is_shown=False))
        return plans

    def _of_number(
        self, name: str, layer: QgsRasterLayer, band: int, limits: dict[str, tuple[float, float]]
    ) -> LayerPlan:
        label = self._labels[name][band - 1]
        if name == "STANDARD_DEVIATION":
            colour_numbers(layer, UNCERTAINTY_RAMP, percentiles(layer, band), band)
        else:
            own = limits.setdefault(label.title, percentiles(layer, band))
            colour_numbers(layer, ramp_for(label.soil_property), own, band)
        return self._plan(
            name, self._results[name], layer, band, label, label.kind_in_words or NUMBERS[name], name == "PREDICTION"
        )

    def _of_class(self, layer: QgsRasterLayer, band: int) -> LayerPlan:
        name = next(name for name in self._class_rasters() if self._layers[name] is layer)
        colour_classes(layer, band)
        label = self._labels[name][band - 1]
        what, names = tr("most probable class"), class_names(layer, band)
        return self._plan("CLASSES", self._results[name], layer, band, label, what, is_shown=True, names=names)

    def _of_share(self, name: str, layer: QgsRasterLayer, band: int) -> LayerPlan:
        colour_numbers(layer, SHARES[name], (0.0, 1.0), band)
        text = _descriptions(layer)[band - 1]
        path = self._results[name]
        if name == "CONFUSION_INDEX":
            return self._plan(name, path, layer, band, self._labels[name][band - 1], tr("confusion index"), False)
        if name == "EXCEEDANCE_PROBABILITY":
            title = tr("Probability: {}").format(text.removesuffix(", probability"))
            group, order = tr("Probability of exceeding thresholds"), _LATER[name]
        else:
            _, is_named, name_of_class = text.partition("probability of ")
            title = tr("Probability of {}").format(name_of_class) if is_named else sentence_case(text)
            group, order = tr("Probabilities of the classes"), _LATER["TEXTURE_CLASSES"] - 1
        fields = [label.soil_property for each in self._class_rasters() for label in self._labels[each]]
        levels = self._levels(fields[0]) if name == "PROBABILITIES" and len(fields) == 1 else []
        is_alone = layer.bandCount() == 1
        if not is_alone:
            levels.append((group, order, True))
        return LayerPlan(
            path,
            title,
            str(band),
            groups=tuple(each for each, _, _ in levels),
            order=(*(each for _, each, _ in levels), order if is_alone else band),
            is_shown=(*(each for _, _, each in levels), False),
            style=style_of(layer),
            map_tip=number_tip(title, band),
            words=read_words(path, band, _SHOWS[name]),
        )

    def _of_texture(self, layer: QgsRasterLayer, band: int) -> LayerPlan:
        colour_classes(layer, band)
        path, title = self._results["TEXTURE_CLASSES"], texture_title(layer, band)
        depth = re.search(r"(\d[\d.]*)-(\d[\d.]*) cm", _descriptions(layer)[band - 1])
        is_alone = layer.bandCount() == 1
        return LayerPlan(
            path,
            title,
            str(band),
            groups=() if is_alone else (tr("Texture classes"),),
            order=(_LATER["TEXTURE_CLASSES"],) if is_alone else (_LATER["TEXTURE_CLASSES"], band),
            is_shown=(False,) if is_alone else (False, True),
            style=style_of(layer),
            depth_cm=(float(depth[1]), float(depth[2])) if depth else None,
            map_tip=class_tip(title, band, class_names(layer, band)),
            words=read_words(path, band, _SHOWS["TEXTURE_CLASSES"]),
        )

    def _of_dissimilarity(self, layer: QgsRasterLayer) -> LayerPlan:
        path, threshold = self._results["DISSIMILARITY"], float(self._results["DISSIMILARITY_THRESHOLD"])
        colour_dissimilarity(layer, threshold)
        title = tr("Dissimilarity index, applicable up to {:.3g}").format(threshold)
        return LayerPlan(
            path,
            title,
            "1",
            order=(_LATER["DISSIMILARITY"],),
            is_shown=(False,),
            style=style_of(layer),
            map_tip=number_tip(title, 1),
            words=read_words(path, 1, _SHOWS["DISSIMILARITY"]),
        )

    def _of_contributions(self, layer: QgsRasterLayer) -> list[LayerPlan]:
        """Plan a layer a covariate, the most important one on top and shown. All have one scale of colours."""
        path, names = self._results["ATTRIBUTION"], _descriptions(layer)
        is_factor, unit = FACTOR in names[0], read_label(names[0].partition(": ")[2]).unit
        bands, limit = by_contribution(layer)
        plans = []
        for order, band in enumerate(bands):
            colour_contributions(layer, band, limit, is_factor, unit)
            title = contribution_title(names[band - 1]) or tr("Contribution {}").format(band)
            plans.append(
                LayerPlan(
                    path,
                    title,
                    str(band),
                    groups=(tr("Contributions of the covariates"),),
                    order=(_LATER["ATTRIBUTION"], order),
                    is_shown=(True, order == 0),
                    is_expanded=order == 0,
                    style=style_of(layer),
                    map_tip=number_tip(title, band),
                    words=read_words(path, band, _SHOWS["ATTRIBUTION"]),
                )
            )
        return plans

    def _plan(
        self,
        kind: str,
        path: str,
        layer: QgsRasterLayer,
        band: int,
        label: Label,
        what: str,
        is_shown: bool,
        names: Optional[dict[int, str]] = None,
    ) -> LayerPlan:
        """Plan a layer below its soil property, if there are several, and with the others of its depths."""
        levels = self._levels(label.soil_property)
        height = _KINDS.index(kind) + (0 if levels else FIRST_PROPERTY)
        is_first = self.properties.index(label.soil_property) == 0
        depths = sorted(self._depths[label.soil_property], key=lambda depth: depth or (-1.0, -1.0))
        depth = depths.index(label.depth_cm)
        if len(depths) > 1:
            levels.append((what, height, is_shown))
        title = f"{sentence_case(label.labelled)}, {what}"
        words = read_words(self._results["UPPER"] if kind == "PALE" else path, band, _SHOWS[kind])
        tip = class_tip(title, band, names, words.accuracy) if names else number_tip(title, band, words.accuracy)
        leaf = (depth, True) if len(depths) > 1 else (height, is_shown)
        return LayerPlan(
            path,
            title,
            str(band),
            groups=tuple(name for name, _, _ in levels),
            order=(*(order for _, order, _ in levels), leaf[0]),
            is_shown=(*(shown for _, _, shown in levels), leaf[1]),
            is_expanded=is_shown and is_first and depth == 0,
            style=style_of(layer),
            depth_cm=label.depth_cm,
            map_tip=tip,
            kind=kind,
            words=words,
        )

    def _levels(self, soil_property: str) -> list[tuple[str, int, bool]]:
        """Return the group of a soil property, its height and whether it is shown: none where there is but one."""
        if len(self.properties) < 2:
            return []
        place = self.properties.index(soil_property)
        return [(sentence_case(soil_property), FIRST_PROPERTY + place, place == 0)]

    def _class_rasters(self) -> list[str]:
        return [name for name in CLASSES if name in self._layers and has_classes(self._layers[name])]

    def _has_depths(self, label: Label) -> bool:
        return len(self._depths.get(label.soil_property, ())) > 1

    def _open(self, name: str) -> Optional[QgsRasterLayer]:
        path = self._results.get(name, "")
        layer = QgsRasterLayer(path, name, "gdal") if path and Path(path).is_file() else None
        return layer if layer is not None and layer.isValid() else None


def _descriptions(layer: QgsRasterLayer) -> list[str]:
    return [layer.dataProvider().bandDescription(band) for band in _bands(layer)]


def _bands(layer: QgsRasterLayer) -> range:
    return range(1, layer.bandCount() + 1)
