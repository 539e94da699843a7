"""Whether residuals of neighbours are alike: what is left to explain of what varies in space (Moran's I)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from scipy.spatial import cKDTree
from scipy.stats import norm

from soil_cnn_plugin.engine.arrays import Array

NEIGHBOURS = 8
_FEWEST_PLACES = 20


@dataclass(frozen=True)
class Likeness:
    """Moran's I of residuals at `places`, each beside its nearest `neighbours`: `expected` where they do not depend on
    space, 1 where neighbours are the same. `p`, two-sided, is that of a difference as large by chance. The furthest of
    a place's neighbours lies `distance` away, in the coordinates' unit (median)."""

    moran_i: float
    expected: float
    p: float
    places: int
    neighbours: int
    distance: float

    @property
    def are_alike(self) -> bool:
        return self.moran_i > self.expected


def likeness(residuals: Array, coordinates: Array) -> Likeness | None:
    """Compute Moran's I of residuals (n,) at coordinates (n, 2); None for few places or residuals that do not vary.

    Residuals of one place are averaged. Weights are 1 / k for the k nearest places; the variance is that under
    randomization (Cliff & Ord 1981, Spatial Processes, eq. 2.9).
    """
    where, place = np.unique(coordinates, axis=0, return_inverse=True)
    place = place.reshape(-1)
    values = np.bincount(place, residuals) / np.bincount(place)
    n = len(values)
    if n < _FEWEST_PLACES or not np.isfinite(values).all() or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return None
    k = NEIGHBOURS
    distance, nearest = cKDTree(where).query(where, k + 1)
    is_other = nearest != np.arange(n)[:, None]
    columns = nearest[is_other].reshape(n, k)  # all places differ, so each finds itself
    weights = csr_array((np.full(n * k, 1 / k), columns.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    z = values - values.mean()
    found = float(z @ (weights @ z) / (z @ z))
    both = weights + weights.T
    s0, s1 = float(n), float((both**2).sum() / 2)
    s2 = float(((weights.sum(axis=1) + weights.sum(axis=0)) ** 2).sum())
    kurtosis = float((z**4).mean() / (z**2).mean() ** 2)
    expected = -1 / (n - 1)
    first = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * s0**2)
    second = kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * s0**2)
    variance = (first - second) / ((n - 1) * (n - 2) * (n - 3) * s0**2) - expected**2
    p = float(2 * norm.sf(abs(found - expected) / np.sqrt(variance)))
    return Likeness(found, expected, p, n, k, float(np.median(distance[:, -1])))
