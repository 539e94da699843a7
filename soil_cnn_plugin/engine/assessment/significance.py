"""Tests of paired differences over folds, what they could have found, and whether near residuals are alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from scipy.special import ndtr, stdtr, stdtrit

from soil_cnn_plugin.contract.language import localized
from soil_cnn_plugin.engine.arrays import Array

SIGNIFICANT = 0.05
POWER = 0.8


@dataclass(frozen=True)
class PairedTest:
    """Mean of the differences, its standard error, 95 % confidence interval, and two-sided p. `count` is the number of
    differences."""

    difference: float
    standard_error: float
    low: float
    high: float
    p: float
    count: int

    def detectable(self, comparisons: int = 1, sides: int = 2) -> float:
        """The smallest true difference that the test finds with a probability of 80 %, where it is one of several
        comparisons: the least of them must have p below 0.05 / `comparisons`. It follows from the spread over folds
        alone, not from the difference that was found."""
        freedom = self.count - 1
        threshold = -stdtrit(freedom, SIGNIFICANT / sides / comparisons)
        return self.standard_error * float(threshold + stdtrit(freedom, POWER))

    def lowest(self) -> float:
        """One-sided 95 % limit: the true difference is not below it."""
        return self.difference - self.standard_error * float(-stdtrit(self.count - 1, SIGNIFICANT))


def paired_test(differences: Array, test_to_train: float) -> PairedTest | None:
    """Test differences over folds by the corrected resampled t-test; None for fewer than two.

    Folds share training observations, so their differences depend on each other; the variance of the mean is therefore
    (1 / k + n_test / n_train) s^2 (Nadeau & Bengio 2003, Machine Learning 52:239, eq. 9). Differences of repeated folds
    are given all at once (Bouckaert & Frank 2004). docs/accuracy.md tells the size and power of the test.
    """
    count = len(differences)
    if count < 2:
        return None
    difference = float(np.mean(differences))
    error = float(np.sqrt((1 / count + test_to_train) * np.var(differences, ddof=1)))
    margin = error * float(stdtrit(count - 1, 0.975))
    t = abs(difference) / error if error > 0 else (np.inf if difference else 0.0)
    p = 2 * float(stdtr(count - 1, -t))
    return PairedTest(difference, error, difference - margin, difference + margin, p, count)


def above(test: PairedTest | None) -> float | None:
    """One-sided p of a difference above 0."""
    if test is None:
        return None
    return test.p / 2 if test.difference > 0 else 1 - test.p / 2


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjust for the number of comparisons (Holm 1979, Scandinavian Journal of Statistics 6:65): where the adjusted
    ones are compared with 0.05, the probability of any false claim is at most that. None, no test, counts for nothing.
    """
    known = sorted((p, index) for index, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, index) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        adjusted[index] = highest
    return adjusted


def p_text(p: float) -> str:
    """p as all tables and sentences show it: `0.012`, `< 0.001`."""
    return localized("< 0.001" if p < 0.001 else f"{p:.2g}")


def percent_text(percent: float) -> str:
    """A difference that a test finds: `4.8 %`, `130 %`."""
    return localized(f"{percent:.2g} %" if percent < 99.5 else f"{percent:.0f} %")


def p_words(p: float) -> str:
    """p within a sentence: `p = 0.012`, `p < 0.001`."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


NEIGHBOURS = 8
_FEWEST_PLACES = 20


@dataclass(frozen=True)
class Likeness:
    """Moran's I of residuals at `places`, each beside its nearest `neighbours`: `expected` where they do not depend on
    space, 1 where neighbours are the same. `p`, two-sided, is that of a difference as large by chance. The furthest of
    a place's neighbours lies `distance` away, in the coordinates' unit (median)."""

    moran_i: float
    expected: float
    p: float
    places: int
    neighbours: int
    distance: float

    @property
    def are_alike(self) -> bool:
        return self.moran_i > self.expected


def likeness(residuals: Array, coordinates: Array) -> Likeness | None:
    """Compute Moran's I of residuals (n,) at coordinates (n, 2); None for few places or residuals that do not vary.

    Residuals of one place are averaged. Weights are 1 / k for the k nearest places; the variance is that under
    randomization (Cliff & Ord 1981, Spatial Processes, eq. 2.9).
    """
    where, place = np.unique(coordinates, axis=0, return_inverse=True)
    place = place.reshape(-1)
    values = np.bincount(place, residuals) / np.bincount(place)
    n = len(values)
    if n < _FEWEST_PLACES or not np.isfinite(values).all() or np.ptp(values) <= 1e-12 * np.abs(values).max():
        return None
    k = NEIGHBOURS
    distance, nearest = scipy.spatial.cKDTree(where).query(where, k + 1)
    is_other = nearest != np.arange(n)[:, None]
    columns = nearest[is_other].reshape(n, k)  # all places differ, so each finds itself
    weights = scipy.sparse.csr_array((np.full(n * k, 1 / k), columns.ravel(), np.arange(0, n * k + 1, k)), shape=(n, n))
    z = values - values.mean()
    found = float(z @ (weights @ z) / (z @ z))
    both = weights + weights.T
    s0, s1 = float(n), float((both**2).sum() / 2)
    s2 = float(((weights.sum(axis=1) + weights.sum(axis=0)) ** 2).sum())
    kurtosis = float((z**4).mean() / (z**2).mean() ** 2)
    expected = -1 / (n - 1)
    first = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * s0**2)
    second = kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * s0**2)
    variance = (first - second) / ((n - 1) * (n - 2) * (n - 3) * s0**2) - expected**2
    p = float(2 * ndtr(-abs(found - expected) / np.sqrt(variance)))
    return Likeness(found, expected, p, n, k, float(np.median(distance[:, -1])))
