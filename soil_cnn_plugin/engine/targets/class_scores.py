"""Probabilities of classes: how good they are, each formula once with its source, and their log-odds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtri, softmax

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows

_SMALLEST_PROBABILITY = 1e-6  # in the log score: one surprise must not decide it


@dataclass(frozen=True)
class ClassScores:
    """Scores of n held-out observations.

    `accuracy` is the share whose most probable class is the true one (overall purity of the map); `kappa` says how far
    that is above chance, None where chance decides all. `brier` and `log_score` rate the probabilities: lower is
    better.
    """

    n: int
    accuracy: float
    kappa: float | None
    brier: float
    log_score: float

    @property
    def error(self) -> float:
        """The Brier score, by which methods are compared: unlike in the log score, no single surprise decides it."""
        return self.brier

    @property
    def beside(self) -> float:
        """The share of right classes: what a reader of the map meets."""
        return self.accuracy


@dataclass(frozen=True)
class ClassHeldOut:
    """One method's calibrated probabilities (n, K) for observations it was not trained on."""

    probabilities: Array
    scores: ClassScores
    fold_scores: tuple[ClassScores, ...]

    @property
    def predicted(self) -> Rows:
        """The most probable class, (n,)."""
        return np.asarray(self.probabilities.argmax(axis=1))


def score_classes(observed: Rows, probabilities: Array) -> ClassScores:
    """Score probabilities (n, K) against `observed` (n,), the numbers of the classes."""
    if len(observed) == 0:
        return ClassScores(0, np.nan, None, np.nan, np.nan)
    count = probabilities.shape[1]
    matrix = confusion(observed, probabilities.argmax(axis=1), count)
    given = probabilities[np.arange(len(observed)), observed]
    truth = observed[:, None] == np.arange(count)
    return ClassScores(
        n=len(observed),
        accuracy=float(np.trace(matrix) / matrix.sum()),
        kappa=kappa(matrix),
        brier=float(((probabilities - truth) ** 2).sum(axis=1).mean()),
        log_score=float(-np.log(np.maximum(given, _SMALLEST_PROBABILITY)).mean()),
    )


def confusion(observed: Rows, predicted: Rows, classes: int) -> Rows:
    """Confusion matrix (K, K): how many observations of the row's class are predicted as the column's class."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (observed, predicted), 1)
    return matrix


def kappa(matrix: Rows) -> float | None:
    """Cohen's kappa (Cohen 1960, 10.1177/001316446002000104)."""
    total = matrix.sum()
    chance = float((matrix.sum(axis=0) * matrix.sum(axis=1)).sum() / total**2)
    return None if chance == 1 else float((np.trace(matrix) / total - chance) / (1 - chance))


def purity(matrix: Rows) -> Array:
    """Share of the observations predicted as a class that are it, (K,) (user's accuracy); NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(matrix) / matrix.sum(axis=0))


def representation(matrix: Rows) -> Array:
    """Share of a class's observations that are predicted as it, (K,) (producer's accuracy); NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(matrix) / matrix.sum(axis=1))


SMALLEST = 1e-6
"""Smallest probability of a class, before the temperature: one surprise must not decide everything."""
_FLATTEST, _SHARPEST = 5.0, 0.2


def sharpen(probabilities: Array, temperature: float) -> Array:
    """Raise (C, ...) to the power of 1 / temperature, to sum to 1 again (Guo et al. 2017, arXiv:1706.04599)."""
    powers = np.maximum(probabilities, SMALLEST) ** (1 / temperature)
    result: Array = powers / powers.sum(axis=0)
    return result


def calibrate_classes(learned: Array, probabilities: Array) -> float:
    """The temperature with the lowest log score of held-out observations: `learned` (n, C) is 1 in the column of the
    class, `probabilities` (n, C) are the predictions; NaN where there is none."""
    known = np.isfinite(probabilities).all(axis=1) & np.isfinite(learned).all(axis=1)
    true, predicted = learned[known].argmax(axis=1), probabilities[known].T
    rows = np.arange(len(true))

    def log_score(logarithm: float) -> float:
        return float(-np.log(sharpen(predicted, float(np.exp(logarithm)))[true, rows]).mean())

    from scipy.optimize import minimize_scalar  # takes long to load, and maps do not need it

    found = minimize_scalar(log_score, bounds=(np.log(_SHARPEST), np.log(_FLATTEST)), method="bounded")
    return float(np.exp(found.x))


