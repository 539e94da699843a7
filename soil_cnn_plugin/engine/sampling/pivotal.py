"""The local pivotal method: random points that spread over space, with the inclusion probabilities that are asked for.

Two near places fight for their probabilities: one takes as much as it can, so that near places are rarely chosen
together. Whoever fights whom, each place keeps its probability on average (Grafström et al. 2012, Biometrics 68:514,
LPM2).
"""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError

_NEIGHBOURS = 12
_ROUNDING = 1e-9


def draw_pivotal(places: Array, probabilities: Array, seed: int) -> Rows:
    """Return the rows of the chosen places (M, D), which are different; `probabilities` (M,) sum to a whole number."""
    chances, rng = probabilities.astype(np.float64).tolist(), np.random.default_rng([seed, 2])
    open_rows = np.flatnonzero((probabilities > _ROUNDING) & (probabilities < 1 - _ROUNDING))
    while len(open_rows) > 1:
        _fight(places, chances, open_rows, rng)
        now = np.array([chances[row] for row in open_rows.tolist()])
        open_rows = open_rows[(now > _ROUNDING) & (now < 1 - _ROUNDING)]
    return np.flatnonzero(np.array(chances) > 0.5)  # of the last one, rounding has left nearly 0 or nearly 1


def _fight(places: Array, chances: list[float], rows: Rows, rng: np.random.Generator) -> None:
    """Let places fight, each with the nearest one that is still open, until one has no open neighbour in its list."""
    count = min(_NEIGHBOURS, len(rows) - 1)
    _, near = cKDTree(places[rows]).query(places[rows], k=count + 1)
    neighbours = [[other for other in own if other != number] for number, own in enumerate(near.tolist())]
    index = rows.tolist()
    open_numbers = list(range(len(index)))
    at = list(range(len(index)))  # where each number stands among the open ones, below 0 when it is decided

    def settle(number: int) -> None:
        chance = chances[index[number]]
        if _ROUNDING < chance < 1 - _ROUNDING:
            return
        place, last = at[number], open_numbers[-1]
        open_numbers[place], at[last] = last, place
        open_numbers.pop()
        at[number] = -1

    while len(open_numbers) > 1:
        draws = rng.random((256, 2)).tolist()
        for first, second in draws:
            if len(open_numbers) < 2:
                return
            one = open_numbers[int(first * len(open_numbers))]
            other = next((each for each in neighbours[one] if at[each] >= 0), None)
            if other is None:
                return
            a, b = index[one], index[other]
            chances[a], chances[b] = _duel(chances[a], chances[b], second)
            settle(one)
            settle(other)


def _duel(one: float, other: float, draw: float) -> tuple[float, float]:
    """Return the new probabilities of two places (Grafström et al. 2012, eq. 1 and 2)."""
    total = one + other
    if total < 1:
        return (0.0, total) if draw < other / total else (total, 0.0)
    return (1.0, total - 1) if draw < (1 - other) / (2 - total) else (total - 1, 1.0)


def probabilities_of(weights: Array, count: int) -> Array:
    """Return inclusion probabilities (M,) proportional to `weights`, which sum to `count` and are at most 1: what
    would get more than 1 is certain, and the others share the rest (Tillé 2006, section 2.10).

    Raises:
        EngineError: fewer places have a weight above 0 than points are asked for.
    """
    able = int((weights > 0).sum())
    if able < count:
        raise EngineError(
            tr(
                "{} points are asked for, but only {} pixels have a chance. Ask for fewer points, or enlarge the area."
            ).format(count, able)
        )
    found = np.zeros(len(weights))
    is_certain = np.zeros(len(weights), np.bool_)
    while True:
        rest = ~is_certain
        share = (count - is_certain.sum()) / weights[rest].sum() if rest.any() and weights[rest].sum() > 0 else 0.0
        found = np.where(is_certain, 1.0, weights * share)
        above = (found >= 1) & ~is_certain
        if not above.any():
            return found
        is_certain |= above


def away_from_legacy(metres: Array, legacy: Array, hectares: float, count: int) -> Array:
    """Return factors (M,) below 1 near existing points (Foster et al. 2017, Methods in Ecology and Evolution 8:1433).

    The product of 1 - exp(-d^2 / s^2) over existing points, with s the radius of the circle that each of all points
    would have to itself.
    """
    factor = np.ones(len(metres))
    squared = hectares * 10_000 / (np.pi * (count + len(legacy)))
    for x, y in legacy.tolist():
        distance = (metres[:, 0] - x) ** 2 + (metres[:, 1] - y) ** 2
        factor *= -np.expm1(-distance / squared)
    return np.maximum(factor, 1e-6)  # a place that can never be drawn would never be represented
