"""Grows one regression tree on binned features, compiled: bins are summed, no observation is sorted.

Splits are chosen as in scikit-learn: of the features drawn at a node, the one and the place between two values that
lower the weighted squared error most (Breiman 2001, 10.1023/A:1010933404324). Where each value has a bin, trees differ
from scikit-learn's by their draws alone.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.forests.bits import count_bits, first_bit, random_below
from soil_cnn_plugin.engine.machine.compiled import compiled

_NEAR = 64  # rows of a node whose bins are numbered anew for all nodes below, so that one word tells which are in use
_ABOVE_MIDDLE = 2.0**-8  # of the way from one value to the next
_UNIT = 2.0**-26  # of weight: a tally counts rows by whole numbers, and their weight by what is behind the point


@compiled
def _sum_bins(column, index, start, end, answers, place, sums, words):
    """Add the rows of a node to the bins that they lie in; return a bit for each of the words that have bits.

    `answers` (rows, 2) are answer and tally, `sums` (bins, outputs + 1) the sum of each output and the tally. `sums`
    and `words`, a bit for each bin, are 0 before.
    """
    top, outputs = np.uint64(0), np.uint64(sums.shape[1] - 1)
    for i in range(start, end):
        code = np.uint64(column[np.uint64(index[i])])
        sums[code, np.uint64(place[i]) if outputs > 1 else np.uint64(0)] += answers[i, 0]
        sums[code, outputs] += answers[i, 1]
        words[code >> np.uint64(6)] |= np.uint64(1) << (code & np.uint64(63))
        top |= np.uint64(1) << (code >> np.uint64(6))
    return top


@compiled
def _sum_near(column, index, start, end, answers, place, sums, words):
    """Do the same for bins below 64, faster."""
    bits, outputs = np.uint64(0), np.uint64(sums.shape[1] - 1)
    for i in range(start, end):
        code = np.uint64(column[np.uint64(index[i])])
        sums[code, np.uint64(place[i]) if outputs > 1 else np.uint64(0)] += answers[i, 0]
        sums[code, outputs] += answers[i, 1]
        bits |= np.uint64(1) << code
    words[0] = bits
    return np.uint64(1)


@compiled
def _number_anew(column, rows, size, near, near_codes, words):
    """Number the bins in which `size` rows lie, 64 at most, from 0: `near` gets the number of each row's bin, and
    `near_codes` the bin of each number."""
    top = np.uint64(0)
    for i in range(size):
        code = np.uint64(column[rows[i]])
        words[code >> np.uint64(6)] |= np.uint64(1) << (code & np.uint64(63))
        top |= np.uint64(1) << (code >> np.uint64(6))
    before, number, used = np.zeros(64, np.uint64), np.uint64(0), top
    while used:
        word = first_bit(used)
        used &= used - np.uint64(1)
        before[word] = number
        number += count_bits(words[word])
    for i in range(size):
        code = np.uint64(column[rows[i]])
        word, below = code >> np.uint64(6), (np.uint64(1) << (code & np.uint64(63))) - np.uint64(1)
        number = before[word] + count_bits(words[word] & below)
        near[i], near_codes[number] = number, code
    while top:
        words[first_bit(top)] = 0
        top &= top - np.uint64(1)


@compiled
def _best_of_one(top, words, sums, total, tally, leaf):
    """The best split of one output between two neighbouring bins: its gain, the bins, and how many bins are in use.
    Leaves sums and words at 0."""
    square, product, below, above, used = -1.0, 1.0, np.uint64(0), np.uint64(0), 0
    left, left_tally, last, whole = 0.0, 0.0, np.uint64(0), tally - np.floor(tally)
    while top:
        word = first_bit(top)
        top &= top - np.uint64(1)
        bits, words[word] = words[word], 0
        while bits:
            code = (word << np.uint64(6)) | first_bit(bits)
            bits &= bits - np.uint64(1)
            weight = left_tally - np.floor(left_tally)
            apart, both = left * whole - total * weight, weight * (whole - weight)
            # Compare fractions without dividing, and without a branch that nobody foresees.
            is_better = (left_tally >= leaf) & (tally - left_tally >= leaf) & (apart * apart * product > square * both)
            square, product = (apart * apart, both) if is_better else (square, product)
            below, above = (last, code) if is_better else (below, above)
            left += sums[code, 0]
            left_tally += sums[code, 1]
            sums[code, 0] = 0.0
            sums[code, 1] = 0.0
            used += 1
            last = code
    return square / product, below, above, used


@compiled
def _best_of_several(top, words, sums, total, left, tally, leaf):
    """The same of the outputs that occur in a node, summed; `total` has their sums, `left` room for them."""
    best, below, above, used = -1.0, np.uint64(0), np.uint64(0), 0
    left_tally, last, whole = 0.0, np.uint64(0), tally - np.floor(tally)
    count, own_tally = len(total), sums.shape[1] - 1
    for k in range(count):
        left[k] = 0.0
    while top:
        word = first_bit(top)
        top &= top - np.uint64(1)
        bits, words[word] = words[word], 0
        while bits:
            code = (word << np.uint64(6)) | first_bit(bits)
            bits &= bits - np.uint64(1)
            if left_tally >= leaf and tally - left_tally >= leaf:
                weight, apart = left_tally - np.floor(left_tally), 0.0
                for k in range(count):
                    apart += (left[k] * whole - total[k] * weight) ** 2
                gain = apart / (weight * (whole - weight))
                if gain > best:
                    best, below, above = gain, last, code
            for k in range(count):
                left[k] += sums[code, k]
                sums[code, k] = 0.0
            left_tally += sums[code, own_tally]
            sums[code, own_tally] = 0.0
            used += 1
            last = code
    return best, below, above, used


@compiled
def _choose_split(
    state, codes, is_near, near, near_codes, near_rows, numbered, index, start, end, answers, place, sums, words,
    total, left, tally, leaf, tried, features, constants, known,
):  # fmt: skip
    """The best split of a node: feature and bins on either side, the feature -1 where there is none; and how many
    features are known to be constant.

    `features` holds all features, the `known` constant ones first; `constants` holds these. At least one feature that
    is not constant is asked, as in scikit-learn, from which this way of drawing is taken.
    """
    best, chosen, best_below, best_above = -1.0, np.int64(-1), np.uint64(0), np.uint64(0)
    unseen, found, drawn, visited = len(features), 0, 0, 0
    while unseen > known + found and (visited < tried or visited <= found + drawn):
        visited += 1
        at = drawn + random_below(state, unseen - found - drawn)
        if at < known:
            features[drawn], features[at] = features[at], features[drawn]
            drawn += 1
            continue
        at += found
        asked = features[at]
        if is_near:
            if not numbered[asked]:
                numbered[asked] = True
                _number_anew(codes[asked], near_rows, len(near_rows), near[asked], near_codes[asked], words)
            top = _sum_near(near[asked], index, start, end, answers, place, sums, words)
        else:
            top = _sum_bins(codes[asked], index, start, end, answers, place, sums, words)
        if sums.shape[1] == 2:
            gain, below, above, used = _best_of_one(top, words, sums, total[0], tally, leaf)
        else:
            gain, below, above, used = _best_of_several(top, words, sums, total, left, tally, leaf)
        if used == 1:
            features[at], features[known + found] = features[known + found], asked
            found += 1
            continue
        unseen -= 1
        features[at], features[unseen] = features[unseen], asked
        if gain > best:
            best, chosen, best_below, best_above = gain, asked, below, above
    for at in range(known):
        features[at] = constants[at]
    for at in range(known, known + found):
        constants[at] = features[at]
    return chosen, best_below, best_above, known + found


@compiled
def _describe(start, end, answers, labels, place, total, position):
    """Sum up a node: its tally, how many outputs occur, the sum of each in `total`, and whether all rows answer alike.
    `place` gets the output of each row, counted among those that occur; `position` (outputs,) has room for that."""
    tally, is_uniform, outputs = 0.0, True, len(position)
    if outputs == 1:
        total[0] = 0.0
        for i in range(start, end):
            total[0] += answers[i, 0]
            tally += answers[i, 1]
            is_uniform &= labels[i] == labels[start]
        return tally, 1, is_uniform
    for k in range(outputs):
        position[k] = -1
    count = 0
    for i in range(start, end):
        label = labels[i]
        if position[label] < 0:
            position[label] = count
            total[count] = 0.0
            count += 1
        place[i] = position[label]
        total[position[label]] += answers[i, 0]
        tally += answers[i, 1]
    return tally, count, count == 1


@compiled
def _divide(column, limit, start, end, index, answers, labels, room):
    """Put the rows of a node whose bin is at most `limit` before the others, each in their order; return where the
    latter begin. `room` are arrays like the three that are sorted."""
    own_index, own_answers, own_labels = room
    left, right = start, 0
    for i in range(start, end):
        # Always write both, and keep what was written where the row goes there: faster than asking first.
        goes_left = np.uint64(column[np.uint64(index[i])]) <= limit
        one, label, answer, tally = index[i], labels[i], answers[i, 0], answers[i, 1]
        own_index[right], own_labels[right], own_answers[right, 0], own_answers[right, 1] = one, label, answer, tally
        index[left], labels[left], answers[left, 0], answers[left, 1] = one, label, answer, tally
        left += goes_left
        right += not goes_left
    for i in range(right):
        index[left + i], labels[left + i] = own_index[i], own_labels[i]
        answers[left + i, 0], answers[left + i, 1] = own_answers[i, 0], own_answers[i, 1]
    return left


@compiled
def _half_way(low, high):
    """The threshold between two float32 numbers: a little above their middle. Rasters often hold the middle itself,
    which then goes left however its last bits were rounded."""
    threshold = np.float32(low + (np.float64(high) - np.float64(low)) * (0.5 + _ABOVE_MIDDLE))
    return threshold if threshold < high else low


@compiled
def grow_tree(codes, lowest, highest, times, values, labels, outputs, tried, leaf, seed):
    """Grow a tree on the rows drawn for it; return children, feature, threshold and value as in `Trees`.

    `codes` (F, n), `lowest` and `highest` (F, bins) are as in `Binned`; each row counts `times` (n,), together less
    than 2**26. A row has one of the `outputs`, its label, and there a number, its value; with one output, `labels`
    number distinct values. `tried` features are asked at each node, `leaf` rows are in each leaf. Labels change.
    """
    size, bins = len(times), lowest.shape[1]
    state, index, answers = np.array([seed], np.uint64), np.arange(size, dtype=np.int32), np.empty((size, 2))
    for i in range(size):
        answers[i, 0], answers[i, 1] = times[i] * values[i], 1 + times[i] * _UNIT
    near, near_codes = np.empty((2, len(codes), _NEAR), np.uint16)
    near_rows, numbered = np.empty(_NEAR, np.int32), np.zeros(len(codes), np.bool_)
    room = (np.empty(size + 1, np.int32), np.empty((size + 1, 2)), np.empty(size + 1, np.int32))
    sums, words = np.zeros((max(bins, _NEAR), outputs + 1)), np.zeros(64, np.uint64)
    total, left, position = np.zeros(outputs), np.zeros(outputs), np.zeros(outputs, np.int64)
    place = np.zeros(size if outputs > 1 else 0, np.int32)
    features, constants = np.arange(len(codes)), np.zeros(len(codes), np.int64)

    most = max(1, 2 * (size // leaf) - 1)
    children, feature = np.empty((most, 2), np.int32), np.zeros(most, np.int32)
    threshold, value = np.full(most, np.inf, np.float32), np.zeros((most, outputs), np.float32)
    waiting = np.zeros((most + 1, 5), np.int64)  # first row, last row, constant features, parent, side
    waiting[0, 1] = size
    count, left_over, near_end, near_size = 0, 1, 0, 0
    while left_over:
        left_over -= 1
        start, end, known = waiting[left_over, 0], waiting[left_over, 1], waiting[left_over, 2]
        node, count = count, count + 1
        if node:
            children[waiting[left_over, 3], waiting[left_over, 4]] = node
        children[node, 0] = children[node, 1] = node
        tally, occurring, is_uniform = _describe(start, end, answers, labels, place, total, position)
        weight = (tally - np.floor(tally)) / _UNIT
        for k in range(outputs):
            if position[k] >= 0:
                value[node, k] = total[position[k]] / weight
        if is_uniform or end - start < 2 * leaf:
            continue
        if end - start <= _NEAR and start >= near_end:
            near_end, near_size = end, end - start
            numbered[:] = False
            for i in range(start, end):
                near_rows[i - start], index[i] = index[i], i - start
        is_near = start < near_end
        asked, below, above, known = _choose_split(
            state, codes, is_near, near, near_codes, near_rows[:near_size], numbered, index, start, end, answers, place,
            sums, words, total[:occurring], left, tally, leaf, tried, features, constants, known,
        )  # fmt: skip
        if asked < 0:
            continue
        middle = _divide(near[asked] if is_near else codes[asked], below, start, end, index, answers, labels, room)
        if is_near:
            below, above = np.uint64(near_codes[asked, below]), np.uint64(near_codes[asked, above])
        feature[node], threshold[node] = asked, _half_way(highest[asked, below], lowest[asked, above])
        for side, first, last in ((1, middle, end), (0, start, middle)):
            waiting[left_over, 0], waiting[left_over, 1], waiting[left_over, 2] = first, last, known
            waiting[left_over, 3], waiting[left_over, 4] = node, side
            left_over += 1
    return children[:count].copy(), feature[:count].copy(), threshold[:count].copy(), value[:count].copy()
