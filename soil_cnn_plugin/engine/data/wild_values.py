"""Measured values far from all others: codes for "missing" that nobody declared, and slips of unit or comma."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FAR = 20.0  # interquartile ranges from the median
_FAR_IN_LOGARITHMS = 8.0  # of positive values: contents of metals, for example, span orders of magnitude


def find_wild(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """True where a value (N,), NaN where missing, is far from the others on its own scale and on that of logarithms."""
    is_far = _is_far(values, _FAR)
    positive = np.where(values > 0, values, np.nan)
    is_near_in_logarithms = (values > 0) & ~_is_far(np.log(positive), _FAR_IN_LOGARITHMS)
    return is_far & ~is_near_in_logarithms


def _is_far(values: NDArray[np.float64], ranges: float) -> NDArray[np.bool_]:
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), np.bool_)
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    if low == high:  # more than half are one value, zero for example: any other is far from it
        return np.zeros(len(values), np.bool_)
    return np.asarray(np.abs(values - middle) > ranges * (high - low))
