"""Whether probabilities of classes come true as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from soil_cnn_plugin.engine.targets.class_scores import reliability_of_classes, reliability_of_map, share_limits

RNG = np.random.default_rng(8)
PROBABILITIES = RNG.dirichlet((1, 1, 0.4), 6000)
OBSERVED = (PROBABILITIES.cumsum(axis=1) < RNG.random((6000, 1))).sum(axis=1)


def test_probabilities_that_hold_lie_on_the_diagonal() -> None:
    for found in (reliability_of_map(OBSERVED, PROBABILITIES), reliability_of_classes(OBSERVED, PROBABILITIES)):
        # 95 % intervals: of about ten steps one or two may miss
        assert ((found.low <= found.predicted) & (found.predicted <= found.high)).mean() > 0.7
        assert found.mean_predicted == pytest.approx(found.share_right, abs=0.02)


def test_each_probability_is_counted_once() -> None:
    of_map, of_classes = reliability_of_map(OBSERVED, PROBABILITIES), reliability_of_classes(OBSERVED, PROBABILITIES)
    assert (of_map.count.sum(), of_classes.count.sum()) == (6000, 18000)
    assert of_map.predicted.min() > 1 / 3  # of three classes the most probable one
    assert of_map.share_right == pytest.approx((PROBABILITIES.argmax(axis=1) == OBSERVED).mean())
    assert of_classes.share_right == pytest.approx(1 / 3)


def test_steps_reach_from_0_to_1_and_empty_ones_are_left_out() -> None:
    found = reliability_of_map(np.array([0, 1, 0]), np.array([[1.0, 0.0], [1.0, 0.0], [0.55, 0.45]]))
    np.testing.assert_allclose(found.predicted, [0.55, 1.0])
    np.testing.assert_allclose(found.right, [1.0, 0.5])
    assert found.count.tolist() == [1, 2]


def test_limits_are_those_of_wilson() -> None:
    low, high = share_limits(np.array([0.0, 3, 17, 40]), np.array([5, 10, 17, 100]))
    for right, count, one, other in zip((0, 3, 17, 40), (5, 10, 17, 100), low, high):
        expected = binomtest(right, count).proportion_ci(method="wilson")
        assert (one, other) == pytest.approx((expected.low, expected.high))


def test_of_nothing_nothing_is_known() -> None:
    low, high = share_limits(np.array([0.0]), np.array([0]))
    assert np.isnan(low).all() and np.isnan(high).all()
