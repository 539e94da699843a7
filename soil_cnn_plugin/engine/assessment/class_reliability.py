"""Whether predicted probabilities hold: of what was given 70 %, 70 % should come true."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

BINS = 10


@dataclass(frozen=True)
class ClassReliability:
    """Probabilities in equal steps from 0 to 1, without empty ones: the mean `predicted` (B,), the share that
    was `right` (B,), between which limits chance leaves it (B,), and how many they are (B,)."""

    predicted: Array
    right: Array
    low: Array
    high: Array
    count: Integers

    @property
    def mean_predicted(self) -> float:
        return float((self.predicted * self.count).sum() / self.count.sum())

    @property
    def share_right(self) -> float:
        return float((self.right * self.count).sum() / self.count.sum())


def reliability_of_map(observed: Integers, probabilities: Array) -> ClassReliability:
    """Of the most probable classes of (n, K) probabilities, `observed` (n,)."""
    return reliability_in_steps(probabilities.max(axis=1), probabilities.argmax(axis=1) == observed)


def reliability_of_classes(observed: Integers, probabilities: Array) -> ClassReliability:
    """Of the probabilities of all classes together."""
    is_right = observed[:, None] == np.arange(probabilities.shape[1])
    return reliability_in_steps(probabilities.ravel(), is_right.ravel())


def share_limits(right: Array, count: Array | Integers) -> tuple[Array, Array]:
    """95 % confidence limits of the share of `right` ones among `count` (Wilson 1927,
    10.1080/01621459.1927.10502953); NaN of none."""
    z = float(norm.ppf(0.975))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = right / count
        middle = (share + z**2 / (2 * count)) / (1 + z**2 / count)
        half = z / (1 + z**2 / count) * np.sqrt(share * (1 - share) / count + z**2 / (4 * count**2))
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def reliability_in_steps(probability: Array, is_right: NDArray[np.bool_], steps: int = BINS) -> ClassReliability:
    """Of any probabilities (n,) and whether what they were given to came true."""
    step = np.minimum((probability * steps).astype(np.int64), steps - 1)
    count = np.bincount(step, minlength=steps).astype(np.int64)
    kept = count > 0
    total = np.bincount(step, probability, steps)[kept]
    right = np.asarray(np.bincount(step, is_right, steps)[kept], np.float64)
    count = count[kept]
    low, high = share_limits(right, count)
    return ClassReliability(total / count, right / count, low, high, count)
