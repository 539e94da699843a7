"""What an assessment knows of one target: what was observed, what each method predicted, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.targets.class_scores import ClassHeldOut
from soil_cnn_plugin.engine.targets.metrics import HeldOut, reported_mean


@dataclass(frozen=True)
class Claim:
    """What a verdict says of two methods: the error of `method` minus that of `other`, in `percent` of the other's, and
    whether it is clearly lower (-1), clearly higher (1) or neither (0).

    `p` is adjusted for the number of `comparisons` in all verdicts of the run. `detectable_percent` is the smallest
    difference that the test finds, as one of so many, with a probability of 80 %. Both are None without a test.
    """

    method: str
    other: str
    percent: float
    direction: int
    p: float | None
    comparisons: int
    detectable_percent: float | None


@dataclass(frozen=True)
class Verdict:
    """Whether the network beats the better forest.

    `outcome` is `network`, `forest` (the better one), `equal` (no clear difference), `none` (nothing beats the mean) or
    `unknown` (nothing clearly beats the mean, but the test could have missed it). `difference_percent` is the network's
    RMSE minus that forest's, in percent of the forest's (for classes: the Brier scores); `p` comes from the paired test
    over folds and is that of this comparison alone. `claims` are all that the text says of two methods, the network
    and that forest first.
    """

    text: str
    outcome: str
    rival: str
    difference_percent: float
    p: float | None
    claims: tuple[Claim, ...] = ()


@dataclass(frozen=True)
class MeasuredTarget:
    """What was measured: `rows` (n,) number the observations that have a value, `observed` (n,) holds the values."""

    soil_property: SoilProperty
    rows: Rows
    observed: Array


@dataclass(frozen=True)
class NumberTarget(MeasuredTarget):
    """A target that is a number: `rows` (n,) number the observations of the patch file that have a value.

    `fold` (n,) counts from 0. Where `is_censored` (n,), the observed value is only known to be below. Below `limits`
    (n,) no value is reported; they are minus infinity where there is none, see reported.py. `errors` (n,) are standard
    deviations of the measurement, 0 where none is known. `other_methods` are the methods under folds of the other kind.
    """

    fold: Rows
    is_censored: Flags
    limits: Array
    errors: Array
    methods: dict[str, HeldOut]
    transform: str
    verdict: Verdict
    thresholds: tuple[Threshold, ...] = ()  # the assessment checks the probabilities that these are exceeded
    other_methods: dict[str, HeldOut] = field(default_factory=dict)

    def left_over(self, method: str) -> Array:
        """What a method leaves unexplained at each observation (n,)."""
        return residuals(self, self.methods[method])


@dataclass(frozen=True)
class ClassTarget:
    """A target that is a class: `rows` (n,) number the observations of the patch file that have one.

    `observed` (n,) is the class as a number that counts `classes` from 0; `fold` (n,) counts from 0. The probabilities
    of `methods` are in the order of the rows; `other_methods` are the methods under folds of the other kind.
    """

    soil_property: SoilProperty
    rows: Rows
    observed: Rows
    fold: Rows
    classes: tuple[str, ...]
    methods: dict[str, ClassHeldOut]
    verdict: Verdict
    other_methods: dict[str, ClassHeldOut] = field(default_factory=dict)

    def left_over(self, method: str) -> Array:
        """What the probability of each observed class (n,) lacks to 1."""
        return np.asarray(1 - self.methods[method].probabilities[np.arange(len(self.rows)), self.observed])

    @property
    def counts(self) -> Rows:
        """Observations of each class, (K,)."""
        return np.bincount(self.observed, minlength=len(self.classes))


def residuals(target: NumberTarget, held_out: HeldOut) -> Array:
    """Predicted minus observed, both as reported, (n,)."""
    return reported_mean(held_out.mean, held_out.quantiles, target.limits) - target.observed
