"""The assessment of a map by observations that it was not made from, and the design they were sampled by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from soil_cnn_plugin.contract.jobs import AssessMap, Covariate
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.design_based import (
    Estimate,
    estimate_from_sample,
    estimate_mean,
    estimate_share,
)
from soil_cnn_plugin.engine.assessment.probability_sample import ProbabilitySample
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.map_values import BandFacts, read_band_facts
from soil_cnn_plugin.engine.observations.notes import share_in_words, span
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.point_layer import Dropped
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.targets.assessed import MeasuredTarget
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, interval_scores, is_inside, score

AT_LEAST, AT_MOST = "PICP, at least", "PICP, at most"
"""Bounds of the share inside the interval, where some values are only known to lie below a limit."""


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
    has no interval. Where `is_censored` (n,), the observed value is only known to be below. Below the detection
    `limits` (n,) no value is reported; they are minus infinity where there is none.
    """

    target: MeasuredTarget
    is_censored: Flags
    limits: Array
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
    def has_censored(self) -> bool:
        return bool(self.is_censored.any())

    @property
    def reported(self) -> Array:
        """What a laboratory would report where the map is right, (n,)."""
        return np.maximum(self.predicted.mean, self.limits)

    @property
    def inside(self) -> tuple[Flags, Flags]:
        """Whether the value is known to lie in its interval, and whether it may, (n,) each."""
        return find_inside(self.target.observed, self.predicted.lower, self.predicted.upper, self.is_censored)


def measure(soil_property: SoilProperty, observed: Array) -> MeasuredTarget:
    return MeasuredTarget(soil_property, np.arange(len(observed)), observed)


def find_inside(observed: Array, lower: Array, upper: Array, is_censored: Flags) -> tuple[Flags, Flags]:
    """Return whether a value surely lies in its interval, and whether it may, (n,) each. They differ for censored
    values alone, which lie anywhere from 0 to their limit."""
    inside = is_inside(observed, lower, upper)
    surely = np.where(is_censored, (lower <= 0) & (upper >= observed), inside)
    maybe = np.where(is_censored, (lower < observed) & (upper >= 0), inside)
    return surely, maybe


def predict(
    observed: Array, mean: Array, lower: Array, upper: Array, coverage: float, is_censored: Flags, limits: Array
) -> HeldOut:
    """Return the map's values and limits (n,) at the observations, with their scores; a map has no folds and no
    quantiles. Scores compare what a laboratory would report, except for the coverage, which is that of measured values,
    and the width."""
    quantiles = np.full((len(observed), len(QUANTILE_LEVELS)), np.nan)
    scores = score(observed, np.maximum(mean, limits), np.maximum(lower, limits), np.maximum(upper, limits), coverage)
    if np.isfinite(lower).all():
        inside = is_inside(observed, lower, upper)[~is_censored]
        scores = replace(scores, picp=float(inside.mean()), width=float(np.mean(upper - lower)))
    return HeldOut(mean, lower, upper, quantiles, scores, ())


def estimate(
    observed: Array, predicted: HeldOut, coverage: float, sample: ProbabilitySample, is_censored: Flags, limits: Array
) -> MapEstimates:
    """Estimate the whole map's accuracy from a sample. EngineError where the design does not fit the observations.

    Where values are censored, nobody knows which share of the area lies inside the interval: there are estimates of the
    least and the most, and of the part of the area where values can be measured.
    """
    mean, lower, upper = (np.maximum(each, limits) for each in (predicted.mean, predicted.lower, predicted.upper))
    design = estimate_from_sample(observed, mean, **sample.design)
    by_measure = {"ME": design.me, "RMSE": design.rmse}
    if design.mec is not None:
        by_measure["MEC"] = design.mec
    if np.isfinite(predicted.lower).all():
        inside = find_inside(observed, predicted.lower, predicted.upper, is_censored)
        by_measure["PICP"] = estimate_share(inside[0], among=~is_censored, **sample.design)
        if is_censored.any():
            for name, flags in zip((AT_LEAST, AT_MOST), inside):
                by_measure[name] = estimate_share(flags, **sample.design)
        by_measure["Width"] = estimate_mean(predicted.upper - predicted.lower, **sample.design)
        scores = interval_scores(observed, lower, upper, coverage)
        by_measure["Interval score"] = estimate_mean(scores, **sample.design)
    return MapEstimates(by_measure, design.confidence, design.sentence)


