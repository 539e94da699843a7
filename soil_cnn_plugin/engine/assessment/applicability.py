"""Where a map may be used: how far a pixel's covariates lie from those of the observations.

This is the dissimilarity index of Meyer & Pebesma 2021 (Methods in Ecology and Evolution 12:1620,
10.1111/2041-210X.13650), computed in float64 from covariates as they are: no value counts as another one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import scipy

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.compiled import compiled

DISTANCES_AT_ONCE = 4_000_000
FEW_OBSERVATIONS = 600
"""Up to this number, comparing with each of them is faster than a tree."""


@dataclass(frozen=True)
class SpaceInWords:
    """What a network file's header says of a space. `weights` are the covariates' importance, in shares of their sum;
    `observations` of `drawn_from` are kept."""

    space: str
    weights: dict[str, float]
    observations: int
    drawn_from: int
    mean_distance: float
    threshold: float


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
        rows = np.flatnonzero(np.isfinite(covariates).all(axis=1))
        known = covariates if len(rows) == len(covariates) else covariates[rows]
        scaled = (known[:, self._used] - self.centre[self._used]) * self.factor[self._used]
        result[rows] = self._nearest_distances(scaled) / self.mean_distance
        return result

    @cached_property
    def _used(self) -> Flags:
        """The columns (F,) that have a weight."""
        used: Flags = self.factor != 0
        return used

    def _nearest_distances(self, points: Array) -> Array:
        if len(self.training) <= FEW_OBSERVATIONS:
            nearest = np.empty(len(points))
            _compare_with_each(np.ascontiguousarray(points), self._by_column, nearest)
            return nearest
        # The tree runs on all cores, in the principal axes of the observations: a few of them hold most of the
        # distance. 2 to 5 microseconds a pixel and core with 3,000 to 20,000 observations of 25 covariates.
        found: Array = self._tree.query(points @ self._axes, workers=-1)[0]
        return found

    @cached_property
    def _by_column(self) -> Array:
        """The observations' columns that have a weight, (F, n)."""
        return np.ascontiguousarray(self.training[:, self._used].T)

    @cached_property
    def _axes(self) -> Array:
        """A rotation (F, F) to the principal axes."""
        training = self.training[:, self._used]
        centred = training - training.mean(0)
        axes: Array = np.linalg.eigh(centred.T @ centred)[1]
        return axes

    @cached_property
    def _tree(self) -> scipy.spatial.cKDTree:
        return scipy.spatial.cKDTree(self.training[:, self._used] @ self._axes)


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
            tr(
                "{} observations without missing covariates lie in fewer than two folds, so nothing tells how"
                " dissimilar held-out observations are. Use more observations, or covariates with fewer gaps."
            ).format(len(fold))
        )
    varies = np.ptp(covariates, axis=0) > 0  # the deviation of equal numbers may be a rounding error above 0
    weight = np.where(varies, np.clip(importance, 0, None), 0.0)
    if not weight.any():
        weight = varies.astype(float)
    centre, factor = covariates.mean(axis=0), weight / np.where(varies, covariates.std(axis=0, ddof=1), 1.0)
    training = (covariates - centre) * factor
    mean_distance, nearest = _training_distances(training, fold)
    if mean_distance == 0:
        raise EngineError(
            tr(
                "All {} observations have the same covariates, so dissimilarity has no scale. Choose covariates"
                " that differ between the observations."
            ).format(len(fold))
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
        distances = scipy.spatial.distance.cdist(training[rows], training)  # (step, n)
        total += distances.sum()
        distances[fold[rows, None] == fold] = np.inf
        nearest[rows] = distances.min(axis=1)
    return total / (count * (count - 1)), nearest


@partial(compiled, fastmath={"nnan"})
def _compare_with_each(points, columns, nearest):  # type: ignore[no-untyped-def]
    """Write the distance of each of `points` (m, F) to the nearest observation of `columns` (F, n) into `nearest` (m,).

    The sums of all observations grow side by side. Differences come first: |a|^2 - 2 ab + |b|^2 would lose the small
    distances of points far from the middle.
    """
    features, count = columns.shape
    squares = np.empty(count)
    for i in range(len(points)):
        squares[:] = 0.0
        for feature in range(features):
            value = points[i, feature]
            for j in range(count):
                difference = value - columns[feature, j]
                squares[j] += difference * difference
        least = np.inf
        for j in range(count):
            least = min(least, squares[j])
        nearest[i] = np.sqrt(least)
