"""Statistics of values of which some are only known to lie below a limit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import CensoredData, ecdf, norm

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def normal_moments(values: Array, is_censored: Flags) -> tuple[float, float]:
    """Mean and standard deviation of a normal distribution, by maximum likelihood (Tobin 1958, 10.2307/1907382).

    `values` (n,) are finite; where `is_censored` the value lies somewhere below.
    """
    mean, deviation = float(values.mean()), float(values.std())
    if not is_censored.any() or deviation == 0:
        return mean, deviation
    measured, limits = values[~is_censored], values[is_censored]

    def loss(parameters: Array) -> float:
        middle, spread = parameters[0], np.exp(parameters[1])
        return float(-norm.logpdf(measured, middle, spread).sum() - norm.logcdf(limits, middle, spread).sum())

    found = minimize(loss, [mean, np.log(deviation)], method="Nelder-Mead", options={"maxiter": 2000})
    return float(found.x[0]), float(np.exp(found.x[1]))


def expected_below(limits: Array, mean: Array | float, deviation: Array | float) -> Array:
    """Expected value of a normal distribution below its limits."""
    z = (limits - mean) / deviation
    expected: Array = mean - deviation * np.exp(norm.logpdf(z) - norm.logcdf(z))
    return expected


def as_if_measured(values: Array, is_censored: Flags) -> Array:
    """As many values, ascending, that have the distribution of `values` (n,), of which some are censored.

    By the product-limit estimate (Kaplan & Meier 1958, 10.2307/2281868) of the values turned over, as Helsel (2012,
    10.1002/9781118162729) advises for detection limits. What lies below the smallest limit that tells anything gets
    the tail of a normal distribution.
    """
    if not is_censored.any():
        return np.sort(values)
    levels = (np.arange(len(values)) + 0.5) / len(values)
    distribution = ecdf(CensoredData.right_censored(-values, is_censored)).cdf  # of the values turned over
    reached = distribution.probabilities
    index = np.searchsorted(reached, 1 - levels)
    is_told = index < len(reached)
    result = np.full(len(values), np.nan)
    result[is_told] = -distribution.quantiles[index[is_told]]
    if not is_told.all():
        mean, deviation = normal_moments(values, is_censored)
        smallest, share = result[is_told].min(), 1 - reached[-1]
        below = np.maximum(levels[~is_told] / share, 1e-9) * norm.cdf((smallest - mean) / deviation)
        result[~is_told] = np.minimum(mean + deviation * norm.ppf(np.maximum(below, 1e-12)), smallest)
    return np.sort(result)