def tell_censored(assessment: MapAssessment, notes: list[str]) -> None:
    """Tell what scores say of values below detection limits, and what they do not."""
    is_censored, field = assessment.is_censored, assessment.target.soil_property.field
    if not is_censored.any():
        return
    count, limits = len(is_censored), assessment.target.observed[is_censored]
    notes.append(
        tr(
            "{} of {} values of {} ({}) lie below their detection limit ({}). Scores compare what a laboratory"
            " would report: below the limit, the limit itself, for observations and predictions alike. They do"
            " not tell how good the map is below the limits."
        ).format(
            is_censored.sum(),
            count,
            field,
            share_in_words(int(is_censored.sum()), count),
            span(limits.min(), limits.max()),
        )
    )
    if len(np.unique(limits)) > 1:
        notes.append(
            tr(
                "There are several limits, and nothing says which of them a measured value had: limits are"
                " dealt out to the measured values in the shares in which they occur."
            )
        )
    if assessment.has_interval:
        low, high = (float(flags.mean()) for flags in assessment.inside)
        notes.append(
            tr(
                "The coverage of the interval (PICP) is that of the {} measured values. Of all {} values, at"
                " least {:.1%} and at most {:.1%} lie inside: nobody knows where below its limit a value lies."
            ).format(count - is_censored.sum(), count, low, high)
        )


def check_interval(job: AssessMap, mean: Array, lower: Array, upper: Array, notes: list[str]) -> None:
    """Raise EngineError where the lower limit is above the upper one; note values outside their own interval."""
    if job.lower is None or job.upper is None:
        return
    crossed = int((lower > upper).sum())
    if crossed:
        raise EngineError(
            tr(
                "The lower limit is above the upper one at {} of {} observations ({} and {}, band {}). Are the"
                " two rasters swapped, or of another soil property?"
            ).format(crossed, len(mean), job.lower.path, job.upper.path, job.map.band)
        )
    beside = int(((mean < lower) | (mean > upper)).sum())
    if beside:
        notes.append(
            tr(
                "At {} of {} observations the map's value lies outside its own interval. Check that the limits"
                " belong to this map and this band."
            ).format(beside, len(mean))
        )


def find_cautions(job: AssessMap, found: Observations, facts: BandFacts, dropped: Dropped) -> list[str]:
    """Name, in sentences, what limits the worth of the assessment."""
    cautions, is_sample = [], job.sample != "none"
    if job.target.unit and facts.unit and job.target.unit != facts.unit:
        cautions.append(
            tr(
                "The unit of {} is {}, but the map says {}. If they are not the same quantity, the scores mean nothing."
            ).format(job.target.field, job.target.unit, facts.unit)
        )
    _, counts = np.unique(found.coordinates, axis=0, return_counts=True)
    shared = int(counts[counts > 1].sum())
    if shared:
        cautions.append(
            (
                tr(
                    "{} observations share their coordinates with another one; they all count, although a random sample"
                    " hardly draws a place twice."
                )
                if is_sample
                else tr("{} observations share their coordinates with another one; they all count.")
            ).format(shared)
        )
    lost = len(dropped.reasons)
    if is_sample and lost:
        cautions.append(
            tr(
                "The sample lost {} of its {} observations. The estimates hold for the part of the area where"
                " the map has data, provided that places without a usable value do not differ from the others."
            ).format(lost, lost + len(found))
        )
    return cautions


def map_settings(job: AssessMap, facts: BandFacts, grid: Grid, coverage: float, coverage_source: str) -> dict[str, str]:
    width, height = grid.cell_size
    settings = {
        "Observations": tr("{}, field {}").format(Path(job.observations).stem, job.target.field),
        "Map": _band_in_words(job.map, facts.description),
        "Grid of the map": tr("{} rows × {} columns of {:g} × {:g} {}, {}").format(
            grid.height, grid.width, width, height, grid.unit, grid.crs_name
        ),
        "Values": tr("of the pixels that hold the observations, not interpolated"),
    }
    if job.lower is not None and job.upper is not None:
        settings["Lower limit"] = _band_in_words(job.lower, read_band_facts(job.lower).description)
        settings["Upper limit"] = _band_in_words(job.upper, read_band_facts(job.upper).description)
        settings["Coverage of the interval"] = f"{localized(f'{coverage:g}')}, {coverage_source}"
    settings["Sample"] = job.sample
    if job.detection_limit:
        settings["Detection limits"] = tr("field {}").format(job.detection_limit)
    if job.stratum:
        settings["Stratum, area of the stratum"] = tr("fields {}, {}").format(job.stratum, job.weight)
    if job.inclusion:
        settings["Inclusion probability"] = tr("field {}").format(job.inclusion)
    return settings


def _band_in_words(raster: Covariate, description: str) -> str:
    return tr("{}, band {}").format(Path(raster.path).name, raster.band) + (f": {description}" if description else "")
