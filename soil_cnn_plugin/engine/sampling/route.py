"""A short way past all points: from each to the nearest, then without crossings."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from soil_cnn_plugin.engine.arrays import Array, Rows

_MOST_POINTS = 2000  # beyond which only the nearest neighbours are followed
_MOST_ROUNDS = 60


def shortest_walk(metres: Array) -> tuple[Rows, float]:
    """Return the order in which to visit points (n, 2), and the metres of the way from the first to the last.

    The way is nearly, not surely, the shortest: nearest neighbours, improved by turning parts round (2-opt; Croes 1958,
    Operations Research 6:791).
    """
    if len(metres) < 3:
        length = float(np.linalg.norm(np.diff(metres, axis=0), axis=1).sum())
        return np.arange(len(metres)), length
    start = int(np.argmax(np.linalg.norm(metres - metres.mean(axis=0), axis=1)))
    order = _nearest(metres, start)
    if len(metres) <= _MOST_POINTS:
        order = _without_crossings(order, cdist(metres, metres))
    return order, float(np.linalg.norm(np.diff(metres[order], axis=0), axis=1).sum())


def _nearest(metres: Array, start: int) -> Rows:
    order, left = [start], np.ones(len(metres), np.bool_)
    left[start] = False
    for _ in range(len(metres) - 1):
        away = ((metres - metres[order[-1]]) ** 2).sum(axis=1)
        away[~left] = np.inf
        order.append(int(np.argmin(away)))
        left[order[-1]] = False
    return np.array(order, np.int64)


def _without_crossings(order: Rows, away: Array) -> Rows:
    """Turn parts round as long as that shortens the open way."""
    count = len(order)
    for _ in range(_MOST_ROUNDS):
        is_better = False
        for first in range(count - 1):
            before = order[first - 1] if first else None
            ends = order[first + 1 :]
            after = np.append(order[first + 2 :], -1)
            gain = np.zeros(len(ends))
            if before is not None:
                gain += away[before, order[first]] - away[before, ends]
            has_after = after >= 0
            gain[has_after] += away[ends[has_after], after[has_after]] - away[order[first], after[has_after]]
            best = int(np.argmax(gain))
            if gain[best] > 1e-9:
                last = first + 1 + best
                order[first : last + 1] = order[first : last + 1][::-1].copy()
                is_better = True
        if not is_better:
            break
    return order
