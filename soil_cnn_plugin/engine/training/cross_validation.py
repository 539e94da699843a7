"""Held-out predictions of blend, network, both forests and the mean on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.assessment.methods import (
    BLEND,
    FOREST,
    FOREST_CONTEXT,
    MEAN,
    NAMES,
    NETWORK,
    PROCESS,
    possible_predictors,
)
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import give_back
from soil_cnn_plugin.engine.machine.processes import is_agreed, joined
from soil_cnn_plugin.engine.machine.threads import at_once, run_side_by_side
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import by_target, own_columns
from soil_cnn_plugin.engine.targets.kinds import Outcome
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.fit import predict_all
from soil_cnn_plugin.engine.training.fitting import Fitted, fit_design
from soil_cnn_plugin.engine.training.guessed_pace import guess_pace, seconds_after, stages_of
from soil_cnn_plugin.engine.training.held_out_scores import HeldOutScores
from soil_cnn_plugin.engine.training.pace import FitProgress, FitsProgress
from soil_cnn_plugin.engine.training.predictor import mix, predict_forests, spread_weights


@dataclass(frozen=True)
class CrossValidation:
    """Held-out predictions. `methods` holds those of each method for each target, in the order of the target's rows;
    `curves` belong to the networks of all folds. `scores` are the errors of the methods that
    maps may be made by, one a repeat; empty where they are not asked for."""

    methods: list[dict[str, Any]]
    curves: tuple[LossCurve, ...]
    scores: dict[str, tuple[HeldOutScores, ...]] = field(default_factory=dict)


def fit_and_cross_validate(
    designs: Sequence[Design], predictor: str, report: Report, scored: Sequence[Design] = (), before: float = 0.0
) -> tuple[Fitted, list[CrossValidation]]:
    """Fit all observations by the first design, and hold each fold of each design out in turn, side by side.

    The fit of all observations has what maps by `predictor` need; those of the folds of `scored` designs keep the
    scores of its errors. `before` are the seconds that the job has taken, for its progress. Of several processes that
    train together, only the first one returns validations.

    Raises:
        EngineError: processes that train together have read different patches.
    """
    first = designs[0]
    forests = () if predictor == NETWORK else (FOREST_CONTEXT,)
    everything = np.arange(len(first.fold))

    def fit_all(progress: FitProgress) -> Fitted:
        fitted = fit_design(first, everything, first.seed, forests, progress, report.info)
        give_back()
        return fitted

    with joined(first.device):
        if not is_agreed(int(first.data.fingerprint[:15], 16), first.device):
            raise EngineError(
                tr(
                    "The processes that train together read different patches from {}. Copy one patch file to"
                    " all machines, or to a folder that they share."
                ).format(first.data.path)
            )
        scores = _Scores(possible_predictors(predictor), scored)
        fits = [(fit_all, stages_of(first, forests))]
        around = before, seconds_after(first)
        (final,), validations = _compute(fits, designs, report, scores, first, around)
    return final, validations


def cross_validate(designs: Sequence[Design], report: Report) -> list[CrossValidation]:
    """Hold each fold of each design out in turn, side by side, and without a word in the log."""
    return _compute([], designs, report, _Scores((), ()))[1]


def _compute(
    fits: Sequence[tuple[Callable[[FitProgress], Fitted], Sequence[str]]],
    designs: Sequence[Design],
    report: Report,
    scores: _Scores,
    told: Design | None = None,
    around: tuple[float, float] = (0.0, 0.0),
) -> tuple[list[Fitted], list[CrossValidation]]:
    """Compute `fits` of all observations, each with its stages, and all folds of all designs; the log tells of the
    folds of one design. `around` are the seconds that the job took before, and about those that it takes after."""
    runs = [_Run(design, fold) for design in designs for fold in range(int(design.fold.max()) + 1)]
    device = designs[0].device
    steps = FitsProgress(guess_pace(designs[0]), at_once(len(fits) + len(runs), device), report.progress, around)
    predictions = {id(design): {name: _Predictions(design) for name in design.methods} for design in designs}
    tasks: list[Callable[[], Any]] = [partial(fit_all, steps.add(stages)) for fit_all, stages in fits]
    for run in runs:
        tell = report.info if run.design is told else None
        progress = steps.add(stages_of(run.design, run.design.forests))
        stores = predictions[id(run.design)], scores.of(run.design)
        tasks.append(partial(_hold_out_and_tidy, run.design, run.fold, *stores, progress, tell))
    give_back()
    results = run_side_by_side(tasks, device)
    finals = [each for each in results if isinstance(each, Fitted)]
    of_folds = results[len(fits) :]
    if process_number() != 0:  # this process only helped to train
        return finals, []
    validations = []
    for design in designs:
        curves = [curve for each, run in zip(of_folds, runs) if run.design is design for curve in each]
        validations.append(_validation(predictions[id(design)], tuple(curves), scores.of(design)))
    return finals, validations


@dataclass(frozen=True)
class _Run:
    """A fold to hold out."""

    design: Design
    fold: int


class _Scores:
    """Room for the scores of `methods` in each of the `designs`."""

    def __init__(self, methods: Sequence[str], designs: Sequence[Design]) -> None:
        self._of = {id(design): {name: HeldOutScores.nothing(design) for name in methods} for design in designs}

    def of(self, design: Design) -> dict[str, HeldOutScores]:
        """Those of a design, by method; nothing where it is not one of them."""
        return self._of.get(id(design), {})


class _Predictions:
    """One method's held-out predictions of all targets."""

    def __init__(self, design: Design) -> None:
        self._kinds = design.kinds
        self._of_kinds = [
            kind.predictions(design.measured.of(kind.targets), design.fold, design.coverage) for kind in design.kinds
        ]

    def store(self, rows: Rows, outcomes: Sequence[Outcome], location: Array, scale: Array) -> None:
        """Keep the predictions for `rows` (n,), from the learned columns (n, R)."""
        own = own_columns([outcome.scaled for outcome in outcomes])
        for predictions, outcome, at in zip(self._of_kinds, outcomes, own):
            predictions.store(rows, outcome, location[:, at], scale[:, at])

    def store_baseline(self, train: Rows, test: Rows) -> None:
        for predictions in self._of_kinds:
            predictions.store_baseline(train, test)

    def errors_in_words(self, rows: Rows) -> list[str]:
        """The error of each target in these rows; empty where none of them has the target."""
        return by_target(self._kinds, [predictions.errors_in_words(rows) for predictions in self._of_kinds])

    def held_out(self) -> list[Any]:
        """Held-out predictions of each target, with scores."""
        return by_target(self._kinds, [predictions.held_out() for predictions in self._of_kinds])


