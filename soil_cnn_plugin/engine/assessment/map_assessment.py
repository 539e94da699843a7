"""The assessment of a map by observations that it was not made from, and the design they were sampled by."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import AssessMap, Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.design_based import (
    Estimate,
    estimate_from_sample,
    estimate_mean,
    estimate_share,
)
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.map_values import BandFacts, read_band_facts
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.observations import Observations
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.targets.assessed import MeasuredTarget
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, interval_scores, is_inside, score


@dataclass(frozen=True)
class MapEstimates:
    """Design-based estimates for the whole map, by measure in the order of tables; `sentence` names the design."""

    by_measure: dict[str, Estimate]
    confidence: float
    sentence: str


@dataclass(frozen=True)
class MapAssessment:
    """The assessment of a map. `ids` (n,) and `coordinates` (n, 2) belong to the observations that were used; `dropped`
    counts the others by reason.

    `estimates` is None unless the observations are a probability sample; limits of `predicted` are NaN where the map
    has no interval.
    """

    target: MeasuredTarget
    predicted: HeldOut
    estimates: MapEstimates | None
    coverage: float
    ids: Rows
    coordinates: Array
    crs_name: str
    dropped: dict[str, int]
    map_name: str
    settings: dict[str, str]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def has_interval(self) -> bool:
        return bool(np.isfinite(self.predicted.lower).all())

    @property
    def main_scores(self) -> dict[str, float]:
        """Scores at the observations or, where the design gives them, of the whole map; unknown ones are left out."""
        scores = self.predicted.scores
        values = {"rmse": scores.rmse, "me": scores.me, "mec": scores.mec, "ccc": scores.ccc, "picp": scores.picp}
        for name, found in (self.estimates.by_measure if self.estimates else {}).items():
            if name.lower() in values:
                values[name.lower()] = found.value
        return {name: value for name, value in values.items() if value is not None and np.isfinite(value)}

    @property
    def inside(self) -> Flags:
        """Whether the observed value lies in its interval, (n,)."""
        return is_inside(self.target.observed, self.predicted.lower, self.predicted.upper)


def measure(soil_property: SoilProperty, observed: Array) -> MeasuredTarget:
    return MeasuredTarget(soil_property, np.arange(len(observed)), observed)


def predict(observed: Array, mean: Array, lower: Array, upper: Array, coverage: float) -> HeldOut:
    """The map's values and limits (n,) at the observations, with their scores; a map has no folds and no quantiles."""
    quantiles = np.full((len(observed), len(QUANTILE_LEVELS)), np.nan)
    return HeldOut(mean, lower, upper, quantiles, score(observed, mean, lower, upper, coverage), ())


def estimate(observed: Array, predicted: HeldOut, coverage: float, sample: ProbabilitySample) -> MapEstimates:
    """Estimate the whole map's accuracy from a sample. EngineError where the design does not fit the observations."""
    design = estimate_from_sample(observed, predicted.mean, strata=sample.strata, areas=sample.areas)
    by_measure = {"ME": design.me, "RMSE": design.rmse}
    if design.mec is not None:
        by_measure["MEC"] = design.mec
    lower, upper = predicted.lower, predicted.upper
    if np.isfinite(lower).all():
        inside = is_inside(observed, lower, upper)
        by_measure["PICP"] = estimate_share(inside, strata=sample.strata, areas=sample.areas)
        by_measure["Width"] = estimate_mean(upper - lower, strata=sample.strata, areas=sample.areas)
        scores = interval_scores(observed, lower, upper, coverage)
        by_measure["Interval score"] = estimate_mean(scores, strata=sample.strata, areas=sample.areas)
    return MapEstimates(by_measure, design.confidence, design.sentence)


def check_interval(job: AssessMap, mean: Array, lower: Array, upper: Array, notes: list[str]) -> None:
    """Raise EngineError where the lower limit is above the upper one; note values outside their own interval."""
    if job.lower is None or job.upper is None:
        return
    crossed = int((lower > upper).sum())
    if crossed:
        raise EngineError(
            f"The lower limit is above the upper one at {crossed} of {len(mean)} observations ({job.lower.path} and"
            f" {job.upper.path}, band {job.map.band}). Are the two rasters swapped, or of another soil property?"
        )
    beside = int(((mean < lower) | (mean > upper)).sum())
    if beside:
        notes.append(
            f"At {beside} of {len(mean)} observations the map's value lies outside its own interval. Check that the"
            " limits belong to this map and this band."
        )


