"""How many independent errors the held-out errors of observations are worth, where those nearby are alike."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import pdist, squareform

from soil_cnn_plugin.engine.arrays import Array

FEWEST_ERRORS = 10
"""Errors below which nothing is said of how alike they are."""
_MOST_COMPARED = 700  # errors, each with each, that stand for all
_CLASSES = 12  # of distance; the shortest ones are narrow
_FARTHEST = 3.0  # standard deviations; an error farther out counts as if it lay there
_DOUBT = 0.5  # standard errors by which correlations count as larger than found; so simulated limits hold best


def independent_share(errors: Array, places: Array, seed: int = 0) -> float:
    """The number of independent errors that tell as much of their spread as `errors` (n,) at `places` (n, 2), over n.

    NaN where an error is unknown. The variance of a mean square of normal errors with correlations r is that of
    n^2 / sum(r^2) independent ones (Satterthwaite 1946, 10.2307/3002019). Correlations are mean products in classes of
    distance, made to fall with it; the errors' mean counts as 0, as that of held-out errors is. From m places that are
    alike within each and not between them, a mean product has a standard error of its sqrt(2 / m); half of it is added,
    since few groups may lie near each other by chance. 1 where too few errors are known.
    """
    rows = np.flatnonzero(np.isfinite(errors))
    count = len(rows)
    if count > _MOST_COMPARED:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MOST_COMPARED, replace=False))
    told = errors[rows]
    size = float(np.sqrt((told**2).mean())) if len(rows) else 0.0
    distances = pdist(places[rows]) if count >= FEWEST_ERRORS and size > 0 else np.zeros(0)
    if not distances.any():
        return 1.0
    told = np.clip(told / size, -_FARTHEST, _FARTHEST)
    told = told / np.sqrt((told**2).mean())
    products = np.outer(told, told)[np.triu_indices(len(told), 1)]
    edges = np.quantile(distances, np.linspace(0, 1, _CLASSES + 1) ** 2)
    own = np.clip(np.searchsorted(edges, distances, side="right") - 1, 0, _CLASSES - 1)
    pairs = np.bincount(own, minlength=_CLASSES)
    is_filled = pairs > 0
    pairs, ends = pairs[is_filled], edges[1:][is_filled]
    found = np.bincount(own, products, _CLASSES)[is_filled] / pairs
    from scipy.optimize import isotonic_regression  # takes long to load, and maps do not need it

    alike = np.clip(isotonic_regression(found, weights=pairs, increasing=False).x, 0.0, 1.0)
    reach = ends[alike >= alike[0] / 2][-1]
    alike = np.minimum(alike / (1 - _DOUBT * np.sqrt(2 / _places_apart(squareform(distances), reach))), 1.0)
    return float(1 / (1 + (count - 1) * (pairs @ alike**2) / pairs.sum()))


def _places_apart(distances: Array, reach: float) -> int:
    """The number of places among those with `distances` (n, n) that lie farther than `reach` from each other; in turn,
    each that is left takes those near it away."""
    left, count = np.ones(len(distances), np.bool_), 0
    while left.any():
        left &= distances[np.argmax(left)] > reach
        count += 1
    return count