def _hold_out_and_tidy(*arguments: Any) -> tuple[LossCurve, ...]:
    """Do what `_hold_out` does; when it has ended, all that it has computed is free."""
    curves = _hold_out(*arguments)
    give_back()
    return curves


def _hold_out(
    design: Design,
    fold: int,
    methods: dict[str, _Predictions],
    scores: dict[str, HeldOutScores],
    progress: FitProgress,
    tell: Callable[[str], None] | None,
) -> tuple[LossCurve, ...]:
    """Fit everything without one fold and write the predictions of its observations into `methods`, and their errors
    into `scores`. Only the networks' curves are kept: the rest would take a gigabyte for a million observations."""
    train, test = np.flatnonzero(design.fold != fold), np.flatnonzero(design.fold == fold)
    fitted = fit_design(design, train, design.seed + 1000 * (fold + 1), design.forests, progress, keeps_parts=False)
    if process_number() != 0:
        return fitted.curves
    inputs = [part.chosen(torch.from_numpy(test)) for part in design.data.inputs]
    parts = [predict_all(network, rows) for network, rows in zip(fitted.networks, inputs)]
    location, scale = ([part[i].cpu().numpy().astype(np.float64) for part in parts] for i in (0, 1))
    for name in design.forests:
        centre, spread = predict_forests(fitted.forests[name], design.data.features(name)[test])
        location.append(centre)
        scale.append(spread)
        if name == FOREST_CONTEXT and fitted.process:
            centre, spread = fitted.process.predict(design.data.context[test])
            location.append(centre)
            scale.append(spread)
    for name in (BLEND, NETWORK, PROCESS, *design.forests):
        mixture = fitted.mixture(name)
        spreads = spread_weights(mixture.weights, fitted.components)
        mixed = mix(np.stack(location), mixture.weights), mix(np.stack(scale), spreads)
        methods[name].store(test, mixture.outcomes, *mixed)
        if name in scores:
            scores[name].store(design, fold, mixture, mixed)
    methods[MEAN].store_baseline(train, test)
    if tell:
        errors = {name: predictions.errors_in_words(test) for name, predictions in methods.items()}
        tell(_in_words(design, errors, len(test), fold))
    return fitted.curves


def _in_words(design: Design, errors: dict[str, list[str]], count: int, fold: int) -> str:
    """One line for the log: the held-out errors of this fold, of each target."""
    names = {
        NETWORK: NAMES[NETWORK],
        **dict.fromkeys(design.forests[:1], NAMES[FOREST]),
        PROCESS: NAMES[PROCESS],
        BLEND: NAMES[BLEND],
    }
    lines: dict[str, list[str]] = {}
    fold_words = by_target(design.kinds, [[kind.fold_words] * len(kind.targets) for kind in design.kinds])
    fields = by_target(design.kinds, [kind.fields for kind in design.kinds])
    for t, (own, (measure, baseline)) in enumerate(zip(fields, fold_words)):
        named = {**names, MEAN: baseline}
        each = [f"{name} {errors[method][t]}" for method, name in named.items() if errors[method][t]]
        if each:
            lines.setdefault(measure, []).append(f"{own} {', '.join(each)}")
    told = "; ".join(f"{measure}: {'; '.join(parts)}" for measure, parts in lines.items())
    return tr("Fold {}: {} observations held out, {}").format(fold + 1, count, told)


def _validation(
    predictions: dict[str, _Predictions], curves: tuple[LossCurve, ...], scores: dict[str, HeldOutScores]
) -> CrossValidation:
    by_method = {name: predictions.pop(name).held_out() for name in list(predictions)}  # one copy at a time
    targets = zip(*by_method.values())
    of_repeat: dict[str, tuple[HeldOutScores, ...]] = {name: (each,) for name, each in scores.items()}
    return CrossValidation([dict(zip(by_method, of_target)) for of_target in targets], curves, of_repeat)
