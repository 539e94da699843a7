"""Statistics of partly censored values, against closed forms, other estimators and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate
from scipy.optimize import minimize
from scipy.stats import norm

from soil_cnn_plugin.engine.targets.measured import (
    as_if_measured,
    draw_below,
    estimate_below,
    expected_below,
    normal_moments,
    reporting_limits,
)

Censored = tuple[np.ndarray, np.ndarray, np.ndarray]


def censor(count: int, limits: list[float], seed: int = 0, mean: float = 2.0, deviation: float = 0.7) -> Censored:
    """Normal values, what is reported of them, and where that is a limit."""
    rng = np.random.default_rng(seed)
    values = rng.normal(mean, deviation, count)
    limit = rng.choice(limits, count)
    return values, np.maximum(values, limit), values < limit


@pytest.mark.parametrize("limits", [[1.4], [2.2], [1.5, 2.0, 2.8]])  # a fifth, three fifths, a half
def test_mean_and_deviation_are_recovered_from_censored_values(limits: list[float]) -> None:
    _, reported, is_censored = censor(20_000, limits)
    assert normal_moments(reported, is_censored) == pytest.approx((2.0, 0.7), abs=0.02)
    substituted = np.where(is_censored, reported / 2, reported)
    assert abs(substituted.mean() - 2) > 0.05 or abs(substituted.std() - 0.7) > 0.05  # what is avoided


def test_moments_are_those_of_the_highest_likelihood() -> None:
    _, reported, is_censored = censor(60, [1.9, 2.2], seed=3)

    def loss(p: np.ndarray) -> float:
        parts = np.where(is_censored, norm.logcdf(reported, p[0], p[1]), norm.logpdf(reported, p[0], p[1]))
        return -float(parts.sum())

    best = minimize(loss, [2.0, 0.7], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-10})
    assert normal_moments(reported, is_censored) == pytest.approx(tuple(best.x), abs=1e-4)


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e6])
def test_moments_do_not_hang_on_the_unit(factor: float) -> None:
    _, reported, is_censored = censor(100, [2.0], seed=1)
    one, other = normal_moments(reported, is_censored), normal_moments(factor * reported, is_censored)
    assert other == pytest.approx((factor * one[0], factor * one[1]), rel=1e-5)


def test_moments_without_a_measured_value_are_those_of_the_limits() -> None:
    assert normal_moments(np.array([1.0, 3.0]), np.array([True, True])) == (2.0, 1.0)
    assert normal_moments(np.full(4, 5.0), np.ones(4, bool)) == (5.0, 0.0)


@pytest.mark.parametrize("limit", [-4.0, 0.3, 2.5])
def test_the_expected_value_below_a_limit_is_the_integral(limit: float) -> None:
    mean, deviation = 0.5, 1.3
    share = norm.cdf(limit, mean, deviation)
    expected = integrate.quad(lambda y: y * norm.pdf(y, mean, deviation) / share, -20, limit)[0]
    assert expected_below(np.array([limit]), mean, deviation)[0] == pytest.approx(expected, abs=1e-6)


def test_far_below_its_mean_the_expected_value_stays_under_the_limit() -> None:
    limits = np.array([-50.0, -1e4])
    found = expected_below(limits, 0.0, 1.0)
    assert (found <= limits).all() and np.isfinite(found).all()
    np.testing.assert_allclose(found, limits, rtol=1e-3)


def test_values_are_expected_around_what_a_centre_tells() -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(0, 1, 5000)
    values = centre + rng.normal(0, 0.5, 5000)
    is_censored = values < 0.2
    estimate = estimate_below(np.maximum(values, 0.2), is_censored, centre)
    np.testing.assert_array_equal(estimate[~is_censored], values[~is_censored])
    assert (estimate[is_censored] < 0.2).all()
    for low, high in ((-9, -1), (-1, 0), (0, 9)):
        own = is_censored & (centre > low) & (centre <= high)
        assert estimate[own].mean() == pytest.approx(values[own].mean(), abs=0.03)


def test_draws_below_limits_scatter_like_the_values_that_were_not_measured() -> None:
    rng = np.random.default_rng(0)
    centre, scale = rng.normal(0, 1, 20_000), rng.uniform(0.2, 0.6, 20_000)
    values = centre + scale * rng.normal(size=20_000)
    is_censored = values < 0.2
    reported = np.maximum(values, 0.2)
    drawn = draw_below(reported, is_censored, centre - 0.1, 2 * scale, seed=0)  # a little low, and twice too wide
    np.testing.assert_array_equal(drawn[~is_censored], values[~is_censored])
    assert (drawn[is_censored] <= 0.2).all()
    for low, high in ((-9, -1), (-1, 0), (0, 9)):
        own = is_censored & (centre > low) & (centre <= high)
        assert drawn[own].mean() == pytest.approx(values[own].mean(), abs=0.06)
        assert drawn[own].std() == pytest.approx(values[own].std(), abs=0.06)
    np.testing.assert_array_equal(drawn, draw_below(reported, is_censored, centre - 0.1, 2 * scale, seed=0))


def test_draws_are_numbers_where_a_value_can_hardly_lie_below() -> None:
    values = np.array([0.0, 1.0, 2.0, 3.0, -400.0])
    drawn = draw_below(values, np.array([False] * 4 + [True]), np.array([0.1, 1.1, 1.9, 3.0, 0.0]), np.ones(5), seed=0)
    assert np.isfinite(drawn).all() and drawn[4] <= -400


def kaplan_meier(times: np.ndarray, is_event: np.ndarray, at: float) -> float:
    """Share that outlives `at`: the product over event times, written out."""
    share = 1.0
    for time in np.unique(times[is_event]):
        if time <= at:
            share *= 1 - (is_event & (times == time)).sum() / (times >= time).sum()
    return share


def test_the_distribution_is_that_of_kaplan_and_meier() -> None:
    _, reported, is_censored = censor(200, [1.6, 2.0, 2.3], seed=5)
    found = as_if_measured(reported, is_censored)
    assert len(found) == 200 and (np.diff(found) >= 0).all()
    for value in np.quantile(reported[~is_censored], [0.1, 0.3, 0.6, 0.9]):
        below = kaplan_meier(-reported, ~is_censored, -value)  # turned over: what outlives -value lies below value
        assert np.mean(found < value) == pytest.approx(below, abs=1.01 / 200)


def test_the_distribution_without_limits_is_the_values() -> None:
    values = np.array([3.0, 1.0, 2.0])
    np.testing.assert_array_equal(as_if_measured(values, np.zeros(3, bool)), [1, 2, 3])


@pytest.mark.parametrize(("limits", "known"), [([2.2], 2.2), ([1.5, 2.0, 2.8], 1.5)])
def test_below_all_limits_the_tail_is_normal(limits: list[float], known: float) -> None:
    values, reported, is_censored = censor(5000, limits)
    found = as_if_measured(reported, is_censored)
    levels = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(np.quantile(found, levels), np.quantile(values, levels), atol=0.06)
    assert (found < known).mean() == pytest.approx((values < known).mean(), abs=0.02)


def test_the_lowest_measured_values_alone_do_not_decide_the_tail() -> None:
    """Where nearly all is censored, a single measured value would end the distribution of Kaplan and Meier."""
    ends = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        centre = rng.normal(0, 1, 250)
        values = rng.normal(size=250)  # deviations from centres, of which those under a limit are not known
        is_censored = centre + values < 0.3
        found = as_if_measured(np.where(is_censored, 0.3 - centre, values), is_censored)
        ends.append(np.quantile(found, 0.05))
    assert np.mean(ends) == pytest.approx(norm.ppf(0.05), abs=0.15) and np.std(ends) < 0.3


def test_values_that_are_all_censored_stay_their_limits() -> None:
    np.testing.assert_array_equal(as_if_measured(np.array([2.0, 1.0]), np.ones(2, bool)), [1, 2])
    np.testing.assert_array_equal(reporting_limits(np.array([2.0, 1.0]), np.ones(2, bool)), [2, 1])


def test_one_limit_is_that_of_all_values_above_it() -> None:
    values = np.array([2.0, 2.0, 5.0, np.nan, 2.0, 9.0])
    is_censored = np.array([True, False, False, False, True, False])
    np.testing.assert_array_equal(reporting_limits(values, is_censored), [2, 2, 2, -np.inf, 2, 2])


def test_a_value_measured_below_a_limit_tells_of_a_better_laboratory() -> None:
    values = np.concatenate([[2.0] * 10, [1.0] * 10, np.linspace(3, 4, 40)])
    is_censored = np.arange(60) < 10
    found = reporting_limits(values, is_censored)
    assert (found[10:20] == -np.inf).all()  # its limit lies lower, but nobody knows where
    assert (found[20:] == 2).sum() == pytest.approx(20, abs=1)
    assert (found[20:] == -np.inf).sum() == pytest.approx(20, abs=1)


def test_values_without_censored_ones_have_no_limits() -> None:
    assert (reporting_limits(np.array([1.0, np.nan]), np.zeros(2, bool)) == -np.inf).all()


def test_several_limits_are_dealt_out_in_their_shares() -> None:
    rng = np.random.default_rng(2)
    values, limit = rng.normal(2, 1, 20_000), rng.choice([0.5, 1.5, 2.5], 20_000, p=[0.5, 0.3, 0.2])
    is_censored = values < limit
    found = reporting_limits(np.maximum(values, limit), is_censored)
    assert (found <= np.maximum(values, limit)).all()
    for bound, own in (("high", values > 2.5), ("middle", (values > 1.5) & (values < 2.5) & ~is_censored)):
        for each in (0.5, 1.5, 2.5):
            assert np.mean(found[own] == each) == pytest.approx(np.mean(limit[own] == each), abs=0.02), bound
