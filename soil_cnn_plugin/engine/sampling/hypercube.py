"""The conditioned Latin hypercube: points whose covariates, each by itself and together, are spread as all pixels are.

The objective is that of Minasny & McBratney 2006 (Computers & Geosciences 32:1378), found by simulated annealing, with
the costs of Roudier et al. 2012 and existing points that count but cannot move.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.sampling.spacing import Spacing

_START, _END, _LAST = 1.0, 0.05, 0.005
_COOLING = 0.8
"""Temperatures of the annealing: from the start to the end in this share of the steps, and the last one in the others,
which trim correlations. A point that moves to an interval that fits better changes the objective by 2."""
_WORST_SHARE = 0.5
"""Share of the steps that exchange the point whose intervals are fullest over all covariates; the others exchange any.
"""


@dataclass(frozen=True)
class Marginals:
    """What points are compared with.

    `limits` (J, n + 1) are those of the equally likely intervals of each number. Where many pixels have one value,
    several intervals are that value alone and count as one; `expected` (J, n) is how many an interval stands for.
    `classes` are the codes and shares of each categorical covariate; `correlation` (J, J) is that of the numbers.
    """

    limits: Array
    expected: Rows
    classes: tuple[tuple[Array, Array], ...]
    correlation: Array
    numeric: tuple[int, ...]
    categorical: tuple[int, ...]

    @classmethod
    def of(cls, values: Singles, covariates: Sequence[Covariate], count: int) -> Marginals:
        """Return those of `count` points among candidates with these `values` (M, C)."""
        numeric = tuple(i for i, each in enumerate(covariates) if each.kind != "categorical")
        categorical = tuple(i for i, each in enumerate(covariates) if each.kind == "categorical")
        numbers = values[:, numeric].astype(np.float64)
        limits = np.quantile(numbers, np.linspace(0, 1, count + 1), axis=0).T
        merged = (np.searchsorted(each[1:-1], each[:-1], side="right") for each in limits)
        expected = np.array([np.bincount(each, minlength=count) for each in merged], np.int64).reshape(-1, count)
        shares = []
        for index in categorical:
            codes, counts = np.unique(values[:, index], return_counts=True)
            shares.append((codes.astype(np.float64), counts / len(values)))
        return cls(limits, expected, tuple(shares), correlations(numbers), numeric, categorical)

    def cells(self, values: Singles) -> Rows:
        """Return the interval (M, J) of each number, from 0 to n - 1."""
        count = self.limits.shape[1] - 1 if self.numeric else 1
        found = np.empty((len(values), len(self.numeric)), np.int64)
        for column, index in enumerate(self.numeric):
            inner = self.limits[column, 1:-1]
            found[:, column] = np.searchsorted(inner, values[:, index].astype(np.float64), side="right")
        return np.clip(found, 0, count - 1)

    def objective(self, values: Singles) -> float:
        """Return the objective of points with these `values` (n, C): the sum of the three parts, each of weight 1
        (Minasny & McBratney 2006, eq. 1 to 4)."""
        count, cells = len(values), self.cells(values)
        total = 0.0
        for column in range(len(self.numeric)):
            own_count = np.bincount(cells[:, column], minlength=count)
            total += float(np.abs(own_count - self.expected[column]).sum())
        for index, (codes, shares) in zip(self.categorical, self.classes):
            own = np.array([(values[:, index] == code).mean() for code in codes])
            total += float(np.abs(own - shares).sum())
        if len(self.numeric) > 1:
            own_correlation = correlations(values[:, self.numeric].astype(np.float64))
            total += float(np.abs(own_correlation - self.correlation).sum())
        return total


def correlations(numbers: Array) -> Array:
    """Return Pearson's correlations (J, J) of columns (n, J); 0 with a column that does not vary, 1 with itself."""
    centred = numbers - numbers.mean(axis=0)
    length = np.sqrt((centred**2).sum(axis=0))
    scaled = centred / np.where(length > 0, length, 1.0)
    found: Array = scaled.T @ scaled
    np.fill_diagonal(found, 1.0)
    return found


@dataclass(frozen=True)
class Hypercube:
    """The chosen rows, the objective without costs, and its course over the steps."""

    rows: Rows
    objective: float
    course: Array


