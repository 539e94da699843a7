"""Predicted distributions beside what a laboratory reports: below its limit, no more than that.

Scores compare like with like: the laboratory would have reported the limit for all of a distribution below it, too.
Comparing the prediction itself with the values above the limits would favour predictions that are too high. Coverage
needs no limits: a value below its limit lies at each of the lower quantiles with the same probability.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, Scores, is_inside, pit, score


def reported_mean(mean: Array, quantiles: Array, limits: Array) -> Array:
    """Expected value (n,) of what is reported of distributions with that `mean` and `quantiles` (n, 99): the mean, plus
    the gain from raising all below the `limits` (n,) to them. Limits are minus infinity where there are none."""
    raised = np.maximum(limits[:, None] - quantiles, 0)
    levels = np.concatenate([[0.0], QUANTILE_LEVELS, [1.0]])
    expected: Array = mean + np.trapezoid(np.hstack([raised[:, :1], raised, raised[:, -1:]]), levels)
    return np.asarray(np.maximum(expected, limits))


def score_reported(
    observed: Array,
    predicted: tuple[Array, Array, Array, Array],
    coverage: float,
    is_censored: Flags,
    limits: Array,
) -> Scores:
    """Scores of `observed` (n,) beside mean, lower and upper limit of the interval, and quantiles (n, 99)."""
    mean, lower, upper, quantiles = predicted
    if not np.isfinite(limits).any():
        return score(observed, mean, lower, upper, coverage, quantiles)
    scores = score(
        observed,
        reported_mean(mean, quantiles, limits),
        np.maximum(lower, limits),
        np.maximum(upper, limits),
        coverage,
        np.maximum(quantiles, limits[:, None]),
    )
    inside = inside_shares(observed, lower, upper, quantiles, is_censored)
    return replace(scores, picp=float(inside.mean()), width=float(np.mean(upper - lower)))


def inside_shares(observed: Array, lower: Array, upper: Array, quantiles: Array, is_censored: Flags) -> Array:
    """Share of the observed value inside the interval (n,): 1 inside, 0 outside; for a censored value the probability
    that it lies inside, given that it lies below its limit."""
    inside = is_inside(observed, lower, upper).astype(np.float64)
    if is_censored.any():
        own = quantiles[is_censored]
        below = below_shares(observed[is_censored], own, upper[is_censored])
        inside[is_censored] = below - below_shares(observed[is_censored], own, lower[is_censored])
    return inside


def below_shares(limits: Array, quantiles: Array, values: Array) -> Array:
    """Predicted probability (n,) that a value below `limits` (n,) lies below `values` (n,), too."""
    reached, level = pit(limits, quantiles, QUANTILE_LEVELS), pit(values, quantiles, QUANTILE_LEVELS)
    shares: Array = np.minimum(level / reached, 1.0)
    return shares
