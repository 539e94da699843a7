"""The result of an assessment on held-out folds, as the report, the JSON file and the network file receive it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.comparison import Verdict
from soil_cnn_plugin.engine.assessment.methods import NETWORK
from soil_cnn_plugin.engine.targets.compositions import CompositionAssessment
from soil_cnn_plugin.engine.targets.metrics import HeldOut, Scores
from soil_cnn_plugin.engine.targets.reported import reported_mean


@dataclass(frozen=True)
class MeasuredTarget:
    """What was measured: `rows` (n,) are those of the observations that have a value, `observed` (n,) the values."""

    soil_property: SoilProperty
    rows: Rows
    observed: Array


@dataclass(frozen=True)
class TargetAssessment(MeasuredTarget):
    """One target: `rows` (n,) are the observations of the patch file that have a value, `fold` (n,) counts from 0;
    where `is_censored` (n,) the observed value is only known to be below. Below `limits` (n,) no value is reported,
    minus infinity where there is none, see reported.py. `errors` (n,) are standard deviations of the measurement, 0
    where none is known."""

    fold: Rows
    is_censored: Flags
    limits: Array
    errors: Array
    methods: dict[str, HeldOut]
    transform: str
    verdict: Verdict
    thresholds: tuple[Threshold, ...] = ()  # whose probabilities of being exceeded are checked


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
    """`kind` as in the job; `sentence` says how observations were held out and why; `other_scores` are the scores
    under folds of `other_kind`, by target field and method: random beside spatial, blocks beside random."""

    kind: str
    count: int
    sentence: str
    overlap_percent: float  # share of held-out observations whose patch overlaps a training patch
    other_kind: str = ""
    other_scores: dict[str, dict[str, Scores]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class HeldOutAssessment:
    """What assessments of numbers and of classes have in common. `coordinates` (N, 2) are x, y of all observations of
    the patch file in `crs_name`."""

    folds: FoldsInWords
    coordinates: Array
    crs_name: str
    cell_size: float
    patch_size: int
    loss_curves: tuple[LossCurve, ...]
    settings: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    predictor: str = NETWORK  # the method that the map is predicted with


@dataclass(frozen=True, kw_only=True)
class Assessment(HeldOutAssessment):
    """All of it, of targets that are numbers. `weights` (N,) say how much observations count in training; empty: all
    alike."""

    targets: tuple[TargetAssessment, ...]
    weights: Array = field(default_factory=lambda: np.ones(0))
    coverage: float
    compositions: tuple[CompositionAssessment, ...] = ()  # of the targets that are parts of one


def residuals(target: TargetAssessment, held_out: HeldOut) -> Array:
    """(n,) predicted minus observed, both as reported."""
    return reported_mean(held_out.mean, held_out.quantiles, target.limits) - target.observed
