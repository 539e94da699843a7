"""The random forests that every network is compared with, on the same folds and the same covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from soil_cnn_plugin.engine.networks.ensemble import MakeFolds
from soil_cnn_plugin.engine.networks.plan import INNER_FOLDS

Array = NDArray[np.float64]

TREES = 500
_LEAF = 3  # observations in a leaf, at least
_SHARE_OF_FEATURES = 1 / 3  # tried at each split
_SMALLEST_SPREAD = 0.05  # of the trees, in standard deviations of the target


@dataclass(frozen=True)
class Forest:
    """A forest of all training rows, with what forests that had not seen a row predicted for it (N,)."""

    model: RandomForestRegressor
    location: Array
    scale: Array

    def predict(self, features: NDArray[np.float32]) -> tuple[Array, Array]:
        """Mean and spread of the trees for rows (N, F)."""
        return _mean_and_spread(self.model, features)


def fit_forest(features: NDArray[np.float32], target: Array, make_folds: MakeFolds, seed: int) -> Forest:
    """Fit 500 trees to standardized `target` (N,), and a fifth of them without each inner fold, for the interval."""
    fold = make_folds(INNER_FOLDS, seed)
    location, scale = np.full(len(target), np.nan), np.full(len(target), np.nan)
    for held_out in range(fold.max() + 1):
        test = fold == held_out
        part = _new_forest(TREES // INNER_FOLDS, seed + int(held_out) + 1).fit(features[~test], target[~test])
        location[test], scale[test] = _mean_and_spread(part, features[test])
    return Forest(_new_forest(TREES, seed).fit(features, target), location, scale)


def _new_forest(trees: int, seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(
        trees, min_samples_leaf=_LEAF, max_features=_SHARE_OF_FEATURES, n_jobs=torch.get_num_threads(), random_state=seed
    )


def _mean_and_spread(forest: RandomForestRegressor, features: NDArray[np.float32]) -> tuple[Array, Array]:
    trees = np.stack([tree.predict(features) for tree in forest.estimators_])
    return trees.mean(0), np.maximum(trees.std(0), _SMALLEST_SPREAD)
