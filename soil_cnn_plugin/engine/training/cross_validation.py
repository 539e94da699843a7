"""Held-out predictions of blend, network, both forests and the mean on the same folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Rows
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
from soil_cnn_plugin.engine.machine.processes import (
    apart,
    dealt,
    is_agreed,
    joined,
    leads,
)
from soil_cnn_plugin.engine.machine.threads import at_once, run_side_by_side
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import by_target
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.ensemble import check_folds
from soil_cnn_plugin.engine.training.fit import predict_all
from soil_cnn_plugin.engine.training.fitting import Fitted, check_inner_folds, fit_design
from soil_cnn_plugin.engine.training.gathering import MethodPredictions, ScoresOfDesigns, gather
from soil_cnn_plugin.engine.training.guessed_pace import guess_pace, seconds_after, stages_of
from soil_cnn_plugin.engine.training.held_out_scores import HeldOutScores
from soil_cnn_plugin.engine.training.pace import FitProgress, FitsProgress, Pace
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
    designs: Sequence[Design], predictor: str, report: Report, scored: Sequence[Design] = ()
) -> tuple[Fitted, list[CrossValidation]] | None:
    """Fit all observations by the first design, and hold each fold of each design out in turn, side by side.

    The fit of all observations has what maps by `predictor` need; those of the folds of `scored` designs keep the
    scores of its errors. Of several processes that train together, the first one alone returns something.

    Raises:
        EngineError: processes that train together have read different patches, or dealt them to other folds; or a
            target is known in so few places that inner folds leave no value of it to train on.
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
        check_folds(np.concatenate([design.fold for design in designs]), first.device)
        check_inner_folds(first, everything, first.seed)
        scores = ScoresOfDesigns(possible_predictors(predictor), scored)
        fits = [(fit_all, stages_of(first.plans, forests))]
        finals, validations = _compute(fits, designs, report, scores, first, seconds_after(len(first.fold)))
    return (finals[0], validations) if process_number() == 0 else None


def cross_validate(designs: Sequence[Design], report: Report) -> list[CrossValidation]:
    """Hold each fold of each design out in turn, side by side, and without a word in the log."""
    return _compute([], designs, report, ScoresOfDesigns((), ()))[1]


def _compute(
    fits: Sequence[tuple[Callable[[FitProgress], Fitted], Sequence[str]]],
    designs: Sequence[Design],
    report: Report,
    scores: ScoresOfDesigns,
    told: Design | None = None,
    after: float = 0.0,
) -> tuple[list[Fitted], list[CrossValidation]]:
    """Compute `fits` of all observations, each with its stages, and all folds of all designs; the log tells of the
    folds of one design. `after` are about the seconds that the job takes after. Of several processes the first one has
    all results in the end, and does the first fits by itself or with all others."""
    runs = [_Run(design, fold) for design in designs for fold in range(design.fold_count)]
    for run in runs:  # now, not when hours have passed
        check_inner_folds(run.design, run.train, run.seed)
    predictions = {id(design): {name: MethodPredictions(design) for name in design.methods} for design in designs}
    tell, device = partial(_tell, report, predictions, told), designs[0].device
    tasks: list[tuple[Callable[[FitProgress], Any], Sequence[str]]] = [*fits]
    for run in runs:
        stores = predictions[id(run.design)], scores.of(run.design)
        task = partial(_hold_out_and_tidy, run, *stores, tell)
        tasks.append((task, stages_of(run.design.plans, run.design.forests)))
    own, together = dealt(len(tasks))
    numbers = [*own, *together]
    with apart():
        steps = FitsProgress(_pace(designs[0]), at_once(len(own), device), report.progress, report.elapsed, after)
    waiting = ((*tasks[number], number in together) for number in numbers)
    begun = [partial(task, steps.add(stages, is_joint)) for task, stages, is_joint in waiting]
    give_back()
    with apart():
        results = run_side_by_side(begun[: len(own)], device)
    results += run_side_by_side(begun[len(own) :], device)
    by_number = dict(zip(numbers, results))
    finals = [by_number[number] for number in range(len(fits)) if number in by_number]
    curves = {number: of_fold for number, of_fold in by_number.items() if number >= len(fits)}
    others = gather(predictions, scores, curves, own)
    if process_number() != 0:  # this process only helped
        return finals, []
    for number in others:
        tell(runs[number - len(fits)])
    validations = []
    for design in designs:
        of_design = [number for number, run in enumerate(runs, start=len(fits)) if run.design is design]
        drawn = tuple(curve for number in of_design for curve in curves[number])
        validations.append(_validation(predictions[id(design)], drawn, scores.of(design)))
    return finals, validations


def _pace(design: Design) -> Pace:
    columns = sum(len(kind.targets) for kind in design.kinds)
    return guess_pace(design.plans, len(design.fold), columns, design.data.encoder.channel_count)


@dataclass(frozen=True)
class _Run:
    """A fold to hold out."""

    design: Design
    fold: int

    @property
    def test(self) -> Rows:
        return np.flatnonzero(self.design.fold == self.fold)

    @property
    def train(self) -> Rows:
        return np.flatnonzero(self.design.fold != self.fold)

    @property
    def seed(self) -> int:
        return self.design.seed + 1000 * (self.fold + 1)


def _hold_out_and_tidy(*arguments: Any) -> tuple[LossCurve, ...]:
    """Do what `_hold_out` does; when it has ended, all that it has computed is free."""
    curves = _hold_out(*arguments)
    give_back()
    return curves


def _hold_out(
    run: _Run,
    methods: dict[str, MethodPredictions],
    scores: dict[str, HeldOutScores],
    tell: Callable[[_Run], None],
    progress: FitProgress,
) -> tuple[LossCurve, ...]:
    """Fit everything without one fold and write the predictions of its observations into `methods`, and their errors
    into `scores`. Only the networks' curves are kept: the rest would take a gigabyte for a million observations."""
    design, test, train = run.design, run.test, run.train
    fitted = fit_design(design, train, run.seed, design.forests, progress, keeps_parts=False)
    if not leads():
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
            scores[name].store(design, run.fold, mixture, mixed)
    methods[MEAN].store_baseline(train, test)
    tell(run)
    return fitted.curves


def _tell(
    report: Report, predictions: Mapping[int, Mapping[str, MethodPredictions]], told: Design | None, run: _Run
) -> None:
    """Tell the held-out errors of a fold of the design that is `told`."""
    if run.design is told:
        errors = {name: each.errors_in_words(run.test) for name, each in predictions[id(run.design)].items()}
        report.info(_in_words(run.design, errors, len(run.test), run.fold))


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
    predictions: dict[str, MethodPredictions], curves: tuple[LossCurve, ...], scores: dict[str, HeldOutScores]
) -> CrossValidation:
    by_method = {name: predictions.pop(name).held_out() for name in list(predictions)}  # one copy at a time
    targets = zip(*by_method.values())
    of_repeat: dict[str, tuple[HeldOutScores, ...]] = {name: (each,) for name, each in scores.items()}
    return CrossValidation([dict(zip(by_method, of_target)) for of_target in targets], curves, of_repeat)
