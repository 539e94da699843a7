"""What held-out errors have in common: with errors elsewhere, with those of other targets, with residuals nearby."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.correlogram import CorrelationModel, Correlogram
from soil_cnn_plugin.engine.assessment.significance import SIGNIFICANT, above, paired_test

NOISES = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
"""Variances of noise, in those of scores, with which known residuals may count when errors nearby are told from
them."""
_NEIGHBOURS = 24
_MOST_ASKED = 2000  # held-out errors of a fold that stand for all where the gain is measured
_FEWEST_PAIRS = 10  # observations that have both of two targets, before their errors count as correlated
_MOST_ALIKE = 0.99


@dataclass(frozen=True)
class ErrorCorrelation:
    """The correlation of a network's errors, as normal scores.

    `groups` are the fields of the targets that are learned together; each has a correlogram, or None where too few
    observations tell one. `between` (R, R) is the correlation of the errors of learned columns at one place. `noise` is
    the variance of noise with which known residuals tell errors nearby, None where they were not shown to.
    """

    groups: tuple[tuple[str, ...], ...]
    correlograms: tuple[Correlogram | None, ...]
    between: tuple[tuple[float, ...], ...]
    noise: tuple[float | None, ...]

    def __post_init__(self) -> None:
        if not len(self.groups) == len(self.correlograms) == len(self.noise):
            raise ValueError("correlograms are not one a group of targets")
        matrix = np.array(self.between)
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not np.isfinite(matrix).all():
            raise ValueError("correlations between targets are no square of numbers")
        if not np.allclose(np.diag(matrix), 1) or not np.allclose(matrix, matrix.T) or np.abs(matrix).max() > 1 + 1e-9:
            raise ValueError("correlations between targets make no sense")
        if any(noise is not None and not 0 <= noise < np.inf for noise in self.noise):
            raise ValueError("the noise of residuals makes no sense")


def correlation_between(scores: Array) -> Array:
    """Correlations (R, R) of the scores (N, R) of different columns at one place, NaN where missing; 0 for pairs that
    few observations have. The matrix is positive definite."""
    columns = scores.shape[1]
    found = np.eye(columns)
    for one in range(columns):
        for other in range(one):
            both = scores[np.isfinite(scores[:, [one, other]]).all(axis=1)][:, [one, other]]
            if len(both) >= _FEWEST_PAIRS and (both.std(axis=0) > 0).all():
                alike = float(np.mean(np.prod((both - both.mean(axis=0)) / both.std(axis=0), axis=1)))
                found[one, other] = found[other, one] = np.clip(alike, -_MOST_ALIKE, _MOST_ALIKE)
    return nearest_correlation(found)


def nearest_correlation(matrix: Array) -> Array:
    """A positive definite correlation matrix (R, R) near a symmetric one: small and negative eigenvalues are raised."""
    values, vectors = np.linalg.eigh(matrix)
    if values.min() >= 1e-3:
        return matrix
    raised = (vectors * np.maximum(values, 1e-3)) @ vectors.T
    size = np.sqrt(np.diag(raised))
    found: Array = raised / size[:, None] / size
    np.fill_diagonal(found, 1.0)
    return found


@dataclass(frozen=True)
class FoldErrors:
    """A fold in the way that a map is made: scores (n, C) at `known_places` (n, 2) of the training rows, which parts of
    the fit had not seen, and scores (m, C) at `places` (m, 2) of the held-out ones; NaN where missing."""

    known_places: Array
    known: Array
    places: Array
    scores: Array


def noise_of_residuals(folds: Sequence[FoldErrors], correlogram: Correlogram) -> float | None:
    """The noise with which residuals of training rows tell held-out errors best; None unless they do so significantly.

    `folds` are those of all repeats. What counts is the log score of held-out errors by kriging from the residuals,
    beside that of errors without neighbours. Its gain is tested by the corrected resampled t-test; each fold counts at
    the noise that is best over all others, so that the choice makes no gain by itself.
    """
    model = correlogram.models[len(correlogram.models) // 2]
    gains = np.array([_gains(fold, model) for fold in folds])  # (folds, noises)
    others = gains.sum(axis=0) - gains
    chosen = gains[np.arange(len(folds)), others.argmax(axis=1)]
    p = above(paired_test(chosen, _test_to_train(folds)))
    return NOISES[int(gains.mean(axis=0).argmax())] if p is not None and p < SIGNIFICANT else None


def _test_to_train(folds: Sequence[FoldErrors]) -> float:
    held_out, known = (sum(map(len, each)) for each in zip(*((fold.places, fold.known_places) for fold in folds)))
    return held_out / max(known, 1)


def _gains(fold: FoldErrors, model: CorrelationModel) -> Array:
    """Mean gains (noises,) in log score of the held-out errors of one fold, in nats an observation and column."""
    has_known = np.isfinite(fold.known).all(axis=1)
    rows = np.flatnonzero(np.isfinite(fold.scores).all(axis=1))
    rows = rows[:: 1 + len(rows) // _MOST_ASKED]
    if has_known.sum() < 3 or not len(rows):
        return np.zeros(len(NOISES))
    places, known = fold.known_places[has_known], fold.known[has_known]
    asked, scores = fold.places[rows], fold.scores[rows]
    _, near = cKDTree(places).query(asked, min(_NEIGHBOURS, len(places)))  # (m, k)
    neighbours = places[near]
    among = model.correlation(np.linalg.norm(neighbours[:, :, None] - neighbours[:, None], axis=3))
    among[:, np.arange(near.shape[1]), np.arange(near.shape[1])] = 1.0
    across = model.correlation(np.linalg.norm(neighbours - asked[:, None], axis=2))
    values, vectors = np.linalg.eigh(among)
    turned = np.einsum("mkj,mk->mj", vectors, across)
    of_known = np.einsum("mkj,mkc->mjc", vectors, known[near])
    spread, found = float((known**2).mean()), []
    for noise in NOISES:
        weights = turned / (np.maximum(values, 0.0) + noise + 1e-6)
        left = np.maximum(1 - (weights * turned).sum(axis=1), 1e-3)
        errors = scores - np.einsum("mj,mjc->mc", weights, of_known)
        gain = (scores**2 - errors**2 / left[:, None]).mean() / spread / 2 - 0.5 * np.log(left).mean()
        found.append(float(gain))
    return np.array(found)
