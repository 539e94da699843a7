"""Tests of paired differences over folds: p, adjusted for several comparisons, and what a test could have found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

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
        threshold = stats.t.isf(SIGNIFICANT / sides / comparisons, freedom)
        return self.standard_error * float(threshold + stats.t.ppf(POWER, freedom))

    def lowest(self) -> float:
        """One-sided 95 % limit: the true difference is not below it."""
        return self.difference - self.standard_error * float(stats.t.isf(SIGNIFICANT, self.count - 1))


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
    margin = error * float(stats.t.ppf(0.975, count - 1))
    t = abs(difference) / error if error > 0 else (np.inf if difference else 0.0)
    p = 2 * float(stats.t.sf(t, count - 1))
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
    return "< 0.001" if p < 0.001 else f"{p:.2g}"


def percent_text(percent: float) -> str:
    """A difference that a test finds: `4.8 %`, `130 %`."""
    return f"{percent:.2g} %" if percent < 99.5 else f"{percent:.0f} %"


def p_words(p: float) -> str:
    """p within a sentence: `p = 0.012`, `p < 0.001`."""
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"
