"""The random forests that every network is compared with, on the same folds and the same covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from soil_cnn_plugin.engine.networks.plan import INNER_FOLDS
from soil_cnn_plugin.engine.networks.trees import Trees, to_trees

Array = NDArray[np.float64]
Features = NDArray[np.float32]

TREES = 500
_LEAF = 3  # observations in a leaf, at least
_SHARE_OF_FEATURES = 1 / 3  # tried at each split
_SMALLEST_SPREAD = 0.05  # of the trees, in standard deviations of the target


@dataclass(frozen=True)
class FittedForest:
    """A forest of all training rows, and what forests that had not seen a row predicted for it: (N, outputs) each,
    NaN where the target is missing. `parts` are these forests, one an inner fold."""

    trees: Trees
    parts: tuple[Trees, ...]
    location: Array
    scale: Array


def fit_forest(features: Features, target: Array, fold: NDArray[np.int64], seed: int) -> FittedForest:
    """Fit 500 trees to standardized `target` (N,), NaN where missing, and a fifth of them without each inner fold."""
    known = np.isfinite(target)
    parts = fit_parts(features, target, fold, seed)
    location, scale = np.full((2, len(target), parts[0].outputs), np.nan)
    for held_out, part in enumerate(parts):
        test = fold == held_out
        location[test], scale[test] = predict_forest(part, features[test])
    location[~known] = scale[~known] = np.nan
    return FittedForest(_fit(features[known], target[known], TREES, seed), parts, location, scale)


def fit_parts(features: Features, target: Array, fold: NDArray[np.int64], seed: int) -> tuple[Trees, ...]:
    """A fifth of the trees for each inner fold, of the rows outside it; the same each time."""
    known = np.isfinite(target)
    parts = []
    for held_out in range(int(fold.max()) + 1):
        train = known & (fold != held_out)
        parts.append(_fit(features[train], target[train], TREES // INNER_FOLDS, seed + held_out + 1))
    return tuple(parts)


def predict_forest(trees: Trees, features: Features) -> tuple[Array, Array]:
    """Location and scale (N, outputs): mean and spread of the trees."""
    mean, spread = trees.mean_and_spread(features)
    return mean, np.maximum(spread, _SMALLEST_SPREAD)


def _fit(features: Features, target: Array, trees: int, seed: int) -> Trees:
    forest = RandomForestRegressor(
        trees,
        min_samples_leaf=_LEAF,
        max_features=_SHARE_OF_FEATURES,
        n_jobs=torch.get_num_threads(),  # the cores that belong to this computation
        random_state=seed,
    )
    return to_trees(forest.fit(features, target).estimators_)
