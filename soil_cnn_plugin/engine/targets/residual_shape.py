"""The distribution of held-out residuals, which may differ between low and high predictions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows

LEVELS = np.linspace(0.005, 0.995, 199)
GROUPS = 5
"""Residuals are told apart in so many groups of like predictions."""
_OF_ALL = 60  # a group of so many residuals says as much of its shape as all of them together do
_BIN_EDGES = ndtr(np.linspace(-3, 3, 33))  # of the nodes; narrow in the tails, which decide a lognormal's mean


@dataclass(frozen=True)
class ResidualShape:
    """Residuals divided by the predicted spread, z, as a function of the predicted location.

    `places` (G,) are locations, ascending. At each of them `quantiles` (G, 199) are z at LEVELS, and `nodes` (G, J)
    with `weights` (J,) stand for all of z in means. Between two places all of them are interpolated; beyond the
    outermost ones they stay as they are.
    """

    places: tuple[float, ...]
    quantiles: tuple[tuple[float, ...], ...]
    nodes: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]

    def __post_init__(self) -> None:
        count = len(self.places)
        is_whole = count > 0 and [len(each) for each in self.quantiles] == count * [len(LEVELS)]
        if not is_whole or [len(each) for each in self.nodes] != count * [len(self.weights)] or not self.weights:
            raise ValueError("a calibration is incomplete")
        arrays = (self.places, self.quantiles, self.nodes, self.weights)
        if not all(np.isfinite(each).all() for each in arrays) or min(self.weights) < 0:
            raise ValueError("the numbers of a calibration make no sense")
        if (np.diff(self.places) <= 0).any() or (np.diff(self.quantiles, axis=1) < 0).any():
            raise ValueError("a calibration is out of order")

    def at_level(self, level: float, location: Array) -> Array:
        """The quantile of z at one level, for locations of any shape."""
        own = [np.interp(level, LEVELS, each) for each in self.quantiles]
        found: Array = np.interp(location, self.places, own)
        return found

    def at_levels(self, levels: Array, location: Array) -> Array:
        """The same at levels of any shape that goes together with that of the locations."""
        step = np.clip(levels / LEVELS[0] - 1, 0, len(LEVELS) - 1)
        below = np.minimum(step.astype(np.int64), len(LEVELS) - 2)
        place = self._between(location)
        low, high = (self._quantile(below + one, place) for one in (0, 1))
        found: Array = low + (step - below) * (high - low)
        return found

    def level_of(self, z: Array, location: Array) -> Array:
        """The level, 0.005 to 0.995, at which z lies at its location; arrays of one shape. Of several, the highest."""
        place = self._between(location)
        low, high = np.zeros(np.shape(z), np.int64), np.full(np.shape(z), len(LEVELS) - 1)
        while (low < high).any():
            middle = (low + high + 1) // 2
            is_below = self._quantile(middle, place) <= z
            low, high = np.where(is_below, middle, low), np.where(is_below, high, middle - 1)
        start, end = (self._quantile(np.minimum(low + one, len(LEVELS) - 1), place) for one in (0, 1))
        gap = end - start
        share = np.divide(z - start, gap, out=np.zeros(np.shape(z)), where=gap > 0)
        found: Array = LEVELS[0] * (1 + low + np.clip(share, 0, 1))
        return found

    def mean_and_deviation(self, location: Array) -> tuple[Array, Array]:
        """Mean and standard deviation of z."""
        nodes, weights = np.asarray(self.nodes), np.asarray(self.weights)
        means = nodes @ weights
        products = ((nodes - means[:, None]) * weights) @ (nodes - means[:, None]).T
        lower, upper, share = self._between(location)
        variance = (1 - share) ** 2 * products[lower, lower] + share**2 * products[upper, upper]
        variance = variance + 2 * share * (1 - share) * products[lower, upper]
        return np.interp(location, self.places, means), np.sqrt(np.maximum(variance, 0))

    def pieces(self, location: Array) -> Iterator[tuple[Flags, Iterator[tuple[float, Array]]]]:
        """Locations between the same two places, as flags, and weight and z of each node for these locations (n,)."""
        lower, _, share = self._between(location)
        nodes = np.asarray(self.nodes)
        for number in np.unique(lower):
            own = lower == number
            low, high = nodes[number], nodes[min(number + 1, len(nodes) - 1)]
            yield own, self._nodes(low, high - low, share[own])

    def _nodes(self, start: Array, slope: Array, share: Array) -> Iterator[tuple[float, Array]]:
        for weight, node, rise in zip(self.weights, start, slope):
            yield weight, node + rise * share

    def _between(self, location: Array) -> tuple[Rows, Rows, Array]:
        """Number of the place on either side, and how far a location is on the way."""
        places = np.asarray(self.places)
        last = len(places) - 1
        lower = np.clip(np.searchsorted(places, location, side="right") - 1, 0, max(last - 1, 0))
        upper = np.minimum(lower + 1, last)
        gap = np.where(upper > lower, places[upper] - places[lower], 1.0)
        return lower, upper, np.clip((location - places[lower]) / gap, 0, 1)

    def _quantile(self, number: Rows, place: tuple[Rows, Rows, Array]) -> Array:
        table = np.asarray(self.quantiles)
        lower, upper, share = place
        found: Array = (1 - share) * table[lower, number] + share * table[upper, number]
        return found


def shape_residuals(z: Array, bounded: Array, location: Array | None) -> ResidualShape:
    """Learn the shape from z (n,), ascending. In means, z counts as `bounded` (n,).

    With a `location` (n,), groups of like locations have shapes of their own, each drawn towards that of all as if
    60 of its residuals were of any group: what is skewed at low values may not be so at high ones. All have one mean:
    that of a few residuals would make predictions worse.

    The quantile at level p is the order statistic at p (n + 1), which holds in finite samples (Lei et al. 2018,
    10.1080/01621459.2017.1307116); beyond the outermost observations it stays at these.
    """
    count = len(z)
    bin_of = np.digitize((np.arange(count) + 0.5) / count, _BIN_EDGES)
    sizes = np.bincount(bin_of)
    filled = sizes > 0
    nodes = np.bincount(bin_of, weights=bounded)[filled] / sizes[filled]
    weights = sizes[filled] / count
    quantiles = _quantiles(z, LEVELS)
    groups = _groups(location)
    if len(groups) < 2:
        place = 0.0 if location is None else float(np.median(location))
        return ResidualShape((place,), (_numbers(quantiles),), (_numbers(nodes),), _numbers(weights))
    middles = np.cumsum(weights) - weights / 2
    places, of_groups, nodes_of_groups = [], [], []
    for place, rows in groups:
        trust = len(rows) / (len(rows) + _OF_ALL)
        bias = bounded[rows].mean() - bounded.mean()
        of_groups.append(quantiles + trust * (_quantiles(z[rows] - bias, LEVELS) - quantiles))
        apart = _quantiles(bounded[rows] - bias, middles) - _quantiles(bounded, middles)
        nodes_of_groups.append(nodes + trust * (apart - weights @ apart))
        places.append(place)
    return ResidualShape(
        tuple(places),
        tuple(_numbers(each) for each in of_groups),
        tuple(_numbers(each) for each in nodes_of_groups),
        _numbers(weights),
    )


def _groups(location: Array | None) -> list[tuple[float, Rows]]:
    """The median location of each group, ascending, and its rows in their order; one with the median of the former is
    left out."""
    found: list[tuple[float, Rows]] = []
    if location is None:
        return found
    for rows in np.array_split(np.argsort(location, kind="stable"), GROUPS):
        place = float(np.median(location[rows])) if len(rows) else np.nan
        if len(rows) and (not found or place > found[-1][0]):
            found.append((place, np.sort(rows)))
    return found


def _quantiles(ascending: Array, levels: Array) -> Array:
    count = len(ascending)
    found: Array = np.interp(levels, np.arange(1, count + 1) / (count + 1), ascending)
    return found


def _numbers(array: Array) -> tuple[float, ...]:
    return tuple(array.tolist())
