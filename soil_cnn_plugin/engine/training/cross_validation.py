"""Held-out predictions of blend, network, both forests and the mean on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.assessment.methods import BLEND, MEAN, NETWORK
from soil_cnn_plugin.engine.machine.threads import run_side_by_side
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.classes import ClassHeldOut, score_classes
from soil_cnn_plugin.engine.targets.metrics import HeldOut
from soil_cnn_plugin.engine.training.fit import predict_all
from soil_cnn_plugin.engine.training.fitting import Design, Fitted, fit_design, forest_features
from soil_cnn_plugin.engine.training.held_out import Numbers, Predictions, Probabilities
from soil_cnn_plugin.engine.training.predictor import mix, predict_forests


@dataclass(frozen=True)
class CrossValidation:
    """`methods` holds, for each target, every method's held-out predictions of its observations in the order of the
    rows, or `classes` those of the one target's classes; `curves` are of the networks of all folds."""

    methods: list[dict[str, HeldOut]]
    classes: dict[str, ClassHeldOut]
    curves: tuple[LossCurve, ...]


def fit_and_cross_validate(
    designs: Sequence[Design], forests: tuple[str, ...], report: Report
) -> tuple[Fitted, list[CrossValidation]]:
    """Fit all observations by the first design, and hold each fold of each design out in turn; side by side.

    `forests` are those that the fit of all observations needs. Of several processes that train together only the first
    one has validations, and forests.
    """
    first = designs[0]
    everything = np.arange(len(first.fold))

    def fit_all(progress: Callable[[float], None]) -> Fitted:
        return fit_design(first, everything, first.seed, forests, progress, report.info)

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
    predictions = {id(design): {name: _empty(design) for name in design.methods} for design in designs}
    tasks = [partial(fit_all, partial(steps.progress, step)) for step, fit_all in enumerate(fits)]
    for step, run in enumerate(runs, start=len(fits)):
        tell = report.info if run.design is told else None
        progress = partial(steps.progress, step)
        tasks.append(partial(_hold_out, run.design, run.fold, predictions[id(run.design)], progress, tell))
    results = run_side_by_side(tasks, designs[0].device)
    finals, fitted = results[: len(fits)], results[len(fits) :]
    if process_number() != 0:  # which only helped to train
        return finals, []
    validations = []
    for design in designs:
        curves = [curve for each, run in zip(fitted, runs) if run.design is design for curve in each.curves]
        validations.append(_validation(design, predictions[id(design)], tuple(curves)))
    return finals, validations


@dataclass(frozen=True)
class _Run:
    """One fold to be held out."""

    design: Design
    fold: int


def _empty(design: Design) -> Predictions:
    if design.words.classes:
        return Probabilities.empty(len(design.fold), len(design.words.classes))
    return Numbers.empty(design.measured.values.shape)


def _hold_out(
    design: Design,
    fold: int,
    methods: dict[str, Predictions],
    progress: Callable[[float], None],
    tell: Callable[[str], None] | None,
) -> Fitted:
    """Fit everything without one fold and write the predictions of its observations into `methods`."""
    train, test = np.flatnonzero(design.fold != fold), np.flatnonzero(design.fold == fold)
    fitted = fit_design(design, train, design.seed + 1000 * (fold + 1), design.forests, progress)
    if process_number() != 0:
        return fitted
    inputs = [part.chosen(torch.from_numpy(test)) for part in design.data.inputs]
    parts = [predict_all(network, rows) for network, rows in zip(fitted.networks, inputs)]
    location, scale = ([part[i].cpu().numpy().astype(np.float64) for part in parts] for i in (0, 1))
    for name in design.forests:
        centre, spread = predict_forests(fitted.forests[name], forest_features(design, name)[test])
        location.append(centre)
        scale.append(spread)
    for name in (BLEND, NETWORK, *design.forests):
        weights = fitted.weights(name)
        mixed = mix(np.stack(location), weights), mix(np.stack(scale), weights)
        methods[name].store(design, test, *mixed, fitted.outcomes(weights))
    methods[MEAN].store_mean(design, train, test)
    if tell:
        errors = {name: predictions.errors_in_words(design, test) for name, predictions in methods.items()}
        tell(_in_words(design, errors, len(test), fold))
    return replace(fitted, forests={}, parts=())  # large, and needed no more


def _in_words(design: Design, errors: dict[str, list[str]], count: int, fold: int) -> str:
    """One line for the log: the held-out errors of this fold, of each target."""
    mean = "most frequent class" if design.words.classes else "mean"
    names = {NETWORK: "network", **dict.fromkeys(design.forests[:1], "random forest"), BLEND: "blend", MEAN: mean}
    parts = []
    for t, field in enumerate(design.fields):
        each = [f"{name} {errors[method][t]}" for method, name in names.items() if errors[method][t]]
        if each:
            parts.append(f"{field} {', '.join(each)}")
    measure = "misclassified" if design.words.classes else "RMSE"
    return f"Fold {fold + 1}: {count} observations held out, {measure}: {'; '.join(parts)}"


def _validation(design: Design, predictions: dict[str, Predictions], curves: tuple[LossCurve, ...]) -> CrossValidation:
    if not design.words.classes:
        numbers = {name: each for name, each in predictions.items() if isinstance(each, Numbers)}
        targets = range(len(design.fields))
        return CrossValidation(
            [{name: each.held_out(design, t) for name, each in numbers.items()} for t in targets], {}, curves
        )
    observed = design.measured.values[:, 0].astype(np.int64)
    classes = {}
    for name, each in predictions.items():
        if isinstance(each, Probabilities):
            found = each.probabilities
            fold_scores = [
                score_classes(observed[design.fold == fold], found[design.fold == fold])
                for fold in np.unique(design.fold)
            ]
            classes[name] = ClassHeldOut(found, score_classes(observed, found), tuple(fold_scores))
    return CrossValidation([], classes, curves)


class _Steps:
    """Progress of steps that run side by side."""

    def __init__(self, report: Report, count: int) -> None:
        self._report = report
        self._shares = [0.0] * count

    def progress(self, step: int, share: float) -> None:
        self._shares[step] = share
        self._report.progress(sum(self._shares) / len(self._shares))
