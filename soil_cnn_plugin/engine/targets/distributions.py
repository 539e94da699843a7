"""What targets share whose predictions are distributions of numbers: held-out predictions, and the layers of a map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.kinds import Band, Given, Kind, MapRequest, Measure
from soil_cnn_plugin.engine.targets.measured import TargetValues, reporting_limits
from soil_cnn_plugin.engine.targets.metrics import (
    QUANTILE_LEVELS,
    HeldOut,
    Scores,
    crps_of_quantiles,
    reported_mean,
    score,
    score_reported,
)

MOST_TOLD = 20_000
"""The most observations of which the 99 quantiles of each method are kept, drawn at random of more: those of a million
take 0.8 GB for each of twelve predictions. Where values have detection limits, all are kept."""
_FAR = 0.05  # a share of the observations; a value that rounding moves across more of them is no quantile any more
_DEFAULT_LEVELS = (0.5, 0.9)  # quantiles of the observed values, thresholds where the user names none
NUMBERS_IN_WORDS = tr("numbers")
RMSE = Measure("RMSE", tr("the mean of the observations"), tr("the mean's"), 10.0)


class Distributions(Protocol):
    """Outcomes of numbers: arrays are (C, ...) in learned columns, (D, ...) in the targets' units."""

    def forward_errors(self, values: Array, errors: Array) -> Array:
        """Standardize the errors of measurement around measured values: standard deviations (D, n) in the targets'
        units -> (C, n); 0 where there is none."""
        ...

    def mean_and_deviation(self, location: Array, scale: Array, errors: Array | None = None) -> tuple[Array, Array]:
        """Mean and standard deviation, (D, ...) each, in the targets' units. `errors` (C, ...) of measurement,
        standardized, are added to the spread: for what a laboratory would report instead of the truth."""
        ...

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], errors: Array | None = None) -> Array:
        """Quantiles, (levels, D, ...)."""
        ...

    def describe(self, location: Array, scale: Array, levels: Sequence[float]) -> Array:
        """Mean, standard deviation and quantiles: (2 + levels, D, ...)."""
        ...

    def probability_above(self, location: Array, scale: Array, target: int, threshold: float) -> Array:
        """Probability (...) that the target of that number, counted from 0, lies above the threshold."""
        ...


class NumberPredictions:
    """Held-out predictions in the targets' units: (N, D), quantiles (M, D, 99) of M observations. Interval and
    quantiles are those of the measured value, with the error of its measurement; the mean is that of the truth, around
    which a fair measurement scatters."""

    def __init__(self, measured: TargetValues, fold: Rows, coverage: float) -> None:
        self._measured, self._fold, self._coverage = measured, fold, coverage
        shape = measured.values.shape
        self._mean, self._lower, self._upper = (np.full(shape, np.nan) for _ in range(3))
        self._is_told = _choose_told(measured)
        self._place = np.cumsum(self._is_told) - 1  # of a told observation among them
        self._quantiles = np.full((self._is_told.sum(), shape[1], len(QUANTILE_LEVELS)), np.nan)

    def store(self, rows: Rows, outcome: Distributions, location: Array, scale: Array) -> None:
        tail, levels = (1 - self._coverage) / 2, QUANTILE_LEVELS.tolist()
        tails = [tail, 1 - tail]
        place = location.T, scale.T
        errors = outcome.forward_errors(self._measured.values[rows].T, self._measured.errors[rows].T)
        self._mean[rows] = outcome.mean_and_deviation(*place)[0].T
        told = self._is_told[rows]
        if told.all():
            limits, found = np.split(outcome.quantiles(*place, [*tails, *levels], errors), [2])  # (levels, D, n)
        else:
            limits = outcome.quantiles(*place, tails, errors)
            found = outcome.quantiles(place[0][:, told], place[1][:, told], levels, errors[:, told])
        self._lower[rows], self._upper[rows] = limits[0].T, limits[1].T
        self._quantiles[self._place[rows[told]]] = found.transpose(2, 1, 0)  # -> (n, D, levels)

    def store_baseline(self, train: Rows, test: Rows) -> None:
        tail, told = (1 - self._coverage) / 2, self._place[test[self._is_told[test]]]
        for t, (values, is_censored) in enumerate(zip(self._measured.values.T, self._measured.is_censored.T)):
            # Half the limit stands for a value below it, as is common where nothing better is done.
            halved = np.where(is_censored, values / 2, values)[train]
            known = halved[np.isfinite(halved)]
            self._mean[test, t] = known.mean()
            limits = np.quantile(known, [tail, 1 - tail], method="weibull")
            self._lower[test, t], self._upper[test, t] = limits
            self._quantiles[told, t] = np.quantile(known, QUANTILE_LEVELS, method="weibull")

    def errors_in_words(self, rows: Rows) -> list[str]:
        words = []
        for t in range(self._measured.values.shape[1]):
            known = rows[np.isfinite(self._measured.values[rows, t])]
            observed = self._measured.values[known, t]
            told = self._quantiles[self._place[known[self._is_told[known]]], t]
            mean = reported_mean(self._mean[known, t], told, self._measured.limits[known, t])
            words.append(localized(f"{np.sqrt(np.mean((mean - observed) ** 2)):.4g}") if len(known) else "")
        return words

    def held_out(self) -> list[HeldOut]:
        return [self._of_target(t) for t in range(self._measured.values.shape[1])]

    def arrays(self) -> list[Array]:
        return [self._mean, self._lower, self._upper, self._quantiles]

    def _of_target(self, t: int) -> HeldOut:
        measured = self._measured
        rows = np.flatnonzero(np.isfinite(measured.values[:, t]))
        observed, fold = measured.values[rows, t], self._fold[rows]
        is_censored, limits = measured.is_censored[rows, t], measured.limits[rows, t]
        mean, lower, upper = (part[rows, t] for part in (self._mean, self._lower, self._upper))
        told = self._is_told[rows]
        quantiles = self._quantiles[self._place[rows[told]], t]

        def score_of(own: Flags) -> Scores:
            predicted = mean[own], lower[own], upper[own], quantiles[own[told]]
            if told.all():
                return score_reported(observed[own], predicted, self._coverage, is_censored[own], limits[own])
            crps = crps_of_quantiles(observed[own & told], predicted[3], QUANTILE_LEVELS)
            return replace(score(observed[own], *predicted[:3], self._coverage), crps=crps)

        fold_scores = tuple(score_of(fold == number) for number in np.unique(fold))
        scores = score_of(np.ones(len(rows), np.bool_))
        return HeldOut(mean, lower, upper, quantiles, scores, fold_scores, None if told.all() else told)


