"""The trees of a random forest as plain arrays: safe to store and to read, and fast to evaluate for whole maps."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

Array = NDArray[np.float64]

_ROWS_A_TASK = 4096  # of a thread; a multiple of the next
_ROWS_TOGETHER = 64  # that walk down a tree in step: their look-ups overlap


@dataclass(frozen=True)
class Trees:
    """Trees with one or more outputs, one after the other: the answer of regression, or the share of each class.

    `roots` (trees + 1,) says where each tree's nodes begin. Node i of a tree asks whether feature[i] <= threshold[i]
    and goes on to children[i, 0] if so, else to children[i, 1], counted from the tree's root; a leaf has itself as both
    children. `value` (nodes, outputs) is the answer at a leaf, `depth` (trees,) the longest way down.
    """

    roots: NDArray[np.int64]
    children: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float32]
    value: NDArray[np.float32]
    depth: NDArray[np.int32]

    @property
    def count(self) -> int:
        return len(self.depth)

    @property
    def outputs(self) -> int:
        return int(self.value.shape[1])

    def mean_and_spread(self, features: NDArray[np.float32]) -> tuple[Array, Array]:
        """Mean and standard deviation over the trees, (N, outputs) each, for rows (N, F), finite."""
        total, squares = np.zeros((2, len(features), self.outputs))
        features = np.ascontiguousarray(features, np.float32)
        arrays = (self.roots, self.children.reshape(-1), self.feature, self.threshold, self.value, self.depth)

        def add_up(rows: slice) -> None:
            _add_up(features[rows], *arrays, total[rows], squares[rows])

        pieces = [slice(start, start + _ROWS_A_TASK) for start in range(0, len(features), _ROWS_A_TASK)]
        with ThreadPoolExecutor(min(torch.get_num_threads(), max(1, len(pieces)))) as pool:
            for _ in pool.map(add_up, pieces):
                pass
        mean = total / self.count
        return mean, np.sqrt(np.maximum(squares / self.count - mean**2, 0))

    def check(self, features: int, outputs: int = 1) -> None:
        """Raises ValueError unless every walk stays inside its tree, asks for existing features and ends at answers."""
        trees, nodes = self.depth.size, self.feature.size
        shapes = {"roots": (trees + 1,), "children": (nodes, 2), "value": (nodes, outputs), "depth": (trees,)}
        if trees == 0 or any(getattr(self, name).shape != shapes.get(name, (nodes,)) for name in TREE_TYPES):
            raise ValueError("the arrays of a forest have another shape")
        # Within bounds first: far-off roots could have differences that overflow.
        is_inside = (self.roots >= 0) & (self.roots <= nodes)
        sizes = np.diff(self.roots)
        if not is_inside.all() or (sizes < 1).any() or self.roots[0] != 0 or self.roots[-1] != nodes:
            raise ValueError("the trees of a forest do not follow each other")
        size_of_node = np.repeat(sizes, sizes)[:, None]
        if ((self.children < 0) | (self.children >= size_of_node)).any():
            raise ValueError("a tree of a forest has a branch that leads nowhere")
        if ((self.feature < 0) | (self.feature >= features)).any() or (self.depth < 0).any():
            raise ValueError("a tree of a forest asks for a feature that does not exist")
        if (self.depth > sizes).any():
            raise ValueError("a tree of a forest is deeper than it has nodes")
        if np.isnan(self.threshold).any() or not np.isfinite(self.value).all():
            raise ValueError("a forest holds a number that is not finite")


TREE_TYPES = {
    "roots": np.int64,
    "children": np.int32,
    "feature": np.int32,
    "threshold": np.float32,
    "value": np.float32,
    "depth": np.int32,
}
"""The kind of number of each array."""


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
        depth=np.array([estimator.tree_.max_depth for estimator in estimators], np.int32),
    )


def _answers(estimator: DecisionTreeRegressor | DecisionTreeClassifier) -> Array:
    """(nodes, outputs)."""
    value: Array = estimator.tree_.value  # (nodes, targets, classes)
    if isinstance(estimator, DecisionTreeClassifier):
        shares: Array = value[:, 0] / value[:, 0].sum(1, keepdims=True)
        return shares
    return value[:, :, 0]


def _round_down(thresholds: Array) -> NDArray[np.float32]:
    """To float32, so that x <= threshold stays the same for every float32 x."""
    rounded = thresholds.astype(np.float32)
    down: NDArray[np.float32] = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return down


@numba.njit(nogil=True)
def _add_up(features, roots, children, feature, threshold, value, depth, total, squares):  # type: ignore[no-untyped-def]
    """Add every tree's answer, and its square, to `total` and `squares` (N, outputs)."""
    node = np.zeros(_ROWS_TOGETHER, np.int32)
    columns = features.shape[1]
    flat = features.reshape(-1)
    for start in range(0, features.shape[0], _ROWS_TOGETHER):
        rows = min(_ROWS_TOGETHER, features.shape[0] - start)
        for tree in range(len(depth)):
            first, last = roots[tree], roots[tree + 1]
            tree_children, tree_feature = children[2 * first : 2 * last], feature[first:last]
            tree_threshold, tree_value = threshold[first:last], value[first:last]
            node[:] = 0
            for _ in range(depth[tree]):
                moved = 0
                for row in range(rows):
                    at = node[row]
                    asked = flat[(start + row) * columns + tree_feature[at]]
                    below = tree_children[2 * at + np.int32(not asked <= tree_threshold[at])]
                    moved |= below ^ at
                    node[row] = below
                if moved == 0:
                    break
            for row in range(rows):
                for output in range(total.shape[1]):
                    answer = np.float64(tree_value[node[row], output])
                    total[start + row, output] += answer
                    squares[start + row, output] += answer * answer
