"""The random forests that every network is compared with, on the same folds and the same covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from soil_cnn_plugin.engine.cores import usable_cores
from soil_cnn_plugin.engine.networks.learned import Learned
from soil_cnn_plugin.engine.networks.plan import INNER_FOLDS
from soil_cnn_plugin.engine.networks.processes import is_joined
from soil_cnn_plugin.engine.networks.trees import Trees, to_trees

Array = NDArray[np.float64]
Features = NDArray[np.float32]

TREES = 500
_LEAF = 3  # observations in a leaf, at least
_SHARE_OF_FEATURES = 1 / 3  # tried at each split; their square root for classes
_UNEXPLAINED = 0.5  # share of a target's variance, to weigh errors of measurement against
_SMALLEST_SPREAD = 0.05  # of the trees, in standard deviations of the target


@dataclass(frozen=True)
class FittedForest:
    """A forest of all training rows, and what forests that had not seen a row predicted for it: (N, outputs) each,
    NaN where the target is missing. `parts` are these forests, one an inner fold."""

    trees: Trees
    parts: tuple[Trees, ...]
    location: Array
    scale: Array


def fit_forests(features: Features, learned: Learned, fold: NDArray[np.int64], seed: int) -> list[FittedForest]:
    """One forest of 500 trees a column, or one for all classes, and a fifth of the trees without each inner fold."""
    return [_fit_one(features, lesson, fold, seed) for lesson in _lessons(learned)]


def fit_parts(features: Features, learned: Learned, fold: NDArray[np.int64], seed: int) -> list[tuple[Trees, ...]]:
    """Of each forest a fifth of the trees for each inner fold, of the rows outside it; the same each time."""
    return [_fit_parts(features, lesson, fold, seed) for lesson in _lessons(learned)]


def predict_forest(trees: Trees, features: Features) -> tuple[Array, Array]:
    """Location and scale (N, outputs): mean and spread of the trees."""
    mean, spread = trees.mean_and_spread(features)
    return mean, np.maximum(spread, _SMALLEST_SPREAD)


@dataclass(frozen=True)
class _Lesson:
    """What one forest learns: `targets` (N, outputs), `weights` (N,), and the share of features tried at a split."""

    targets: Array
    weights: Array
    features: float | str


def _lessons(learned: Learned) -> list[_Lesson]:
    """A regression forest of class indicators is a classification forest: the sum of their variances is Gini's index.

    An error of measurement adds to what a forest leaves unexplained, and weights are inverse to the sum.
    """
    if learned.is_class:
        return [_Lesson(learned.values, learned.weights, "sqrt")]
    trust = learned.weights[:, None] * _UNEXPLAINED / (_UNEXPLAINED + learned.errors**2)
    return [
        _Lesson(learned.estimate[:, [column]], trust[:, column], _SHARE_OF_FEATURES)
        for column in range(learned.columns)
    ]


def _fit_one(features: Features, lesson: _Lesson, fold: NDArray[np.int64], seed: int) -> FittedForest:
    known = np.asarray(np.isfinite(lesson.targets).all(axis=1))
    parts = _fit_parts(features, lesson, fold, seed)
    location, scale = np.full((2, len(features), parts[0].outputs), np.nan)
    for held_out, part in enumerate(parts):
        test = fold == held_out
        location[test], scale[test] = predict_forest(part, features[test])
    location[~known] = scale[~known] = np.nan
    return FittedForest(_fit(features, lesson, known, TREES, seed), parts, location, scale)


def _fit_parts(features: Features, lesson: _Lesson, fold: NDArray[np.int64], seed: int) -> tuple[Trees, ...]:
    known = np.isfinite(lesson.targets).all(axis=1)
    return tuple(
        _fit(features, lesson, known & (fold != held_out), TREES // INNER_FOLDS, seed + held_out + 1)
        for held_out in range(int(fold.max()) + 1)
    )


def _fit(features: Features, lesson: _Lesson, rows: NDArray[np.bool_], trees: int, seed: int) -> Trees:
    targets, weights = lesson.targets[rows], lesson.weights[rows]
    forest = _forest(trees, seed, lesson.features)
    is_equal = bool((weights == weights[0]).all())
    forest.fit(features[rows], targets[:, 0] if targets.shape[1] == 1 else targets, None if is_equal else weights)
    return to_trees(forest.estimators_)


def _forest(trees: int, seed: int, features: float | str) -> RandomForestRegressor:
    return RandomForestRegressor(
        trees,
        min_samples_leaf=_LEAF,
        max_features=features,
        # The cores that belong to this computation: all, where other processes wait for it.
        n_jobs=usable_cores() if is_joined() else torch.get_num_threads(),
        random_state=seed,
    )
