"""Scores on the scale of what a laboratory reports: they prefer the truth, whatever it reports."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from soil_cnn_plugin.engine.assessment.reliability import reliability
from soil_cnn_plugin.engine.targets.measured import reporting_limits
from soil_cnn_plugin.engine.targets.metrics import (
    QUANTILE_LEVELS,
    HeldOut,
    Scores,
    below_shares,
    inside_shares,
    reported_mean,
    score,
    score_reported,
)

N = 20_000
SPREAD = 0.6


class World:
    """Normal values around known centres, as laboratories with one or several limits report them."""

    def __init__(self, limits: list[float], count: int = N) -> None:
        rng = np.random.default_rng(0)
        self.centre = rng.normal(0, 0.8, count)
        self.values = self.centre + SPREAD * rng.normal(size=count)
        limit = rng.choice(limits, count)
        self.is_censored = self.values < limit
        self.reported = np.maximum(self.values, limit)
        self.limits = reporting_limits(self.reported, self.is_censored)

    def scores(self, centre: np.ndarray, spread: float = SPREAD, floor: float = -np.inf) -> Scores:
        """Of normal distributions, with all below `floor` put on it, as substitution does."""
        quantiles = np.maximum(centre[:, None] + spread * norm.ppf(QUANTILE_LEVELS), floor)
        z = (floor - centre) / spread
        mean = centre + (np.maximum(floor - centre, -1e9) * norm.cdf(z) if np.isfinite(floor) else 0)
        mean = mean + (spread * norm.pdf(z) if np.isfinite(floor) else 0)
        predicted = (mean, quantiles[:, 4], quantiles[:, 94], quantiles)
        return score_reported(self.reported, predicted, 0.9, self.is_censored, self.limits)


@pytest.fixture(params=[[0.25], [-0.5, 0.0, 0.6]], ids=["one limit", "three limits"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def test_the_truth_has_no_mean_error_and_the_coverage_that_it_claims(world: World) -> None:
    scores = world.scores(world.centre)
    assert 0.45 < world.is_censored.mean() < 0.65
    assert scores.me == pytest.approx(0, abs=0.01)
    assert scores.picp == pytest.approx(0.9, abs=0.01)
    assert scores.width == pytest.approx(2 * 1.645 * SPREAD, rel=0.01)


def test_no_prediction_scores_better_than_the_truth(world: World) -> None:
    best = world.scores(world.centre)
    for wrong in (
        world.scores(world.centre + 0.2),
        world.scores(world.centre - 0.2),
        world.scores(world.centre, 0.4),
        world.scores(world.centre, 0.9),
        world.scores(0.7 * world.centre),
    ):
        assert wrong.crps > best.crps and wrong.interval_score > best.interval_score
    for moved in (world.centre + 0.2, world.centre - 0.2, 0.7 * world.centre):
        assert world.scores(moved).rmse > best.rmse


def test_substitution_by_the_limit_gains_nothing() -> None:
    """It would score best if predictions were compared with the measured values as they are."""
    world = World([0.25])
    best, substituted = world.scores(world.centre), world.scores(world.centre, floor=0.25)
    assert substituted.rmse == pytest.approx(best.rmse, rel=0.01)
    assert substituted.crps == pytest.approx(best.crps, rel=0.01)
    several = World([-0.5, 0.0, 0.6])
    assert several.scores(several.centre, floor=0.6).rmse > 1.05 * several.scores(several.centre).rmse


def test_the_reported_mean_is_that_of_values_raised_to_the_limit() -> None:
    centre, limits = np.array([0.0, 0.0, 0.0, -9.0]), np.array([-np.inf, -1.0, 1.0, 1.0])
    quantiles = centre[:, None] + norm.ppf(QUANTILE_LEVELS)
    expected = [0.0, 0.0 + norm.pdf(-1) - 1 * norm.cdf(-1), 1 * norm.cdf(1) + norm.pdf(1), 1.0]
    np.testing.assert_allclose(reported_mean(centre, quantiles, limits), expected, atol=0.01)


def test_without_limits_scores_are_the_plain_ones() -> None:
    rng = np.random.default_rng(1)
    observed, mean = rng.normal(size=30), rng.normal(size=30)
    quantiles = mean[:, None] + norm.ppf(QUANTILE_LEVELS)
    lower, upper = quantiles[:, 4], quantiles[:, 94]
    plain = score(observed, mean, lower, upper, 0.9, quantiles)
    nothing = np.zeros(30, bool)
    assert score_reported(observed, (mean, lower, upper, quantiles), 0.9, nothing, np.full(30, -np.inf)) == plain


def test_a_censored_value_lies_inside_with_its_conditional_probability() -> None:
    quantiles = np.tile(norm.ppf(QUANTILE_LEVELS), (4, 1))
    lower, upper = quantiles[:, 4], quantiles[:, 94]
    observed = np.array([0.0, norm.ppf(0.05), norm.ppf(0.5), 9.0])
    is_censored = np.array([False, True, True, True])
    # Below the median: 45 of 50 %; below the lower limit: nothing; below 9: all but the tails. The distribution is told
    # from 0.5 to 99.5 % only.
    expected = [1, 0, 0.9, 0.9 / 0.995]
    np.testing.assert_allclose(inside_shares(observed, lower, upper, quantiles, is_censored), expected, atol=1e-6)
    np.testing.assert_allclose(below_shares(observed[2:3], quantiles[:1], np.array([norm.ppf(0.25)])), 0.5, atol=1e-6)


def reliability_of(world: World, spread: float) -> object:
    quantiles = world.centre[:, None] + spread * norm.ppf(QUANTILE_LEVELS)
    held_out = HeldOut(world.centre, quantiles[:, 4], quantiles[:, 94], quantiles, world.scores(world.centre), ())
    return reliability(world.reported, held_out, world.is_censored)


def test_distributions_that_hold_look_so_with_censored_values(world: World) -> None:
    found = reliability_of(world, SPREAD)
    assert found.n == N
    np.testing.assert_allclose(found.pit, 0.1, atol=0.01)
    np.testing.assert_allclose(found.qcp, QUANTILE_LEVELS, atol=0.015)
    np.testing.assert_allclose(found.picp, found.nominal, atol=0.015)
    assert (found.below, found.above) == (pytest.approx(0.05, abs=0.006), pytest.approx(0.05, abs=0.006))


def test_distributions_that_are_too_narrow_look_so_with_censored_values(world: World) -> None:
    found = reliability_of(world, SPREAD / 2)
    assert found.pit[-1] > 0.2 and found.picp[-1] < 0.93 and found.above > 0.15


def test_a_fold_of_censored_values_only_has_a_reliability() -> None:
    world = World([5.0], 50)
    found = reliability_of(world, SPREAD)
    assert world.is_censored.all() and found.n == 50
    np.testing.assert_allclose(found.pit, 0.1, atol=0.02)
