"""Permutation importance and errors by fold equal numbers computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from soil_cnn_plugin.engine.assessment.importance import Importance, errors, growth_by_chance, permutation_importance

RNG = np.random.default_rng(1)


def test_errors_are_pooled_over_all_observations_and_by_fold() -> None:
    observed = np.array([[0.0], [0.0], [0.0], [np.nan]])
    predicted = np.array([[[3.0], [4.0], [5.0], [9.0]]])
    total, by_fold = errors([predicted], observed, np.array([0, 0, 1, 2]))
    assert total == pytest.approx(np.array([[np.sqrt(50 / 3)]]))
    assert by_fold[0, :2, 0] == pytest.approx([np.sqrt(12.5), 5.0])
    assert np.isnan(by_fold[0, 2, 0])


def test_repeated_predictions_are_pooled_in_the_square() -> None:
    observed = np.zeros((2, 1))
    total, _ = errors([np.array([[[1.0], [1.0]]]), np.array([[[7.0], [7.0]]])], observed, np.array([0, 0]))
    assert total[0, 0] == pytest.approx(5.0)


def test_only_covariates_that_are_used_are_important_and_by_what_they_explain() -> None:
    covariates = RNG.normal(size=(20_000, 3))
    observed = (3 * covariates[:, 0] + covariates[:, 1] + RNG.normal(size=20_000))[:, None]

    def predict(covariate: int | None, order: np.ndarray) -> np.ndarray:
        seen = covariates.copy()
        if covariate is not None:
            seen[:, covariate] = covariates[order, covariate]
        return (3 * seen[:, 0] + seen[:, 1])[None, :, None]

    fold = np.arange(20_000) % 5
    found = permutation_importance(predict, 3, observed, fold, repeats=2, seed=0)
    # An exchanged covariate of variance 1 and weight w adds 2 w^2 to a mean squared error of 1.
    expected = np.sqrt(1 + 2 * np.array([9.0, 1.0, 0.0])) - 1
    assert found.mean[:, 0, 0] == pytest.approx(expected, abs=0.05)
    assert found.mean[2, 0, 0] == 0
    assert found.by_fold.shape == (3, 1, 5, 1)
    assert found.spread[0, 0, 0] == pytest.approx(np.std(found.by_fold[0, 0, :, 0], ddof=1))
    assert found.by_fold[:, 0, :, 0].mean(axis=1) == pytest.approx(expected, abs=0.05)


def test_probabilities_of_classes_are_one_error_the_root_of_the_brier_score() -> None:
    observed = np.eye(3)[[0, 1, 1, 2]]
    predicted = RNG.dirichlet(np.ones(3), (2, 4))
    fold = np.array([0, 0, 1, 1])
    total, by_fold = errors([predicted], observed, fold, [slice(0, 3)])
    squares = ((predicted - observed) ** 2).sum(axis=2)
    np.testing.assert_allclose(total[:, 0], np.sqrt(squares.mean(axis=1)))
    np.testing.assert_allclose(by_fold[:, :, 0], np.sqrt(squares.reshape(2, 2, 2).mean(axis=2)))


def test_importance_is_told_from_chance_by_a_test_over_folds() -> None:
    """A growth well above its spread over two folds proves nothing; a small one in all of five folds does."""
    steady = np.array([1.0, 1.2, 0.9, 1.1, 1.0])
    wobbling = np.array([3.0, -2.0, 2.5, -1.0, 0.4])
    error = np.full((1, 5, 1), 10.0)
    growth = np.stack([steady, wobbling, -steady])[:, None, :, None]
    found = Importance(error.mean(1), error, growth.mean(2) + 10, growth + error).significance(0, 0)
    alone = stats.ttest_1samp(steady, 0, alternative="greater").pvalue
    assert found[0] == pytest.approx(3 * alone) and found[0] < 0.001
    assert found[1] > 0.3 and found[2] > 0.999
    assert growth_by_chance(np.array([1.0, 2.0])) > 0.05
    assert growth_by_chance(np.array([1.0, np.nan])) is None


def test_noise_is_rarely_called_important() -> None:
    rng = np.random.default_rng(0)
    calls = 0
    for _ in range(200):
        x, noise = rng.normal(size=(2, 100))
        observed, fold = x + rng.normal(size=100), np.arange(100) % 5

        def predict(covariate: int | None, order: np.ndarray, x=x, noise=noise) -> np.ndarray:
            seen = noise if covariate is None else noise[order]
            return (x + 0.3 * seen)[None, :, None]  # a network that learned noise by heart

        found = permutation_importance(predict, 1, observed[:, None], fold, repeats=3, seed=0)
        calls += found.significance(0, 0)[0] < 0.05
    assert calls <= 20
