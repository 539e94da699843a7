"""Held-out predictions of the network, both forests and the mean on the same folds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.engine.assessment.assessment import FOREST, FOREST_CONTEXT, MEAN, NETWORK, HeldOut, LossCurve
from soil_cnn_plugin.engine.assessment.calibration import Calibration, calibrate
from soil_cnn_plugin.engine.assessment.metrics import score
from soil_cnn_plugin.engine.assessment.target_scale import TargetScale, fit_scale
from soil_cnn_plugin.engine.networks.ensemble import CrossFit, MakeFolds, cross_fit
from soil_cnn_plugin.engine.networks.forest import fit_forest
from soil_cnn_plugin.engine.networks.plan import Plan
from soil_cnn_plugin.engine.networks.training_data import TrainingData
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.side_by_side import run_side_by_side

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
    device: torch.device


@dataclass(frozen=True)
class Fitted:
    """Networks fitted to some rows, with each target's scale and calibration."""

    fit: CrossFit
    scales: tuple[TargetScale, ...]
    calibrations: tuple[Calibration, ...]


@dataclass(frozen=True)
class CrossValidation:
    """`methods` holds, for each target, every method's held-out predictions of its observations in the order of the
    rows; `final` the networks trained on all observations; `curves` are of all networks, the final ones last."""

    methods: list[dict[str, HeldOut]]
    final: Fitted
    curves: tuple[LossCurve, ...]


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


def cross_validate(design: Design, report: Report) -> CrossValidation:
    """Hold each fold out in turn, and train on all observations; side by side on the processor's cores."""
    methods = {name: _Predictions(*(np.full(design.values.shape, np.nan) for _ in range(3))) for name in _METHODS}
    folds = int(design.fold.max()) + 1
    steps = _Steps(report, folds + 1)
    tasks = [partial(_hold_out, design, methods, fold, steps) for fold in range(folds)]
    everything = np.arange(len(design.values))
    tasks.append(partial(fit_networks, design, everything, design.seed, partial(steps.progress, folds), report.info))
    *held_out, final = run_side_by_side(tasks, design.device)
    curves = [curve for fitted in (*held_out, final) for curve in fitted.fit.curves]
    return CrossValidation([_held_out(design, methods, t) for t in range(len(design.fields))], final, tuple(curves))


def _hold_out(design: Design, methods: dict[str, _Predictions], fold: int, steps: _Steps) -> Fitted:
    """Fit everything without one fold and write the predictions of its observations into `methods`."""
    train, test = np.flatnonzero(design.fold != fold), np.flatnonzero(design.fold == fold)
    fitted = fit_networks(
        design, train, design.seed + 1000 * (fold + 1), lambda share: steps.progress(fold, 0.8 * share)
    )
    location, scale = fitted.fit.ensemble.predict([part[test] for part in design.data.inputs])
    for t, target_scale in enumerate(fitted.scales):
        _store(methods[NETWORK], test, t, location[:, t], scale[:, t], target_scale, fitted.calibrations[t], design)
    _predict_forests(design, fitted.scales, methods, train, test, fold)
    _predict_mean(design, methods[MEAN], train, test)
    steps.finish(fold, _in_words(design, methods, test, fold))
    return fitted


class _Steps:
    """Progress of steps that run side by side."""

    def __init__(self, report: Report, count: int) -> None:
        self._report = report
        self._shares = [0.0] * count

    def progress(self, step: int, share: float) -> None:
        self._shares[step] = share
        self._report.progress(sum(self._shares) / len(self._shares))

    def finish(self, step: int, line: str) -> None:
        self.progress(step, 1.0)
        self._report.info(line)


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
            forest = fit_forest(
                features[rows], target, design.make_inner_folds(rows), design.seed + fold)
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


def _in_words(design: Design, methods: dict[str, _Predictions], test: Rows, fold: int) -> str:
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
    return f"Fold {fold + 1}: {len(test)} observations held out, RMSE: {'; '.join(parts)}"
