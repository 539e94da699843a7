"""Probabilities of exceeding thresholds, checked on held-out observations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.reliability import check_exceedance, unchecked
from soil_cnn_plugin.engine.targets.assessed import NumberTarget, Verdict
from soil_cnn_plugin.engine.targets.distributions import choose_thresholds
from soil_cnn_plugin.engine.targets.measured import reporting_limits
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, Scores

COPPER = SoilProperty("copper_0_5", "mg/kg")
N = 20_000


def predict(shift: float = 0.0) -> tuple[NumberTarget, HeldOut]:
    """Observations from the distributions that are predicted, but for a shift."""
    rng = np.random.default_rng(0)
    mean = rng.normal(100, 30, N)
    observed = rng.normal(mean, 20)
    quantiles = norm.ppf(QUANTILE_LEVELS, (mean + shift)[:, None], 20)
    limits = quantiles[:, 4], quantiles[:, 94]
    held_out = HeldOut(mean + shift, *limits, quantiles, Scores(N, *[0.0] * 9), ())
    target = NumberTarget(
        soil_property=COPPER,
        rows=np.arange(N),
        observed=observed,
        fold=np.zeros(N, np.int64),
        is_censored=np.zeros(N, bool),
        limits=np.full(N, -np.inf),
        errors=np.zeros(N),
        methods={"blend": held_out},
        transform="none",
        verdict=Verdict("", "equal", "forest", 0.0, None),
        thresholds=(Threshold("copper_0_5", 120.0),),
    )
    return target, held_out


def test_probabilities_that_are_right_come_true() -> None:
    (found,) = check_exceedance(*predict())
    assert found.n == N and found.unknown == 0
    assert found.share == pytest.approx(1 - norm.cdf(120, 100, np.hypot(30, 20)), abs=0.02)
    assert (np.abs(found.reliability.predicted - found.reliability.right) < 0.05).all()
    (shifted,) = check_exceedance(*predict(shift=25))
    assert shifted.brier > found.brier and shifted.reliability.mean_predicted > shifted.share + 0.1


def test_brier_score_and_skill_are_those_of_their_definition() -> None:
    target, held_out = predict()
    (found,) = check_exceedance(target, held_out)
    probability = np.clip(norm.sf(120, held_out.mean, 20), 0.01, 0.99)
    exceeds = target.observed > 120
    assert found.brier == pytest.approx(((probability - exceeds) ** 2).mean(), abs=2e-3)
    base = ((exceeds.mean() - exceeds) ** 2).mean()
    assert found.skill == pytest.approx(1 - found.brier / base)


def test_falling_below_is_the_opposite_of_exceeding() -> None:
    target, held_out = predict()
    (above,) = check_exceedance(target, held_out)
    below_target = replace(target, thresholds=(Threshold("copper", 120.0, is_above=False),))
    (below,) = check_exceedance(below_target, held_out)
    assert below.share == pytest.approx(1 - above.share) and below.brier == pytest.approx(above.brier)


def censor(target: NumberTarget, limits: list[float]) -> NumberTarget:
    """As laboratories with these limits report it."""
    limit = np.random.default_rng(1).choice(limits, N)
    is_censored, reported = target.observed < limit, np.maximum(target.observed, limit)
    known = reporting_limits(reported, is_censored)
    return replace(target, is_censored=is_censored, observed=reported, limits=known)


def test_what_lies_below_a_limit_under_the_threshold_does_not_exceed() -> None:
    target, held_out = predict()
    (plain,) = check_exceedance(target, held_out)
    (found,) = check_exceedance(censor(target, [60.0, 110.0]), held_out)
    assert (found.unknown, found.n, found.share, found.brier) == (0, N, plain.share, plain.brier)


@pytest.mark.parametrize("is_above", [True, False])
def test_limits_above_the_threshold_do_not_favour_high_probabilities(is_above: bool) -> None:
    """A third of the laboratories tell of values above 130 only; counted alone, these would all exceed 120."""
    target, held_out = predict()
    threshold = Threshold("copper_0_5", 120.0, is_above)
    limited = replace(censor(target, [80.0, 110.0, 130.0]), thresholds=(threshold,))
    (plain,) = check_exceedance(replace(target, thresholds=(threshold,)), held_out)
    (found,) = check_exceedance(limited, held_out)
    assert found.unknown == pytest.approx(N / 3, rel=0.05) and found.n + found.unknown == N
    assert found.share == pytest.approx(plain.share, abs=0.02)
    assert found.expected == pytest.approx(found.share, abs=0.02)


def test_a_threshold_below_all_limits_is_not_checked() -> None:
    target, held_out = predict()
    low = replace(censor(target, [90.0]), thresholds=(Threshold("copper_0_5", 50.0), Threshold("copper_0_5", 120.0)))
    assert [each.threshold.value for each in check_exceedance(low, held_out)] == [120.0]
    assert [each.value for each in unchecked(low)] == [50.0]


def test_chance_tells_probabilities_that_hold_from_those_that_do_not() -> None:
    (right,), (shifted,) = (check_exceedance(*predict(shift)) for shift in (0, 10))
    target, held_out = predict()
    twice = 2 * held_out.quantiles - held_out.mean[:, None]
    (wide,) = check_exceedance(target, replace(held_out, quantiles=twice))
    assert right.p > 0.05 and shifted.p < 1e-6 and wide.p < 1e-6
    small = []
    for start in range(0, N, 200):  # of many samples of probabilities that hold one in twenty seems not to
        own = slice(start, start + 200)
        rows = {name: getattr(target, name)[own] for name in ("observed", "is_censored", "limits")}
        part = replace(held_out, quantiles=held_out.quantiles[own])
        small.append(check_exceedance(replace(target, **rows), part)[0].p < 0.05)
    assert np.mean(small) < 0.13


def test_few_observations_make_few_steps() -> None:
    target, held_out = predict()
    own = slice(0, 60)
    rows = {name: getattr(target, name)[own] for name in ("observed", "is_censored", "limits")}
    (found,) = check_exceedance(replace(target, **rows), replace(held_out, quantiles=held_out.quantiles[own]))
    assert len(found.reliability.count) <= 4 and found.reliability.count.sum() == 60


def test_without_thresholds_those_of_the_observations_are_checked() -> None:
    values, below = np.arange(1.0, 1001.0), np.zeros(1000, bool)
    chosen = choose_thresholds((), COPPER, values, below)
    assert [each.value for each in chosen] == [500.0, 900.0]
    limited = np.maximum(values, 600)
    assert [each.value for each in choose_thresholds((), COPPER, limited, values < 600)] == [600.0, 900.0]
    wanted = (Threshold("copper", 150.0), Threshold("zinc", 300.0))
    assert choose_thresholds(wanted, COPPER, values, below) == wanted[:1]


def test_where_all_exceed_there_is_no_skill() -> None:
    target, held_out = predict()
    (found,) = check_exceedance(replace(target, thresholds=(Threshold("copper", -1e6),)), held_out)
    assert found.share == 1.0 and found.skill is None and found.p is None


@pytest.mark.parametrize("stored", [np.float64, np.float32])
def test_thresholds_lie_between_values_where_ties_abound(stored: type) -> None:
    """Laboratories round pH to 0.1: 13 % of the values equal the median."""
    values = np.round(np.random.default_rng(0).normal(6, 0.3, 500), 1).astype(stored).astype(np.float64)
    nothing = np.zeros(500, bool)
    chosen = [each.value for each in choose_thresholds((), COPPER, values, nothing)]
    assert chosen == [5.95, 6.35] or chosen == [6.05, 6.35]
    assert np.mean(values > chosen[0]) == pytest.approx(0.5, abs=0.07)
    counts = np.random.default_rng(1).poisson(2, 500).astype(np.float64)
    assert all(each.value % 1 == 0.5 for each in choose_thresholds((), COPPER, counts, nothing))


def test_values_that_are_all_alike_have_no_threshold() -> None:
    assert choose_thresholds((), COPPER, np.full(40, 3.0), np.zeros(40, bool)) == ()


def test_rounding_does_not_move_a_threshold_out_of_the_values() -> None:
    values = 10_000 + np.arange(1.0, 51.0)
    chosen = [each.value for each in choose_thresholds((), COPPER, values, np.zeros(50, bool))]
    assert [float(np.mean(values > value)) for value in chosen] == pytest.approx([0.5, 0.1])


def test_a_threshold_between_values_is_not_below_the_detection_limits() -> None:
    values = np.repeat([1.0, 2.0, 3.0, 4.0], 25)
    is_censored = values < 3  # at limits of 1 and 2: the median limit is 1.5
    values = np.where(is_censored, np.array([2.0, 3.0])[np.arange(100) % 2], values)
    assert all(each.value >= 2.5 for each in choose_thresholds((), COPPER, values, is_censored))


def test_values_that_equal_a_threshold_do_not_blame_the_probabilities() -> None:
    """Probabilities that hold, of values that were rounded afterwards: 120 was measured at one in eight."""
    target, held_out = predict()
    part = replace(held_out, quantiles=held_out.quantiles[:1000])
    rows = {name: getattr(target, name)[:1000] for name in ("observed", "is_censored", "limits")}
    exact = replace(target, **rows)
    rounded = replace(exact, observed=np.round(exact.observed / 10) * 10)
    (plain,), (found,) = (check_exceedance(each, part) for each in (exact, rounded))
    assert plain.tied == 0 and plain.p > 0.05
    assert found.tied == (rounded.observed == 120).sum() > 80 and found.p > 0.05
    without = replace(rounded, observed=rounded.observed - 1e-3)  # what is said without noticing the ties
    assert check_exceedance(without, part)[0].p < 0.001