STEPS = 10


@dataclass(frozen=True)
class ClassReliability:
    """Probabilities in equal steps from 0 to 1, without empty steps, (B,) each: the mean `predicted` one, the share
    that was `right`, the limits `low` and `high` between which chance leaves it, and the `count` in the step."""

    predicted: Array
    right: Array
    low: Array
    high: Array
    count: Rows

    @property
    def mean_predicted(self) -> float:
        return float((self.predicted * self.count).sum() / self.count.sum())

    @property
    def share_right(self) -> float:
        return float((self.right * self.count).sum() / self.count.sum())


def reliability_of_map(observed: Rows, probabilities: Array) -> ClassReliability:
    """Reliability of the most probable class in (n, K) probabilities, beside the `observed` classes (n,)."""
    return reliability_in_steps(probabilities.max(axis=1), probabilities.argmax(axis=1) == observed)


def reliability_of_classes(observed: Rows, probabilities: Array) -> ClassReliability:
    """Reliability of the probabilities of all classes together."""
    is_right = observed[:, None] == np.arange(probabilities.shape[1])
    return reliability_in_steps(probabilities.ravel(), is_right.ravel())


def share_limits(right: Array, count: Array | Rows) -> tuple[Array, Array]:
    """95 % confidence limits of the share of `right` ones among `count` (Wilson 1927,
    10.1080/01621459.1927.10502953); NaN where `count` is 0."""
    z = float(ndtri(0.975))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = right / count
        middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def reliability_in_steps(probability: Array, is_right: Flags, steps: int = STEPS) -> ClassReliability:
    """Reliability of any probabilities (n,); `is_right` (n,) says whether the predicted event came true."""
    step = np.minimum((probability * steps).astype(np.int64), steps - 1)
    count = np.bincount(step, minlength=steps).astype(np.int64)
    kept = count > 0
    total = np.bincount(step, probability, steps)[kept]
    right = np.asarray(np.bincount(step, is_right, steps)[kept], np.float64)
    count = count[kept]
    low, high = share_limits(right, count)
    return ClassReliability(total / count, right / count, low, high, count)


_PLACES, _SHARES = np.polynomial.legendre.leggauss(32)
_SAME = 1e-9  # probabilities that differ by less count as equal


@dataclass(frozen=True)
class LogOdds:
    """The logarithm of a class's odds, p / (1 - p), with its calibrated probability p."""

    number: int
    temperature: float

    transform = "log-odds"

    def value(self, location: Array) -> Array:
        own, rest = self._split(self._logarithms(location))
        found: Array = own - logsumexp(rest, axis=-1)
        return found

    def slopes(self, location: Array, other: Array) -> Array:
        """The odds depend on logarithms of the columns: the slope of a logarithm is that between its two ends, and the
        slope along logarithms is the mean gradient on the straight line (integrated gradients, Sundararajan et al.
        2017, arXiv:1703.01365)."""
        before, change = location[:, None] - other[None], self._logarithms(location)[:, None] - self._logarithms(other)
        middle = (location[:, None] + other[None]) / 2
        is_same = np.abs(before) < _SAME
        at_once = np.where(middle > SMALLEST, 1 / (self.temperature * np.maximum(middle, SMALLEST)), 0.0)
        of_columns = np.where(is_same, at_once, change / np.where(is_same, 1.0, before))
        _, start = self._split(np.broadcast_to(self._logarithms(other), change.shape))
        _, way = self._split(change)
        gradient = sum(
            share / 2 * softmax(start + (1 + place) / 2 * way, axis=-1) for place, share in zip(_PLACES, _SHARES)
        )
        along = np.insert(-np.asarray(gradient), self.number, 1.0, axis=-1)
        found: Array = along * of_columns
        return found

    def _logarithms(self, location: Array) -> Array:
        found: Array = np.log(np.maximum(location, SMALLEST)) / self.temperature
        return found

    def _split(self, logarithms: Array) -> tuple[Array, Array]:
        """The class's own logarithm (...,), and those of the others (..., K - 1)."""
        return logarithms[..., self.number], np.delete(logarithms, self.number, axis=-1)
