"""Grows one regression tree on binned features, compiled. Where each value has a bin, trees differ from scikit-learn's
by their draws alone."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

import math
from functools import partial

import numpy as np

from soil_cnn_plugin.engine.forests.bits import AT_ONCE
from soil_cnn_plugin.engine.forests.splits import choose_split, find_codes
from soil_cnn_plugin.engine.machine.compiled import compiled

_inner = partial(compiled, is_inner=True)
_ABOVE_MIDDLE = 2.0**-8  # of the way from one value to the next
_UNIT = 2.0**-26  # of weight: a tally counts rows by whole numbers, and their weight by what is behind the point


@_inner
def _describe(answers, labels, place, total, position):
    """Sum up a node: its tally, how many outputs occur, the sum of each in `total`, and whether all rows answer alike.
    `place` gets the output of each row, counted among those that occur; `position` (outputs,) has room for that."""
    tally, is_uniform, outputs = 0.0, True, len(position)
    if outputs == 1:
        total[0] = 0.0
        for i in range(len(answers)):
            total[0] += answers[i, 0]
            tally += answers[i, 1]
            is_uniform &= labels[i] == labels[0]
        return tally, 1, is_uniform
    for k in range(outputs):
        position[k] = -1
    count = 0
    for i in range(len(answers)):
        label = labels[i]
        if position[label] < 0:
            position[label] = count
            total[count] = 0.0
            count += 1
        place[i] = position[label]
        total[position[label]] += answers[i, 0]
        tally += answers[i, 1]
    return tally, count, count == 1


@_inner
def _divide(column, limit, index, answers, labels, found, room):
    """Put the rows of a node whose bin is at most `limit` before the others, each in their order; return how many these
    are. `room` are arrays like the three that are sorted."""
    own_index, own_answers, own_labels = room
    find_codes(column, index, found)
    left, right = np.uint64(0), np.uint64(0)
    for i in range(len(index)):
        # Always write both, and keep what was written where the row goes there: faster than asking first.
        goes_left = np.uint64(found[i] <= limit)
        one, label, answer, tally = index[i], labels[i], answers[i, 0], answers[i, 1]
        own_index[right], own_labels[right], own_answers[right, 0], own_answers[right, 1] = one, label, answer, tally
        index[left], labels[left], answers[left, 0], answers[left, 1] = one, label, answer, tally
        left += goes_left
        right += np.uint64(1) - goes_left
    middle = np.int64(left)
    for i in range(np.int64(right)):
        index[middle + i], labels[middle + i] = own_index[i], own_labels[i]
        answers[middle + i, 0], answers[middle + i, 1] = own_answers[i, 0], own_answers[i, 1]
    return middle


@_inner
def _half_way(low, high):
    """The threshold between two float32 numbers: a little above their middle. Rasters often hold the middle itself,
    which then goes left however its last bits were rounded."""
    threshold = np.float32(low + (np.float64(high) - np.float64(low)) * (0.5 + _ABOVE_MIDDLE))
    return threshold if threshold < high else low


@_inner
def _weigh(times, values, answers):
    """Put answer and tally of each row into `answers` (rows, 2). Values are rounded so that all sums of answers are
    exact, in whatever order they are added up: by at most 2**-35 of their mean size where there are 100,000."""
    size = 0.0
    for i in range(len(times)):
        size += abs(times[i] * values[i])
    unit = math.ldexp(1.0, math.frexp(size)[1] - 52)
    for i in range(len(times)):
        answers[i, 0], answers[i, 1] = times[i] * (np.round(values[i] / unit) * unit), 1 + times[i] * _UNIT


@_inner
def _grow(state, binned, rows, others, nodes, waiting, draws, sums, tried, leaf, room):
    """Grow all nodes from the first, which waits, with arrays that `grow_tree` makes; return how many there are."""
    (codes, lowest, highest), (index, answers, labels), found = binned, rows, room[0]
    (children, feature, threshold, value), (total, position, place) = nodes, sums
    features, constants = draws
    count, left_over = 0, 1
    while left_over:
        left_over -= 1
        start, end, known = waiting[left_over, 0], waiting[left_over, 1], waiting[left_over, 2]
        node, count = count, count + 1
        if node:
            children[waiting[left_over, 3], waiting[left_over, 4]] = node
        children[node, 0] = children[node, 1] = node
        own, own_answers, own_labels = index[start:end], answers[start:end], labels[start:end]
        tally, occurring, is_uniform = _describe(own_answers, own_labels, place, total, position)
        weight = (tally - np.floor(tally)) / _UNIT
        for k in range(len(total)):
            if position[k] >= 0:
                value[node, k] = total[position[k]] / weight
        if is_uniform or end - start < 2 * leaf:
            continue
        asked, below, above, known = choose_split(
            state, codes, own, own_answers, place, total[:occurring], tally, leaf, tried, features, constants, known,
            room,
        )  # fmt: skip
        if asked < 0:
            continue
        middle = start + _divide(codes[:, asked], below, own, own_answers, own_labels, found, others)
        feature[node], threshold[node] = asked, _half_way(highest[asked, below], lowest[asked, above])
        for side, first, last in ((1, middle, end), (0, start, middle)):
            waiting[left_over, 0], waiting[left_over, 1], waiting[left_over, 2] = first, last, known
            waiting[left_over, 3], waiting[left_over, 4] = node, side
            left_over += 1
    return count


@compiled
def grow_tree(codes, lowest, highest, times, values, labels, outputs, tried, leaf, seed):
    """Grow a tree on the rows drawn for it; return children, feature, threshold and value as in `Trees`.

    `codes` (n, F), `lowest` and `highest` (F, bins) are as in `Binned`, but codes lie row by row: a node asks several
    features of each. Each row counts `times` (n,), together less than 2**26. A row has one of the `outputs`, its label,
    and there a number, its value; with one output, `labels` number distinct values. `tried` features are asked at each
    node, `leaf` rows are in each leaf. Labels change.
    """
    size, bins = len(times), lowest.shape[1]
    rows = np.arange(size, dtype=np.int32), np.empty((size, 2)), labels
    _weigh(times, values, rows[1])
    others = np.empty(size + 1, np.int32), np.empty((size + 1, 2)), np.empty(size + 1, np.int32)
    sums = np.zeros(outputs), np.zeros(outputs, np.int64), np.zeros(size if outputs > 1 else 0, np.int32)
    features = codes.shape[1]
    draws = np.arange(features), np.zeros(features, np.int64)
    words = -(-bins // 64)
    room = (
        np.zeros(size + AT_ONCE, np.uint16), np.zeros(bins + AT_ONCE, np.uint16), np.zeros((bins, outputs + 1)),
        np.zeros(words, np.uint64), np.zeros(words, np.int64), np.empty(outputs), np.empty(bins),
    )  # fmt: skip

    most = max(1, 2 * (size // leaf) - 1)
    children, feature = np.empty((most, 2), np.int32), np.zeros(most, np.int32)
    threshold, value = np.full(most, np.inf, np.float32), np.zeros((most, outputs), np.float32)
    nodes = children, feature, threshold, value
    waiting = np.zeros((most + 1, 5), np.int64)  # first row, last row, constant features, parent, side
    waiting[0, 1] = size
    count = _grow(
        np.array([seed], np.uint64),
        (codes, lowest, highest),
        rows,
        others,
        nodes,
        waiting,
        draws,
        sums,
        tried,
        leaf,
        room,
    )
    return children[:count].copy(), feature[:count].copy(), threshold[:count].copy(), value[:count].copy()
