"""The maps in the report: each target's prediction, the width of its interval, and where it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.rasters.class_names import class_colours
from soil_cnn_plugin.engine.reports.figures.map_pictures import Picture, applicable_picture, draw_maps
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure, Item, Paragraph, Section
from soil_cnn_plugin.engine.reports.words import by_depth, percent, sentence_case
from soil_cnn_plugin.engine.targets.assessed import ClassTarget, NumberTarget

_MOST_PIXELS = 300  # along the longer side: enough for a third of a page


def maps_section(predict: PredictMap, assessment: Assessment, threshold: float | str | None) -> list[Section]:
    """Return the section on the maps that `predict` has just made; `threshold` is that of the dissimilarity index."""
    rasters = {name: _Raster.read(path) for name, path in predict.output_paths().items() if name in _SHOWN}
    index = rasters.get("dissimilarity")
    applicable = applicable_picture(index.values[0], float(threshold)) if index and threshold is not None else None
    items: list[Item] = [Paragraph(tr("The maps lie in {}.").format(Path(predict.prediction).parent), "small")]
    for number, target in enumerate(by_depth(assessment.targets, lambda each: each.soil_property)):
        pictures = _of_classes(target, rasters) if isinstance(target, ClassTarget) else _of_number(target, rasters)
        if pictures:
            shown = [*pictures, *([applicable] if applicable else [])]
            svg = draw_maps(f"maps{number}", shown, rasters["prediction"].aspect)
            items.append(CaptionedFigure(svg, _caption(target, assessment.coverage, bool(applicable))))
    return [Section("maps", tr("Maps"), items)] if len(items) > 1 else []


_SHOWN = ("prediction", "lower", "upper", "classes", "confusion_index", "dissimilarity")


@dataclass(frozen=True)
class _Raster:
    """The bands (bands, h, w) of a raster in few pixels, NaN where there is nothing, with their names."""

    values: Array
    names: tuple[str, ...]
    aspect: float

    @classmethod
    def read(cls, path: str) -> _Raster:
        with rasterio.open(path) as dataset:
            step = max(1.0, max(dataset.shape) / _MOST_PIXELS)
            shape = tuple(max(1, round(length / step)) for length in dataset.shape)
            is_classes = dataset.dtypes[0] == "uint8"
            way = Resampling.nearest if is_classes else Resampling.average
            read = dataset.read(out_shape=(dataset.count, *shape), masked=True, resampling=way)
            width, height = dataset.res
            names = tuple(name or "" for name in dataset.descriptions)
        return cls(read.astype(np.float64).filled(np.nan), names, height / width)

    def band(self, label: str) -> Array | None:
        """Return the band of a target, by the beginning of its name."""
        found = [band for band, name in zip(self.values, self.names) if name == label or name.startswith(f"{label}, ")]
        return found[0] if found else None


def _of_number(target: NumberTarget, rasters: dict[str, _Raster]) -> list[Picture]:
    label, unit = target.soil_property.label, target.soil_property.unit
    predicted = rasters["prediction"].band(label)
    if predicted is None:
        return []
    pictures = [Picture(sentence_case(target.soil_property.title), predicted, unit)]
    if "lower" in rasters and "upper" in rasters:
        lower, upper = rasters["lower"].band(label), rasters["upper"].band(label)
        if lower is not None and upper is not None:
            pictures.append(Picture(tr("Width of the interval"), upper - lower, unit))
    return pictures


def _of_classes(target: ClassTarget, rasters: dict[str, _Raster]) -> list[Picture]:
    title = target.soil_property.title
    maps = [rasters[name].band(title) for name in ("classes", "prediction") if name in rasters]
    predicted = next((each for each in maps if each is not None), None)
    if predicted is None:
        return []
    colours = tuple(class_colours(len(target.classes)))
    pictures = [Picture(sentence_case(title), predicted, "", tuple(target.classes), colours)]
    confusion = rasters["confusion_index"].band(title) if "confusion_index" in rasters else None
    if confusion is not None:
        pictures.append(Picture(tr("Confusion index"), confusion))
    return pictures


def _caption(target: NumberTarget | ClassTarget, coverage: float, has_applicability: bool) -> str:
    title = sentence_case(target.soil_property.label)
    if isinstance(target, ClassTarget):
        text = tr(
            "{}: the most probable class, and the confusion index, near 1 where two classes are as probable."
        ).format(title)
    else:
        text = tr("{}: the prediction, and the width of its {} interval: the wider, the less certain.").format(
            title, percent(coverage)
        )
    beyond = tr(" Do not trust it where it is not applicable: the observations do not cover the conditions there.")
    return text + (beyond if has_applicability else "")
