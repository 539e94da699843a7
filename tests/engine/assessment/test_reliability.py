"""Coverage, quantile coverage and PIT of distributions whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from soil_cnn_plugin.engine.assessment.reliability import Reliability, chance_band, coverage_by_spread, reliability
from soil_cnn_plugin.engine.reports.number_words import coverage_by_spread_in_words
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, score

OBSERVED = stats.norm.ppf((np.arange(1000) + 0.5) / 1000)  # a standard normal sample without noise


def normal(mean: float, deviation: float) -> Reliability:
    """Each observation predicted by one normal distribution."""
    quantiles = np.tile(stats.norm.ppf(QUANTILE_LEVELS, mean, deviation), (len(OBSERVED), 1))
    lower, upper = quantiles[:, 4], quantiles[:, 94]
    scores = score(OBSERVED, quantiles[:, 49], lower, upper, 0.9, quantiles)
    result = reliability(OBSERVED, HeldOut(quantiles[:, 49], lower, upper, quantiles, scores, ()))
    assert result is not None
    return result


def test_true_distributions_hold_at_all_levels() -> None:
    result = normal(0, 1)
    assert result.nominal[0] == pytest.approx(0.5) and result.nominal[-1] == pytest.approx(0.98)
    np.testing.assert_allclose(result.picp, result.nominal, atol=0.002)
    np.testing.assert_allclose(result.qcp, QUANTILE_LEVELS, atol=0.002)
    np.testing.assert_allclose(result.pit, 0.1, atol=0.002)
    assert (result.below, result.above) == (0.05, 0.05)


def test_narrow_intervals_cover_less_and_the_histogram_is_a_bowl() -> None:
    result = normal(0, 0.5)
    true = 2 * stats.norm.cdf(0.5 * stats.norm.ppf((1 + result.nominal) / 2)) - 1
    np.testing.assert_allclose(result.picp, true, atol=0.002)
    assert result.pit[0] > 0.2 and result.pit[-1] > 0.2 and result.pit[4] < 0.06


def test_a_bias_is_seen_on_one_side() -> None:
    result = normal(1, 1)  # predicted too high
    np.testing.assert_allclose(result.qcp, stats.norm.cdf(stats.norm.ppf(QUANTILE_LEVELS) + 1), atol=0.002)
    assert result.below == pytest.approx(stats.norm.cdf(1 - 1.6449), abs=0.002)
    assert result.above == pytest.approx(stats.norm.sf(1 + 1.6449), abs=0.002)


def test_without_distributions_there_is_nothing_to_say() -> None:
    nothing = np.full((1000, 99), np.nan)
    scores = score(OBSERVED, OBSERVED, nothing[:, 0], nothing[:, 0], 0.9)
    assert reliability(OBSERVED, HeldOut(OBSERVED, nothing[:, 0], nothing[:, 0], nothing, scores, ())) is None


def test_chance_allows_for_less_with_more_observations() -> None:
    low, high = chance_band(100, np.array([0.5, 0.9]))
    assert (low[0], high[0]) == (0.4, 0.6)  # tables of the binomial distribution
    assert (low[1], high[1]) == (0.84, 0.95)
    assert chance_band(10000, np.array([0.9]))[0][0] > 0.89


def test_coverage_is_told_by_the_width_of_intervals() -> None:
    """Intervals that hold on the whole, but not where they are narrow."""
    rng = np.random.default_rng(0)
    spread = np.repeat([1.0, 2.0, 4.0], 100)
    too_small = np.where(spread == 1, 0.5, 1.0) * spread
    observed = rng.normal(0, spread)
    quantiles = stats.norm.ppf(QUANTILE_LEVELS) * too_small[:, None]
    order = rng.permutation(300)
    held_out = HeldOut(np.zeros(300), quantiles[order, 4], quantiles[order, 94], quantiles[order], None, ())
    target = SimpleNamespace(observed=observed[order], is_censored=np.zeros(300, bool))
    narrow, middle, wide = coverage_by_spread(target, held_out)
    inside = np.abs(observed) <= quantiles[:, 94]
    assert [narrow.picp, middle.picp, wide.picp] == pytest.approx([inside[i : i + 100].mean() for i in (0, 100, 200)])
    assert (narrow.n, wide.width) == (100, pytest.approx(2 * quantiles[250, 94]))
    text = coverage_by_spread_in_words(target, held_out, 0.9)
    assert "the map is surer than it should be where it is surest" in text
    same = replace(held_out, lower=np.full(300, -1.0), upper=np.ones(300))
    assert coverage_by_spread(target, same) == () and coverage_by_spread_in_words(target, same, 0.9) == ""
