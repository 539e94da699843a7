"""Metrics equal numbers computed by hand or by an independent formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_pinball_loss, r2_score

from soil_cnn_plugin.engine.targets import metrics
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, is_outside

OBSERVED = np.array([1.0, 2.0, 3.0, 6.0])
PREDICTED = np.array([2.0, 2.0, 5.0, 5.0])
LOWER = np.array([0.0, 2.5, 3.0, 2.0])
UPPER = np.array([4.0, 3.5, 6.0, 5.0])
LEVELS = np.arange(1, 20) / 20
RNG = np.random.default_rng(2)


def test_scores_of_four_observations_are_those_computed_by_hand() -> None:
    scores = metrics.score(OBSERVED, PREDICTED, LOWER, UPPER, 0.9)
    assert scores.n == 4
    assert scores.me == 0.5  # (1 + 0 + 2 - 1) / 4
    assert scores.rmse == pytest.approx(np.sqrt(1.5))  # (1 + 0 + 4 + 1) / 4
    assert scores.mec == pytest.approx(1 - 6 / 14)
    # means 3 and 3.5; covariance 2.25, variances 3.5 and 2.25
    assert scores.ccc == pytest.approx(2 * 2.25 / (3.5 + 2.25 + 0.25))
    assert scores.picp == 0.5
    assert scores.width == 2.75
    assert scores.rpiq == pytest.approx((3.75 - 1.75) / np.sqrt(1.5))
    assert scores.interval_score == pytest.approx((11 + 20 * 1.5) / 4)
    assert np.isnan(scores.crps)  # without quantiles


def test_the_score_of_a_distribution_is_that_of_its_quantiles() -> None:
    quantiles = stats.norm.ppf(QUANTILE_LEVELS, PREDICTED[:, None], 2.0)
    scores = metrics.score(OBSERVED, PREDICTED, LOWER, UPPER, 0.9, quantiles)
    z = (OBSERVED - PREDICTED) / 2
    exact = 2 * (z * (2 * stats.norm.cdf(z) - 1) + 2 * stats.norm.pdf(z) - 1 / np.sqrt(np.pi))
    assert scores.crps == pytest.approx(exact.mean(), rel=0.01)


def test_interval_score_adds_twenty_times_what_lies_outside_a_90_percent_interval() -> None:
    # widths 4, 1, 3, 3; outside: 0, 0.5, 0, 1
    assert metrics.interval_score(OBSERVED, LOWER, UPPER, 0.9) == pytest.approx((11 + 20 * 1.5) / 4)


def test_efficiency_is_what_scikit_learn_calls_r2() -> None:
    observed = RNG.normal(size=50)
    predicted = observed + RNG.normal(size=50)
    assert metrics.mec(observed, predicted) == pytest.approx(r2_score(observed, predicted))


def test_concordance_of_a_perfect_but_shifted_prediction_is_below_one() -> None:
    assert metrics.ccc(OBSERVED, OBSERVED) == pytest.approx(1)
    assert metrics.ccc(OBSERVED, OBSERVED + 2) == pytest.approx(7 / 11)  # 2 * 3.5 / (3.5 + 3.5 + 4)
    assert metrics.ccc(OBSERVED, np.full(4, 3.0)) == 0


def test_equal_observations_have_no_efficiency_and_no_concordance() -> None:
    scores = metrics.score(np.full(3, 7.0), np.array([7.0, 8.0, 6.0]), np.full(3, 6.0), np.full(3, 9.0), 0.9)
    assert scores.mec is None
    assert scores.ccc is None
    assert scores.rmse == pytest.approx(np.sqrt(2 / 3))


def test_no_observations_and_no_intervals_leave_nan() -> None:
    nothing = np.array([])
    assert metrics.score(nothing, nothing, nothing, nothing, 0.9).n == 0
    assert np.isnan(metrics.score(nothing, nothing, nothing, nothing, 0.9).rmse)
    without = metrics.score(OBSERVED, PREDICTED, np.full(4, np.nan), np.full(4, np.nan), 0.9)
    assert np.isnan(without.picp)
    assert without.me == 0.5


def test_an_interval_that_one_observation_lacks_is_not_scored() -> None:
    gap = np.array([np.nan, 2.5, 3.0, 2.0])
    for lower, upper in ((gap, UPPER), (LOWER, gap + 3)):
        scores = metrics.score(OBSERVED, PREDICTED, lower, upper, 0.9)
        assert np.isnan([scores.picp, scores.width, scores.interval_score]).all()


def test_errors_and_coverage_are_means_and_no_medians() -> None:
    assert metrics.me(OBSERVED, np.array([2.0, 2.0, 3.0, 9.0])) == 1.0
    assert metrics.picp(OBSERVED, LOWER - 1, UPPER) == 0.75
    assert metrics.rpiq(OBSERVED, OBSERVED + 0.5) == pytest.approx((3.75 - 1.75) / 0.5)


def test_limits_belong_to_their_interval() -> None:
    limits = np.array([1.0, 3.0])
    assert metrics.is_inside(limits, np.full(2, 1.0), np.full(2, 3.0)).tolist() == [True, True]
    nominal, actual = metrics.coverage_curve(limits, np.tile([1.0, 2.0, 3.0], (2, 1)), np.array([0.1, 0.5, 0.9]))
    assert (nominal.tolist(), actual.tolist()) == ([pytest.approx(0.8)], [1.0])


def test_a_perfect_prediction_has_no_ratio_of_range_to_error() -> None:
    assert metrics.rpiq(OBSERVED, OBSERVED) is None


def test_pinball_losses_are_those_of_scikit_learn() -> None:
    observed = RNG.normal(size=30)
    quantiles = np.sort(RNG.normal(size=(30, 19)), axis=1)
    expected = [mean_pinball_loss(observed, quantiles[:, i], alpha=level) for i, level in enumerate(LEVELS)]
    assert metrics.pinball(observed, quantiles, LEVELS) == pytest.approx(expected)


def test_crps_of_normal_quantiles_is_near_the_closed_form() -> None:
    observed = RNG.normal(size=20_000) * 1.3 + 0.2
    closed = observed * (2 * stats.norm.cdf(observed) - 1) + 2 * stats.norm.pdf(observed) - 1 / np.sqrt(np.pi)
    quantiles = np.tile(stats.norm.ppf(LEVELS), (20_000, 1))
    assert metrics.crps_of_quantiles(observed, quantiles, LEVELS) == pytest.approx(closed.mean(), rel=0.03)


def test_crps_of_one_quantile_is_its_pinball_loss() -> None:
    # a loss of 1 at 0.5, and none at 0 and 1: twice the area of a triangle
    assert metrics.crps_of_quantiles(np.array([3.0]), np.array([[1.0]]), np.array([0.5])) == pytest.approx(1.0)


def test_quantile_coverage_counts_observations_at_or_below() -> None:
    quantiles = np.column_stack([LOWER, PREDICTED, UPPER])
    assert metrics.qcp(OBSERVED, quantiles).tolist() == [0.5, 0.75, 0.75]


def test_coverage_curve_pairs_quantiles_of_one_interval() -> None:
    observed = RNG.normal(size=40_000)
    nominal, actual = metrics.coverage_curve(observed, np.tile(stats.norm.ppf(LEVELS), (40_000, 1)), LEVELS)
    assert nominal == pytest.approx(np.arange(1, 10) / 10)
    assert actual == pytest.approx(nominal, abs=0.01)


def test_pit_is_found_between_beyond_and_on_quantiles() -> None:
    quantiles = np.tile([0.0, 1.0, 1.0, 1.0, 3.0], (6, 1))
    levels = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    observed = np.array([0.25, 2.0, 1.0, -5.0, 9.0, 0.0])
    assert metrics.pit(observed, quantiles, levels) == pytest.approx([0.15, 0.8, 0.5, 0.05, 0.95, 0.1])
    assert metrics.pit(np.array([3.0]), np.array([[0.0, 1.0, 2.0, 4.0, 8.0]]), levels) == pytest.approx([0.6])


def test_pit_of_the_right_distribution_is_uniform() -> None:
    observed = RNG.gumbel(size=20_000)
    quantiles = np.tile(stats.gumbel_r.ppf(LEVELS), (20_000, 1))
    counts = np.histogram(metrics.pit(observed, quantiles, LEVELS), bins=10, range=(0, 1))[0]
    assert counts / 2000 == pytest.approx(np.ones(10), abs=0.08)


def test_means_outside_their_intervals_are_told_from_rounding() -> None:
    lower, upper = np.array([1.0, 1.0, 1.0, -5.0, np.nan]), np.array([2.0, 2.0, 2.0, -4.0, np.nan])
    mean = np.array([2.0 + 1e-9, 2.1, 0.9, -4.5, np.nan])
    assert is_outside(mean, lower, upper).tolist() == [False, True, True, False, False]