def told_in_words(count: int) -> str:
    """What is not told of each of `count` observations; empty where everything is."""
    if count <= MOST_TOLD:
        return ""
    return tr(
        "the CRPS of numbers, and whether their distributions and probabilities of exceedance hold, are based on {}"
        " of the"
        " {} observations, drawn at random, unless values have detection limits"
    ).format(MOST_TOLD, count)


def _choose_told(measured: TargetValues) -> Flags:
    """The observations (N,) whose quantiles are kept."""
    count = len(measured.values)
    if count <= MOST_TOLD or np.isfinite(measured.limits).any():
        return np.ones(count, np.bool_)
    told = np.zeros(count, np.bool_)
    told[np.random.default_rng(0).choice(count, MOST_TOLD, replace=False)] = True
    return told


def numbers_as_known(values: Array, fields: Sequence[str], other: Kind, source: str) -> Array:
    """Values of numbers in another file; EngineError where they are no numbers there."""
    if other.is_measured_as != NUMBERS_IN_WORDS:
        raise other_kind_error(fields[0], NUMBERS_IN_WORDS, other.is_measured_as, source, "continuous")
    return values


def other_kind_error(field: str, own: str, other: str, source: str, target_type: str) -> EngineError:
    return EngineError(
        tr("{} are {} for the network, but {} in {}. Extract the patches again with the target type '{}'.").format(
            field, own, other, source, target_type
        )
    )


def number_spreads(values: Array) -> list[float]:
    """Standard deviations of targets (N, D), 1 where they do not vary."""
    return [float(column[np.isfinite(column)].std()) or 1.0 for column in values.T]


def number_bands(
    request: MapRequest, targets: Sequence[int], properties: Sequence[SoilProperty]
) -> dict[str, list[Band]]:
    """The bands of a map's rasters for targets that are numbers, in the order of `layers_of`."""
    percent = f"{100 * request.coverage:g} %"
    what = {
        "prediction": "",
        "median": ", median",
        "lower": f", lower {percent} limit",
        "upper": f", upper {percent} limit",
        "standard_deviation": ", standard deviation",
    }
    bands = {
        name: [Band((t,), f"{target.label}{words}", target.unit) for t, target in zip(targets, properties)]
        for name, words in what.items()
    }
    by_number = dict(zip(targets, properties))
    bands["exceedance_probability"] = [
        Band((index,), f"{threshold.words(by_number[target])}, probability")
        for index, (target, threshold) in enumerate(request.thresholds)
        if target in by_number
    ]
    return {name: own for name, own in bands.items() if own and name in request.wanted}


