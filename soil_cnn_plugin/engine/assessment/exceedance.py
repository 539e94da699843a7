"""Whether predicted probabilities of exceeding a threshold come true, on held-out observations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import QUANTILE_LEVELS, HeldOut, TargetAssessment
from soil_cnn_plugin.engine.assessment.class_reliability import ClassReliability, reliability_in_steps
from soil_cnn_plugin.engine.assessment.metrics import pit

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

_DEFAULT_LEVELS = (0.5, 0.9)  # of the observed values, where the user names no threshold


@dataclass(frozen=True)
class Exceedance:
    """One method's probabilities of one threshold, of `n` observations that tell whether it is exceeded.

    `unknown` observations do not: they lie somewhere below a detection limit that is above the threshold. `share` is
    that of the others that exceed it. `brier` is the mean squared error of the probabilities, `skill` how much lower
    that is than the one of always saying `share`, None where all or none exceed.
    """

    threshold: Threshold
    n: int
    unknown: int
    share: float
    brier: float
    skill: float | None
    reliability: ClassReliability


def choose_thresholds(
    wanted: Sequence[Threshold], soil_property: SoilProperty, observed: Array, is_censored: Flags
) -> tuple[Threshold, ...]:
    """Those wanted of a target; where none is wanted of any, the middle and the 90 % quantile of what was observed,
    rounded, if they lie above the detection limits."""
    if wanted:
        return tuple(threshold for threshold in wanted if threshold.matches(soil_property))
    lowest = observed[is_censored].max() if is_censored.any() else -np.inf
    values = [float(f"{value:.3g}") for value in np.quantile(observed, _DEFAULT_LEVELS)]
    return tuple(Threshold(soil_property.field, value) for value in dict.fromkeys(values) if value > lowest)


def check_exceedance(target: TargetAssessment, held_out: HeldOut) -> list[Exceedance]:
    """Of each of the target's thresholds that any observation can tell of; of a method with distributions."""
    if held_out.quantiles.shape != (len(target.observed), len(QUANTILE_LEVELS)):
        return []
    found = []
    for threshold in target.thresholds:
        values = np.full(len(target.observed), threshold.value)
        probability = 1 - pit(values, held_out.quantiles, QUANTILE_LEVELS)
        exceeds = target.observed > threshold.value
        if not threshold.is_above:
            probability, exceeds = 1 - probability, target.observed < threshold.value
        is_told = ~(target.is_censored & (target.observed > threshold.value))
        # What lies below a limit at or under the threshold is below the threshold, too.
        exceeds = np.where(target.is_censored & is_told, not threshold.is_above, exceeds)
        is_told &= np.isfinite(probability)
        if is_told.any():
            found.append(_check(threshold, probability[is_told], exceeds[is_told], int((~is_told).sum())))
    return found


def _check(threshold: Threshold, probability: Array, exceeds: Flags, unknown: int) -> Exceedance:
    share = float(exceeds.mean())
    brier, base = float(((probability - exceeds) ** 2).mean()), share * (1 - share)
    return Exceedance(
        threshold=threshold,
        n=len(exceeds),
        unknown=unknown,
        share=share,
        brier=brier,
        skill=1 - brier / base if base > 0 else None,
        reliability=reliability_in_steps(probability, exceeds),
    )
