"""Trees of a forest as plain arrays, and the walk of observations to their leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.extending import intrinsic
from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.forests.bits import repeat_number
from soil_cnn_plugin.engine.machine.compiled import compiled

TREE_TYPES = {
    "roots": np.int64,
    "children": np.int32,
    "feature": np.int32,
    "threshold": np.float32,
    "value": np.float32,
}
"""The kind of number of each array."""
LANES = 32  # rows that ask one question; rows that resemble each other take the same way for long
BLOCK = (
    2**12
)  # rows that go down all trees before the next ones, so few that their features stay in a processor's cache
_SMALLEST_SPREAD = 0.05  # of the trees, in standard deviations of the target
_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTEGERS = ir.VectorType(ir.IntType(32), LANES)
_FLAGS = ir.VectorType(ir.IntType(1), LANES)
_inlined: Any = intrinsic  # its types do not know that numba itself passes `typing`


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

    def first(self, count: int) -> Trees:
        """The first trees alone."""
        end = self.roots[count]
        nodes = (self.children[:end], self.feature[:end], self.threshold[:end], self.value[:end])
        return Trees(self.roots[: count + 1], *nodes)

    def mean_and_spread(self, features: Singles) -> tuple[Array, Array]:
        """Mean and standard deviation over the trees, (N, outputs) each, for rows (N, F), finite.

        This is fastest where neighbouring rows resemble each other.
        """
        total, squares = np.zeros((2, len(features), self.outputs))
        arrays = (self.roots, self.children.reshape(-1), self.feature, self.threshold, self._marks, self.value)

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

    @property
    def _marks(self) -> NDArray[np.int32]:
        """What a row finds at each node, if it is its leaf, (nodes,): the bits of the answer, or with several outputs
        the node's own number."""
        if self.outputs > 1:
            return np.arange(len(self.value), dtype=np.int32)
        answers: NDArray[np.int32] = np.ascontiguousarray(self.value[:, 0]).view(np.int32)
        return answers

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


def predict_forest(trees: Trees, features: Singles) -> tuple[Array, Array]:
    """Location and scale (N, outputs): mean and spread of the trees."""
    mean, spread = trees.mean_and_spread(features)
    return mean, np.maximum(spread, _SMALLEST_SPREAD)


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


@_inlined  # type: ignore[untyped-decorator]
def _at_most(typing: Any, values: Any, start: Any, limit: Any) -> Any:
    """A mask whose bit k says whether values[start + k] <= limit."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments, _FLOATS)
        found = builder.load(pointer)
        found.align = 4
        is_below = builder.fcmp_ordered("<=", found, repeat_number(builder, arguments[2], _FLOATS))
        return builder.bitcast(is_below, ir.IntType(LANES))

    return types.uint32(values, types.uint64, types.float32), build


@_inlined  # type: ignore[untyped-decorator]
def _put(typing: Any, numbers: Any, start: Any, number: Any, mask: Any) -> Any:
    """Put `number` into numbers[start + k] where bit k of the mask is set."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments, _INTEGERS)
        old = builder.load(pointer)
        old.align = 4
        chosen = builder.bitcast(arguments[3], _FLAGS)
        new = builder.select(chosen, repeat_number(builder, arguments[2], _INTEGERS), old)
        builder.store(new, pointer).align = 4
        return context.get_dummy_value()

    return types.void(numbers, types.uint64, types.int32, types.uint32), build


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, kind: Any) -> Any:
    """A pointer to LANES neighbours in the array that is the first argument, from the index that is the second."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), kind.as_pointer())


@compiled
def add_up(columns, roots, children, feature, threshold, marks, value, total, squares):  # type: ignore[no-untyped-def]
    """Add every tree's answers, and their squares, to `total` and `squares` (rows, outputs).

    `columns` (features, n) are contiguous, n a multiple of LANES and at least the rows; `children` is (2 * nodes,).
    """
    rows, outputs = total.shape
    flat, totals, squared = columns.reshape(-1), total.reshape(-1), squares.reshape(-1)
    found = np.zeros(columns.shape[1], np.int32)
    answers = found.view(np.float32)
    lists, waiting = np.empty((4, len(found)), np.uint32), np.empty((2, len(found)), np.uint64)
    for tree in range(len(roots) - 1):
        first, last = roots[tree], roots[tree + 1]
        own = children[2 * first : 2 * last], feature[first:last], threshold[first:last], marks[first:last]
        _send_down(flat, *own, lists, waiting, found)
        if outputs == 1:
            for row in range(rows):
                answer = np.float64(answers[row])
                totals[row] += answer
                squared[row] += answer * answer
        else:
            for row in range(rows):
                for output in range(outputs):
                    answer = np.float64(value[found[row], output])
                    total[row, output] += answer
                    squares[row, output] += answer * answer


@compiled
def _send_down(flat, children, feature, threshold, marks, lists, waiting, found):  # type: ignore[no-untyped-def]
    """Send all rows down a tree, and write into `found` (n,) the marks of their leaves.

    A list says who is at a node: of LANES neighbours from a place on, those whose bit is set. Lists of waiting nodes
    lie behind each other; the list in work comes last. Each row is in one list only, so no list grows beyond n;
    children lie behind their parents, so all walks end.
    """
    length = np.uint64(len(found))
    places, masks, right_places, right_masks = lists[0], lists[1], lists[2], lists[3]
    end = length // np.uint64(LANES)
    for k in range(end):
        places[k], masks[k] = k * np.uint64(LANES), 2**LANES - 1
    node, start, count = np.uint64(0), np.uint64(0), 0
    while True:
        left, right = np.uint64(children[2 * node]), np.uint64(children[2 * node + np.uint64(1)])
        if left == right:
            for k in range(start, end):
                _put(found, np.uint64(places[k]), marks[node], masks[k])
            if count == 0:
                return
            count -= 1
            node, end, start = waiting[0, count], start, waiting[1, count]
            continue
        column, limit = np.uint64(feature[node]) * length, threshold[node]
        to_left, to_right = start, np.uint64(0)
        for k in range(start, end):
            place, mask = places[k], masks[k]
            below = _at_most(flat, column + np.uint64(place), limit)
            # Always write, and keep what was written where a row goes there: faster than asking first.
            right_places[to_right], right_masks[to_right] = place, mask & ~below
            to_right += np.uint64(right_masks[to_right] != 0)
            places[to_left], masks[to_left] = place, mask & below
            to_left += np.uint64(masks[to_left] != 0)
        if to_left > start and to_right > 0:
            waiting[0, count], waiting[1, count] = left, start
            count += 1
            start = to_left
        node = right if to_right > 0 else left
        end = to_left + to_right
        for k in range(to_right):
            places[to_left + k], masks[to_left + k] = right_places[k], right_masks[k]
