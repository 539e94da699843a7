"""Chooses how a node of a tree is split, compiled: bins are summed, and no observation is sorted.

Splits are chosen as in scikit-learn: of the features drawn at a node, the one and the place between two values that
lower the weighted squared error most (Breiman 2001, 10.1023/A:1010933404324).

Code that is kept on disk holds these functions, too: when one changes, touch the files that use it.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.forests.bits import first_bit, random_below, sum_at_most
from soil_cnn_plugin.engine.machine.compiled import compiled

FEW = 64
"""Rows of a node, at most, that are compared each with each, and whose bins lie together for all nodes below."""
_MANY = 4  # bins a row, at most, where all bins are gone through, and not only those in use


@compiled
def find_codes(column, index, found):
    """Put the bins of a node's rows into `found`; return the lowest and the highest.

    They are summed afterwards: a processor that still waits for a bin cannot know whether the next sum meets it.
    """
    lowest = highest = np.int64(column[np.uint64(index[0])])
    for i in range(len(index)):
        code = np.int64(column[np.uint64(index[i])])
        found[i] = code
        lowest, highest = min(lowest, code), max(highest, code)
    return lowest, highest


@compiled
def _sum_used(found, answers, place, sums, words):
    """Add the rows of a node to the bins that they lie in; return a bit for each of the words that have bits.

    `answers` (rows, 2) are answer and tally, `sums` (bins, outputs + 1) the sum of each output and the tally. `sums`
    and `words`, a bit for each bin, are 0 before.
    """
    top, outputs = np.uint64(0), np.uint64(sums.shape[1] - 1)
    for i in range(len(answers)):
        code = np.uint64(found[i])
        sums[code, np.uint64(place[i]) if outputs > 1 else np.uint64(0)] += answers[i, 0]
        sums[code, outputs] += answers[i, 1]
        words[code >> np.uint64(6)] |= np.uint64(1) << (code & np.uint64(63))
        top |= np.uint64(1) << (code >> np.uint64(6))
    return top


@compiled
def _add_up_used(top, words, sums, left, used):
    """Add up one output and the tally over the bins below each bin in use, whose numbers `used` gets; return how many
    these are. Leaves sums and words at 0."""
    answer, tally, count = 0.0, 0.0, np.uint64(0)
    while top:
        word = first_bit(top)
        top &= top - np.uint64(1)
        bits, words[word] = words[word], 0
        while bits:
            code = (word << np.uint64(6)) | first_bit(bits)
            bits &= bits - np.uint64(1)
            left[0, count], left[1, count], used[count] = answer, tally, code
            answer += sums[code, 0]
            tally += sums[code, 1]
            sums[code, 0], sums[code, 1] = 0.0, 0.0
            count += np.uint64(1)
    return np.int64(count)


@compiled
def _add_up_all(found, first, answers, sums, left):
    """The same over all bins from the first on, for nodes that use most of them; `sums` are of these bins alone."""
    for i in range(len(answers)):
        code = np.uint64(found[i]) - np.uint64(first)
        sums[code, 0] += answers[i, 0]
        sums[code, 1] += answers[i, 1]
    answer, tally = 0.0, 0.0
    for k in range(len(sums)):
        left[0, k], left[1, k] = answer, tally
        answer += sums[k, 0]
        tally += sums[k, 1]
        sums[k, 0], sums[k, 1] = 0.0, 0.0
    left[1, len(sums)] = tally


@compiled
def _rate(answers, tallies, total, tally, gains):
    """What a split gains for one output where `answers` and `tallies` go left; nothing is asked, so that several are
    computed at once."""
    whole = tally - np.floor(tally)
    for k in range(len(gains)):
        weight = tallies[k] - np.floor(tallies[k])
        apart = answers[k] * whole - total * weight
        gains[k] = apart * apart / (weight * (whole - weight))


@compiled
def _best_place(left, count, total, tally, leaf, gains, best):
    """The first of `count` places at which a split gains most, and how much; -1 where none gains more than `best`."""
    first, last = 0, count
    while first < last and left[1, first] < leaf:
        first += 1
    while first < last and tally - left[1, last - 1] < leaf:
        last -= 1
    _rate(left[0, first:last], left[1, first:last], total, tally, gains[: last - first])
    place = -1
    for k in range(last - first):
        if gains[k] > best:
            best, place = gains[k], first + k
    return best, place


@compiled
def _best_of_few(few, answers, total, tally, leaf, left, gains, best):
    """The same of few rows, each compared with each: the row that goes left with all whose bin is not above its own."""
    size = len(answers)
    for k in range(0, size, 8):
        sum_at_most(few, k, size, answers, left)
    _rate(left[0, :size], left[1, :size], total, tally, gains[:size])
    place = -1
    for k in range(size):
        if gains[k] > best and left[1, k] >= leaf and tally - left[1, k] >= leaf:
            best, place = gains[k], k
    return best, place


@compiled
def _best_of_several(top, words, sums, total, left, tally, leaf):
    """The same of the outputs that occur in a node, summed; `total` has their sums, `left` room for them."""
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


@compiled
def _best_of_feature(column, index, answers, place, total, tally, leaf, best, room):
    """The best split by one feature if it gains more than `best`: its gain, and the bins on both sides of it. The gain
    is -1 if it does not, and -2 if the feature is constant."""
    found, few, sums, words, left, gains, used = room
    size, is_one, nothing = len(index), sums.shape[1] == 2, np.int64(0)
    if is_one and size <= FEW:
        lowest, highest = find_codes(column, index, few)
        if lowest == highest:
            return -2.0, nothing, nothing
        gain, k = _best_of_few(few, answers, total[0], tally, leaf, left, gains, best)
        if k < 0:
            return -1.0, nothing, nothing
        below, above = few[k], highest
        for i in range(size):
            above = few[i] if below < few[i] < above else above
        return gain, below, above
    lowest, highest = find_codes(column, index, found)
    if lowest == highest:
        return -2.0, nothing, nothing
    if not is_one:
        return _best_of_several(_sum_used(found, answers, place, sums, words), words, sums, total, left[0], tally, leaf)
    width = highest + 1 - lowest
    if size * _MANY >= width:
        _add_up_all(found, lowest, answers, sums[lowest : highest + 1], left)
        gain, k = _best_place(left, width, total[0], tally, leaf, gains, best)
        if k < 0:
            return -1.0, nothing, nothing
        above = k
        while left[1, above + 1] == left[1, above]:
            above += 1
        return gain, lowest + k - 1, lowest + above
    count = _add_up_used(_sum_used(found, answers, place, sums, words), words, sums, left, used)
    gain, k = _best_place(left, count, total[0], tally, leaf, gains, best)
    return (gain, used[k - 1], used[k]) if k > 0 else (-1.0, nothing, nothing)


@compiled
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
        gain, below, above = _best_of_feature(codes[asked], index, answers, place, total, tally, leaf, best, room)
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
