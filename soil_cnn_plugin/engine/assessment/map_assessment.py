"""A map against observations that it was not made from: scores at them and, of a probability sample, of the map."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.assessment import MeasuredTarget
from soil_cnn_plugin.engine.assessment.design_based import (
    Estimate,
    estimate_from_sample,
    estimate_mean,
    estimate_share,
)
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, interval_scores, is_inside, score


@dataclass(frozen=True)
class ProbabilitySample:
    """A probability sample: a simple random one, or `strata` (n,) with the area of each."""

    strata: Sequence[Hashable] | None = None
    areas: Mapping[Hashable, float] | None = None


@dataclass(frozen=True)
class MapEstimates:
    """Design-based estimates for the whole map: measure -> estimate, in the order of tables; which design, in words."""

    by_measure: dict[str, Estimate]
    confidence: float
    sentence: str


@dataclass(frozen=True)
class MapAssessment:
    """`ids` (n,) and `coordinates` (n, 2) of the observations that were used; `dropped` counts the others by reason.

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
    def inside(self) -> Flags:
        """(n,) whether the observed value lies in its interval."""
        return is_inside(self.target.observed, self.predicted.lower, self.predicted.upper)


def measure(soil_property: SoilProperty, observed: Array) -> MeasuredTarget:
    return MeasuredTarget(soil_property, np.arange(len(observed)), observed)


def predict(observed: Array, mean: Array, lower: Array, upper: Array, coverage: float) -> HeldOut:
    """The map's values and limits (n,) at the observations, with their scores; a map has no folds and no quantiles."""
    quantiles = np.full((len(observed), len(QUANTILE_LEVELS)), np.nan)
    return HeldOut(mean, lower, upper, quantiles, score(observed, mean, lower, upper, coverage), ())


def estimate(observed: Array, predicted: HeldOut, coverage: float, sample: ProbabilitySample) -> MapEstimates:
    """Raises EngineError where the design does not fit the observations."""
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
