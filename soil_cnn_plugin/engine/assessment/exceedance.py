"""Whether predicted probabilities of exceeding a threshold come true, on held-out observations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.class_scores import ClassReliability, reliability_in_steps
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, pit

_IN_A_STEP = 25  # observations, where there are enough


@dataclass(frozen=True)
class Exceedance:
    """One method's probabilities for one threshold, on `n` observations that tell whether it is exceeded.

    `unknown` observations do not tell: a laboratory with a detection limit above the threshold tells only of values
    above that limit, and counting these alone would favour high probabilities. `share` is the share of the others that
    exceed the threshold, `expected` the mean probability. `brier` is the mean squared error of the probabilities;
    `skill` says how much lower it is than the error of always saying `share`, None where all or none exceed. `p` is the
    probability that chance makes differences as large as these between probabilities and outcomes (Hosmer & Lemeshow
    1980, 10.1080/03610928008827941).
    """

    threshold: Threshold
    n: int
    unknown: int
    share: float
    expected: float
    brier: float
    skill: float | None
    p: float | None
    reliability: ClassReliability


def check_exceedance(target: NumberTarget, held_out: HeldOut) -> list[Exceedance]:
    """Check each of the target's thresholds that any observation can tell of; none for a method without quantiles."""
    if held_out.quantiles.shape != (len(target.observed), len(QUANTILE_LEVELS)):
        return []
    found = []
    for threshold in target.thresholds:
        values = np.full(len(target.observed), threshold.value)
        probability = 1 - pit(values, held_out.quantiles, QUANTILE_LEVELS)
        is_told = (target.limits <= threshold.value) & np.isfinite(probability)
        # A censored value lies below its limit, and so below the threshold.
        exceeds = (target.observed > threshold.value) & ~target.is_censored
        if not threshold.is_above:
            probability = 1 - probability
            exceeds = (target.observed < threshold.value) | target.is_censored
        if is_told.any():
            found.append(_check(threshold, probability[is_told], exceeds[is_told], int((~is_told).sum())))
    return found


def unchecked(target: NumberTarget) -> list[Threshold]:
    """Thresholds of the target that lie below the detection limits of all observations."""
    return [threshold for threshold in target.thresholds if not (target.limits <= threshold.value).any()]


def _check(threshold: Threshold, probability: Array, exceeds: Flags, unknown: int) -> Exceedance:
    share, n = float(exceeds.mean()), len(exceeds)
    steps = int(np.clip(n // _IN_A_STEP, 4, 10))
    brier, base = float(((probability - exceeds) ** 2).mean()), share * (1 - share)
    return Exceedance(
        threshold=threshold,
        n=n,
        unknown=unknown,
        share=share,
        expected=float(probability.mean()),
        brier=brier,
        skill=1 - brier / base if base > 0 else None,
        p=_chance(probability, exceeds, steps) if base > 0 else None,
        reliability=reliability_in_steps(probability, exceeds, steps),
    )


def _chance(probability: Array, exceeds: Flags, steps: int) -> float:
    """Probability that chance makes the squared differences as large, in equal parts of the observations ordered by
    their probabilities, if each exceeds with its own probability."""
    parts = np.array_split(np.argsort(probability, kind="stable"), min(steps, len(exceeds)))
    differences = np.array([(exceeds[part] - probability[part]).sum() for part in parts])
    variances = np.array([(probability[part] * (1 - probability[part])).sum() for part in parts])
    return float(chi2.sf((differences**2 / variances).sum(), len(parts)))
