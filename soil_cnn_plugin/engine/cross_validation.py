"""Held-out predictions of the network, both forests and the mean on the same folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.assessment.assessment import FOREST, FOREST_CONTEXT, MEAN, NETWORK, HeldOut, LossCurve
from soil_cnn_plugin.engine.assessment.calibration import Calibration, calibrate
from soil_cnn_plugin.engine.assessment.metrics import score
from soil_cnn_plugin.engine.networks.ensemble import CrossFit, MakeFolds, cross_fit
from soil_cnn_plugin.engine.networks.forest import fit_forest
from soil_cnn_plugin.engine.networks.plan import Plan
from soil_cnn_plugin.engine.assessment.target_scale import TargetScale, fit_scale
from soil_cnn_plugin.engine.networks.training_data import TrainingData
from soil_cnn_plugin.engine.report import Report

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Design:
    """What all folds share. `values` (N, T) are in the targets' units, NaN where missing; `fold` (N,) counts from 0;
    `make_inner_folds` deals the given rows to folds of the same kind as the outer ones."""

    data: TrainingData
    values: Array
    fields: tuple[str, ...]
    transforms: tuple[str, ...]
    fold: Rows
    make_inner_folds: Callable[[Rows], MakeFolds]
    plans: tuple[Plan, ...]
    coverage: float
    seed: int


@dataclass(frozen=True)
class Fitted:
    """Networks fitted to some rows, with each target's scale and calibration."""

    fit: CrossFit
    scales: tuple[TargetScale, ...]
    calibrations: tuple[Calibration, ...]


@dataclass
class _Predictions:
    """Of one method: (N, T) each, NaN where not predicted."""

    mean: Array
    lower: Array
    upper: Array


def fit_networks(
    design: Design,
    rows: Rows,
    seed: int,
    progress: Callable[[float], None],
    tell: Callable[[str], None] = lambda line: None,
) -> Fitted:
    """Train the ensemble on `rows` and calibrate its intervals on what its members held out."""
    values = design.values[rows]
    scales = tuple(fit_scale(transform, values[:, t]) for t, transform in enumerate(design.transforms))
    targets = np.column_stack([scale.forward(values[:, t]) for t, scale in enumerate(scales)])
    inputs = [part[rows] for part in design.data.inputs]
    fit = cross_fit(
        design.plans, design.data.encoder, inputs, targets, design.make_inner_folds(rows), seed, progress, tell
    )
    calibrations = tuple(calibrate(targets[:, t], fit.location[:, t], fit.scale[:, t]) for t in range(targets.shape[1]))
    return Fitted(fit, scales, calibrations)


def cross_validate(design: Design, report: Report) -> tuple[list[dict[str, HeldOut]], tuple[LossCurve, ...]]:
    """For each target the held-out predictions of every method, over its observations in the order of the rows, and
    the loss curves of all folds' networks."""
    methods = {name: _Predictions(*(np.full(design.values.shape, np.nan) for _ in range(3))) for name in _METHODS}
    curves: list[LossCurve] = []
    count = int(design.fold.max()) + 1
    for fold in range(count):
        train, test = np.flatnonzero(design.fold != fold), np.flatnonzero(design.fold == fold)
        step = report.part(fold / count, (fold + 1) / count, f"Fold {fold + 1} of {count}")
        fitted = fit_networks(design, train, design.seed + 1000 * (fold + 1), step.part(0, 0.6).progress)
        curves += fitted.fit.curves
        location, scale = fitted.fit.ensemble.predict([part[test] for part in design.data.inputs])
        for t, target_scale in enumerate(fitted.scales):
            _store(methods[NETWORK], test, t, location[:, t], scale[:, t], target_scale, fitted.calibrations[t], design)
        _predict_forests(design, fitted.scales, methods, train, test, fold)
        _predict_mean(design, methods[MEAN], train, test)
        step.info(_in_words(design, methods, test, fold, count))
    return [_held_out(design, methods, t) for t in range(len(design.fields))], tuple(curves)


_METHODS = (NETWORK, FOREST, FOREST_CONTEXT, MEAN)


def _predict_forests(
    design: Design,
    scales: tuple[TargetScale, ...],
    methods: dict[str, _Predictions],
    train: Rows,
    test: Rows,
    fold: int,
) -> None:
    for name, features in ((FOREST, design.data.point), (FOREST_CONTEXT, design.data.context)):
        for t, target_scale in enumerate(scales):
            rows = train[np.isfinite(design.values[train, t])]
            target = target_scale.forward(design.values[rows, t])
            forest = fit_forest(features[rows], target, design.make_inner_folds(rows), design.seed + fold)
            calibration = calibrate(target, forest.location, forest.scale)
            location, scale = forest.predict(features[test])
            _store(methods[name], test, t, location, scale, target_scale, calibration, design)


def _predict_mean(design: Design, predictions: _Predictions, train: Rows, test: Rows) -> None:
    """The mean of the training observations, and their quantiles as the interval."""
    tail = (1 - design.coverage) / 2
    for t in range(len(design.fields)):
        known = design.values[train, t]
        known = known[np.isfinite(known)]
        predictions.mean[test, t] = known.mean()
        predictions.lower[test, t], predictions.upper[test, t] = np.quantile(known, [tail, 1 - tail], method="weibull")


def _store(
    predictions: _Predictions,
    rows: Rows,
    t: int,
    location: Array,
    scale: Array,
    target_scale: TargetScale,
    calibration: Calibration,
    design: Design,
) -> None:
    predictions.mean[rows, t] = calibration.mean_and_deviation(location, scale, target_scale)[0]
    limits = calibration.interval(location, scale, design.coverage, target_scale)
    predictions.lower[rows, t], predictions.upper[rows, t] = limits


def _held_out(design: Design, methods: dict[str, _Predictions], t: int) -> dict[str, HeldOut]:
    rows = np.flatnonzero(np.isfinite(design.values[:, t]))
    observed, fold = design.values[rows, t], design.fold[rows]
    result = {}
    for name, predictions in methods.items():
        mean, lower, upper = (part[rows, t] for part in (predictions.mean, predictions.lower, predictions.upper))
        folds = [fold == number for number in np.unique(fold)]
        result[name] = HeldOut(
            mean=mean,
            lower=lower,
            upper=upper,
            scores=score(observed, mean, lower, upper),
            fold_scores=tuple(score(observed[in_], mean[in_], lower[in_], upper[in_]) for in_ in folds),
        )
    return result


def _in_words(design: Design, methods: dict[str, _Predictions], test: Rows, fold: int, count: int) -> str:
    """One line for the log: the held-out error of this fold beside the better forest's."""
    parts = []
    for t, field in enumerate(design.fields):
        rows = test[np.isfinite(design.values[test, t])]
        if len(rows) == 0:
            continue
        observed = design.values[rows, t]
        error = {name: np.sqrt(np.mean((methods[name].mean[rows, t] - observed) ** 2)) for name in _METHODS}
        forest = min(error[FOREST], error[FOREST_CONTEXT])
        parts.append(f"{field} {error[NETWORK]:.4g} (random forest {forest:.4g}, mean {error[MEAN]:.4g})")
    return f"Fold {fold + 1} of {count}, {len(test)} observations held out, RMSE: {'; '.join(parts)}"
