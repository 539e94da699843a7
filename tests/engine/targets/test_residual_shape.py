"""Residuals whose distribution differs between low and high predictions."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest

from soil_cnn_plugin.engine.targets.calibration import Calibration, calibrate
from soil_cnn_plugin.engine.targets.residual_shape import GROUPS, ResidualShape
from soil_cnn_plugin.engine.targets.scales import TargetScale

PLAIN, LOG = TargetScale("none", 0.0, 1.0), TargetScale("log", 0.0, 1.0)


def simulate(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Targets, locations and spreads; residuals are skewed to the right at low locations, to the left at high ones."""
    rng = np.random.default_rng(seed)
    location = rng.uniform(-2, 2, count)
    residuals = 0.4 * (rng.gumbel(size=count) - np.euler_gamma)
    return location + np.where(location < 0, residuals, -residuals), location, np.full(count, 0.4)


@pytest.fixture(scope="module")
def calibration() -> Calibration:
    return calibrate(*simulate(3000, 1))


def test_intervals_hold_at_low_and_at_high_predictions_on_each_side(calibration: Calibration) -> None:
    target, location, scale = simulate(40_000, 2)
    lower, upper = (calibration.quantile(location, scale, level, PLAIN) for level in (0.05, 0.95))
    for own in (location < -1, location > 1):
        assert np.mean(target[own] < lower[own]) == pytest.approx(0.05, abs=0.02)
        assert np.mean(target[own] > upper[own]) == pytest.approx(0.05, abs=0.02)
    pooled = calibrate(target - location, 0 * location, scale)  # which knows no locations
    upper = pooled.quantile(location, scale, 0.95, PLAIN)
    assert np.mean((target > upper)[location < -1]) > 0.065


def test_probabilities_of_exceedance_hold_at_low_predictions(calibration: Calibration) -> None:
    target, location, scale = simulate(40_000, 3)
    own = (location > -1.5) & (location < -1.3)
    for threshold in (-1.5, 0.5):
        found = calibration.probability_above(location, scale, threshold, PLAIN)
        assert found[own].mean() == pytest.approx(np.mean(target[own] > threshold), abs=0.03)


def test_levels_and_quantiles_are_inverse_at_every_location(calibration: Calibration) -> None:
    location = np.linspace(-3, 3, 41)
    for level in (0.005, 0.0333, 0.5, 0.9, 0.995):
        z = calibration.shape.at_level(level, location)
        np.testing.assert_allclose(calibration.shape.at_levels(np.full(41, level), location), z)
        np.testing.assert_allclose(calibration.shape.level_of(z, location), level)
    beyond = calibration.shape.level_of(np.array([-np.inf, np.inf]), np.zeros(2))
    np.testing.assert_allclose(beyond, [0.005, 0.995])


def test_means_and_deviations_are_those_of_draws(calibration: Calibration) -> None:
    location = np.array([-1.7, -0.4, 0.9])
    scale, scores = np.full(3, 0.4), np.random.default_rng(0).normal(size=(3, 200_000))
    for target_scale in (PLAIN, LOG):
        draws = calibration.at_scores(location[:, None], scale[:, None], scores, target_scale)
        mean, deviation = calibration.mean_and_deviation(location, scale, target_scale)
        np.testing.assert_allclose(draws.mean(axis=1), mean, rtol=0.02, atol=0.02)
        if target_scale is PLAIN:  # draws end at the quantile 0.995, which an exponential feels
            np.testing.assert_allclose(draws.std(axis=1), deviation, rtol=0.05)


def test_groups_that_err_by_chance_move_no_mean() -> None:
    target, location, scale = simulate(150, 1)
    target = target + 0.3 * (location > 1)
    z = (target - location) / scale
    calibration = calibrate(target, location, scale)
    mean, _ = calibration.mean_and_deviation(location, scale, PLAIN)
    np.testing.assert_allclose(mean, location + scale * z.mean())
    assert len(calibration.shape.places) == GROUPS and not calibration.wild


def test_location_and_scale_are_found_from_limits(calibration: Calibration) -> None:
    location, scale = np.linspace(-2, 2, 9), np.full(9, 0.4)
    limits = [calibration.quantile(location, scale, level, PLAIN) for level in (0.05, 0.95)]
    found = calibration.from_limits(*limits, 0.9, PLAIN)
    np.testing.assert_allclose(found[0], location, atol=1e-6)
    np.testing.assert_allclose(found[1], scale, atol=1e-6)


def test_few_residuals_and_censored_ones_share_one_shape_or_nearly_so() -> None:
    target, location, scale = simulate(40, 1)
    few = calibrate(target, location, scale).shape
    groups = ((target - location) / scale)[np.argsort(location)].reshape(GROUPS, -1)
    own = np.median(groups - groups.mean(axis=1, keepdims=True), axis=1)
    medians = np.array(few.quantiles)[:, 99]
    assert len(few.places) == GROUPS and 0.05 < np.ptp(medians) / np.ptp(own) < 0.2  # 8 residuals among 60 of all
    target, location, scale = simulate(300, 1)
    assert len(calibrate(target, location, scale, np.arange(300) < 1).shape.places) == 1
    assert len(calibrate(target, np.zeros(300), scale).shape.places) == 1


def test_a_shape_that_makes_no_sense_is_refused(calibration: Calibration) -> None:
    good = asdict(calibration.shape)
    turned = tuple(each[::-1] for each in good["quantiles"])
    for changes in (
        {"places": good["places"][1:]},
        {"places": good["places"][::-1]},
        {"quantiles": turned},
        {"quantiles": tuple(each[1:] for each in good["quantiles"])},
        {"nodes": good["nodes"][1:]},
        {"nodes": tuple(each[1:] for each in good["nodes"])},
        {"nodes": tuple((np.nan, *each[1:]) for each in good["nodes"])},
        {"weights": tuple(-each for each in good["weights"])},
        {"places": (), "quantiles": (), "nodes": ()},
    ):
        with pytest.raises(ValueError, match="calibration"):
            ResidualShape(**{**good, **changes})
