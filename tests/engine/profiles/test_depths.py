"""The mass-preserving spline: its masses, its shape, and the same curve found in other ways."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from soil_cnn_plugin.engine.profiles.depths import Layers, Splines, fit_splines

Floats = NDArray[np.float64]
UPPER, LOWER = [0.0, 12, 30, 55, 90], [12.0, 30, 48, 90, 141]  # a gap from 48 to 55
MEAN = [31.0, 12, 8, 22, 19]


def layers_of(upper: list[float], lower: list[float], mean: list[float], profile: list[int] | None = None) -> Layers:
    number = np.array(profile or [0] * len(upper), np.int64)
    return Layers(number, *(np.array(each, float) for each in (upper, lower, mean)))


def curve(splines: Splines, depth: float) -> float:
    """The spline within the layer that holds a depth, of one profile without gaps there."""
    number = int(np.searchsorted(splines.layers.lower, depth))
    return float(splines.values(number, np.array([depth]))[0])


def mean_over(splines: Splines, upper: float, lower: float) -> float:
    return float(splines.interval_means(upper, lower, 1).mean[0])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 10.0])
def test_masses_are_preserved_in_every_horizon(smoothing: float) -> None:
    splines = fit_splines(layers_of(UPPER, LOWER, MEAN), smoothing)
    for upper, lower, fitted in zip(UPPER, LOWER, splines.fitted):
        area, _ = quad(lambda depth: curve(splines, depth), upper, lower, epsabs=1e-10)
        assert area / (lower - upper) == pytest.approx(fitted, abs=1e-6)
        assert mean_over(splines, upper, lower) == pytest.approx(fitted, abs=1e-6)


def test_without_smoothing_the_measured_means_are_preserved() -> None:
    splines = fit_splines(layers_of(UPPER, LOWER, MEAN), 0.0)
    for upper, lower, measured in zip(UPPER, LOWER, MEAN):
        assert mean_over(splines, upper, lower) == pytest.approx(measured, abs=1e-6)
    assert splines.rmse(1)[0] == pytest.approx(0, abs=1e-9)


def test_interval_masses_add_up_to_that_of_the_profile() -> None:
    splines = fit_splines(layers_of(UPPER, LOWER, MEAN), 0.1)
    limits = [0, 5, 15, 30, 60, 100, 200]
    found = [splines.interval_means(upper, lower, 1) for upper, lower in zip(limits, limits[1:])]
    masses = [item.mean[0] * item.covered[0] * (lower - upper) for item, upper, lower in zip(found, limits, limits[1:])]
    whole = sum((lower - upper) * fitted for upper, lower, fitted in zip(UPPER, LOWER, splines.fitted))
    ends = curve(splines, 48.0), float(splines.values(3, np.array([55.0]))[0])
    assert sum(masses) == pytest.approx(whole + 7 * sum(ends) / 2, abs=1e-6)  # the gap is bridged by a straight line


def test_value_and_slope_are_continuous_and_the_ends_are_level() -> None:
    splines = fit_splines(layers_of(UPPER, LOWER, MEAN), 0.1)
    step = 1e-6
    for number in (0, 1, 3):  # the layer below begins where this one ends
        limit = LOWER[number]
        above, below = (splines.values(n, np.array([limit]))[0] for n in (number, number + 1))
        slope_above = (above - splines.values(number, np.array([limit - step]))[0]) / step
        slope_below = (splines.values(number + 1, np.array([limit + step]))[0] - below) / step
        assert above == pytest.approx(below, abs=1e-9)
        assert slope_above == pytest.approx(slope_below, abs=1e-5)
    for number, depth in ((0, 0.0), (4, 141.0)):
        inside = depth + step if number == 0 else depth - step
        assert splines.values(number, np.array([inside]))[0] == pytest.approx(
            splines.values(number, np.array([depth]))[0], abs=1e-9
        )


@pytest.mark.parametrize("smoothing", [0.02, 0.1, 5.0])
def test_the_spline_minimises_the_penalised_criterion(smoothing: float) -> None:
    """The criterion itself, for the values of a free curve on a fine grid: no spline is assumed."""
    step = 0.1
    depths = np.arange(0, LOWER[-1], step) + step / 2
    averages = np.array([(depths > upper) & (depths < lower) for upper, lower in zip(UPPER, LOWER)]) * 1.0
    averages /= averages.sum(axis=1, keepdims=True)
    slopes = np.diff(np.eye(len(depths)), axis=0) / step
    normal = averages.T @ averages / len(MEAN) + smoothing * step * slopes.T @ slopes
    free = np.linalg.solve(normal, averages.T @ np.array(MEAN) / len(MEAN))
    splines = fit_splines(layers_of(UPPER, LOWER, MEAN), smoothing)
    np.testing.assert_allclose(splines.fitted, averages @ free, atol=2e-3)
    for upper, lower in [(0, 5), (5, 15), (15, 30), (48, 55), (30, 60), (60, 100)]:
        expected = free[(depths > upper) & (depths < lower)].mean()
        assert mean_over(splines, upper, lower) == pytest.approx(expected, abs=5e-3)


def test_another_program_gives_the_same_curve() -> None:
    """The package mpspline 0.1.0 documents means of the curve at whole centimetres for these horizons, lambda 0.1."""
    splines = fit_splines(layers_of([0, 15, 45], [15, 45, 80], [18.5, 35.0, 32.5]), 0.1)
    at = np.array(
        [splines.values(int(depth >= 15) + int(depth >= 45), np.array([depth]))[0] for depth in np.arange(80.0)]
    )
    means = [at[upper:lower].mean() for upper, lower in [(0, 5), (5, 15), (15, 30), (30, 60), (60, 80)]]
    assert means == pytest.approx([16.168706, 19.762784, 31.118765, 36.090372, 31.251860], abs=1e-6)


def test_fractions_that_sum_to_100_in_each_horizon_do_so_in_each_interval() -> None:
    sand, silt = np.array([60.0, 20, 45, 33, 70]), np.array([30.0, 50, 25, 7, 12])
    fractions = [fit_splines(layers_of(UPPER, LOWER, list(each)), 0.1) for each in (sand, silt, 100 - sand - silt)]
    for upper, lower in [(0, 5), (15, 30), (30, 60), (100, 200)]:
        assert sum(mean_over(each, upper, lower) for each in fractions) == pytest.approx(100, abs=1e-9)


def test_profiles_do_not_touch_each_other() -> None:
    rng = np.random.default_rng(3)
    together: dict[str, list[float]] = {"upper": [], "lower": [], "mean": []}
    profile, alone = [], []
    for number in range(20):
        limits = np.sort(rng.uniform(0, 150, rng.integers(2, 8)))
        upper, lower, mean = limits[:-1], limits[1:], rng.normal(20, 5, len(limits) - 1)
        alone.append(fit_splines(layers_of(list(upper), list(lower), list(mean)), 0.1))
        profile += [number] * len(mean)
        for name, values in zip(together, (upper, lower, mean)):
            together[name] += list(values)
    splines = fit_splines(layers_of(*together.values(), profile), 0.1)
    np.testing.assert_allclose(splines.fitted, np.concatenate([each.fitted for each in alone]), rtol=1e-12)
    for upper, lower in [(0, 5), (30, 60), (100, 200)]:
        found = splines.interval_means(upper, lower, 20)
        expected = [each.interval_means(upper, lower, 1) for each in alone]
        for name in ("mean", "covered", "measured"):
            np.testing.assert_allclose(getattr(found, name), [getattr(each, name)[0] for each in expected], rtol=1e-9)


def test_one_horizon_gives_its_value_within_its_own_depth_and_none_beyond() -> None:
    splines = fit_splines(layers_of([10], [40], [7.0]), 0.1)
    found = {limits: splines.interval_means(*limits, 1) for limits in [(0, 10), (0, 20), (20, 30), (30, 60), (40, 50)]}
    assert np.isnan([found[limits].mean[0] for limits in [(0, 10), (40, 50)]]).all()
    assert [found[limits].mean[0] for limits in [(0, 20), (20, 30), (30, 60)]] == [7.0, 7.0, 7.0]
    assert [item.covered[0] for item in found.values()] == pytest.approx([0, 0.5, 1, 1 / 3, 0])


def test_a_gap_is_covered_but_not_measured_and_bridged_by_a_straight_line() -> None:
    splines = fit_splines(layers_of([0, 60], [20, 100], [10.0, 20.0]), 0.0)
    found = splines.interval_means(30, 50, 1)
    ends = splines.values(0, np.array([20.0]))[0], splines.values(1, np.array([60.0]))[0]
    assert found.mean[0] == pytest.approx(sum(ends) / 2)
    assert (found.covered[0], found.measured[0]) == (1.0, 0.0)
    half = splines.interval_means(10, 30, 1)
    assert (half.covered[0], half.measured[0]) == (1.0, 0.5)


def test_a_large_lambda_gives_the_mean_of_all_horizons() -> None:
    splines = fit_splines(layers_of(UPPER, LOWER, MEAN), 1e9)
    np.testing.assert_allclose(splines.fitted, np.mean(MEAN), atol=1e-4)
