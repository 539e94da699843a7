"""The protocol of kinds: what numbers, compositions and classes do alike, each in a file of its own.

A kind stands for a group of targets that are learned together: one number, the parts of a whole, or the classes of one
field. It knows its D targets among the T of all observations. Fitted to training rows it becomes `Scaled`, which says
what C columns are learned; calibrated on held-out predictions that becomes an `Outcome`, which the network file keeps.
A new kind is one file with these three classes, and a line in `groups.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from soil_cnn_plugin.contract.threshold import Threshold
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.targets.assessed import Verdict
from soil_cnn_plugin.engine.targets.learned import Columns, Learned
from soil_cnn_plugin.engine.targets.measured import TargetValues


@dataclass(frozen=True)
class Measure:
    """What the error is called, and what is known without a map. An error `clear_gain_percent` below that of knowing
    nothing more is a usable signal, whatever the test says: with two folds it can say little. Where readers expect a
    share, it stands `beside` the error, and `beside_alone` stands beside the error without a map."""

    name: str
    without_map: str
    of_this: str
    clear_gain_percent: float
    beside: str = ""
    beside_alone: str = ""


@dataclass(frozen=True)
class MapRequest:
    """What a map is to hold: `wanted` names its rasters; `coverage` is that of intervals; `thresholds` name targets by
    their numbers; `texture_system` says where the triangle of texture classes is divided."""

    wanted: frozenset[str]
    coverage: float
    thresholds: tuple[tuple[int, Threshold], ...] = ()
    texture_system: str = ""


@dataclass(frozen=True)
class Band:
    """One band of a raster; `order` sorts the bands. A band with `classes` counts their names from 1."""

    order: tuple[int, ...]
    name: str
    unit: str = ""
    classes: tuple[str, ...] = ()


class Explained(Protocol):
    """A target on the scale on which covariates contribute to it, as a function of the group's learned columns."""

    @property
    def transform(self) -> str:
        """The scale, in a word."""
        ...

    def value(self, location: Array) -> Array:
        """The target on that scale (N,), from columns (N, C)."""
        ...

    def slopes(self, location: Array, other: Array) -> Array:
        """By how much it grows with each column on the way from columns `other` (S, C) to columns (N, C): (N, S, C),
        such that slopes times differences of columns sum to the difference of its values."""
        ...


@dataclass(frozen=True)
class LearnedAs:
    """A target on the scale it is learned on: `factors` (C,) times the group's learned columns, plus `offset`."""

    transform: str
    factors: Array
    offset: float

    def value(self, location: Array) -> Array:
        found: Array = location @ self.factors + self.offset
        return found

    def slopes(self, location: Array, other: Array) -> Array:
        return np.broadcast_to(self.factors, (len(location), len(other), len(self.factors)))


@dataclass(frozen=True)
class Given:
    """What an assessment is made from: the kind's own targets (N, D) and folds (N,), and, target by target, the
    held-out predictions by method, the same under folds of another kind, and the verdicts. `asked` holds all
    thresholds that the user wants checked."""

    measured: TargetValues
    fold: Rows
    methods: Sequence[Mapping[str, Any]]
    other_methods: Sequence[Mapping[str, Any]]
    verdicts: Sequence[Verdict]
    asked: Sequence[Threshold]


class Kind(Protocol):
    """A group of targets before anything is fitted."""

    @property
    def targets(self) -> tuple[int, ...]:
        """Numbers of its targets among all targets, in the order of its own arrays."""
        ...

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of its targets."""
        ...

    @property
    def transforms(self) -> tuple[str, ...]:
        """The scale on which each of its targets is learned, in a word."""
        ...

    @property
    def measure(self) -> Measure:
        """The measure by which methods are compared."""
        ...

    @property
    def score_type(self) -> type:
        """The class of its targets' scores: Scores or ClassScores."""
        ...

    @property
    def fold_words(self) -> tuple[str, str]:
        """What the log calls the error of a fold, and the method of the mean."""
        ...

    @property
    def error_names(self) -> tuple[str, ...]:
        """What the root of the mean squared error of each target is called."""
        ...

    @property
    def offers(self) -> tuple[str, ...]:
        """Names of the rasters of it that a map can hold."""
        ...

    @property
    def is_measured_as(self) -> str:
        """What its values are, in the plural, for sentences: `numbers`."""
        ...

    def on_scale(self, wanted: str, measured: TargetValues) -> Kind:
        """The kind with the wanted transform, as far as it has a choice. EngineError where the values forbid it."""
        ...

    def scale_in_words(self, wanted: str, measured: TargetValues) -> tuple[str, str]:
        """Why it has the scale that it has, for the log, and a doubt about the wanted one; each may be empty."""
        ...

    def in_words(self) -> list[str]:
        """What is learned, for the log: one entry for each target, or one for all."""
        ...

    def fit(self, measured: TargetValues, rows: Rows) -> Scaled:
        """Fit the scale to the training rows of its own targets (N, D)."""
        ...

    def predictions(self, measured: TargetValues, fold: Rows, coverage: float) -> Predictions:
        """An empty store for one method's held-out predictions of its own targets."""
        ...

    def bands(self, request: MapRequest) -> dict[str, list[Band]]:
        """Bands of a map's rasters, by raster, in the order of its outcome's `layers`."""
        ...

    def check_offer(self, raster: str, source: str) -> None:
        """Raise EngineError where it offers a raster that its targets cannot give after all; `source` begins the
        sentence that says what they are: `n.safetensors predicts`."""
        ...

    def strata(self, values: Array) -> list[Rows]:
        """What folds should hold alike, of values (N, D): numbers from 0, below 0 where none is known, (N,) each."""
        ...

    def as_known(self, values: Array, other: Any, source: str) -> Array:
        """Values (N, D) of the same targets in the file `source`, where their kind is `other`, as this one counts
        them. EngineError where they are of another kind or hold something unknown."""
        ...

    def observed(self, values: Array) -> Array:
        """Measured values (N, D) as a map shows them, (N, V): numbers, or 1 for the observed class."""
        ...

    def spreads(self, values: Array) -> list[float]:
        """The error of each target (N, D) when only the distribution of its values is known; never 0."""
        ...

    def assess(self, given: Given) -> list[Any]:
        """Assess each of its targets."""
        ...

    def assess_whole(self, assessed: Sequence[Any]) -> Any:
        """Assess its targets together; None where there is nothing to add."""
        ...

    def told_together(self) -> list[slice]:
        """Which of the V values belong to one target, target by target."""
        ...


