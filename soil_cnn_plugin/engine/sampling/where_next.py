"""Where the next samples lower the expected uncertainty of a map most, chosen one after the other.

The error at a place has two parts. What the ensemble's members disagree on is common to places with like covariates;
the rest is common to near places, as the correlogram of errors says. Both make a Gaussian process of errors, whose
variance after a new observation does not depend on what is observed: each chosen point is taken as if it had been
observed, and the next one is chosen for what is then left (Cohn et al. 1996, 10.1613/jair.295, with the covariances of
an ensemble).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.sampling.spacing import Spacing

MOST_LEGACY = 1500
_MOST_OF_ENSEMBLE = 0.9  # share of the variance that members may disagree on; the rest is never known
_DISTANCES_AT_ONCE = 512

Correlation = Callable[[Array], Array]
"""Correlation of the errors at two places, by their distance in metres; at 0 it is what is left of 1 by the nugget."""


@dataclass(frozen=True)
class Uncertainty:
    """Errors of a map at places: `metres` (n, 2), the members' anomalies (n, M, V), whose sum of products over members
    is a covariance, and standard deviations (n, V) of the whole error, in units in which targets count alike."""

    metres: Array
    members: Array
    deviation: Array

    def take(self, rows: Rows) -> Uncertainty:
        return Uncertainty(self.metres[rows], self.members[rows], self.deviation[rows])


@dataclass(frozen=True)
class NextPoints:
    """The chosen rows of the candidates in order, and the mean variance of the map's error before and after each point,
    (k + 1,), relative to that before."""

    rows: Rows
    variance: Array


class ErrorProcess:
    """The Gaussian process of errors of V values at targets and candidates, updated point by point.

    `legacy` (L, 2) are existing points in metres; more than MOST_LEGACY are thinned out at random. `weights` (T,) of
    the targets sum to 1.
    """

    def __init__(
        self, targets: Uncertainty, candidates: Uncertainty, legacy: Array, weights: Array, correlation: Correlation
    ) -> None:
        self._candidates, self._correlation = candidates, correlation
        if len(legacy) > MOST_LEGACY:
            legacy = legacy[np.sort(np.random.default_rng(0).permutation(len(legacy))[:MOST_LEGACY])]
        self._weights = weights
        self._local = [_local_part(each) for each in (targets, candidates)]
        known = float(correlation(np.zeros(1))[0])
        self._members = [_capped(each) for each in (targets, candidates)]
        self._legacy = _Legacy(legacy, correlation, candidates.metres) if len(legacy) and known > 0 else None
        spatial = self._spatial(targets.metres, np.arange(len(candidates.metres)))
        values = candidates.deviation.shape[1]
        self.covariance: Singles = np.empty((values, len(targets.metres), len(candidates.metres)), np.float32)
        for value in range(values):
            common = self._members[0][:, :, value] @ self._members[1][:, :, value].T
            local = self._local[0][:, value, None] * self._local[1][None, :, value] * spatial
            self.covariance[value] = common + local
        own = self._own_spatial()
        self.variance = (self._members[1] ** 2).sum(axis=1) + self._local[1] ** 2 * own[:, None]  # (C, V)
        self.noise = self._local[1] ** 2 * (1 - known) + 1e-6 * candidates.deviation**2
        self._taken: list[Array] = []
        start = self._targets_variance(targets, known)
        self.total = self.start = float((weights[:, None] * start).sum())

    def _targets_variance(self, targets: Uncertainty, known: float) -> Array:
        signal = np.full(len(targets.metres), known)
        if self._legacy:
            signal -= self._legacy.told(targets.metres)
        found: Array = (self._members[0] ** 2).sum(axis=1) + self._local[0] ** 2 * (signal + 1 - known)[:, None]
        return found

    def after(self, rows: Rows) -> float:
        """Return the mean variance at the targets after observing these candidates at once, relative to the start.

        It is that of simple kriging, so that it checks what `observe` adds up point by point.
        """
        columns = self._columns(rows, rows)  # (k, k, V)
        total = self.total
        for value, covariance in enumerate(self.covariance):
            matrix = columns[:, :, value] + np.diag(self.noise[rows, value])
            told = covariance[:, rows].astype(np.float64)
            total -= float(self._weights @ (told * cho_solve(cho_factor(matrix), told.T).T).sum(axis=1))
        return total / self.start

    def gains(self) -> Array:
        """By how much each candidate lowers the mean variance of the map, (C,)."""
        found = np.zeros(len(self.variance))
        for value, covariance in enumerate(self.covariance):
            lowered = self._weights @ covariance.astype(np.float64) ** 2
            found += lowered / (self.variance[:, value] + self.noise[:, value])
        return found

    def observe(self, row: int) -> None:
        """Take the candidate as observed."""
        column = self._columns(np.arange(len(self.variance)), np.array([row]))[:, 0]  # (C, V)
        spread = np.sqrt(self.variance[row] + self.noise[row])
        steps = column / spread
        for value in range(len(self.covariance)):
            of_targets = self.covariance[value][:, row].astype(np.float64) / spread[value]
            self.total -= float(self._weights @ of_targets**2)
            self.covariance[value] -= np.outer(of_targets, steps[:, value]).astype(np.float32)
        self.variance = np.maximum(self.variance - steps**2, 0.0)
        self._taken.append(steps)

    def _columns(self, rows: Rows, others: Rows) -> Array:
        """The covariances (n, m, V) of candidates with others, after what is observed already."""
        spatial = self._spatial(self._candidates.metres[rows], others)
        members, local = self._members[1], self._local[1]
        common = np.einsum("nmv,kmv->nkv", members[rows], members[others])
        found: Array = common + local[rows, None] * local[None, others] * spatial[:, :, None]
        for steps in self._taken:
            found -= steps[rows, None] * steps[None, others]
        return found

    def _spatial(self, metres: Array, rows: Rows) -> Array:
        """The correlation (n, m) of the local parts of errors that existing points leave."""
        found = self._correlation(cdist(metres, self._candidates.metres[rows]))
        return found - self._legacy.between(metres, rows) if self._legacy else found

    def _own_spatial(self) -> Array:
        known = float(self._correlation(np.zeros(1))[0])
        found = np.full(len(self._candidates.metres), known)
        return found - self._legacy.told(self._candidates.metres) if self._legacy else found


class _Legacy:
    """What existing points at `metres` (L, 2) tell of the local errors elsewhere: simple kriging with a nugget."""

    def __init__(self, metres: Array, correlation: Correlation, candidates: Array) -> None:
        self._metres, self._correlation = metres, correlation
        known = float(correlation(np.zeros(1))[0])
        matrix = correlation(cdist(metres, metres))
        matrix[np.diag_indices_from(matrix)] = known + (1 - known) + 1e-9
        self._factor = cho_factor(matrix)
        self._solved = cho_solve(self._factor, correlation(cdist(metres, candidates)))  # (L, C)

    def between(self, metres: Array, rows: Rows) -> Array:
        found: Array = self._correlation(cdist(metres, self._metres)) @ self._solved[:, rows]
        return found

    def told(self, metres: Array) -> Array:
        """The part of the variance that they explain at each place, (n,)."""
        pieces = []
        for start in range(0, len(metres), _DISTANCES_AT_ONCE):
            near = self._correlation(cdist(self._metres, metres[start : start + _DISTANCES_AT_ONCE]))
            pieces.append((near * cho_solve(self._factor, near)).sum(axis=0))
        return np.concatenate(pieces)


def choose_next(
    process: ErrorProcess,
    count: int,
    *,
    cost: Array,
    is_free: Flags,
    spacing: Spacing,
    progress: Callable[[float], None] = lambda share: None,
) -> NextPoints:
    """Choose `count` candidates, each for the most that it lowers the mean variance at the targets per cost (C,).

    Fewer are returned where no free candidate is left.
    """
    free, rows, course = is_free.copy(), list[int](), [1.0]
    for step in range(count):
        if not free.any():
            break
        row = int(np.argmax(np.where(free, process.gains() / cost, -np.inf)))
        process.observe(row)
        rows.append(row)
        free &= spacing.take(row)
        course.append(process.total / process.start)
        progress((step + 1) / count)
    return NextPoints(np.array(rows, np.int64), np.array(course))


def _capped(uncertainty: Uncertainty) -> Array:
    """The members' anomalies (n, M, V), shrunk where they disagree more than the whole error is spread."""
    disagreement = (uncertainty.members**2).sum(axis=1)
    most = _MOST_OF_ENSEMBLE * uncertainty.deviation**2
    factor = np.sqrt(np.minimum(1.0, most / np.maximum(disagreement, 1e-300)))
    found: Array = uncertainty.members * factor[:, None, :]
    return found


def _local_part(uncertainty: Uncertainty) -> Array:
    """The standard deviation (n, V) of what the members do not disagree on."""
    left = uncertainty.deviation**2 - (_capped(uncertainty) ** 2).sum(axis=1)
    found: Array = np.sqrt(np.maximum(left, 0.0))
    return found
