"""Walks down the trees of a forest, compiled: 32 neighbouring rows ask a node's question together."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.extending import intrinsic

LANES = 32  # rows that ask one question; rows that resemble each other take the same way for long
BLOCK = 2**14  # rows that go down a tree before the next ones; a multiple of LANES

_FLOATS = ir.VectorType(ir.FloatType(), LANES)
_INTEGERS = ir.VectorType(ir.IntType(32), LANES)
_FLAGS = ir.VectorType(ir.IntType(1), LANES)
_inlined: Any = intrinsic  # its types do not know that numba itself passes `typing`


@_inlined  # type: ignore[untyped-decorator]
def _at_most(typing: Any, values: Any, start: Any, limit: Any) -> Any:
    """A mask whose bit k says whether values[start + k] <= limit."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature, arguments, _FLOATS)
        found = builder.load(pointer)
        found.align = 4
        is_below = builder.fcmp_ordered("<=", found, _spread(builder, arguments[2], _FLOATS))
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
        new = builder.select(chosen, _spread(builder, arguments[2], _INTEGERS), old)
        builder.store(new, pointer).align = 4
        return context.get_dummy_value()

    return types.void(numbers, types.uint64, types.int32, types.uint32), build


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, kind: Any) -> Any:
    """A pointer to LANES neighbours in the array that is the first argument, from the index that is the second."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.bitcast(builder.gep(data, [arguments[1]]), kind.as_pointer())


def _spread(builder: Any, number: Any, kind: Any) -> Any:
    """A vector that repeats one number."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_INTEGERS, [0] * LANES))


@numba.njit(nogil=True, error_model="numpy")
def add_up(columns, roots, children, feature, threshold, value, total, squares):  # type: ignore[no-untyped-def]
    """Add every tree's answers, and their squares, to `total` and `squares` (rows, outputs).

    `columns` (features, n) are contiguous, n a multiple of LANES and at least the rows; `children` is (2 * nodes,).
    Each row is in one list only, so no list grows beyond n; children lie behind their parents, so all walks end.
    """
    rows, outputs = total.shape
    length = np.uint64(columns.shape[1])
    flat = columns.reshape(-1)
    leaf = np.zeros(length, np.int32)
    # A list says who is at a node: of LANES neighbours from a place on, those whose bit is set. Lists of waiting nodes
    # lie behind each other; the list in work comes last.
    places, masks = np.empty(length, np.uint32), np.empty(length, np.uint32)
    right_places, right_masks = np.empty(length, np.uint32), np.empty(length, np.uint32)
    waiting_node, waiting_start = np.empty(length, np.uint64), np.empty(length, np.uint64)
    for tree in range(len(roots) - 1):
        first, last = roots[tree], roots[tree + 1]
        tree_children = children[2 * first : 2 * last]
        tree_feature, tree_threshold = feature[first:last], threshold[first:last]
        end = length // np.uint64(LANES)
        for k in range(end):
            places[k], masks[k] = k * np.uint64(LANES), 2**LANES - 1
        node, start, waiting = np.uint64(0), np.uint64(0), 0
        while True:
            left, right = np.uint64(tree_children[2 * node]), np.uint64(tree_children[2 * node + np.uint64(1)])
            if left == right:
                for k in range(start, end):
                    _put(leaf, np.uint64(places[k]), np.int32(node), masks[k])
                if waiting == 0:
                    break
                waiting -= 1
                node, end, start = waiting_node[waiting], start, waiting_start[waiting]
                continue
            column, limit = np.uint64(tree_feature[node]) * length, tree_threshold[node]
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
                waiting_node[waiting], waiting_start[waiting] = left, start
                waiting += 1
                start = to_left
            node = right if to_right > 0 else left
            end = to_left + to_right
            for k in range(to_right):
                places[to_left + k], masks[to_left + k] = right_places[k], right_masks[k]
        for row in range(rows):
            at = np.uint64(first) + np.uint64(leaf[row])
            for output in range(outputs):
                answer = np.float64(value[at, output])
                total[row, output] += answer
                squares[row, output] += answer * answer