def find_cautions(
    job: AssessMap, found: Observations, facts: BandFacts, dropped: Dropped, sample: ProbabilitySample | None
) -> list[str]:
    """Name, in sentences, what limits the worth of the assessment."""
    cautions = []
    if job.target.unit and facts.unit and job.target.unit != facts.unit:
        cautions.append(
            f"The unit of {job.target.field} is {job.target.unit}, but the map says {facts.unit}. If they are not the"
            " same quantity, the scores mean nothing."
        )
    _, counts = np.unique(found.coordinates, axis=0, return_counts=True)
    shared = int(counts[counts > 1].sum())
    if shared:
        cautions.append(
            f"{shared} observations share their coordinates with another one; they all count"
            + (", although a random sample hardly draws a place twice." if sample else ".")
        )
    lost = len(dropped.reasons)
    if sample and lost:
        cautions.append(
            f"The sample lost {lost} of its {lost + len(found)} observations. The estimates hold for the part of the"
            " area where the map has data, and as far as places without a usable value do not differ from the others."
        )
    return cautions


def map_settings(job: AssessMap, facts: BandFacts, grid: Grid, coverage: float, coverage_source: str) -> dict[str, str]:
    width, height = grid.cell_size
    settings = {
        "Observations": f"{Path(job.observations).stem}, field {job.target.field}",
        "Map": _band_in_words(job.map, facts.description),
        "Grid of the map": f"{grid.height} rows × {grid.width} columns of {width:g} × {height:g} {grid.unit},"
        f" {grid.crs_name}",
        "Values": "of the pixels that hold the observations, not interpolated",
    }
    if job.lower is not None and job.upper is not None:
        settings["Lower limit"] = _band_in_words(job.lower, read_band_facts(job.lower).description)
        settings["Upper limit"] = _band_in_words(job.upper, read_band_facts(job.upper).description)
        settings["Coverage of the interval"] = f"{coverage:g}, {coverage_source}"
    settings["Sample"] = job.sample
    if job.stratum:
        settings["Stratum, area of the stratum"] = f"fields {job.stratum}, {job.weight}"
    return settings


def _band_in_words(raster: Covariate, description: str) -> str:
    return f"{Path(raster.path).name}, band {raster.band}" + (f": {description}" if description else "")


@dataclass(frozen=True)
class ProbabilitySample:
    """A probability sample: a simple random one, or `strata` (n,) with the area of each."""

    strata: Sequence[Hashable] | None = None
    areas: Mapping[Hashable, float] | None = None


def read_probability_sample(
    job: AssessMap, layer: Layer, found: Observations, notes: list[str]
) -> ProbabilitySample | None:
    """Read the probability sample that the observations are; None when they are none.

    Areas come from all observations of the layer: a stratum whose observations were all dropped must not be forgotten.
    """
    if job.sample == "none":
        return None
    if job.sample == "simple":
        return ProbabilitySample()
    of_names = Notes()
    strata = read_names(layer, job.stratum, "stratum", of_names)
    notes += of_names.doubts
    sizes = read_numbers(layer, job.weight, "weight", notes)
    nameless = sum(name is None for name in strata[np.isin(layer.ids, found.ids)])
    if nameless:
        raise EngineError(
            f"{nameless} of {len(found)} observations of '{layer.name}' have no stratum (field {job.stratum}). Fill the"
            " field, or leave them out."
        )
    areas = _areas(strata, sizes, job, layer)
    name_of = dict(zip(layer.ids.tolist(), strata.tolist()))
    used = [name_of[identity] for identity in found.ids.tolist()]
    lost = [str(name) for name in areas if name not in set(used)]
    if lost:
        raise EngineError(
            f"All observations of stratum {', '.join(lost)} were dropped, so nothing can be said of that part of the"
            f" map. Filter '{layer.name}' to the other strata to assess the rest."
        )
    return ProbabilitySample(used, areas)


def _areas(strata: NDArray[np.object_], sizes: Array, job: AssessMap, layer: Layer) -> dict[Hashable, float]:
    """Area of each stratum, which all of its observations must give alike."""
    areas: dict[Hashable, float] = {}
    for name, size in zip(strata.tolist(), sizes.tolist()):
        if name is None:
            continue
        if areas.setdefault(name, size) != size and not (np.isnan(size) and np.isnan(areas[name])):
            raise EngineError(
                f"Stratum {name} has more than one area in the field {job.weight} of '{layer.name}': {areas[name]:g}"
                f" and {size:g}. The field must hold the area of the stratum, the same at all of its observations."
            )
    return areas
