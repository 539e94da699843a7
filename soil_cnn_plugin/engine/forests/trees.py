"""The trees of a random forest as plain arrays: safe to store and to read, and fast to evaluate for whole maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.forests.tree_walk import BLOCK, LANES, add_up


@dataclass(frozen=True)
class Trees:
    """Trees with one or more outputs, one after the other: the answer of regression, or the share of each class.

    `roots` (trees + 1,) says where each tree's nodes begin. Node i of a tree asks whether feature[i] <= threshold[i]
    and goes on to children[i, 0] if so, else to children[i, 1], counted from the tree's root, both beyond i; a leaf has
    itself as both children. `value` (nodes, outputs) is the answer at a leaf.
    """

    roots: Rows
    children: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Singles
    value: Singles

    @property
    def count(self) -> int:
        return len(self.roots) - 1

    @property
    def outputs(self) -> int:
        return int(self.value.shape[1])

    def mean_and_spread(self, features: Singles) -> tuple[Array, Array]:
        """Mean and standard deviation over the trees, (N, outputs) each, for rows (N, F), finite.

        This is fastest where neighbouring rows resemble each other.
        """
        total, squares = np.zeros((2, len(features), self.outputs))
        arrays = (self.roots, self.children.reshape(-1), self.feature, self.threshold, self.value)

        def add(rows: slice) -> None:
            piece = features[rows]
            columns = np.zeros((features.shape[1], -(-len(piece) // LANES) * LANES), np.float32)
            columns[:, : len(piece)] = piece.T
            add_up(columns, *arrays, total[rows], squares[rows])

        pieces = [slice(start, start + BLOCK) for start in range(0, len(features), BLOCK)]
        with ThreadPoolExecutor(min(torch.get_num_threads(), max(1, len(pieces)))) as pool:
            for _ in pool.map(add, pieces):
                pass
        mean = total / self.count
        return mean, np.sqrt(np.maximum(squares / self.count - mean**2, 0))

    def check(self, features: int, outputs: int = 1) -> None:
        """Raise ValueError unless every walk stays inside its tree, asks for existing features and ends at answers."""
        trees, nodes = self.roots.size - 1, self.feature.size
        shapes = {"roots": (trees + 1,), "children": (nodes, 2), "value": (nodes, outputs)}
        if trees < 1 or any(getattr(self, name).shape != shapes.get(name, (nodes,)) for name in TREE_TYPES):
            raise ValueError("the arrays of a forest have another shape")
        # Check the bounds first: the differences of far-off roots could overflow.
        is_inside = (self.roots >= 0) & (self.roots <= nodes)
        sizes = np.diff(self.roots)
        if not is_inside.all() or (sizes < 1).any() or self.roots[0] != 0 or self.roots[-1] != nodes:
            raise ValueError("the trees of a forest do not follow each other")
        size_of_node, own = np.repeat(sizes, sizes), np.arange(nodes) - np.repeat(self.roots[:-1], sizes)
        is_leaf = (self.children == own[:, None]).all(1)
        leads_on = ((self.children > own[:, None]) & (self.children < size_of_node[:, None])).all(1)
        if not (is_leaf | leads_on).all():
            raise ValueError("a tree of a forest has a branch that leads nowhere")
        children = self.children[leads_on] + (np.arange(nodes) - own)[leads_on, None]
        if (np.bincount(children.ravel(), minlength=nodes) != (own > 0)).any():
            raise ValueError("a tree of a forest has a node that not one branch leads to")
        if ((self.feature < 0) | (self.feature >= features)).any():
            raise ValueError("a tree of a forest asks for a feature that does not exist")
        if np.isnan(self.threshold).any() or not np.isfinite(self.value).all():
            raise ValueError("a forest holds a number that is not finite")


def in_squares(wanted: Flags) -> Rows:
    """Order the True pixels (h, w), counted row by row, so that neighbours follow each other: they share their way down
    a tree for longest."""
    order = _pixels_in_squares(*wanted.shape)
    chosen = order[wanted.ravel()[order]]
    number: Rows = np.cumsum(wanted.ravel())[chosen] - 1
    return number


@lru_cache(maxsize=4)
def _pixels_in_squares(height: int, width: int) -> Rows:
    rows, cols = (part.ravel() for part in np.indices((height, width)))
    low, wide, large = 4, LANES // 4, math.isqrt(BLOCK)
    return np.lexsort((cols, rows, cols // wide, rows // low, cols // large, rows // large))


TREE_TYPES = {
    "roots": np.int64,
    "children": np.int32,
    "feature": np.int32,
    "threshold": np.float32,
    "value": np.float32,
}
"""The kind of number of each array."""


def join_trees(parts: Sequence[Trees]) -> Trees:
    """All trees of several forests with the same outputs, in their order."""
    starts = np.cumsum([0, *(part.feature.size for part in parts)])
    return Trees(
        roots=np.concatenate([*(part.roots[:-1] + start for part, start in zip(parts, starts)), starts[-1:]]),
        children=np.concatenate([part.children for part in parts]),
        feature=np.concatenate([part.feature for part in parts]),
        threshold=np.concatenate([part.threshold for part in parts]),
        value=np.concatenate([part.value for part in parts]),
    )


def to_trees(estimators: Sequence[DecisionTreeRegressor | DecisionTreeClassifier]) -> Trees:
    """The fitted trees of a scikit-learn forest: its outputs are the targets, or the shares of one target's classes."""
    children, features, thresholds, values = [], [], [], []
    for estimator in estimators:
        tree = estimator.tree_
        own = np.arange(tree.node_count)
        is_leaf = tree.children_left < 0
        left, right = (np.where(is_leaf, own, side) for side in (tree.children_left, tree.children_right))
        children.append(np.stack([left, right], axis=1))
        features.append(np.where(is_leaf, 0, tree.feature))
        thresholds.append(np.where(is_leaf, np.inf, _round_down(tree.threshold)))
        values.append(_answers(estimator))
    return Trees(
        roots=np.concatenate([[0], np.cumsum([len(part) for part in features])]).astype(np.int64),
        children=np.concatenate(children).astype(np.int32),
        feature=np.concatenate(features).astype(np.int32),
        threshold=np.concatenate(thresholds).astype(np.float32),
        value=np.concatenate(values).astype(np.float32),
    )


def _answers(estimator: DecisionTreeRegressor | DecisionTreeClassifier) -> Array:
    """The answers at all nodes, (nodes, outputs)."""
    value: Array = estimator.tree_.value  # (nodes, targets, classes)
    if isinstance(estimator, DecisionTreeClassifier):
        shares: Array = value[:, 0] / value[:, 0].sum(1, keepdims=True)
        return shares
    return value[:, :, 0]


def _round_down(thresholds: Array) -> Singles:
    """Round down to float32, so that x <= threshold stays the same for every float32 x."""
    rounded = thresholds.astype(np.float32)
    down: Singles = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return down
