"""Coverage designs: k-means in space or in covariates, with existing points as centres that do not move.

Spatial coverage is that of Walvoort et al. 2010 (Computers & Geosciences 36:1261), coverage of covariates that of
Brus 2019 (Geoderma 338:464): both minimize the mean squared distance to the nearest point.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.spatial import cKDTree
from sklearn.cluster import KMeans, kmeans_plusplus

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.sampling.spacing import Spacing

_STARTS = 5
_MOST_STEPS = 100
_ROWS_OF_START = 20_000  # candidates among which the first centres are drawn


def place_centres(places: Array, weights: Array, count: int, fixed: Array, seed: int) -> Array:
    """Return `count` centres (count, D) that, with the `fixed` ones (F, D), minimize the weighted mean squared distance
    of places (M, D) to the nearest centre."""
    if not len(fixed):
        found = KMeans(count, n_init=_STARTS, max_iter=_MOST_STEPS, random_state=seed)
        centres: Array = found.fit(places, sample_weight=weights).cluster_centers_.astype(np.float64)
        return centres
    best, lowest = np.empty((0, places.shape[1])), np.inf
    for start in range(_STARTS):
        moved = _around_fixed(places, weights, count, fixed, seed + start)
        loss = mean_squared_distance(places, np.concatenate([fixed, moved]), weights)
        if loss < lowest:
            best, lowest = moved, loss
    return best


def _around_fixed(places: Array, weights: Array, count: int, fixed: Array, seed: int) -> Array:
    """Return centres after Lloyd's steps in which the fixed ones stay, from a start far from these."""
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(places))[:_ROWS_OF_START]
    away, _ = cKDTree(fixed).query(places[some])
    centres: Array
    centres, _ = kmeans_plusplus(places[some], count, sample_weight=weights[some] * away**2 + 1e-300, random_state=seed)
    for _ in range(_MOST_STEPS):
        _, nearest = cKDTree(np.concatenate([fixed, centres])).query(places)
        own = nearest - len(fixed)
        is_free = own >= 0
        total = np.bincount(own[is_free], weights[is_free], count)
        sums = [np.bincount(own[is_free], weights[is_free] * column[is_free], count) for column in places.T]
        moved = np.where(total[:, None] > 0, np.column_stack(sums) / np.maximum(total, 1e-300)[:, None], centres)
        is_settled = np.allclose(moved, centres, rtol=0, atol=1e-6 * float(np.ptp(places)))
        centres = moved
        if is_settled:
            break
    return centres


def mean_squared_distance(places: Array, centres: Array, weights: Array | None = None) -> float:
    """Return the mean squared distance of places (M, D) to the nearest centre (K, D), weighted (M,)."""
    away, _ = cKDTree(centres).query(places)
    return float(np.average(away**2, weights=weights))


def pick_places(
    places: Array, centres: Array, fixed: Array, cost: Array, spacing: Spacing, taken: Flags
) -> tuple[Rows, int]:
    """Return one place for each centre: of its own places (M, D) the one with the least (V + d^2) x cost.

    d is the distance to the centre and V the mean squared distance within the cluster, which moving the point by d
    raises to V + d^2. Without costs the nearest place is taken. Places that are `taken` (M,) or too near to chosen ones
    are left out; where a cluster has none left, the best place of all is taken. The number of centres for which no
    place was left comes second.
    """
    everything = np.concatenate([fixed, centres])
    away, nearest = cKDTree(everything).query(places)
    chosen: list[int] = []
    is_free = ~taken & spacing.free()
    lost = 0
    sizes = np.bincount(nearest, minlength=len(everything))[len(fixed) :]
    for number in np.argsort(sizes, kind="stable").tolist():  # small clusters have the least choice
        own = np.flatnonzero((nearest == len(fixed) + number) & is_free)
        within = float((away[nearest == len(fixed) + number] ** 2).mean()) if sizes[number] else 0.0
        if not len(own):
            own = np.flatnonzero(is_free)
        if not len(own):
            lost += 1
            continue
        squared = ((places[own] - centres[number]) ** 2).sum(axis=1)
        row = int(own[np.argmin((within + squared) * cost[own])])
        chosen.append(row)
        is_free[row] = False
        is_free &= spacing.take(row)
    return np.array(chosen, np.int64), lost


def farthest_first(places: Array, chosen: Rows, fixed: Array) -> Rows:
    """Return the chosen rows in an order in which the first ones already spread: each is the farthest from those
    before it and from the `fixed` places; without these, the first lies nearest to the middle."""
    own = places[chosen]
    left = np.ones(len(chosen), np.bool_)
    away = cKDTree(fixed).query(own)[0] if len(fixed) else -np.linalg.norm(own - own.mean(axis=0), axis=1)
    order = []
    for step in range(len(chosen)):
        best = int(np.flatnonzero(left)[np.argmax(away[left])])
        order.append(best)
        left[best] = False
        from_best = np.linalg.norm(own - own[best], axis=1)
        away = from_best if step == 0 and not len(fixed) else np.minimum(away, from_best)
    return chosen[np.array(order, np.int64)]


def in_covariate_space(values: Singles, covariates: Sequence[Covariate], sample: Singles) -> Array:
    """Return covariates (n, C) as standardized columns (n, F), as `sample` (M, C) is spread.

    A categorical covariate has a column for each class of the sample, so that two different classes lie as far apart as
    two standard deviations of a number.
    """
    columns = []
    for index, covariate in enumerate(covariates):
        own, told = values[:, index].astype(np.float64), sample[:, index].astype(np.float64)
        if covariate.kind == "categorical":
            columns += [np.sqrt(2.0) * (own == code) for code in np.unique(told)]
        else:
            columns.append((own - told.mean()) / (told.std() or 1.0))
    return np.column_stack(columns)
