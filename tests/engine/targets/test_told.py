"""Held-out distributions of very many observations: those of some tell whether they hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtri

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.contract.threshold import Threshold
from soil_cnn_plugin.engine.assessment.reliability import check_exceedance, coverage_by_spread, reliability
from soil_cnn_plugin.engine.targets import distributions
from soil_cnn_plugin.engine.targets.assessed import NumberTarget, residuals
from soil_cnn_plugin.engine.targets.distributions import NumberPredictions, told_in_words
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.targets.metrics import HeldOut

RNG = np.random.default_rng(0)
COUNT = 400
CENTRE, SCALE = RNG.normal(size=(COUNT, 1)), np.exp(0.3 * RNG.normal(size=(COUNT, 1)))
OBSERVED = CENTRE + SCALE * RNG.normal(size=(COUNT, 1))
FOLD = np.arange(COUNT) % 2


class Normal:
    """An outcome whose numbers are learned as they are."""

    def forward_errors(self, values: np.ndarray, errors: np.ndarray) -> np.ndarray:
        return errors

    def mean_and_deviation(self, location: np.ndarray, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return location, scale

    def quantiles(self, location: np.ndarray, scale: np.ndarray, levels: Any, errors: np.ndarray) -> np.ndarray:
        return np.stack([location + scale * ndtri(level) for level in levels])


def held_out(observed: np.ndarray = OBSERVED, is_censored: np.ndarray | None = None) -> HeldOut:
    nothing = np.zeros(observed.shape)
    censored = nothing.astype(bool) if is_censored is None else is_censored
    predictions = NumberPredictions(TargetValues(observed, censored, nothing, np.ones(COUNT)), FOLD, 0.9)
    outcome: Any = Normal()
    for fold in (0, 1):
        rows = np.flatnonzero(fold == FOLD)
        predictions.store(rows, outcome, CENTRE[rows], SCALE[rows])
    (found,) = predictions.held_out()
    return found


def target_of(found: HeldOut) -> NumberTarget:
    nothing: Any = None
    return NumberTarget(
        SoilProperty("zinc"), np.arange(COUNT), OBSERVED[:, 0], FOLD, np.zeros(COUNT, bool), np.full(COUNT, -np.inf),
        np.zeros(COUNT), {"blend": found}, "none", nothing, (Threshold("zinc", 0.5),),
    )  # fmt: skip


def test_distributions_of_some_tell_whether_they_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = held_out()
    monkeypatch.setattr(distributions, "MOST_TOLD", 150)
    part = held_out()
    assert whole.told is None and told_in_words(150) == ""
    assert part.quantiles.shape == (150, 99) and part.told is not None and part.told.sum() == 150
    np.testing.assert_array_equal(part.quantiles, whole.quantiles[part.told])
    for name in ("mean", "lower", "upper"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name))
    for one, other in zip((part.scores, *part.fold_scores), (whole.scores, *whole.fold_scores)):
        assert (one.n, one.rmse, one.picp, one.interval_score) == (
            other.n,
            other.rmse,
            other.picp,
            other.interval_score,
        )
        assert one.crps == pytest.approx(other.crps, rel=0.25) and one.crps != other.crps
    found, expected = reliability(OBSERVED[:, 0], part), reliability(OBSERVED[part.told, 0], whole_of(whole, part.told))
    assert found is not None and expected is not None and found.n == 150
    np.testing.assert_array_equal(found.qcp, expected.qcp)
    (exceedance,) = check_exceedance(target_of(part), part)
    assert exceedance.n == 150 and abs(exceedance.share - exceedance.expected) < 0.1
    assert coverage_by_spread(target_of(part), part) == coverage_by_spread(target_of(whole), whole)
    np.testing.assert_array_equal(residuals(target_of(part), part), CENTRE[:, 0] - OBSERVED[:, 0])


def whole_of(held: HeldOut, told: np.ndarray) -> HeldOut:
    parts = (each[told] for each in (held.mean, held.lower, held.upper, held.quantiles))
    return HeldOut(*parts, held.scores, ())


def test_with_detection_limits_all_distributions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a laboratory would report depends on the whole distribution."""
    monkeypatch.setattr(distributions, "MOST_TOLD", 150)
    is_censored = OBSERVED < -1
    found = held_out(np.maximum(OBSERVED, -1), is_censored)
    assert found.told is None and found.quantiles.shape == (COUNT, 99)
