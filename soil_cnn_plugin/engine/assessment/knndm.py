"""Nearest neighbour distance matching: holds out clusters of observations as far away as the map lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError

LARGEST_FOLD = 0.5  # share of the observations
NUMBERS_OF_CLUSTERS = 100  # numbers that are tried
_FEW_FOLDS = 32  # few enough for a tree each
_NEAREST = (4, 32, 256)  # how many nearest observations are searched for one of another fold
_AT_ONCE = 4_000_000  # of these at once
_ALIKE = 1.1  # times the difference of the best match: matches as good for a repeat
_APART = 2.0  # times the distance of the loneliest site to the next; of random places, 1 % of the designs have clusters
MOST_SITES_FOR_WARD = 6000  # their distances take 8 n^2 / 2 bytes: 144 MB


@dataclass(frozen=True)
class Match:
    """The folds that match, `count` of them. `fold` (N,) is None where random folds match: the observations are not
    more clustered than the map, at `p`.

    `difference` is the Wasserstein distance between the distances from held-out observations to those trained on and
    the distances from the map to the observations.
    """

    p: float
    fold: Rows | None
    count: int
    clusters: int
    difference: float


def held_out_distances(coordinates: Array, fold: Rows) -> Array:
    """Distance (N,) of each observation to the nearest one of another fold."""
    folds = np.unique(fold)
    if len(folds) > _FEW_FOLDS:
        rows, same = _unlike(coordinates, fold)
        found: Array = _between_many(coordinates[rows], fold[rows])[same]
        return found
    distances = np.full(len(fold), np.inf)
    for number in folds if len(folds) > 1 else ():
        own = fold == number
        distances[own] = nearest_distances(coordinates[own], coordinates[~own])
    return distances


def _unlike(coordinates: Array, fold: Rows) -> tuple[Rows, Rows]:
    """The first row of each place in each fold, and the number (N,) of each observation among these: what lies near
    one of 100,000 at the same place would be searched among all of them."""
    order = np.lexsort((fold, *coordinates.T))
    is_new = (np.diff(coordinates[order], axis=0) != 0).any(axis=1) | (np.diff(fold[order]) != 0)
    number = np.concatenate([[0], np.cumsum(is_new)])
    same = np.empty(len(fold), dtype=np.int64)
    same[order] = number
    return order[np.concatenate([[True], is_new])], same


def _between_many(coordinates: Array, fold: Rows) -> Array:
    """The distances between many folds."""
    distances, left = _look_around(coordinates, fold)
    for number in np.unique(fold[left]):
        rows = left[fold[left] == number]
        distances[rows] = nearest_distances(coordinates[rows], coordinates[fold != number])
    return distances


def _look_around(coordinates: Array, fold: Rows) -> tuple[Array, Rows]:
    """Distances (N,), and the rows without one, because all observations near them are of their own fold.

    A tree for each of 100,000 sites would take an hour; where folds are small, one of another fold is among the
    nearest.
    """
    distances, left, tree = np.full(len(fold), np.inf), np.arange(len(fold)), scipy.spatial.cKDTree(coordinates)
    for wanted in (min(number, len(fold)) for number in _NEAREST):
        for rows in np.array_split(left, max(1, len(left) * wanted // _AT_ONCE)):
            found, nearest = tree.query(coordinates[rows], wanted)
            found[fold[nearest] == fold[rows, None]] = np.inf
            distances[rows] = found.min(axis=1)
        left = left[np.isinf(distances[left])]
    return distances, left


def nearest_distances(points: Array, others: Array) -> Array:
    """Distance (M,) of each of `points` (M, 2) to the nearest of `others`."""
    distances: Array = scipy.spatial.cKDTree(others).query(points)[0]
    return distances


def match_distances(
    coordinates: Array, domain: Array, sites: Rows, centroids: Array, count: int, seed: int | None = None
) -> Match:
    """Match by the algorithm of Linnenbrink et al. 2024 (GMD 17:5897, section 2.2), with sites in place of points.

    `sites` (N,) counts from 0 without gaps; `centroids` holds the coordinates of each site. Clusters are dealt to folds
    along the first principal component of the coordinates, or, with a `seed`, in random order;
    of the matches that differ by at most a tenth more than the best one, any may then be chosen.

    Beyond the published algorithm, up to `count` clusters that lie apart are a fold each, if none is too large. What is
    alike within one that is torn apart, such as a laboratory's error, would seem to be known.

    Raises:
        EngineError: every number of clusters that is tried gives too large a fold, or too few folds.
    """
    to_map = nearest_distances(domain, coordinates)
    from scipy.stats import ks_2samp, wasserstein_distance  # take long to load

    p = float(ks_2samp(held_out_distances(coordinates, sites), to_map, alternative="greater", method="asymp").pvalue)
    if p >= 0.05:
        return Match(p, None, count, 0, 0.0)

    def matched(fold: Rows, folds: int, clusters: int) -> Match:
        difference = wasserstein_distance(held_out_distances(coordinates, fold), to_map)
        return Match(p, fold, folds, clusters, float(difference))

    largest = max(LARGEST_FOLD, 1.5 / count)  # two folds hardly ever hold just a half each
    apart = _lying_apart(centroids)[sites]
    sizes = np.bincount(apart)
    if 1 < len(sizes) <= count and sizes.max() <= largest * len(sites):
        return matched(apart, len(sizes), len(sizes))
    cut = _group_sites(centroids)
    along = np.linalg.svd(coordinates - coordinates.mean(axis=0), full_matrices=False)[2][0]
    scores = centroids @ along if seed is None else np.random.default_rng(seed).random(len(centroids))
    found: list[Match] = []
    for clusters in np.unique(np.geomspace(count, max(count, len(centroids) - 2), NUMBERS_OF_CLUSTERS).round()):
        cluster = cut(int(clusters))
        fold = _merge_clusters(cluster, sites, scores, count)[cluster][sites]
        if np.bincount(fold).max() > largest * len(fold) or len(np.unique(fold)) < count:
            continue
        found.append(matched(fold, count, int(cluster.max()) + 1))
    if not found:
        raise EngineError(
            tr(
                "The observations lie too close together for {} folds matched to the map: one fold would hold"
                " more than {:.0f} % of the {} observations. Ask for other folds, or choose another group"
                " field."
            ).format(count, 100 * largest, len(sites))
        )
    best = min(found, key=lambda match: match.difference)
    if seed is None:
        return best
    alike = [match for match in found if match.difference <= _ALIKE * best.difference]
    return alike[int(np.random.default_rng(seed).integers(len(alike)))]


def _lying_apart(centroids: Array) -> Rows:
    """Cluster (S,) of each site, from 0: clusters lie more than twice as far from each other as any site from the next.

    Places at random are one cluster: of many, the distance that leaves none alone joins all (Penrose 1997,
    10.1214/aoap/1034625335). So are more sites than can be compared.
    """
    if not 2 < len(centroids) <= MOST_SITES_FOR_WARD:
        return np.zeros(len(centroids), dtype=np.int64)
    from scipy.cluster.hierarchy import fcluster, linkage  # takes long to load, and maps do not need it

    loneliest = scipy.spatial.cKDTree(centroids).query(centroids, 2)[0][:, 1].max()
    labels = fcluster(linkage(centroids, method="single"), _APART * loneliest, criterion="distance")
    return np.asarray(labels, dtype=np.int64) - 1


def _group_sites(centroids: Array) -> Callable[[int], Rows]:
    """Group by Ward's hierarchical clustering: number of clusters -> cluster of each site, from 0 without gaps."""
    from scipy.cluster.hierarchy import fcluster, linkage  # takes long to load, and maps do not need it

    member = np.arange(len(centroids))
    if len(centroids) > MOST_SITES_FOR_WARD:
        from sklearn.cluster import KMeans  # takes long to load, and most runs do not need it

        means = KMeans(MOST_SITES_FOR_WARD, n_init=1, max_iter=20, random_state=0).fit(centroids)
        member, centroids = means.labels_, means.cluster_centers_
    tree = linkage(centroids, method="ward")

    def cut(clusters: int) -> Rows:
        labels = fcluster(tree, clusters, criterion="maxclust")[member]
        return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)

    return cut


def _merge_clusters(cluster: Rows, sites: Rows, scores: Array, count: int) -> Rows:
    """Fold of each cluster: large ones keep a fold; the others are dealt in turn along the first component."""
    sizes = np.bincount(cluster[sites])
    places = np.bincount(cluster, scores) / np.bincount(cluster)
    order = np.argsort(places, kind="stable")
    is_large = sizes[order] >= len(sites) / count
    fold = np.empty(len(sizes), dtype=np.int64)
    fold[order[is_large]] = np.arange(is_large.sum())
    left = np.arange(is_large.sum(), count)
    small = order[~is_large]
    fold[small] = np.resize(left, len(small))
    return fold
