"""The logarithm of a class's odds, as a function of the probabilities that networks and forests predict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, softmax

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.targets.class_scores import SMALLEST

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
