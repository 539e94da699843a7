"""Chooses how a node of a tree is split, compiled: bins are summed, and no observation is sorted.

Splits are chosen as in scikit-learn: of the features drawn at a node, the one and the place between two values that
lower the weighted squared error most (Breiman 2001, 10.1023/A:1010933404324).
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

from functools import partial

import numpy as np

from soil_cnn_plugin.engine.forests.bits import AT_ONCE, count_below, count_bits, first_bit, random_below
from soil_cnn_plugin.engine.machine.compiled import compiled

_FEW = 64  # rows of a node, at most, that are compared each with each
_inner = partial(compiled, is_inner=True)
_without_nan = partial(compiled, fastmath={"nnan", "nsz"}, is_inner=True)


@_inner
def find_codes(column, index, found):
    """Put the bins of a node's rows into `found`; return the lowest and the highest.

    They are summed afterwards: a processor that still waits for a bin cannot know whether the next sum meets it.
    """
    for i in range(len(index)):
        found[i] = column[np.uint64(index[i])]
    lowest = highest = found[0]
    for i in range(len(index)):
        lowest, highest = min(lowest, found[i]), max(highest, found[i])
    return np.int64(lowest), np.int64(highest)


@_inner
def _sum_used(found, answers, place, sums, words):
    """Add the rows of a node to the bins that they lie in; return a bit for each of the words that have bits.

    `answers` (rows, 2) are answer and tally, `sums` (bins, outputs + 1) the sum of each output and the tally. `sums`
    and `words`, a bit for each bin, are 0 before.
    """
    top, outputs = np.uint64(0), np.uint64(sums.shape[1] - 1)
    for i in range(len(answers)):
        code = np.uint64(found[i])
        sums[code, np.uint64(place[i])] += answers[i, 0]
        sums[code, outputs] += answers[i, 1]
        words[code >> np.uint64(6)] |= np.uint64(1) << (code & np.uint64(63))
        top |= np.uint64(1) << (code >> np.uint64(6))
    return top


@_inner
def _rank(found, size, words, lower, ranks):
    """Number the bins of a node's rows anew, in their order, by numbers below the one that is returned. `words`, a bit
    for each bin, are 0 before and after; `lower` has room for a number of each."""
    if size <= _FEW:
        for first in range(0, size, AT_ONCE):
            count_below(found, first, size, ranks)
        return size
    for i in range(size):
        code = np.uint64(found[i])
        words[code >> np.uint64(6)] |= np.uint64(1) << (code & np.uint64(63))
    count = np.int64(0)
    for k in range(len(words)):
        lower[k] = count
        count += np.int64(count_bits(words[k]))
    for i in range(size):
        code = np.uint64(found[i])
        word, own = code >> np.uint64(6), np.uint64(1) << (code & np.uint64(63))
        ranks[i] = lower[word] + np.int64(count_bits(words[word] & (own - np.uint64(1))))
    words[:] = 0
    return count


@_inner
def _add_up(numbers, first, answers, sums):
    """Sum up, for each number from the first on, answers and tallies of the rows whose numbers are below it. `sums`
    are 0 before."""
    for i in range(len(answers)):
        number = np.uint64(numbers[i]) - np.uint64(first)
        sums[number, 0] += answers[i, 0]
        sums[number, 1] += answers[i, 1]
    answer, tally = 0.0, 0.0
    for k in range(len(sums)):
        own_answer, own_tally = sums[k, 0], sums[k, 1]
        sums[k, 0], sums[k, 1] = answer, tally
        answer += own_answer
        tally += own_tally


@_without_nan
def _rate(sums, total, tally, gains):
    """What a split gains for one output where each of the `sums` goes left; return the highest. Nothing else is asked,
    so that several are computed at once."""
    whole, top = tally - np.floor(tally), -1.0
    for k in range(len(gains)):
        weight = sums[k, 1] - np.floor(sums[k, 1])
        apart = sums[k, 0] * whole - total * weight
        gains[k] = apart * apart / (weight * (whole - weight))
        top = gains[k] if gains[k] > top else top
    return top


@_inner
def _best_place(sums, total, tally, leaf, gains, best):
    """How much a split gains at most, and the first place at which it does; -1 where none gains more than `best`."""
    first, last = 0, len(sums)
    while first < last and sums[first, 1] < leaf:
        first += 1
    while first < last and tally - sums[last - 1, 1] < leaf:
        last -= 1
    top = _rate(sums[first:last], total, tally, gains[: last - first])
    if not top > best:
        return best, -1
    place = 0
    while gains[place] != top:
        place += 1
    return top, first + place


@_inner
def _best_of_several(top, words, sums, total, left, tally, leaf):
    """The best split by all outputs that occur in a node: its gain, and the bins on both sides of it. `total` has their
    sums, `left` room for them."""
    best, below, above = -1.0, np.int64(0), np.int64(0)
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
                    best, below, above = gain, np.int64(last), np.int64(code)
            for k in range(count):
                left[k] += sums[code, k]
                sums[code, k] = 0.0
            left_tally += sums[code, own_tally]
            sums[code, own_tally] = 0.0
            last = code
    return best, below, above


@_inner
def _best_of_feature(column, index, answers, place, total, tally, leaf, best, room):
    """The best split by one feature if it gains more than `best`: its gain, and the bins on both sides of it. The gain
    is -1 if it does not, and -2 if the feature is constant."""
    found, ranks, sums, words, lower, left, gains = room
    size, nothing = len(index), np.int64(0)
    lowest, highest = find_codes(column, index, found)
    if lowest == highest:
        return -2.0, nothing, nothing
    if sums.shape[1] > 2:
        return _best_of_several(_sum_used(found, answers, place, sums, words), words, sums, total, left, tally, leaf)
    numbers, first, count = found, lowest, highest + 1 - lowest
    if size < count:  # then most bins are not in use
        numbers, first, count = ranks, nothing, _rank(found, size, words, lower, ranks)
    _add_up(numbers, first, answers, sums[:count])
    gain, place_of_best = _best_place(sums[:count], total[0], tally, leaf, gains, best)
    sums[:count] = 0.0
    if place_of_best < 0:
        return -1.0, nothing, nothing
    below, above = lowest, highest
    for i in range(size):
        code = np.int64(found[i])
        if numbers[i] < first + place_of_best:
            below = max(below, code)
        else:
            above = min(above, code)
    return gain, below, above


@_inner
def choose_split(state, codes, index, answers, place, total, tally, leaf, tried, features, constants, known, room):
    """The best split of a node: feature and bins on either side, the feature -1 where there is none; and how many
    features are known to be constant.

    `features` holds all features, the `known` constant ones first; `constants` holds these. At least one feature that
    is not constant is asked, as in scikit-learn, from which this way of drawing is taken.
    """
    best, chosen, best_below, best_above = -1.0, np.int64(-1), np.int64(0), np.int64(0)
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
        gain, below, above = _best_of_feature(codes[:, asked], index, answers, place, total, tally, leaf, best, room)
        if gain == -2.0:
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
