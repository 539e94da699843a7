"""Whether predicted distributions hold: coverage of intervals and quantiles, PIT, probabilities of exceedance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.class_scores import ClassReliability, reliability_in_steps
from soil_cnn_plugin.engine.targets.distributions import equals
from soil_cnn_plugin.engine.targets.metrics import (
    QUANTILE_LEVELS,
    HeldOut,
    below_shares,
    coverage_curve,
    inside_shares,
    pit,
    qcp,
)

PIT_BINS = 10
NARROWEST = 0.5
"""Nominal coverage of the narrowest interval in the PICP curve; the outermost quantiles enclose the widest, 98 %."""
_FEWEST_BY_SPREAD = 15
_IN_A_STEP = 25  # observations, where there are enough


@dataclass(frozen=True)
class Reliability:
    """Reliability of one method's distributions beside `n` observations, as shares.

    `below` and `above` are the observations outside the prediction interval; `picp` (26,) belongs to the `nominal`
    coverages, `qcp` (99,) to QUANTILE_LEVELS; `pit` (10,) are the observations in equal steps of PIT.
    """

    n: int
    below: float
    above: float
    nominal: Array
    picp: Array
    qcp: Array
    pit: Array


def reliability(observed: Array, held_out: HeldOut, is_censored: Flags | None = None) -> Reliability | None:
    """Compute reliability; None where the method predicts no distribution, or nothing was observed.

    Where `is_censored`, the observed value lies below, and counts with its probability of lying there.
    """
    quantiles = held_out.quantiles
    if len(observed) == 0 or not _has_distributions(observed, held_out) or not np.isfinite(quantiles).all():
        return None
    told = _told(held_out)
    measured = _of_measured(observed[told], held_out.lower[told], held_out.upper[told], quantiles)
    if is_censored is None or not is_censored.any():
        return measured
    limits, own = observed[is_censored], quantiles[is_censored]
    censored = _of_censored(limits, held_out.lower[is_censored], held_out.upper[is_censored], own)
    if is_censored.all():
        return censored
    rest = ~is_censored
    measured = _of_measured(observed[rest], held_out.lower[rest], held_out.upper[rest], quantiles[rest])
    return _together(measured, censored)


@dataclass(frozen=True)
class SpreadThird:
    """A third of the observations by the width of their prediction intervals: `picp` of its `n` intervals hold, and
    their mean width is `width`."""

    n: int
    width: float
    picp: float


def coverage_by_spread(target: NumberTarget, held_out: HeldOut) -> tuple[SpreadThird, ...]:
    """The thirds of the observations from the narrowest to the widest intervals; none for few observations, or where
    intervals do not differ. Intervals that hold on the whole may be too narrow where they promise much."""
    width = held_out.upper - held_out.lower
    if not _has_distributions(target.observed, held_out):
        return ()
    if len(width) < _FEWEST_BY_SPREAD or not np.isfinite(width).all() or width.max() <= 1.001 * width.min():
        return ()
    inside = inside_shares(target.observed, held_out.lower, held_out.upper, held_out.quantiles, target.is_censored)
    thirds = np.array_split(np.argsort(width, kind="stable"), 3)
    return tuple(SpreadThird(len(own), float(width[own].mean()), float(inside[own].mean())) for own in thirds)


def _told(held_out: HeldOut) -> Flags | slice:
    """What selects the observations that quantiles are of."""
    return slice(None) if held_out.told is None else held_out.told


def _has_distributions(observed: Array, held_out: HeldOut) -> bool:
    """Whether a method predicts more than a mean."""
    return held_out.quantiles.shape == (len(observed[_told(held_out)]), len(QUANTILE_LEVELS))


def _of_measured(observed: Array, lower: Array, upper: Array, quantiles: Array) -> Reliability:
    nominal, inside = coverage_curve(observed, quantiles, QUANTILE_LEVELS)
    shown = nominal > NARROWEST - 1e-9
    # Rounding keeps 0.30000000000000004 in its bin.
    counts, _ = np.histogram(np.round(pit(observed, quantiles, QUANTILE_LEVELS), 9), bins=PIT_BINS, range=(0, 1))
    return Reliability(
        n=len(observed),
        below=float(np.mean(observed < lower)),
        above=float(np.mean(observed > upper)),
        nominal=nominal[shown],
        picp=inside[shown],
        qcp=qcp(observed, quantiles),
        pit=counts / len(observed),
    )


def _of_censored(limits: Array, lower: Array, upper: Array, quantiles: Array) -> Reliability:
    """Expected shares for censored values: the PIT of a value below a limit is uniform up to that of the limit (Czado
    et al. 2009, section 2, 10.1111/j.1541-0420.2009.01191.x)."""
    reached = pit(limits, quantiles, QUANTILE_LEVELS)[:, None]
    qcp_ = np.minimum(QUANTILE_LEVELS / reached, 1.0).mean(axis=0)
    below = np.flatnonzero(QUANTILE_LEVELS < 0.5 - 1e-9)[::-1]
    nominal = 1 - 2 * QUANTILE_LEVELS[below]
    shown = nominal > NARROWEST - 1e-9
    edges = np.linspace(0, 1, PIT_BINS + 1)
    return Reliability(
        n=len(limits),
        below=float(below_shares(limits, quantiles, lower).mean()),
        above=float(1 - below_shares(limits, quantiles, upper).mean()),
        nominal=nominal[shown],
        picp=(qcp_[::-1][below] - qcp_[below])[shown],
        qcp=qcp_,
        pit=np.diff(np.minimum(edges / reached, 1.0), axis=1).mean(axis=0),
    )


def _together(a: Reliability, b: Reliability) -> Reliability:
    """Join the shares of two groups of observations."""
    n = a.n + b.n
    mixed = {
        name: (a.n * getattr(a, name) + b.n * getattr(b, name)) / n for name in ("below", "above", "picp", "qcp", "pit")
    }
    return Reliability(n=n, nominal=a.nominal, **mixed)


def chance_band(n: int, shares: Array) -> tuple[Array, Array]:
    """Limits between which 95 % of the shares of `n` independent observations lie, where `shares` are the true ones."""
    from scipy.stats import binom  # takes long to load

    low, high = binom.interval(0.95, n, shares)
    return np.asarray(low / n, dtype=np.float64), np.asarray(high / n, dtype=np.float64)


@dataclass(frozen=True)
class Exceedance:
    """One method's probabilities for one threshold, on `n` observations that tell whether it is exceeded.

    `tied` ones equal it as measured and count as not exceeding it; `p` then is the highest of those from all ways to
    count them, since a rounded value may lie on either side. `unknown` observations do not tell: a laboratory with a
    detection limit above the threshold tells only of values above that limit, and counting these alone would favour
    high probabilities. `share` is the share of the others that exceed the threshold, `expected` the mean probability.
    `brier` is the mean squared error of the probabilities; `skill` says how much lower it is than the error of always
    saying `share`, None where all or none exceed. `p` is the probability that chance makes differences as large as
    these between probabilities and outcomes (Hosmer & Lemeshow 1980, 10.1080/03610928008827941).
    """

    threshold: Threshold
    n: int
    unknown: int
    tied: int
    share: float
    expected: float
    brier: float
    skill: float | None
    p: float | None
    reliability: ClassReliability


def check_exceedance(target: NumberTarget, held_out: HeldOut) -> list[Exceedance]:
    """Check each of the target's thresholds that any observation can tell of; none for a method without quantiles."""
    if not _has_distributions(target.observed, held_out):
        return []
    found = []
    own = _told(held_out)
    observed, limits, is_censored = target.observed[own], target.limits[own], target.is_censored[own]
    for threshold in target.thresholds:
        values = np.full(len(observed), threshold.value)
        probability = 1 - pit(values, held_out.quantiles, QUANTILE_LEVELS)
        is_told = (limits <= threshold.value) & np.isfinite(probability)
        # A censored value lies below its limit, and so below the threshold.
        exceeds = (observed > threshold.value) & ~is_censored
        if not threshold.is_above:
            probability = 1 - probability
            exceeds = (observed < threshold.value) | is_censored
        is_tied = equals(observed, threshold.value) & ~is_censored
        if is_told.any():
            told = probability[is_told], exceeds[is_told], is_tied[is_told]
            found.append(_check(threshold, *told, int((~is_told).sum())))
    return found


