"""What is predicted of held-out observations, gathered fold by fold, and from all processes that train together."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.machine.processes import fill_over_processes, lines_over_processes
from soil_cnn_plugin.engine.targets.groups import by_target, own_columns
from soil_cnn_plugin.engine.targets.kinds import Outcome
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.held_out_scores import HeldOutScores

Curves = dict[int, tuple[LossCurve, ...]]
"""Those of the networks of each task."""


class ScoresOfDesigns:
    """Room for the scores of `methods` in each of the `designs`."""

    def __init__(self, methods: Sequence[str], designs: Sequence[Design]) -> None:
        self._of = {id(design): {name: HeldOutScores.nothing(design) for name in methods} for design in designs}

    def of(self, design: Design) -> dict[str, HeldOutScores]:
        """Those of a design, by method; nothing where it is not one of them."""
        return self._of.get(id(design), {})

    @property
    def all(self) -> list[HeldOutScores]:
        return [each for of in self._of.values() for each in of.values()]


class MethodPredictions:
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

    def arrays(self) -> list[Array]:
        return [array for predictions in self._of_kinds for array in predictions.arrays()]


def gather(
    predictions: Mapping[int, Mapping[str, MethodPredictions]],
    scores: ScoresOfDesigns,
    curves: Curves,
    own: Sequence[int],
) -> list[int]:
    """Bring what each of several processes has predicted, and the `curves` of its `own` tasks, to the first one. Return
    the numbers of the tasks that others have done."""
    arrays = [method.arrays() for of in predictions.values() for method in of.values()]
    for array in chain(*arrays, *(each.arrays() for each in scores.all)):
        fill_over_processes(array)
    lines = [json.dumps([number, [asdict(curve) for curve in curves[number]]]) for number in own if number in curves]
    told = dict(map(json.loads, lines_over_processes(lines)))
    others = sorted(told.keys() - curves.keys())
    curves |= {number: tuple(map(_curve, told[number])) for number in others}
    return others


def _curve(plain: dict[str, Any]) -> LossCurve:
    series = {name: tuple(plain[name]) for name in ("steps", "training", "held_out")}
    return LossCurve(**{**plain, **series})
