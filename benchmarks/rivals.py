"""Methods of others on the same folds, written for themselves: nothing of the engine's models is in them.

Each rival learns from the training part of a fold and predicts the rest: mean and quantiles of a distribution. `Data`
holds what they see; targets should be on a scale on which a normal distribution is not absurd (`--log`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize
from scipy.spatial.distance import cdist
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.model_selection import KFold

LEVELS = np.arange(1, 100) / 100
_ANGLES = np.radians([0, 30, 60, 90, 120, 150])
_MOST_TO_TUNE = 600  # observations that decide kernels; all of them predict
_JITTER = 1e-8
Array = NDArray[np.float64]
Prediction = tuple[Array, Array]
"""Means (n,) and quantiles (n, 99)."""


@dataclass(frozen=True)
class Data:
    """`point` (N, D) and `context` (N, F) are covariates at the observation, and these with focal means and deviations;
    `places` (N, 2) in metres; `target` (N,) without gaps."""

    point: Array
    context: Array
    places: Array
    target: Array

    def take(self, rows: NDArray[np.int64]) -> Data:
        return Data(self.point[rows], self.context[rows], self.places[rows], self.target[rows])


def forest_with_coordinates(train: Data, test: Data, seed: int) -> Prediction:
    """A quantile forest (Meinshausen 2006) of context and oblique coordinates (Moller et al. 2020)."""
    return _quantile_forest(_with_angles(train), train.target, _with_angles(test), seed)


def quantile_forest(train: Data, test: Data, seed: int) -> Prediction:
    """The same without coordinates."""
    return _quantile_forest(train.context, train.target, test.context, seed)


def gradient_boosting(train: Data, test: Data, seed: int) -> Prediction:
    """Boosted trees of context; their distribution is that of the residuals of five inner folds."""

    def fitted(rows: NDArray[np.int64]) -> HistGradientBoostingRegressor:
        model = HistGradientBoostingRegressor(
            max_iter=300, learning_rate=0.05, max_leaf_nodes=15, min_samples_leaf=10, random_state=seed
        )
        return model.fit(train.context[rows], train.target[rows])

    residuals = np.empty(len(train.target))
    for known, held_out in KFold(5, shuffle=True, random_state=seed).split(train.target):
        residuals[held_out] = train.target[held_out] - fitted(known).predict(train.context[held_out])
    mean = fitted(np.arange(len(train.target))).predict(test.context)
    return mean, mean[:, None] + np.quantile(residuals, LEVELS)


def ordinary_kriging(train: Data, test: Data, seed: int) -> Prediction:
    """Exponential correlation of distance and a nugget, by maximum likelihood; nothing but coordinates."""
    return _normal(*_gaussian_process([(train.places, test.places, "exponential")], train.target, seed))


def regression_kriging(train: Data, test: Data, seed: int) -> Prediction:
    """A forest of context, and ordinary kriging of its out-of-bag residuals."""
    forest = _forest(seed).set_params(oob_score=True).fit(train.context, train.target)
    left = train.target - forest.oob_prediction_
    mean, deviation = _gaussian_process([(train.places, test.places, "exponential")], left, seed)
    return _normal(forest.predict(test.context) + mean, deviation)


def gaussian_process(train: Data, test: Data, seed: int) -> Prediction:
    """Sum of a linear part and kernels of the covariates, their context and the coordinates."""
    parts = [
        (*_alike(train.point, test.point), "linear"),
        (*_alike(train.point, test.point), "matern"),
        (*_alike(train.context, test.context), "matern"),
        (train.places, test.places, "exponential"),
    ]
    return _normal(*_gaussian_process(parts, train.target, seed))


RIVALS: dict[str, Callable[[Data, Data, int], Prediction]] = {
    "forest with context and coordinates": forest_with_coordinates,
    "quantile forest": quantile_forest,
    "gradient boosting": gradient_boosting,
    "ordinary kriging": ordinary_kriging,
    "regression kriging": regression_kriging,
    "Gaussian process of others": gaussian_process,
}


def _forest(seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(500, min_samples_leaf=3, max_features=1 / 3, bootstrap=True, random_state=seed)


def _quantile_forest(known: Array, target: Array, asked: Array, seed: int) -> Prediction:
    """Weigh each training observation by how often it shares a leaf with the asked one, in samples of its own."""
    forest = _forest(seed).fit(known, target)
    own, others = forest.apply(known), forest.apply(asked)
    weights = np.zeros((len(asked), len(known)))
    for tree, drawn in enumerate(forest.estimators_samples_):
        counts = np.bincount(drawn, minlength=len(known)).astype(float)
        together = (others[:, tree, None] == own[:, tree]) * counts
        weights += together / together.sum(axis=1, keepdims=True)
    order = np.argsort(target)
    shares = np.cumsum(weights[:, order], axis=1) / len(forest.estimators_)
    return forest.predict(asked), np.stack([np.interp(LEVELS, share, target[order]) for share in shares])


def _with_angles(data: Data) -> Array:
    turned = data.places @ np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])
    return np.concatenate([data.context, turned], axis=1)


def _alike(known: Array, asked: Array) -> tuple[Array, Array]:
    """Standardize by the known ones."""
    deviation = known.std(axis=0)
    deviation[deviation == 0] = 1.0
    return (known - known.mean(axis=0)) / deviation, (asked - known.mean(axis=0)) / deviation


def _correlation(one: Array, other: Array, kind: str, length: float) -> Array:
    if kind == "linear":
        product: Array = one @ other.T / one.shape[1]
        return product
    distance = cdist(one, other) / length
    if kind == "exponential":
        fading: Array = np.exp(-distance)
        return fading
    matern: Array = (1 + np.sqrt(3) * distance) * np.exp(-np.sqrt(3) * distance)
    return matern


def _gaussian_process(parts: list[tuple[Array, Array, str]], target: Array, seed: int) -> tuple[Array, Array]:
    """Predict mean and standard deviation (n,) by additive kernels; variances, lengths and noise are the likeliest."""
    level, size = target.mean(), target.std()
    values = (target - level) / size
    rows = np.sort(np.random.default_rng(seed).permutation(len(values))[:_MOST_TO_TUNE])
    typical = [float(np.median(cdist(known[rows], known[rows]))) or 1.0 for known, _, _ in parts]

    def covariance(logs: Array, left: list[Array], right: list[Array]) -> Array:
        total = np.zeros((len(left[0]), len(right[0])))
        for (_, _, kind), one, other, usual, (variance, length) in zip(
            parts, left, right, typical, logs[:-1].reshape(-1, 2)
        ):
            total += np.exp(variance) * _correlation(one, other, kind, usual * np.exp(length))
        return total

    def unlikelihood(logs: Array) -> float:
        own = [known[rows] for known, _, _ in parts]
        matrix = covariance(logs, own, own) + (np.exp(logs[-1]) + _JITTER) * np.eye(len(rows))
        factor = cholesky(matrix, lower=True)
        white = solve_triangular(factor, values[rows], lower=True)
        prior = 0.5 * ((logs / 2) ** 2).sum()  # weak: kernels that do nothing must not run away
        return float(0.5 * white @ white + np.log(np.diag(factor)).sum() + prior)

    start = np.array([-1.0, 0.0] * len(parts) + [-1.0])
    found = minimize(unlikelihood, start, method="L-BFGS-B", bounds=[(-7, 4)] * len(start), options={"maxiter": 60}).x
    known, asked = [part[0] for part in parts], [part[1] for part in parts]
    noise = np.exp(found[-1]) + _JITTER
    factor = cholesky(covariance(found, known, known) + noise * np.eye(len(values)), lower=True)
    across = covariance(found, asked, known)
    mean = across @ cho_solve((factor, True), values)
    explained = solve_triangular(factor, across.T, lower=True)
    own = np.array([covariance(found, [p[i : i + 1] for p in asked], [p[i : i + 1] for p in asked])[0, 0]
                    for i in range(len(across))])  # fmt: skip
    variance = np.maximum(own - (explained**2).sum(axis=0), 0) + noise
    return level + size * mean, size * np.sqrt(variance)


def _normal(mean: Array, deviation: Array) -> Prediction:
    return mean, mean[:, None] + deviation[:, None] * norm.ppf(LEVELS)
