"""Permutation importance: how much the error grows when a covariate is exchanged between observations.

Breiman 2001 (10.1023/A:1010933404324), on observations that the predictor had not seen (Fisher et al. 2019,
10.48550/arXiv.1801.01489).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.significance import above, holm, paired_test


@dataclass(frozen=True)
class Importance:
    """Errors before and after exchanges. `error` (M, T) is the RMSE of M methods, for classes the root Brier score;
    `error_by_fold` (M, B, T) is that in each of B folds, NaN in a fold without observations of a target. `exchanged`
    (C, M, T) and `exchanged_by_fold` (C, M, B, T) are the same after an exchange of each of C covariates."""

    error: Array
    error_by_fold: Array
    exchanged: Array
    exchanged_by_fold: Array

    @property
    def mean(self) -> Array:
        """Growth of the error over all observations, (C, M, T)."""
        return self.exchanged - self.error

    @property
    def by_fold(self) -> Array:
        """Growth of the error in each fold, (C, M, B, T)."""
        return self.exchanged_by_fold - self.error_by_fold

    @property
    def spread(self) -> Array:
        """Standard deviation of the growth over folds, (C, M, T)."""
        spread: Array = np.nanstd(self.by_fold, axis=2, ddof=1)
        return spread

    def significance(self, method: int, target: int) -> list[float | None]:
        """p of each covariate's growth, one-sided and adjusted for the number of covariates (Holm); see
        `growth_by_chance`."""
        return holm([growth_by_chance(growth) for growth in self.by_fold[:, method, :, target]])


def growth_by_chance(by_fold: Array) -> float | None:
    """Probability that chance makes the mean growth over folds (B,) as large, by a one-sided t-test; None for fewer
    than two folds.

    The networks are given: it is asked what these use, not what others would that were trained on other observations.
    So the folds, which share no observations, do not depend on each other. What a network makes of a covariate that is
    noise errs as much with the values of other observations.
    """
    return above(paired_test(by_fold[np.isfinite(by_fold)], 0.0))


def permutation_importance(
    predict: Callable[[int | None, Rows], Array],
    covariates: int,
    observed: Array,
    fold: Rows,
    repeats: int,
    seed: int,
    told_together: Sequence[slice] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Importance:
    """Importance of each covariate, averaged over `repeats` exchanges.

    `predict` gives the predictions (M, N, V) of M methods when the covariate of that number, or none, is taken from the
    observations in the given order (N,). `observed` (N, V) is NaN where missing, `fold` (N,) counts from 0;
    `told_together` is as for `errors`.
    """
    rng = np.random.default_rng(seed)
    count = len(observed)
    error, by_fold = errors([predict(None, np.arange(count))], observed, fold, told_together)
    exchanged, exchanged_by_fold = [], []
    orders = [rng.permutation(count) for _ in range(repeats)]
    for covariate in range(covariates):
        found = errors((predict(covariate, order) for order in orders), observed, fold, told_together)
        exchanged.append(found[0])
        exchanged_by_fold.append(found[1])
        progress((covariate + 1) / covariates)
    return Importance(error, by_fold, np.stack(exchanged), np.stack(exchanged_by_fold))


def errors(
    predictions: Iterable[Array], observed: Array, fold: Rows, told_together: Sequence[slice] | None = None
) -> tuple[Array, Array]:
    """RMSE (M, T) over all observations and (M, B, T) in each fold, of predictions (M, N, V), repeated ones pooled.

    `told_together` says which of the V columns belong to one target; without it, each is a target of its own. Several
    columns are the probabilities of a target's classes; their squares add up, to the root of the Brier score.
    """
    squares = np.mean([(predicted - observed) ** 2 for predicted in predictions], axis=0)  # (M, N, V)
    if told_together is not None:
        squares = np.stack([squares[..., own].sum(axis=-1) for own in told_together], axis=-1)  # -> (M, N, T)
        observed = observed[:, [own.start for own in told_together]]
    known = np.isfinite(observed)
    squares = np.where(known, squares, 0.0)
    folds = np.arange(int(fold.max(initial=-1)) + 1)
    belongs = (fold == folds[:, None]).astype(float)  # (B, N)
    with np.errstate(invalid="ignore"):
        by_fold = np.sqrt(np.einsum("bn,mnt->mbt", belongs, squares) / (belongs @ known))
        return np.sqrt(squares.sum(1) / known.sum(0)), by_fold
