"""The random forests that every network is compared with, on the same folds and the same covariates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.forests.bins import Binned, bin_features
from soil_cnn_plugin.engine.forests.growing import grow_tree
from soil_cnn_plugin.engine.forests.trees import Trees, join_trees, predict_forest
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.machine.processes import is_joined
from soil_cnn_plugin.engine.targets.learned import ForestLesson, Learned

TREES = 500
ROWS_A_TREE = 100_000
"""The most rows that are drawn anew for each tree; of fewer observations as many as there are (the usual bootstrap).
This bounds time and the size of network files. Measured in docs/large.md."""
_LEAF = 3  # observations in a leaf, at least


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
    binned = bin_features(features, _threads())
    return [_fit_one(features, binned, lesson, fold, seed) for lesson in learned.forest_lessons()]


def fit_parts(features: Singles, learned: Learned, fold: Rows, seed: int) -> list[tuple[Trees, ...]]:
    """A fifth of each forest's trees for each inner fold, grown on the rows outside it; the same each time."""
    binned = bin_features(features, _threads())
    return [grow_parts(binned, lesson, fold, seed) for lesson in learned.forest_lessons()]


def growth_in_words(count: int) -> str:
    """How forests of `count` observations depart from the usual growth; empty where they do not."""
    if count <= ROWS_A_TREE:
        return ""
    return tr(
        "each tree grows on at most {} observations, drawn anew at random, so that time and memory stay"
        " bounded; without this limit the forests' errors would be somewhat smaller"
    ).format(ROWS_A_TREE)


def _fit_one(features: Singles, binned: Binned, lesson: ForestLesson, fold: Rows, seed: int) -> FittedForest:
    known = np.asarray(np.isfinite(lesson.targets).all(axis=1))
    parts = grow_parts(binned, lesson, fold, seed)
    location, scale = np.full((2, len(features), parts[0].outputs), np.nan)
    for held_out, part in enumerate(parts):
        test = fold == held_out
        location[test], scale[test] = predict_forest(part, features[test])
    location[~known] = scale[~known] = np.nan
    return FittedForest(_grow(binned, lesson, known, TREES, seed), parts, location, scale)


def grow_parts(binned: Binned, lesson: ForestLesson, fold: Rows, seed: int) -> tuple[Trees, ...]:
    """A fifth of the trees of one forest for each inner fold, without the rows of the fold."""
    known = np.isfinite(lesson.targets).all(axis=1)
    return tuple(
        _grow(binned, lesson, known & (fold != held_out), TREES // INNER_FOLDS, seed + held_out + 1)
        for held_out in range(int(fold.max()) + 1)
    )


def _grow(binned: Binned, lesson: ForestLesson, chosen: Flags, trees: int, seed: int) -> Trees:
    """Grow trees on the chosen rows, side by side. Each has random numbers of its own, so that the forest is the same
    on any number of threads."""
    rows = np.flatnonzero(chosen)
    targets, weights = lesson.targets[rows], lesson.weights[rows]
    reach = None if (weights == weights[0]).all() else np.cumsum(weights)
    outputs, features = targets.shape[1], len(binned.codes)
    tried = max(1, int(np.sqrt(features) if lesson.is_choice else features / 3))
    if outputs > 1:
        values, labels = np.ones(len(rows)), targets.argmax(axis=1)
    else:
        values, labels = targets[:, 0], np.unique(targets[:, 0], return_inverse=True)[1]
    draws = min(len(rows), ROWS_A_TREE)

    def grow(number: int) -> Trees:
        rng = np.random.default_rng([seed, number])
        times = np.bincount(_draw(rng, len(rows), reach, draws))
        own = np.flatnonzero(times)
        codes = binned.codes[:, rows[own]]
        arrays = (codes, binned.lowest, binned.highest, times[own], values[own], labels[own].astype(np.int32))
        children, feature, threshold, value = grow_tree(
            *arrays, outputs, tried, _LEAF, rng.integers(2**64, dtype=np.uint64)
        )
        return Trees(np.array([0, len(feature)]), children, feature, threshold, value)

    with ThreadPoolExecutor(_threads()) as pool:
        return join_trees(list(pool.map(grow, range(trees))))


def _draw(rng: np.random.Generator, rows: int, reach: Array | None, draws: int) -> Rows:
    """Row numbers drawn with replacement; `reach` (rows,) are cumulative weights, None where all are the same."""
    if reach is None:
        return rng.integers(0, rows, draws)
    drawn: Rows = np.searchsorted(reach, rng.random(draws) * reach[-1], side="right")
    return drawn


def _threads() -> int:
    """The cores that belong to this computation: all, where other processes wait for it."""
    return usable_cores() if is_joined() else torch.get_num_threads()
