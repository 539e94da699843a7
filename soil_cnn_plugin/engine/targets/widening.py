"""Limits from few independent residuals: how much wider than the residuals themselves they must be."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from soil_cnn_plugin.engine.arrays import Array

_FEWEST_FREE = 2.0  # degrees of freedom; with fewer, limits would say nothing
_LIMIT = 0.95  # level of the limits of intervals of 90 %


def widened(z: Array, independent: float) -> tuple[Array, float]:
    """Widen residuals z (n,), ascending, around their median, and tell the factor of the outermost one.

    Limits from the spread of v independent values are quantiles of a t distribution with v - 1 degrees of freedom. Of n
    residuals, v is the share of `independent` ones times n; each z is multiplied by the quantile at its level for v,
    over that for n, which the order statistics of n values allow for already.
    """
    count = len(z)
    if not _tells_less(count, independent):
        return z, 1.0
    factor = _factor(np.arange(1, count + 1) / (count + 1), count, independent)
    middle = float(np.median(z))
    return middle + factor * (z - middle), float(factor[0])


def widened_jointly(z: Array, independent: float) -> Array:
    """Widen residuals (n, C) that stay together around their means: all by the factor of 90 % intervals."""
    if not _tells_less(len(z), independent):
        return z
    middle = z.mean(axis=0)
    found: Array = middle + _factor(np.array([_LIMIT]), len(z), independent) * (z - middle)
    return found


def _tells_less(count: int, independent: float) -> bool:
    """Whether residuals tell less than as many independent ones, by one at least, and enough to say by how much."""
    return count * (1 - independent) >= 1 and count > _FEWEST_FREE + 1


def _factor(levels: Array, count: int, independent: float) -> Array:
    """Return by how much z at some levels is widened."""
    apart = np.abs(levels - 0.5) > 1e-9  # both quantiles are 0 at the median, which stays
    few, many = (stdtrit(free, levels[apart]) for free in (max(independent * count - 1, _FEWEST_FREE), count - 1))
    factor = np.ones(len(levels))
    factor[apart] = few / many
    return factor
