"""The result of an assessment on held-out folds, as the report, the JSON file and the network file receive it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.composition_assessment import CompositionAssessment

Array = NDArray[np.float64]

QUANTILE_LEVELS = np.arange(1, 100) / 100
"""At which a predicted distribution is kept."""

BLEND = "blend"
NETWORK = "network"
FOREST = "forest"
FOREST_CONTEXT = "forest_context"
MEAN = "mean"
METHODS = {
    BLEND: "Blend of network and random forest",
    NETWORK: "Network",
    FOREST: "Random forest, covariates at the point",
    FOREST_CONTEXT: "Random forest with context (focal means and deviations)",
    MEAN: "Mean of the training observations",
}
"""Method -> its name in words, in the order of tables."""
FORESTS_SETTING = "random forests"
"""Among the settings, where they are not grown as usual: how."""


@dataclass(frozen=True)
class Scores:
    """Held-out scores in the target's unit. MEC and CCC are None where the observations do not vary, RPIQ where their
    quartiles coincide or nothing is wrong."""

    n: int
    me: float
    rmse: float
    mec: float | None
    ccc: float | None
    rpiq: float | None
    picp: float  # share of observations inside the prediction interval
    width: float  # mean width of the prediction interval
    interval_score: float
    crps: float

    @property
    def error(self) -> float:
        """By which methods are compared."""
        return self.rmse


@dataclass(frozen=True)
class HeldOut:
    """One method's predictions of observations it was not trained on: arrays (n,) in the target's unit; `quantiles`
    (n, 99) are of the predicted distribution at QUANTILE_LEVELS."""

    mean: Array
    lower: Array
    upper: Array
    quantiles: Array
    scores: Scores
    fold_scores: tuple[Scores, ...]


@dataclass(frozen=True)
class Verdict:
    """Whether the network beats the better forest. `outcome` is `network`, `forest` (the better one), `equal` (no clear
    difference) or `none` (nothing beats the mean). `difference_percent` is the network's RMSE, of classes its Brier
    score, minus that forest's, in percent of the forest's; `p` is of the paired test over folds."""

    text: str
    outcome: str
    rival: str
    difference_percent: float
    p: float | None


@dataclass(frozen=True)
class MeasuredTarget:
    """What was measured: `rows` (n,) are those of the observations that have a value, `observed` (n,) the values."""

    soil_property: SoilProperty
    rows: NDArray[np.int64]
    observed: Array


@dataclass(frozen=True)
class TargetAssessment(MeasuredTarget):
    """One target: `rows` (n,) are the observations of the patch file that have a value, `fold` (n,) counts from 0;
    where `is_censored` (n,) the observed value is only known to be below. Below `limits` (n,) no value is reported,
    minus infinity where there is none, see reported.py. `errors` (n,) are standard deviations of the measurement, 0
    where none is known."""

    fold: NDArray[np.int64]
    is_censored: NDArray[np.bool_]
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
