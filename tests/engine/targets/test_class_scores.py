"""Scores of classes beside scikit-learn and the formulas of their papers."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from soil_cnn_plugin.engine.targets.class_scores import confusion, kappa, purity, representation, score_classes

RNG = np.random.default_rng(5)
OBSERVED = RNG.choice(4, 200, p=(0.5, 0.3, 0.15, 0.05))
PROBABILITIES = RNG.dirichlet((2, 1, 1, 0.5), 200)
PREDICTED = PROBABILITIES.argmax(axis=1)


def test_accuracy_kappa_and_confusion_are_those_of_scikit_learn() -> None:
    scores = score_classes(OBSERVED, PROBABILITIES)
    assert scores.n == 200
    assert scores.accuracy == pytest.approx(metrics.accuracy_score(OBSERVED, PREDICTED))
    assert scores.kappa == pytest.approx(metrics.cohen_kappa_score(OBSERVED, PREDICTED))
    matrix = confusion(OBSERVED, PREDICTED, 4)
    np.testing.assert_array_equal(matrix, metrics.confusion_matrix(OBSERVED, PREDICTED))


def test_the_log_score_is_the_log_loss() -> None:
    expected = metrics.log_loss(OBSERVED, PROBABILITIES, labels=range(4))
    assert score_classes(OBSERVED, PROBABILITIES).log_score == pytest.approx(expected)


def test_the_brier_score_sums_over_the_classes() -> None:
    """Brier 1950: 0 is right and sure, 2 is wrong and sure; of two classes it is twice that of one of them."""
    sure = np.array([[1.0, 0, 0], [0, 1, 0]])
    assert score_classes(np.array([0, 1]), sure).brier == 0
    assert score_classes(np.array([1, 2]), sure).brier == 2
    of_one = RNG.random(50)
    truth = RNG.integers(0, 2, 50)
    found = score_classes(truth, np.column_stack([1 - of_one, of_one])).brier
    assert found == pytest.approx(2 * metrics.brier_score_loss(truth, of_one))


def test_purity_and_representation_are_precision_and_recall() -> None:
    matrix = confusion(OBSERVED, PREDICTED, 4)
    kept = {"average": None, "labels": range(4)}
    np.testing.assert_allclose(purity(matrix), metrics.precision_score(OBSERVED, PREDICTED, **kept))
    np.testing.assert_allclose(representation(matrix), metrics.recall_score(OBSERVED, PREDICTED, **kept))


def test_a_class_that_is_never_predicted_has_no_purity() -> None:
    matrix = confusion(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 4)
    np.testing.assert_array_equal(purity(matrix), [0.5, 0.5, np.nan, np.nan])
    np.testing.assert_array_equal(representation(matrix), [0.5, 1, 0, np.nan])


def test_one_surprise_costs_no_more_than_a_millionth() -> None:
    scores = score_classes(np.array([1]), np.array([[1.0, 0.0]]))
    assert scores.log_score == pytest.approx(-np.log(1e-6))


def test_a_fold_without_observations_has_no_scores() -> None:
    scores = score_classes(np.empty(0, np.int64), np.empty((0, 3)))
    assert scores.n == 0 and np.isnan(scores.accuracy) and scores.kappa is None


def test_kappa_is_unknown_where_chance_decides_all() -> None:
    assert kappa(np.array([[5, 0], [0, 0]])) is None
