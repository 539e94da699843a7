"""Two maps at the same observations: differences with their intervals, changes, and detectable differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from soil_cnn_plugin.engine.assessment.detectable_difference import difference_interval
from soil_cnn_plugin.engine.assessment.paired_maps import common_errors, compare_errors, measure_change
from soil_cnn_plugin.engine.assessment.probability_sample import ProbabilitySample

RNG = np.random.default_rng(2)
SOIL = RNG.normal(50, 10, 60)
COMMON = RNG.normal(0, 4, 60)
FIRST, SECOND = SOIL + COMMON + RNG.normal(0, 3, 60), SOIL + COMMON + RNG.normal(0, 1, 60)


def test_the_difference_of_absolute_errors_is_that_of_a_paired_t_test() -> None:
    found = compare_errors(SOIL, FIRST, SECOND, None).mae.difference
    expected = stats.ttest_rel(np.abs(SECOND - SOIL), np.abs(FIRST - SOIL)).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_errors_in_common_make_a_difference_surer_than_each_error_is() -> None:
    rmse = compare_errors(SOIL, FIRST, SECOND, None).rmse
    assert rmse.difference.value == pytest.approx(rmse.second.value - rmse.first.value)
    assert rmse.second.value == pytest.approx(np.sqrt(np.mean((SECOND - SOIL) ** 2)))
    assert rmse.difference.standard_error < min(rmse.first.standard_error, rmse.second.standard_error)
    assert rmse.is_shown and rmse.difference.value < 0


def test_intervals_of_the_difference_in_rmse_hold_as_often_as_they_say() -> None:
    rng, hits = np.random.default_rng(0), 0
    truth = np.sqrt(4**2 + 1) - np.sqrt(4**2 + 3**2)
    for _ in range(400):
        common = rng.normal(0, 4, 80)
        soil = np.zeros(80)
        found = compare_errors(soil, common + rng.normal(0, 3, 80), common + rng.normal(0, 1, 80), None).rmse.difference
        hits += found.low <= truth <= found.high
    assert 0.91 <= hits / 400 <= 0.98


def test_a_stratified_sample_weighs_its_strata_by_their_areas() -> None:
    strata = ["a"] * 30 + ["b"] * 30
    sample = ProbabilitySample(strata, {"a": 3.0, "b": 1.0})
    found = compare_errors(SOIL, FIRST, SECOND, sample)
    errors = SECOND - SOIL
    assert found.me.second.value == pytest.approx(0.75 * errors[:30].mean() + 0.25 * errors[30:].mean())


def test_inclusion_probabilities_weigh_by_their_inverse() -> None:
    chances = np.where(np.arange(60) < 20, 0.5, 0.1)
    found = compare_errors(SOIL, FIRST, SECOND, ProbabilitySample(inclusion=chances)).me.first
    assert found.value == pytest.approx(np.average(FIRST - SOIL, weights=1 / chances))


def test_equal_maps_show_no_difference() -> None:
    found = compare_errors(SOIL, FIRST, FIRST, None)
    assert found.rmse.difference.value == found.detectable == 0 and not found.rmse.is_shown
    assert (found.second_nearer.low, found.second_nearer.high) == (0.0, 1.0)


def test_a_change_is_that_of_the_pairs_and_a_smaller_one_is_not_seen() -> None:
    later = SOIL + 1 + RNG.normal(0, 2, 60)
    found = measure_change((SOIL, later), (FIRST, SECOND), None)
    expected = stats.ttest_rel(later, SOIL).confidence_interval(0.95)
    assert (found.observed.low, found.observed.high) == pytest.approx((expected.low, expected.high))
    assert found.error.value == pytest.approx(np.mean(SECOND - FIRST) - np.mean(later - SOIL))
    error = np.std(later - SOIL, ddof=1) / np.sqrt(60)
    power = 1 - stats.nct.cdf(stats.t.isf(0.025, 59), 59, found.detectable / error)
    assert power == pytest.approx(0.8, abs=0.01)


def test_the_interval_of_a_difference_of_symmetric_limits_is_the_root_of_squares() -> None:
    first, second = np.array([[10.0], [7.0], [13.0]]), np.array([[14.0], [10.0], [18.0]])
    low, high = difference_interval(first.astype(np.float32), second.astype(np.float32), 0.0)
    assert (low[0], high[0]) == pytest.approx((4 - 5, 4 + 5))
    low, high = difference_interval(first.astype(np.float32), second.astype(np.float32), 0.5)
    assert (low[0], high[0]) == pytest.approx((4 - np.sqrt(13), 4 + np.sqrt(13)))


def test_skewed_limits_count_on_their_own_side() -> None:
    first, second = np.array([[10.0], [10.0], [13.0]], np.float32), np.array([[20.0], [16.0], [20.0]], np.float32)
    low, high = difference_interval(first, second, 0.0)
    assert (low[0], high[0]) == pytest.approx((10 - 5, 10))


def test_detectable_differences_are_false_as_often_as_the_coverage_allows() -> None:
    rng, half = np.random.default_rng(1), stats.norm.ppf(0.95)
    truth, sd = rng.normal(0, 1, 20_000), (0.5, 1.5)
    values = [truth + rng.normal(0, each, 20_000) for each in sd]
    first, second = (np.stack([v, v - half * s, v + half * s]).astype(np.float32) for v, s in zip(values, sd))
    low, high = difference_interval(first, second, 0.0)
    assert np.mean((low > 0) | (high < 0)) == pytest.approx(0.1, abs=0.01)


def test_only_a_correlation_that_is_sure_counts() -> None:
    assert common_errors(0.9, 8) == 0 and common_errors(float("nan"), 50) == 0 and common_errors(-0.5, 50) == 0
    assert common_errors(0.8, 103) == pytest.approx(np.tanh(np.arctanh(0.8) - 0.1645))
