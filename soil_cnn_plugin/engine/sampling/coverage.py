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
_ROWS_OF_START = 20_000  # candidates among which starts of centres around existing points are tried


def place_centres(places: Array, weights: Array, count: int, fixed: Array, seed: int) -> Array:
    """Return `count` centres (count, D) that, with the `fixed` ones (F, D), minimize the weighted mean squared distance
    of places (M, D) to the nearest centre."""
    if not len(fixed):
        found = KMeans(count, n_init=_STARTS, max_iter=_MOST_STEPS, random_state=seed)
        centres: Array = found.fit(places, sample_weight=weights).cluster_centers_.astype(np.float64)
        return centres
    rng = np.random.default_rng(seed)
    some = rng.permutation(len(places))[:_ROWS_OF_START]
    starts = (_around_fixed(places[some], weights[some], count, fixed, seed + start) for start in range(_STARTS))
    return _settle(places, weights, fixed, min(starts, key=lambda each: each[1])[0])[0]


def _around_fixed(places: Array, weights: Array, count: int, fixed: Array, seed: int) -> tuple[Array, float]:
    """Return centres and their loss after Lloyd's steps in which the fixed ones stay, from a start far from these.

    Centres cannot get past the fixed ones in such steps. So the centre that is missed least is set where places lie far
    from all, as long as this helps (after the LBG-U of Fritzke 1997, Neural Processing Letters 5:35).
    """
    away, _ = cKDTree(fixed).query(places)
    start, _ = kmeans_plusplus(places, count, sample_weight=weights * away**2 + 1e-300, random_state=seed)
    centres, loss = _settle(places, weights, fixed, start)
    while True:
        moved, lower = _settle(places, weights, fixed, _with_idle_one_moved(places, weights, fixed, centres))
        if lower >= loss * (1 - 1e-4):
            return centres, loss
        centres, loss = moved, lower


def _settle(places: Array, weights: Array, fixed: Array, centres: Array) -> tuple[Array, float]:
    """Return the centres after Lloyd's steps, and their loss."""
    count = len(centres)
    for _ in range(_MOST_STEPS):
        _, nearest = cKDTree(np.concatenate([fixed, centres])).query(places)
        own = nearest - len(fixed)
        is_free = own >= 0
        total = np.bincount(own[is_free], weights[is_free], count)
        sums = [np.bincount(own[is_free], weights[is_free] * column[is_free], count) for column in places.T]
        moved = np.where(total[:, None] > 0, np.column_stack(sums) / np.maximum(total, 1e-300)[:, None], centres)
        is_settled = np.allclose(moved, centres, rtol=0, atol=1e-4 * float(np.ptp(places)))
        centres = moved
        if is_settled:
            break
    return centres, mean_squared_distance(places, np.concatenate([fixed, centres]), weights)


def _with_idle_one_moved(places: Array, weights: Array, fixed: Array, centres: Array) -> Array:
    """Return the centres with the one whose places have the nearest other centre set to the farthest place of the
    cluster with the largest loss."""
    everything = np.concatenate([fixed, centres])
    away, nearest = cKDTree(everything).query(places, k=2)
    losses = np.bincount(nearest[:, 0], weights * away[:, 0] ** 2, len(everything))
    missed = np.bincount(nearest[:, 0], weights * (away[:, 1] ** 2 - away[:, 0] ** 2), len(everything))
    members = np.flatnonzero(nearest[:, 0] == np.argmax(losses))
    moved = centres.copy()
    moved[np.argmin(missed[len(fixed) :])] = places[members[np.argmax(away[members, 0])]]
    return moved


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
