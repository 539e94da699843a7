"""Targets that are numbers, each learned by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.blending import learn_weights
from soil_cnn_plugin.engine.targets.calibration import Calibration, calibrate
from soil_cnn_plugin.engine.targets.distributions import (
    NUMBERS_IN_WORDS,
    RMSE,
    NumberPredictions,
    assess_numbers,
    layers_of,
    number_bands,
    number_spreads,
    numbers_as_known,
)
from soil_cnn_plugin.engine.targets.kinds import Band, Given, Kind, LearnedAs, MapRequest
from soil_cnn_plugin.engine.targets.learned import NUMBERS, Columns, Learned
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.targets.scales import (
    TargetScale,
    choose_transform,
    fit_scale,
    transform_in_words,
    upper_bound,
)


@dataclass(frozen=True)
class NumberKind:
    """One number. `transform` is empty until one is chosen."""

    target: int
    soil_property: SoilProperty
    transform: str = ""

    measure = RMSE
    score_type = Scores
    fold_words = ("RMSE", tr("mean"))
    error_names = ("RMSE",)
    offers = ("prediction", "median", "lower", "upper", "standard_deviation", "exceedance_probability")
    is_measured_as = NUMBERS_IN_WORDS

    @property
    def targets(self) -> tuple[int, ...]:
        return (self.target,)

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.soil_property.field,)

    @property
    def transforms(self) -> tuple[str, ...]:
        return (self.transform,)

    def on_scale(self, wanted: str, measured: TargetValues) -> NumberKind:
        return replace(self, transform=choose_transform(wanted, measured.values[:, 0], self.soil_property))

    def scale_in_words(self, wanted: str, measured: TargetValues) -> tuple[str, str]:
        return transform_in_words(wanted, measured.values[:, 0], self.soil_property)

    def in_words(self) -> list[str]:
        return [tr("{} (scale: {})").format(self.soil_property.label, self.transform)]

    def fit(self, measured: TargetValues, rows: Rows) -> ScaledNumber:
        values = measured.values[:, 0]
        upper = upper_bound(values)
        return ScaledNumber(fit_scale(self.transform, values[rows], upper, measured.is_censored[rows, 0]))

    def predictions(self, measured: TargetValues, fold: Rows, coverage: float) -> NumberPredictions:
        return NumberPredictions(measured, fold, coverage)

    def bands(self, request: MapRequest) -> dict[str, list[Band]]:
        return number_bands(request, self.targets, (self.soil_property,))

    def check_offer(self, raster: str, source: str) -> None:
        """Never raises: a number gives all the rasters that it offers."""

    def strata(self, values: Array) -> list[Rows]:
        return []

    def as_known(self, values: Array, other: Kind, source: str) -> Array:
        return numbers_as_known(values, self.fields, other, source)

    def observed(self, values: Array) -> Array:
        return values

    def spreads(self, values: Array) -> list[float]:
        return number_spreads(values)

    def assess(self, given: Given) -> list[NumberTarget]:
        return assess_numbers(given, (self.soil_property,), self.transforms)

    def assess_whole(self, assessed: Sequence[NumberTarget]) -> None:
        return None

    def told_together(self) -> list[slice]:
        return [slice(0, 1)]


@dataclass(frozen=True)
class ScaledNumber:
    """A number on its standardized scale."""

    scale: TargetScale

    columns = Columns(NUMBERS, 1)

    def learn(self, measured: TargetValues) -> Learned:
        known = measured.values
        values = self.scale.forward(known)
        measured_well = np.isnan(known) | (measured.errors == 0)
        errors = np.where(measured_well, 0.0, self.scale.forward_errors(known, measured.errors))
        return Learned(values, measured.is_censored, errors, measured.weights, values, (self.columns,))

    def blend(self, predicted: Array, learned: Array, fair: Array) -> Array:
        return learn_weights(predicted, learned, fair)

    def calibrate(self, learned: Learned, location: Array, scale: Array, independent: float = 1.0) -> NumberOutcome:
        columns = learned.values[:, 0], location[:, 0], scale[:, 0]
        known = learned.is_censored[:, 0], learned.errors[:, 0]
        return NumberOutcome(self.scale, calibrate(*columns, *known, independent))


@dataclass(frozen=True)
class NumberOutcome:
    """The distribution of one number."""

    scale: TargetScale
    calibration: Calibration

    @property
    def scaled(self) -> ScaledNumber:
        return ScaledNumber(self.scale)

    @property
    def transform(self) -> str:
        return self.scale.transform

    @property
    def wild(self) -> tuple[int, ...]:
        return self.calibration.wild

    def check(self, kind: object) -> None:
        if not isinstance(kind, NumberKind):
            raise ValueError("what is learned together does not belong together")

    def forward_errors(self, values: Array, errors: Array) -> Array:
        """Standardize the errors of measurement around measured values: standard deviations (D, n) in the targets'
        units -> (C, n); 0 where there is none."""
        found = np.zeros_like(errors)
        is_known = np.isfinite(values) & (errors > 0)
        found[is_known] = self.scale.forward_errors(values[is_known], errors[is_known])
        return found

    def mean_and_deviation(self, location: Array, scale: Array, errors: Array | None = None) -> tuple[Array, Array]:
        error = 0.0 if errors is None else errors[0]
        mean, deviation = self.calibration.mean_and_deviation(location[0], scale[0], self.scale, error)
        return mean[None], deviation[None]

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], errors: Array | None = None) -> Array:
        error = 0.0 if errors is None else errors[0]
        found = [self.calibration.quantile(location[0], scale[0], level, self.scale, error) for level in levels]
        return np.stack(found)[:, None]

    def describe(self, location: Array, scale: Array, levels: Sequence[float]) -> Array:
        moments = np.stack(self.mean_and_deviation(location, scale))
        return np.concatenate([moments, self.quantiles(location, scale, levels)]) if levels else moments

    def probability_above(self, location: Array, scale: Array, target: int, threshold: float) -> Array:
        return self.calibration.probability_above(location[0], scale[0], threshold, self.scale)

    def scores(self, learned: Learned, location: Array, scale: Array) -> tuple[Array, Array]:
        values = learned.values[:, 0], location[:, 0], scale[:, 0]
        scores, shares = self.calibration.scores(*values, learned.is_censored[:, 0], learned.errors[:, 0])
        return scores[:, None], shares[:, None]

    def values(self, location: Array, scale: Array) -> Array:
        return self.mean_and_deviation(location, scale)[0]

    def draw(self, location: Array, scale: Array, scores: Array) -> Array:
        return self.calibration.at_scores(location[0], scale[0], scores[0], self.scale)[None]

    def layers(self, kind: NumberKind, request: MapRequest, location: Array, scale: Array) -> dict[str, Array]:
        # Limits cost little here. With them the map can count where a mean lies beyond.
        request = replace(request, wanted=request.wanted | {"prediction", "lower", "upper"})
        return layers_of(self, request, kind.targets, location, scale)

    def explained(self, target: int, class_name: str) -> LearnedAs:
        return LearnedAs(self.scale.transform, np.array([self.scale.spread]), self.scale.centre)
