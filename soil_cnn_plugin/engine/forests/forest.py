"""The random forests that every network is compared with, on the same folds and the same covariates."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.forests.bins import Binned, bin_features
from soil_cnn_plugin.engine.forests.growing import grow_tree
from soil_cnn_plugin.engine.forests.trees import TREE_TYPES, Trees, join_trees, predict_forest
from soil_cnn_plugin.engine.machine.processes import is_joined, join_over_processes, own_share
from soil_cnn_plugin.engine.machine.threads import own_cores
from soil_cnn_plugin.engine.machine.torchrun import process_count
from soil_cnn_plugin.engine.targets.learned import ForestLesson, Learned

TREES = 500
ROWS_A_TREE = 100_000
"""The most rows that are drawn anew for each tree; of fewer observations as many as there are (the usual bootstrap).
This bounds time and the size of network files. Measured in docs/large.md."""
MOST_DRAWN, FEWEST_TREES = 10_000_000, 100
"""The most rows that all trees of a forest draw, but for the fewest trees that it has: where trees are large, more rows
for each lower the error more than more trees do. Measured in docs/large.md."""
_SECONDS_A_QUESTION = 9e-9  # at a node, of one feature and row
_LEAF = 3  # observations in a leaf, at least
_FEWEST_TO_HALVE = 10  # trees of a part, of which half can tell what more would do


@dataclass(frozen=True)
class FittedForest:
    """A forest of all training rows, and predictions (N, outputs) of each row by forests that had not seen it, NaN
    where the target is missing. `parts` are these forests, one for each inner fold. `half` (2, N, outputs) are location
    and scale by half of each part's trees, where forests have fewer trees than usual."""

    trees: Trees
    parts: tuple[Trees, ...]
    location: Array
    scale: Array
    half: Array | None = None


def fit_forests(
    features: Singles, learned: Learned, fold: Rows, seed: int, progress: Callable[[float], None] = lambda share: None
) -> list[FittedForest]:
    """Fit one forest of 500 trees for each column, or one for all classes of a target, and a fifth of the trees without
    each inner fold. Forests of many observations have fewer trees. `progress` gets the share done, from 0. Processes
    that train together grow a share of each forest's trees, and all have all of them in the end."""
    progress(0.0)
    binned = bin_features(features, _threads())
    lessons = learned.forest_lessons()
    forests = [trees_for(len(features)), *[_trees_of_part(len(features))] * (int(fold.max()) + 1)]
    done = _Counter(len(lessons) * sum(len(_own_trees(trees)) for trees in forests))
    return [_fit_one(features, binned, lesson, fold, seed, partial(done.count, progress)) for lesson in lessons]


