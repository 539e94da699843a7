"""How good predicted probabilities of classes are: each formula once, with its source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_SMALLEST_PROBABILITY = 1e-6  # in the log score: one surprise must not decide it


@dataclass(frozen=True)
class ClassScores:
    """Of n held-out observations: `accuracy` is the share whose most probable class is the true one (overall purity of
    the map), `kappa` how far that is above chance, None where chance decides all; `brier` and `log_score` are of the
    probabilities, lower is better."""

    n: int
    accuracy: float
    kappa: float | None
    brier: float
    log_score: float

    @property
    def error(self) -> float:
        """By which methods are compared: unlike the log score, no single surprise decides it."""
        return self.brier


@dataclass(frozen=True)
class ClassHeldOut:
    """One method's calibrated probabilities (n, K) for observations it was not trained on."""

    probabilities: Array
    scores: ClassScores
    fold_scores: tuple[ClassScores, ...]

    @property
    def predicted(self) -> Integers:
        """(n,) the most probable class."""
        return np.asarray(self.probabilities.argmax(axis=1))


def score_classes(observed: Integers, probabilities: Array) -> ClassScores:
    """`observed` (n,) are the numbers of the classes, `probabilities` (n, K)."""
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


def confusion(observed: Integers, predicted: Integers, classes: int) -> Integers:
    """(K, K): how many observations of the class of the row are predicted as that of the column."""
    matrix = np.zeros((classes, classes), np.int64)
    np.add.at(matrix, (observed, predicted), 1)
    return matrix


def kappa(matrix: Integers) -> float | None:
    """Cohen 1960, 10.1177/001316446002000104."""
    total = matrix.sum()
    chance = float((matrix.sum(axis=0) * matrix.sum(axis=1)).sum() / total**2)
    return None if chance == 1 else float((np.trace(matrix) / total - chance) / (1 - chance))


def purity(matrix: Integers) -> Array:
    """(K,) of the observations predicted as a class the share that is it (user's accuracy); NaN where none is."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(matrix) / matrix.sum(axis=0))


def representation(matrix: Integers) -> Array:
    """(K,) of the observations of a class the share predicted as it (producer's accuracy); NaN where there is none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.diag(matrix) / matrix.sum(axis=1))
