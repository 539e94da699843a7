"""The result of an assessment on held-out folds, as the report, the JSON file and the network file receive it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.comparison import Verdict
from soil_cnn_plugin.engine.assessment.methods import NETWORK
from soil_cnn_plugin.engine.targets.classes import ClassHeldOut
from soil_cnn_plugin.engine.targets.composition import CompositionAssessment
from soil_cnn_plugin.engine.targets.metrics import HeldOut
from soil_cnn_plugin.engine.targets.reported import reported_mean


@dataclass(frozen=True)
class MeasuredTarget:
    """What was measured: `rows` (n,) are those of the observations that have a value, `observed` (n,) the values."""

    soil_property: SoilProperty
    rows: Rows
    observed: Array


@dataclass(frozen=True)
class NumberTarget(MeasuredTarget):
    """A target that is a number: `rows` (n,) are the observations of the patch file that have a value, `fold` (n,)
    counts from 0; where `is_censored` (n,) the observed value is only known to be below. Below `limits` (n,) no value
    is reported, minus infinity where there is none, see reported.py. `errors` (n,) are standard deviations of the
    measurement, 0 where none is known. `other_methods` are the methods under folds of the other kind."""

    fold: Rows
    is_censored: Flags
    limits: Array
    errors: Array
    methods: dict[str, HeldOut]
    transform: str
    verdict: Verdict
    thresholds: tuple[Threshold, ...] = ()  # whose probabilities of being exceeded are checked
    other_methods: dict[str, HeldOut] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassTarget:
    """A target that is a class: `rows` (n,) are the observations of the patch file that have one, `observed` (n,) its
    number, which counts `classes` from 0, `fold` (n,) counts from 0. Probabilities of `methods` are in the order of the
    rows; `other_methods` are the methods under folds of the other kind."""

    soil_property: SoilProperty
    rows: Rows
    observed: Rows
    fold: Rows
    classes: tuple[str, ...]
    methods: dict[str, ClassHeldOut]
    verdict: Verdict
    other_methods: dict[str, ClassHeldOut] = field(default_factory=dict)

    @property
    def counts(self) -> Rows:
        """(K,) observations of each class."""
        return np.bincount(self.observed, minlength=len(self.classes))


@dataclass(frozen=True)
class LossCurve:
    """Loss against training steps of one ensemble: medians over its members, and the step each member was kept at."""

    architecture: str
    steps: tuple[int, ...]
    training: tuple[float, ...]
    held_out: tuple[float, ...]
    kept_steps: tuple[int, ...]


@dataclass(frozen=True)
class FoldsInWords:
    """`kind` as in the job; `sentence` says how observations were held out and why; `other_kind` is that of the folds
    that are set beside these: random beside spatial, blocks beside random, empty where there are none."""

    kind: str
    count: int
    sentence: str
    overlap_percent: float  # share of held-out observations whose patch overlaps a training patch
    other_kind: str = ""


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """All of it. `targets` are in the patch file's order, `coordinates` (N, 2) are x, y of all observations of the
    patch file in `crs_name`. `weights` (N,) say how much observations count in training; empty: all alike."""

    targets: tuple[NumberTarget | ClassTarget, ...]
    compositions: tuple[CompositionAssessment, ...] = ()  # of the targets that are parts of one
    folds: FoldsInWords
    coordinates: Array
    crs_name: str
    cell_size: float
    patch_size: int
    loss_curves: tuple[LossCurve, ...]
    coverage: float
    weights: Array = field(default_factory=lambda: np.ones(0))
    settings: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    predictor: str = NETWORK  # the method that the map is predicted with

    @property
    def numbers(self) -> tuple[NumberTarget, ...]:
        return tuple(target for target in self.targets if isinstance(target, NumberTarget))

    @property
    def classes(self) -> tuple[ClassTarget, ...]:
        return tuple(target for target in self.targets if isinstance(target, ClassTarget))


def residuals(target: NumberTarget, held_out: HeldOut) -> Array:
    """(n,) predicted minus observed, both as reported."""
    return reported_mean(held_out.mean, held_out.quantiles, target.limits) - target.observed
