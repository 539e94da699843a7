"""Kriging with a known or fitted structure, in place of a trained network where designs of samples are measured."""

from __future__ import annotations

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from soil_cnn_plugin.engine.sampling.where_next import Uncertainty


class Kriging:
    """Universal kriging with known covariances, in place of any model that learns from samples.

    The effect of covariates (n, F) is linear and Bayesian, the error at places (n, 2) has a correlogram. Members of its
    ensemble are draws of the effect.
    """

    def __init__(self, features: np.ndarray, places: np.ndarray, reach: float, nugget: float, effect: float) -> None:
        self.features, self.places = features, places
        self.reach, self.nugget, self.effect = reach, nugget, effect

    def correlation(self, distances: np.ndarray) -> np.ndarray:
        return (1 - self.nugget) * np.exp(-3 * distances / self.reach)

    def covariance(self, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
        linear = self.effect**2 * self.features[rows] @ self.features[others].T
        return linear + self.correlation(cdist(self.places[rows], self.places[others]))

    def predict(self, known: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        matrix = self.covariance(known, known) + (self.nugget + 1e-9) * np.eye(len(known))
        mean = values.mean()
        return mean + self.covariance(rows, known) @ cho_solve(cho_factor(matrix), values - mean)

    def uncertainty(self, known: np.ndarray, rows: np.ndarray, seed: int) -> Uncertainty:
        """What an ensemble would tell: members drawn from what is known of the effect, and an error of size 1."""
        matrix = self.correlation(cdist(self.places[known], self.places[known]))
        np.fill_diagonal(matrix, 1.0)
        solved = cho_solve(cho_factor(matrix), self.features[known])
        spread = np.linalg.inv(self.features[known].T @ solved + np.eye(self.features.shape[1]) / self.effect**2)
        effects = np.random.default_rng(seed).multivariate_normal(np.zeros(len(spread)), spread, 20)
        members = (self.features[rows] @ effects.T) / np.sqrt(20)
        deviation = np.sqrt((members**2).sum(axis=1) + 1)
        return Uncertainty(self.places[rows], members[:, :, None], deviation[:, None])


def fitted(features: np.ndarray, places: np.ndarray, values: np.ndarray, known: np.ndarray) -> Kriging:
    """The structure that is likeliest at the known points, on a grid; the variance is integrated out."""
    extent, best = float(np.ptp(places, axis=0).max()), (-np.inf, None)
    centred = values[known] - values[known].mean()
    for reach in extent * np.array([0.05, 0.1, 0.2, 0.4]):
        for nugget in (0.2, 0.4, 0.6, 0.8):
            for effect in (0.1, 0.2, 0.4, 0.8):
                model = Kriging(features, places, reach, nugget, effect)
                factor = cho_factor(model.covariance(known, known) + nugget * np.eye(len(known)))
                square = float(centred @ cho_solve(factor, centred))
                likelihood = -np.log(np.diag(factor[0])).sum() - 0.5 * len(known) * np.log(square)
                if likelihood > best[0]:
                    best = likelihood, model
    return best[1]