class Scaled(Protocol):
    """A kind fitted to training rows."""

    @property
    def columns(self) -> Columns:
        """The head of a network that learns it, and how many columns that learns."""
        ...

    def learn(self, measured: TargetValues) -> Learned:
        """What networks and forests learn of measured values (N, D)."""
        ...

    def blend(self, predicted: Array, learned: Array, fair: Array) -> Array:
        """Weights (M, C), not negative and summing to 1, of M components that predicted (M, n, C) for rows that they
        had not seen; `learned` (n, C) are the true columns, and `fair` (M,) the weights without any knowledge."""
        ...

    def calibrate(self, learned: Learned, location: Array, scale: Array, independent: float = 1.0) -> Any:
        """The outcome from learned columns (n, C) and predictions of them by what had not seen the rows, of which a
        share of `independent` ones tells something new: that widens limits; probabilities of classes stay."""
        ...


class Outcome(Protocol):
    """The way from locations and scales (C, ...) to distributions in the targets' units."""

    @property
    def scaled(self) -> Scaled: ...

    @property
    def transform(self) -> str:
        """The scale on which it was learned, in a word."""
        ...

    @property
    def wild(self) -> tuple[int, ...]:
        """Numbers of the training rows whose values lie so far from their predictions that means leave them out."""
        ...

    def check(self, kind: Any) -> None:
        """Raise ValueError where a file pairs it with a kind that does not fit."""
        ...

    def scores(self, learned: Learned, location: Array, scale: Array) -> tuple[Array, Array]:
        """How far known values lie from predictions (n, C) that had not seen them: scores (n, C), and the shares of
        their variance that errors of measurement explain. Scores of numbers are standard normal where the distributions
        hold; those of classes are residuals of the indicators, whose squares sum to 1 on average. NaN where missing."""
        ...

    def values(self, location: Array, scale: Array) -> Array:
        """Values (V, ...) that a map shows: means, or probabilities."""
        ...

    def draw(self, location: Array, scale: Array, scores: Array) -> Array:
        """What lies at standard normal scores (C, ...) of its distributions: values (V, ...), or 1 for the class that
        is there. Where scores are independent draws, so are the values, and the means of both are those of a map."""
        ...

    def layers(self, kind: Any, request: MapRequest, location: Array, scale: Array) -> dict[str, Array]:
        """Values (bands, ...) of each wanted raster that it can give, perhaps of others; NaN where not predicted."""
        ...

    def explained(self, target: int, class_name: str) -> Explained:
        """Its target of that number, counted from 0, as a function of learned columns; of classes, the one named."""
        ...


class Predictions(Protocol):
    """One method's predictions for held-out observations, gathered fold by fold in `arrays`; NaN where none is."""

    def arrays(self) -> list[Array]: ...

    def store(self, rows: Rows, outcome: Any, location: Array, scale: Array) -> None:
        """Keep the predictions for `rows` (n,), from the learned columns (n, C)."""
        ...

    def store_baseline(self, train: Rows, test: Rows) -> None:
        """Keep what is known of the `test` rows without looking at them: the distribution of the training rows."""
        ...

    def errors_in_words(self, rows: Rows) -> list[str]:
        """The error of each target in these rows; empty where none of them has the target."""
        ...

    def held_out(self) -> list[Any]:
        """The predictions of each target's observations, with scores."""
        ...
