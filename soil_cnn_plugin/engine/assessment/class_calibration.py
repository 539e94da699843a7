"""Probabilities of classes that hold: one temperature, learned on held-out observations."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

Array = NDArray[np.float64]

SMALLEST = 1e-6
"""Probability that a class has at least, before the temperature: one surprise must not decide everything."""
_FLATTEST, _SHARPEST = 5.0, 0.2


def sharpen(probabilities: Array, temperature: float) -> Array:
    """(C, ...) to the power of 1 / temperature, summing to 1 again (Guo et al. 2017, arXiv:1706.04599)."""
    powers = np.maximum(probabilities, SMALLEST) ** (1 / temperature)
    result: Array = powers / powers.sum(axis=0)
    return result


def calibrate_classes(learned: Array, probabilities: Array) -> float:
    """The temperature with the lowest log score of held-out observations: `learned` (n, C) is 1 in the column of the
    class, `probabilities` (n, C) were predicted, NaN where they were not."""
    known = np.isfinite(probabilities).all(axis=1)
    true, predicted = learned[known].argmax(axis=1), probabilities[known].T
    rows = np.arange(len(true))

    def log_score(logarithm: float) -> float:
        return float(-np.log(sharpen(predicted, float(np.exp(logarithm)))[true, rows]).mean())

    found = minimize_scalar(log_score, bounds=(np.log(_SHARPEST), np.log(_FLATTEST)), method="bounded")
    return float(np.exp(found.x))
