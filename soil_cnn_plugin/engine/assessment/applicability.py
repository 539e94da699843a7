"""Where a map may be used: how far a pixel's covariates lie from those of the observations.

This is the dissimilarity index of Meyer & Pebesma 2021 (Methods in Ecology and Evolution 12:1620,
10.1111/2041-210X.13650).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError

DISTANCES_AT_ONCE = 4_000_000
FEW_OBSERVATIONS = 600
"""Up to this number, comparing with each of them is faster than a tree."""


@dataclass(frozen=True)
class Dissimilarity:
    """What the index of a pixel is computed from; a pixel is applicable where its index is at most `threshold`.

    `centre` and `factor` (F,) turn covariates into weighted, standardized ones; `training` (n, F) holds those of the
    observations. `mean_distance` is the mean distance between two observations; `training_index` (n,) is the index of
    the observations, each against those outside its own fold.
    """

    centre: Array
    factor: Array
    training: Array
    mean_distance: float
    training_index: Array
    threshold: float

    def index(self, covariates: Array) -> Array:
        """Index (m,) of covariates (m, F); NaN where a covariate is missing."""
        result = np.full(len(covariates), np.nan)
        scaled = (covariates - self.centre) * self.factor
        rows = np.flatnonzero(np.isfinite(scaled).all(axis=1))
        result[rows] = self._nearest_distances(scaled[rows]) / self.mean_distance
        return result

    def _nearest_distances(self, points: Array) -> Array:
        if len(self.training) <= FEW_OBSERVATIONS:
            return _nearest_by_products(points, self.training)
        # The tree runs on all cores, in the principal axes of the observations: a few of them hold most of the
        # distance. 2 to 5 microseconds a pixel and core with 3,000 to 20,000 observations of 25 covariates.
        nearest: Array = self._tree.query(points @ self._axes, workers=-1)[0]
        return nearest

    @cached_property
    def _axes(self) -> Array:
        """A rotation (F, F) to the principal axes."""
        centred = self.training - self.training.mean(0)
        axes: Array = np.linalg.eigh(centred.T @ centred)[1]
        return axes

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.training @ self._axes)


def fit_dissimilarity(covariates: Array, importance: Array, fold: Rows) -> Dissimilarity:
    """Fit the index of a network or forest trained on `covariates` (n, F) of the observations, held out by `fold` (n,).

    Categories come as one column of 0 and 1 each. `importance` (F,) is any measure of each column's influence; a
    negative one counts as 0, and where all are 0, all columns count alike. Observations with missing covariates and
    columns that do not vary are left out. The threshold is Q75 + 1.5 IQR of the observations' index, at most its
    maximum.

    Raises:
        EngineError: the observations have the same covariates, or all lie in one fold.
    """
    complete = np.isfinite(covariates).all(axis=1)
    covariates, fold = covariates[complete], fold[complete]
    if len(np.unique(fold)) < 2:
        raise EngineError(
            f"{len(fold)} observations without missing covariates lie in fewer than two folds, so nothing tells how"
            " dissimilar held-out observations are. Use more observations, or covariates with fewer gaps."
        )
    spread = covariates.std(axis=0, ddof=1)
    weight = np.where(spread > 0, np.clip(importance, 0, None), 0.0)
    if not weight.any():
        weight = (spread > 0).astype(float)
    centre, factor = covariates.mean(axis=0), weight / np.where(spread > 0, spread, 1.0)
    training = (covariates - centre) * factor
    mean_distance, nearest = _training_distances(training, fold)
    if mean_distance == 0:
        raise EngineError(
            f"All {len(fold)} observations have the same covariates, so dissimilarity has no scale. Choose covariates"
            " that differ between the observations."
        )
    training_index = nearest / mean_distance
    lower, upper = np.quantile(training_index, (0.25, 0.75))
    threshold = min(upper + 1.5 * (upper - lower), training_index.max())
    return Dissimilarity(centre, factor, training, mean_distance, training_index, float(threshold))


def _training_distances(training: Array, fold: Rows) -> tuple[float, Array]:
    """Mean distance between two observations, and distance of each (n,) to the nearest one of another fold."""
    count = len(training)
    total, nearest = 0.0, np.empty(count)
    step = max(1, DISTANCES_AT_ONCE // count)
    for start in range(0, count, step):
        rows = slice(start, start + step)
        distances = cdist(training[rows], training)  # (step, n)
        total += distances.sum()
        distances[fold[rows, None] == fold] = np.inf
        nearest[rows] = distances.min(axis=1)
    return total / (count * (count - 1)), nearest


def _nearest_by_products(points: Array, training: Array) -> Array:
    """Distance (m,) of each of `points` (m, F) to the nearest of `training` (n, F).

    Float32 matrix products find the nearest one, |a - b|^2 / 2 = |a|^2 / 2 + (|b|^2 / 2 - ab); its distance is then
    computed in float64. With few observations this is up to six times as fast as a tree.
    """
    narrow = training.astype(np.float32)
    half_squares = np.einsum("ij,ij->i", narrow, narrow) / 2
    nearest = np.empty(len(points))
    step = max(1, DISTANCES_AT_ONCE // len(training))
    for start in range(0, len(points), step):
        some = points[start : start + step]
        products = some.astype(np.float32) @ narrow.T  # (step, n)
        np.subtract(half_squares, products, out=products)
        difference = some - training[products.argmin(axis=1)]
        nearest[start : start + step] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
    return nearest