def layers_of(
    outcome: Distributions, request: MapRequest, targets: Sequence[int], location: Array, scale: Array
) -> dict[str, Array]:
    """Values (bands, ...) of each wanted raster, NaN where nothing is predicted."""
    tail = (1 - request.coverage) / 2
    levels = {"lower": tail, "upper": 1 - tail, "median": 0.5}
    levels = {name: level for name, level in levels.items() if name in request.wanted}
    described = outcome.describe(location, scale, list(levels.values()))  # (numbers, D, ...)
    names = ("prediction", "standard_deviation", *levels)
    found = {name: numbers for name, numbers in zip(names, described) if name in request.wanted}
    own = [(targets.index(target), threshold) for target, threshold in request.thresholds if target in targets]
    if own and "exceedance_probability" in request.wanted:
        above = [outcome.probability_above(location, scale, t, threshold.value) for t, threshold in own]
        pairs = zip(above, own)
        found["exceedance_probability"] = np.stack([p if each.is_above else 1 - p for p, (_, each) in pairs])
    return found


def assess_numbers(given: Given, properties: Sequence[SoilProperty], transforms: Sequence[str]) -> list[NumberTarget]:
    """Assess each target that is a number."""
    targets = []
    for t, (soil_property, transform) in enumerate(zip(properties, transforms)):
        rows = np.flatnonzero(np.isfinite(given.measured.values[:, t]))
        observed, is_censored = given.measured.values[rows, t], given.measured.is_censored[rows, t]
        targets.append(
            NumberTarget(
                soil_property=soil_property,
                rows=rows,
                observed=observed,
                fold=given.fold[rows],
                is_censored=is_censored,
                limits=reporting_limits(observed, is_censored),
                errors=given.measured.errors[rows, t],
                methods=dict(given.methods[t]),
                transform=transform,
                verdict=given.verdicts[t],
                thresholds=choose_thresholds(given.asked, soil_property, observed, is_censored),
                other_methods=dict(given.other_methods[t]),
            )
        )
    return targets


def choose_thresholds(
    wanted: Sequence[Threshold], soil_property: SoilProperty, observed: Array, is_censored: Flags
) -> tuple[Threshold, ...]:
    """The user's thresholds for a target. Where the user names none at all: the median and the 90 % quantile of the
    observed values, rounded, or the median detection limit where that is higher. Where several observations equal such
    a value, it moves between observed values: one that equals a threshold tells nothing about exceeding it."""
    if wanted:
        return tuple(threshold for threshold in wanted if threshold.matches(soil_property))
    lowest = float(np.median(observed[is_censored])) if is_censored.any() else -np.inf
    values: list[float | None] = []
    for level, quantile in zip(_DEFAULT_LEVELS, np.quantile(observed, _DEFAULT_LEVELS)):
        value = max(float(f"{quantile:.3g}"), lowest)
        is_far = abs(float(np.mean(observed < value) - np.mean(observed < max(quantile, lowest)))) > _FAR
        is_tied = equals(observed[~is_censored], value).sum() > 1
        values.append(_between(observed, level, lowest) if is_far or is_tied else value)
    return tuple(Threshold(soil_property.field, value) for value in dict.fromkeys(values) if value is not None)


def equals(observed: Array, value: float) -> Flags:
    """Which observed values equal a threshold, but for the precision of their storage, (n,)."""
    return np.isclose(observed, value, rtol=1e-6, atol=0)


def _between(observed: Array, level: float, lowest: float) -> float | None:
    """A round value between two neighbouring observed ones, so that a share of the observations as near to `level` as
    possible lies below; not below `lowest`. None where there is no such value."""
    ordered = np.sort(observed)
    steps = np.flatnonzero((np.diff(ordered) > 1e-5 * np.abs(ordered[1:])) & (ordered[1:] > lowest))
    if not len(steps):
        return None
    step = steps[np.argmin(np.abs((steps + 1) / len(ordered) - level))]
    low, high = max(float(ordered[step]), lowest), float(ordered[step + 1])
    middle, quarter = (low + high) / 2, (high - low) / 4
    rounded = (float(f"{middle:.{digits}g}") for digits in range(1, 17))
    return next((value for value in rounded if abs(value - middle) <= quarter), middle)
