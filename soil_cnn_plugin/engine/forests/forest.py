"""The random forests that every network is compared with, on the same folds and the same covariates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from sklearn.ensemble import RandomForestRegressor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.forests.trees import Trees, join_trees, to_trees
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.machine.processes import is_joined
from soil_cnn_plugin.engine.targets.learned import ForestLesson, Learned

TREES = 500
ROWS_A_TREE = 50_000
"""The most rows that are drawn anew for each tree; of fewer observations as many as there are (the usual bootstrap).
This bounds time and the size of network files: a tree of all of a million would take about a minute and 350,000 nodes.
With 100,000 simulated observations it costs 1.4 % of the RMSE under random folds and 0.2 % in blocks; 25,000 rows cost
3.2 % and 0.7 %, as much as networks and forests often differ. Measured in docs/large.md."""
_TREES_AT_ONCE = 100  # in scikit-learn's form, which takes four times the memory of the arrays that are kept
_LEAF = 3  # observations in a leaf, at least
_SHARE_OF_FEATURES, _SHARE_OF_CHOICES = 1 / 3, "sqrt"  # tried at each split, for numbers and for classes
_SMALLEST_SPREAD = 0.05  # of the trees, in standard deviations of the target


@dataclass(frozen=True)
class FittedForest:
    """A forest of all training rows, and predictions (N, outputs) of each row by forests that had not seen it, NaN
    where the target is missing. `parts` are these forests, one for each inner fold."""

    trees: Trees
    parts: tuple[Trees, ...]
    location: Array
    scale: Array


def fit_forests(features: Singles, learned: Learned, fold: Rows, seed: int) -> list[FittedForest]:
    """Fit one forest of 500 trees for each column, or one for all classes of a target, and a fifth of the trees without
    each inner fold."""
    return [_fit_one(features, lesson, fold, seed) for lesson in learned.forest_lessons()]


def fit_parts(features: Singles, learned: Learned, fold: Rows, seed: int) -> list[tuple[Trees, ...]]:
    """A fifth of each forest's trees for each inner fold, grown on the rows outside it; the same each time."""
    return [_fit_parts(features, lesson, fold, seed) for lesson in learned.forest_lessons()]


def predict_forest(trees: Trees, features: Singles) -> tuple[Array, Array]:
    """Location and scale (N, outputs): mean and spread of the trees."""
    mean, spread = trees.mean_and_spread(features)
    return mean, np.maximum(spread, _SMALLEST_SPREAD)


def growth_in_words(count: int) -> str:
    """How forests of `count` observations depart from the usual growth; empty where they do not."""
    if count <= ROWS_A_TREE:
        return ""
    return (
        f"each tree grows on at most {ROWS_A_TREE} observations, drawn anew at random, so that time and memory stay"
        " bounded; without this limit the forests' errors would be somewhat smaller"
    )


def _fit_one(features: Singles, lesson: ForestLesson, fold: Rows, seed: int) -> FittedForest:
    known = np.asarray(np.isfinite(lesson.targets).all(axis=1))
    parts = _fit_parts(features, lesson, fold, seed)
    location, scale = np.full((2, len(features), parts[0].outputs), np.nan)
    for held_out, part in enumerate(parts):
        test = fold == held_out
        location[test], scale[test] = predict_forest(part, features[test])
    location[~known] = scale[~known] = np.nan
    return FittedForest(_fit(features, lesson, known, TREES, seed), parts, location, scale)


def _fit_parts(features: Singles, lesson: ForestLesson, fold: Rows, seed: int) -> tuple[Trees, ...]:
    known = np.isfinite(lesson.targets).all(axis=1)
    return tuple(
        _fit(features, lesson, known & (fold != held_out), TREES // INNER_FOLDS, seed + held_out + 1)
        for held_out in range(int(fold.max()) + 1)
    )


def _fit(features: Singles, lesson: ForestLesson, rows: Flags, trees: int, seed: int) -> Trees:
    targets, weights = lesson.targets[rows], lesson.weights[rows]
    is_equal = bool((weights == weights[0]).all())
    known, answers = features if rows.all() else features[rows], targets[:, 0] if targets.shape[1] == 1 else targets
    share = _SHARE_OF_CHOICES if lesson.is_choice else _SHARE_OF_FEATURES
    forest = _forest(seed, share, ROWS_A_TREE if len(known) > ROWS_A_TREE else None)
    grown: list[Trees] = []
    for start in range(0, trees, _TREES_AT_ONCE):
        end = min(start + _TREES_AT_ONCE, trees)
        forest.set_params(n_estimators=end).fit(known, answers, None if is_equal else weights)
        grown.append(to_trees(forest.estimators_[start:]))
        forest.estimators_ = [None] * end  # only their number counts for the trees that follow
    return join_trees(grown)


def _forest(seed: int, features: float | str, rows: int | None) -> RandomForestRegressor:
    """A forest that grows on when fitted again; `rows` are drawn for each tree, None for as many as there are."""
    return RandomForestRegressor(
        warm_start=True,
        max_samples=rows,
        min_samples_leaf=_LEAF,
        max_features=features,
        # Use the cores that belong to this computation: all, where other processes wait for it.
        n_jobs=usable_cores() if is_joined() else torch.get_num_threads(),
        random_state=seed,
    )