def unchecked(target: NumberTarget) -> list[Threshold]:
    """Thresholds of the target that lie below the detection limits of all observations."""
    return [threshold for threshold in target.thresholds if not (target.limits <= threshold.value).any()]


def _check(threshold: Threshold, probability: Array, exceeds: Flags, is_tied: Flags, unknown: int) -> Exceedance:
    share, n = float(exceeds.mean()), len(exceeds)
    steps = int(np.clip(n // _IN_A_STEP, 4, 10))
    ways = [np.where(is_tied, count, exceeds) for count in ((0.0, 0.5, 1.0) if is_tied.any() else (0.0,))]
    brier, base = float(((probability - exceeds) ** 2).mean()), share * (1 - share)
    return Exceedance(
        threshold=threshold,
        n=n,
        unknown=unknown,
        tied=int(is_tied.sum()),
        share=share,
        expected=float(probability.mean()),
        brier=brier,
        skill=1 - brier / base if base > 0 else None,
        p=max(_chance(probability, way, steps) for way in ways) if base > 0 else None,
        reliability=reliability_in_steps(probability, exceeds, steps),
    )


def _chance(probability: Array, exceeds: Array, steps: int) -> float:
    """Probability that chance makes the squared differences as large, in equal parts of the observations ordered by
    their probabilities, if each exceeds with its own probability."""
    parts = np.array_split(np.argsort(probability, kind="stable"), min(steps, len(exceeds)))
    differences = np.array([(exceeds[part] - probability[part]).sum() for part in parts])
    variances = np.array([(probability[part] * (1 - probability[part])).sum() for part in parts])
    return float(chdtrc(len(parts), (differences**2 / variances).sum()))
