"""Held-out predictions of blend, network, both forests and the mean on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.assessment.assessment import (
    BLEND,
    MEAN,
    NETWORK,
    QUANTILE_LEVELS,
    HeldOut,
    LossCurve,
)
from soil_cnn_plugin.engine.assessment.calibration import Calibration
from soil_cnn_plugin.engine.assessment.metrics import score
from soil_cnn_plugin.engine.assessment.target_scale import TargetScale
from soil_cnn_plugin.engine.fitting import Design, Fitted, fit, forest_features
from soil_cnn_plugin.engine.networks.fit import predict_all
from soil_cnn_plugin.engine.networks.predictor import mix, predict_forests
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.side_by_side import run_side_by_side

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class CrossValidation:
    """`methods` holds, for each target, every method's held-out predictions of its observations in the order of the
    rows; `curves` are of the networks of all folds."""

    methods: list[dict[str, HeldOut]]
    curves: tuple[LossCurve, ...]


def fit_and_cross_validate(
    designs: Sequence[Design], forests: tuple[str, ...], report: Report
) -> tuple[Fitted, list[CrossValidation]]:
    """Fit all observations by the first design, and hold each fold of each design out in turn; side by side.

    `forests` are those that the fit of all observations needs.
    """
    first = designs[0]
    everything = np.arange(len(first.values))

    def fit_all(progress: Callable[[float], None]) -> Fitted:
        return fit(first, everything, first.seed, forests, progress, report.info)

    (final,), validations = _compute([fit_all], designs, report, first)
    return final, validations


def cross_validate(designs: Sequence[Design], report: Report) -> list[CrossValidation]:
    """Hold each fold of each design out in turn; side by side, and without a word in the log."""
    return _compute([], designs, report)[1]


def _compute(
    fits: Sequence[Callable[[Callable[[float], None]], Fitted]],
    designs: Sequence[Design],
    report: Report,
    told: Design | None = None,
) -> tuple[list[Fitted], list[CrossValidation]]:
    """`fits` of all observations, and all folds of all designs; the log tells of the folds of one design."""
    runs = [_Run(design, fold) for design in designs for fold in range(int(design.fold.max()) + 1)]
    steps = _Steps(report, len(fits) + len(runs))
    predictions = {id(design): _empty_predictions(design) for design in designs}
    tasks = [partial(fit_all, partial(steps.progress, step)) for step, fit_all in enumerate(fits)]
    for step, run in enumerate(runs, start=len(fits)):
        tell = report.info if run.design is told else None
        progress = partial(steps.progress, step)
        tasks.append(partial(_hold_out, run.design, run.fold, predictions[id(run.design)], progress, tell))
    results = run_side_by_side(tasks, designs[0].device)
    finals, fitted = results[: len(fits)], results[len(fits) :]
    validations = []
    for design in designs:
        curves = [curve for each, run in zip(fitted, runs) if run.design is design for curve in each.curves]
        methods = [_held_out(design, predictions[id(design)], t) for t in range(len(design.fields))]
        validations.append(CrossValidation(methods, tuple(curves)))
    return finals, validations


@dataclass(frozen=True)
class _Predictions:
    """Of one method, NaN where not predicted: (N, T), quantiles (N, T, 99)."""

    mean: Array
    lower: Array
    upper: Array
    quantiles: Array

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> _Predictions:
        mean, lower, upper = (np.full(shape, np.nan) for _ in range(3))
        return cls(mean, lower, upper, np.full((*shape, len(QUANTILE_LEVELS)), np.nan))


@dataclass(frozen=True)
class _Run:
    """One fold to be held out."""

    design: Design
    fold: int


def _empty_predictions(design: Design) -> dict[str, _Predictions]:
    return {name: _Predictions.empty(design.values.shape) for name in design.methods}


def _hold_out(
    design: Design,
    fold: int,
    methods: dict[str, _Predictions],
    progress: Callable[[float], None],
    tell: Callable[[str], None] | None,
) -> Fitted:
    """Fit everything without one fold and write the predictions of its observations into `methods`."""
    train, test = np.flatnonzero(design.fold != fold), np.flatnonzero(design.fold == fold)
    fitted = fit(design, train, design.seed + 1000 * (fold + 1), design.forests, progress)
    parts = [predict_all(network, part[test]) for network, part in zip(fitted.networks, design.data.inputs)]
    location, scale = ([part[i].cpu().numpy().astype(np.float64) for part in parts] for i in (0, 1))
    for name in design.forests:
        centre, spread = predict_forests(fitted.forests[name], forest_features(design, name)[test])
        location.append(centre)
        scale.append(spread)
    for name in (BLEND, NETWORK, *design.forests):
        weights = fitted.weights(name)
        _store(
            methods[name],
            test,
            mix(np.stack(location), weights),
            mix(np.stack(scale), weights),
            fitted.scales,
            fitted.calibrations(weights),
            design.coverage,
        )
    _predict_mean(design, methods[MEAN], train, test)
    if tell:
        tell(_in_words(design, methods, test, fold))
    return replace(fitted, forests={}, parts=())  # large, and needed no more


def _store(
    predictions: _Predictions,
    rows: Rows,
    location: Array,
    scale: Array,
    scales: tuple[TargetScale, ...],
    calibrations: tuple[Calibration, ...],
    coverage: float,
) -> None:
    for t, (target_scale, calibration) in enumerate(zip(scales, calibrations)):
        place = location[:, t], scale[:, t]
        predictions.mean[rows, t] = calibration.mean_and_deviation(*place, target_scale)[0]
        limits = calibration.interval(*place, coverage, target_scale)
        predictions.lower[rows, t], predictions.upper[rows, t] = limits
        for index, level in enumerate(QUANTILE_LEVELS):
            predictions.quantiles[rows, t, index] = calibration.quantile(*place, level, target_scale)


def _predict_mean(design: Design, predictions: _Predictions, train: Rows, test: Rows) -> None:
    """The mean of the training observations, and their quantiles as the distribution."""
    tail = (1 - design.coverage) / 2
    for t in range(len(design.fields)):
        known = design.values[train, t]
        known = known[np.isfinite(known)]
        predictions.mean[test, t] = known.mean()
        predictions.lower[test, t], predictions.upper[test, t] = np.quantile(known, [tail, 1 - tail], method="weibull")
        predictions.quantiles[test, t] = np.quantile(known, QUANTILE_LEVELS, method="weibull")


def _held_out(design: Design, methods: dict[str, _Predictions], t: int) -> dict[str, HeldOut]:
    rows = np.flatnonzero(np.isfinite(design.values[:, t]))
    observed, fold = design.values[rows, t], design.fold[rows]
    result = {}
    for name, predictions in methods.items():
        parts = [part[rows, t] for part in (predictions.mean, predictions.lower, predictions.upper)]
        quantiles = predictions.quantiles[rows, t]
        fold_scores = []
        for number in np.unique(fold):
            held_out = fold == number
            mean, lower, upper = (part[held_out] for part in parts)
            fold_scores.append(score(observed[held_out], mean, lower, upper, design.coverage, quantiles[held_out]))
        mean, lower, upper = parts
        scores = score(observed, mean, lower, upper, design.coverage, quantiles)
        result[name] = HeldOut(mean, lower, upper, quantiles, scores, tuple(fold_scores))
    return result


def _in_words(design: Design, methods: dict[str, _Predictions], test: Rows, fold: int) -> str:
    """One line for the log: the held-out errors of this fold."""
    parts = []
    for t, field in enumerate(design.fields):
        rows = test[np.isfinite(design.values[test, t])]
        if len(rows) == 0:
            continue
        observed = design.values[rows, t]
        error = {name: np.sqrt(np.mean((methods[name].mean[rows, t] - observed) ** 2)) for name in methods}
        forest = min(error[name] for name in design.forests)
        parts.append(
            f"{field} network {error[NETWORK]:.4g}, random forest {forest:.4g}, blend {error[BLEND]:.4g},"
            f" mean {error[MEAN]:.4g}"
        )
    return f"Fold {fold + 1}: {len(test)} observations held out, RMSE: {'; '.join(parts)}"


class _Steps:
    """Progress of steps that run side by side."""

    def __init__(self, report: Report, count: int) -> None:
        self._report = report
        self._shares = [0.0] * count

    def progress(self, step: int, share: float) -> None:
        self._shares[step] = share
        self._report.progress(sum(self._shares) / len(self._shares))
