"""Maps of soil classes: the most probable class, the probability of each, and how little they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.targets.kinds import ClassOutcome
from soil_cnn_plugin.engine.training.network_file import NetworkDescription

OF_CLASSES = ("probabilities", "confusion_index")
OF_NUMBERS = ("lower", "upper", "standard_deviation", "exceedance_probability", "texture_classes")


def check_kind(job: PredictMap, classes: Sequence[str], source: str) -> None:
    """Raises EngineError when a raster is wanted that the targets cannot give; `source` begins the sentence that says
    what they are: `n.safetensors predicts`."""
    wanted = [name.upper() for name in (OF_NUMBERS if classes else OF_CLASSES) if getattr(job, name)]
    if not wanted:
        return
    listed = f"{' and '.join(wanted)} {'are' if len(wanted) > 1 else 'is'}"
    if classes:
        raise EngineError(
            f"{source} {len(classes)} classes, but {listed} of numbers. Leave"
            f" {'them' if len(wanted) > 1 else 'it'} empty; how sure the map is tell PROBABILITIES and CONFUSION_INDEX."
        )
    raise EngineError(
        f"{source} numbers, but {listed} of soil classes. Leave {'them' if len(wanted) > 1 else 'it'} empty;"
        " how sure the map is tell LOWER, UPPER and STANDARD_DEVIATION."
    )


def class_values(description: NetworkDescription, location: Array, wanted: set[str]) -> dict[str, Array]:
    """Output name -> (bands, h, w), from the mixed probabilities (K, h, w), NaN where nothing is predicted."""
    (outcome,) = description.outcomes
    if not isinstance(outcome, ClassOutcome):
        return {}
    probabilities = outcome.probabilities(location)
    values = {"probabilities": probabilities}
    if "prediction" in wanted:
        most = np.nan_to_num(probabilities, nan=0.0).argmax(axis=0) + 1.0
        values["prediction"] = np.where(np.isfinite(probabilities[0]), most, np.nan)[None]
    if "confusion_index" in wanted:
        values["confusion_index"] = confusion_index(probabilities)[None]
    return {name: array for name, array in values.items() if name in wanted}


def confusion_index(probabilities: Array) -> Array:
    """(h, w) from (K, h, w): 1 - (highest - second highest), 0 where one class is sure, 1 where two are alike (Burrough
    et al. 1997, 10.1016/S0016-7061(97)00018-9)."""
    second, first = np.partition(probabilities, -2, axis=0)[-2:]
    return np.asarray(1 - (first - second))


def open_class_output(
    name: str, path: str, tags: Mapping[str, str], description: NetworkDescription, grid: Grid
) -> RasterFile:
    (target,), classes = description.targets, description.classes
    if name == "prediction":
        return RasterFile(path, grid, [target.title], [""], tags, classes)
    if name == "confusion_index":
        return RasterFile(path, grid, [f"{target.title}, confusion index"], [""], tags)
    return RasterFile(path, grid, [f"probability of {each}" for each in classes], [""] * len(classes), tags)