def trees_for(rows: int) -> int:
    """The number of trees of a forest that is fitted to so many observations."""
    return min(TREES, max(FEWEST_TREES, MOST_DRAWN // max(1, min(rows, ROWS_A_TREE))))


def fit_parts(features: Singles, learned: Learned, fold: Rows, seed: int) -> list[tuple[Trees, ...]]:
    """A fifth of each forest's trees for each inner fold, grown on the rows outside it; the same each time."""
    binned = bin_features(features, _threads())
    return [grow_parts(binned, lesson, fold, seed) for lesson in learned.forest_lessons()]


def growing_seconds(rows: int, features: int) -> float:
    """A guess, for progress alone, of the time that a core takes for a forest of one column and its parts."""
    draws = min(rows, ROWS_A_TREE)
    return 2 * trees_for(rows) * _SECONDS_A_QUESTION * draws * math.log2(2 + draws / _LEAF) * features / 3


def _trees_of_part(rows: int) -> int:
    return trees_for(rows) // INNER_FOLDS


def steps_to_a_forest(rows: int) -> float:
    """How often what changes between half of a part's trees and all of them changes again up to the whole forest of so
    many observations; 0 where forests have as many trees as usual. The changes are as those of 1 / (trees - 1)."""
    whole, part = trees_for(rows), _trees_of_part(rows)
    if whole == TREES or part < _FEWEST_TO_HALVE:
        return 0.0
    half, full, all_trees = (1 / (trees - 1) for trees in (part // 2, part, whole))
    return (full - all_trees) / (half - full)


def growth_in_words(count: int) -> str:
    """How forests of `count` observations depart from the usual growth; empty where they do not."""
    if trees_for(count) == TREES and count <= ROWS_A_TREE:
        return ""
    return tr(
        "a forest of {} observations has {} trees, where smaller ones have {}, and each tree grows on at most {}"
        " observations, drawn anew at random, so that time and memory stay bounded; without these limits the forests'"
        " errors would be somewhat smaller"
    ).format(count, trees_for(count), TREES, ROWS_A_TREE)


class _Counter:
    """Counts trees, which grow side by side, against their number."""

    def __init__(self, number: int) -> None:
        self._number, self._done, self._lock = number, 0, Lock()

    def count(self, progress: Callable[[float], None]) -> None:
        """Count one more and tell the share."""
        with self._lock:
            self._done += 1
            share = self._done / self._number
        progress(share)


def _fit_one(
    features: Singles, binned: Binned, lesson: ForestLesson, fold: Rows, seed: int, grown: Callable[[], None]
) -> FittedForest:
    known = np.asarray(np.isfinite(lesson.targets).all(axis=1))
    parts = grow_parts(binned, lesson, fold, seed, grown)
    shape = 2, len(features), parts[0].outputs
    found, half = np.full(shape, np.nan), np.full(shape, np.nan) if steps_to_a_forest(len(features)) else None
    for held_out, part in enumerate(parts):
        test = (fold == held_out) & known
        found[:, test] = predict_forest(part, features[test])
        if half is not None:
            half[:, test] = predict_forest(part.first(part.count // 2), features[test])
    trees = _grow(binned, lesson, known, trees_for(len(known)), seed, grown)
    return FittedForest(trees, parts, found[0], found[1], half)


def grow_parts(
    binned: Binned, lesson: ForestLesson, fold: Rows, seed: int, grown: Callable[[], None] = lambda: None
) -> tuple[Trees, ...]:
    """A fifth of the trees of one forest for each inner fold, without the rows of the fold."""
    known, trees = np.isfinite(lesson.targets).all(axis=1), _trees_of_part(len(fold))
    return tuple(
        _grow(binned, lesson, known & (fold != held_out), trees, seed + held_out + 1, grown)
        for held_out in range(int(fold.max()) + 1)
    )


def _grow(
    binned: Binned, lesson: ForestLesson, chosen: Flags, trees: int, seed: int, grown: Callable[[], None]
) -> Trees:
    """Grow trees on the chosen rows, side by side. Each has random numbers of its own, so that the forest is the same
    on any number of threads, and of processes that grow it together. `grown` is called after each."""
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
        codes = binned.codes[:, rows[own]].T
        arrays = (codes, binned.lowest, binned.highest, times[own], values[own], labels[own].astype(np.int32))
        children, feature, threshold, value = grow_tree(
            *arrays, outputs, tried, _LEAF, rng.integers(2**64, dtype=np.uint64)
        )
        grown()
        return Trees(np.array([0, len(feature)]), children, feature, threshold, value)

    own = _own_trees(trees)
    with ThreadPoolExecutor(_threads()) as pool:
        forest = join_trees(list(pool.map(grow, own)))
    return forest if len(own) == trees else _of_all_processes(forest)


def _own_trees(trees: int) -> range:
    """The trees of a forest that this process grows: all, where there are fewer than processes."""
    return own_share(trees) if trees >= process_count() else range(trees)


def _of_all_processes(own: Trees) -> Trees:
    nodes = {name: join_over_processes(getattr(own, name)) for name in TREE_TYPES if name != "roots"}
    return Trees(np.concatenate([[0], np.cumsum(join_over_processes(np.diff(own.roots)))]), **nodes)


def _draw(rng: np.random.Generator, rows: int, reach: Array | None, draws: int) -> Rows:
    """Row numbers drawn with replacement; `reach` (rows,) are cumulative weights, None where all are the same."""
    if reach is None:
        return rng.integers(0, rows, draws)
    drawn: Rows = np.searchsorted(reach, rng.random(draws) * reach[-1], side="right")
    return drawn


def _threads() -> int:
    """The cores that belong to this computation: of several processes, each has its part of a machine's."""
    return own_cores() if is_joined() else torch.get_num_threads()
