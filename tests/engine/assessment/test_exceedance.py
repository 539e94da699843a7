"""Probabilities of exceeding thresholds, checked on held-out observations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import QUANTILE_LEVELS, HeldOut, Scores, TargetAssessment, Verdict
from soil_cnn_plugin.engine.assessment.exceedance import check_exceedance, choose_thresholds

COPPER = SoilProperty("copper_0_5", "mg/kg")
N = 20_000


def predict(shift: float = 0.0) -> tuple[TargetAssessment, HeldOut]:
    """Observations from the distributions that are predicted, but for a shift."""
    rng = np.random.default_rng(0)
    mean = rng.normal(100, 30, N)
    observed = rng.normal(mean, 20)
    quantiles = norm.ppf(QUANTILE_LEVELS, (mean + shift)[:, None], 20)
    limits = quantiles[:, 4], quantiles[:, 94]
    held_out = HeldOut(mean + shift, *limits, quantiles, Scores(N, *[0.0] * 9), ())
    target = TargetAssessment(
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


def test_what_lies_below_a_limit_tells_only_of_thresholds_above_it() -> None:
    target, held_out = predict()
    is_censored = np.arange(N) % 4 == 0
    low = replace(target, is_censored=is_censored, observed=np.where(is_censored, 50.0, target.observed))
    (found,) = check_exceedance(low, held_out)
    assert found.unknown == 0 and found.n == N  # below 50 is below 120
    high = replace(target, is_censored=is_censored, observed=np.where(is_censored, 150.0, target.observed))
    (found,) = check_exceedance(high, held_out)
    assert found.unknown == is_censored.sum() and found.n == N - is_censored.sum()
    assert found.share == pytest.approx((target.observed[~is_censored] > 120).mean())


def test_without_thresholds_those_of_the_observations_are_checked() -> None:
    values, below = np.arange(1.0, 1001.0), np.zeros(1000, bool)
    chosen = choose_thresholds((), COPPER, values, below)
    assert [each.value for each in chosen] == [500.0, 900.0]
    assert choose_thresholds((), COPPER, values, values < 600)[0].value == 900.0
    wanted = (Threshold("copper", 150.0), Threshold("zinc", 300.0))
    assert choose_thresholds(wanted, COPPER, values, below) == wanted[:1]


def test_where_all_exceed_there_is_no_skill() -> None:
    target, held_out = predict()
    (found,) = check_exceedance(replace(target, thresholds=(Threshold("copper", -1e6),)), held_out)
    assert found.share == 1.0 and found.skill is None