def draw_hypercube(
    values: Singles,
    covariates: Sequence[Covariate],
    count: int,
    *,
    legacy: Singles,
    cost: Array,
    is_free: Flags,
    spacing: Spacing,
    iterations: int,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> Hypercube:
    """Choose `count` of the candidates with these `values` (M, C) beside the existing points `legacy` (L, C).

    `cost` (M,) is relative to the cheapest kind; its mean over the points, less 1, is added to the objective for each
    covariate. Only candidates that are `is_free` (M,) are chosen.

    """
    rng = np.random.default_rng([seed, 2])
    marginals = Marginals.of(values, covariates, count + len(legacy))
    free = np.flatnonzero(is_free)
    current = _start(rng, free, count, spacing)
    state = _State(marginals, values, legacy, cost - 1, current)
    best, lowest = state.rows.copy(), state.total
    course = np.empty(iterations)
    for step in range(iterations):
        cooled = step / (_COOLING * iterations)
        temperature = _START * (_END / _START) ** cooled if cooled < 1 else _LAST
        place, row = _proposal(rng, state, free)
        total = state.try_move(place, row)
        is_better = total <= state.total or rng.random() < np.exp((state.total - total) / temperature)
        if is_better and row not in state.held and state.keeps_spacing(spacing, place, row):
            state.move(place, row, total)
            if total < lowest:
                best, lowest = state.rows.copy(), total
        course[step] = lowest
        if step % 200 == 0:
            progress(step / iterations)
    chosen = np.concatenate([values[best], legacy]) if len(legacy) else values[best]
    return Hypercube(best, marginals.objective(chosen), course)


def _start(rng: np.random.Generator, free: Rows, count: int, spacing: Spacing) -> Rows:
    """Return a random choice that keeps its distances; as many as there is room for."""
    order, left = rng.permutation(free), np.ones(int(free.max()) + 1, np.bool_)
    if spacing.allows(order[:count]):
        return order[:count]
    chosen: list[int] = []
    for row in order.tolist():
        if left[row]:
            chosen.append(row)
            left &= spacing.take(row)[: len(left)]
        if len(chosen) == count:
            break
    return np.array(chosen, np.int64)


def _proposal(rng: np.random.Generator, state: _State, free: Rows) -> tuple[int, int]:
    place = state.worst(rng) if rng.random() < _WORST_SHARE else int(rng.integers(len(state.rows)))
    return place, int(free[rng.integers(len(free))])


class _State:
    """The points of a step, with the sums that the objective needs, so that a change of one point costs little."""

    def __init__(self, marginals: Marginals, values: Singles, legacy: Singles, cost: Array, rows: Rows) -> None:
        self._marginals, self._values, self._cost = marginals, values, cost
        self.rows = rows.copy()
        self.held = set(rows.tolist())
        self._cells = marginals.cells(values)
        self._numbers = values[:, marginals.numeric].astype(np.float64)
        fixed = legacy[:, marginals.numeric].astype(np.float64) if len(legacy) else self._numbers[:0]
        self._centre = self._numbers.mean(axis=0)
        self._numbers = self._numbers - self._centre
        everything = np.concatenate([self._numbers[rows], fixed - self._centre])
        self._count = len(rows) + len(legacy)
        cells = np.concatenate([self._cells[rows], marginals.cells(legacy)]) if len(legacy) else self._cells[rows]
        self._histogram = np.stack(
            [np.bincount(column, minlength=self._count) for column in cells.T] or [np.zeros(self._count, np.int64)]
        )
        self._sums, self._products = everything.sum(axis=0), everything.T @ everything
        self._codes, self._class_counts = [], []
        for index, (codes, _) in zip(marginals.categorical, marginals.classes):
            number = np.searchsorted(codes, values[:, index].astype(np.float64))
            old = legacy[:, index].astype(np.float64) if len(legacy) else np.empty(0)
            counts = np.bincount(number[rows], minlength=len(codes)).astype(np.float64)
            self._codes.append(number)
            self._class_counts.append(counts + np.array([(old == code).sum() for code in codes]))
        self._costs = float(cost[rows].sum())
        self.total = self._objective(self._histogram, self._sums, self._products, self._class_counts, self._costs)

    def worst(self, rng: np.random.Generator) -> int:
        """Return a point whose intervals hold most points too many, over all covariates."""
        if not self._marginals.numeric:
            return int(rng.integers(len(self.rows)))
        surplus = self._histogram - self._marginals.expected
        load = np.take_along_axis(surplus, self._cells[self.rows].T, axis=1).sum(axis=0)
        fullest = np.flatnonzero(load == load.max())
        return int(fullest[rng.integers(len(fullest))])

    def keeps_spacing(self, spacing: Spacing, place: int, row: int) -> bool:
        others = np.delete(self.rows, place)
        return spacing.allows_beside(row, others)

    def try_move(self, place: int, row: int) -> float:
        """Return the objective with the point in `place` exchanged for the candidate `row`."""
        return self._objective(*self._changed(place, row))

    def move(self, place: int, row: int, total: float) -> None:
        self._histogram, self._sums, self._products, self._class_counts, self._costs = self._changed(place, row)
        self.held.remove(int(self.rows[place]))
        self.held.add(row)
        self.rows[place], self.total = row, total

    def _changed(self, place: int, row: int) -> tuple[Rows, Array, Array, list[Array], float]:
        old = int(self.rows[place])
        histogram = self._histogram.copy()
        columns = np.arange(self._cells.shape[1])
        histogram[columns, self._cells[old]] -= 1
        histogram[columns, self._cells[row]] += 1
        a, b = self._numbers[old], self._numbers[row]
        counts = [each.copy() for each in self._class_counts]
        for codes, own in zip(self._codes, counts):
            own[codes[old]] -= 1
            own[codes[row]] += 1
        products = self._products + np.outer(b, b) - np.outer(a, a)
        costs = self._costs + float(self._cost[row] - self._cost[old])
        return histogram, self._sums + b - a, products, counts, costs

    def _objective(self, histogram: Rows, sums: Array, products: Array, counts: list[Array], costs: float) -> float:
        marginals, total = self._marginals, 0.0
        if marginals.numeric:
            total += float(np.abs(histogram - marginals.expected).sum())
        for own, (_, shares) in zip(counts, marginals.classes):
            total += float(np.abs(own / self._count - shares).sum())
        if len(marginals.numeric) > 1:
            spread = products - np.outer(sums, sums) / self._count
            length = np.sqrt(np.maximum(spread.diagonal(), 0))
            scaled = spread / np.where(np.outer(length, length) > 0, np.outer(length, length), 1.0)
            np.fill_diagonal(scaled, 1.0)
            total += float(np.abs(scaled - marginals.correlation).sum())
        covariates = len(marginals.numeric) + len(marginals.categorical)
        return total + covariates * costs / len(self.rows)
