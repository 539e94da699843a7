"""Intervals that hold and means without bias, on simulated held-out data."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from soil_cnn_plugin.engine.targets.calibration import Calibration, calibrate, ordinary_range
from soil_cnn_plugin.engine.targets.scales import TargetScale, fit_scale

PLAIN = TargetScale("none", 0.0, 1.0)
LEVELS = np.linspace(0.01, 0.99, 99)


def simulate(count: int, seed: int, kind: str = "normal") -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Standardized targets, and predictions whose spread is 1.7 times too small but larger where errors are."""
    rng = np.random.default_rng(seed)
    location = rng.normal(size=count)
    true_scale = np.exp(rng.normal(0, 0.5, count))
    errors = {
        "normal": rng.normal(size=count),
        "skewed": rng.exponential(size=count) - 0.3,
        "heavy": rng.standard_t(4, count),
    }
    return location + true_scale * errors[kind], location, true_scale / 1.7


def interval(
    calibration: Calibration, location: np.ndarray, scale: np.ndarray, coverage: float, target_scale: TargetScale
) -> list[np.ndarray]:
    levels = ((1 - coverage) / 2, (1 + coverage) / 2)
    return [calibration.quantile(location, scale, level, target_scale) for level in levels]


@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy"])
def test_coverage_of_new_observations_is_within_three_points_of_nominal(kind: str) -> None:
    calibration = calibrate(*simulate(2000, 1, kind))
    target, location, scale = simulate(20000, 2, kind)
    for coverage in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99):
        lower, upper = interval(calibration, location, scale, coverage, PLAIN)
        assert np.mean((target >= lower) & (target <= upper)) == pytest.approx(coverage, abs=0.03)
        # On each side, too: the tails are equal.
        assert np.mean(target < lower) == pytest.approx((1 - coverage) / 2, abs=0.02)


def test_coverage_holds_on_average_with_as_few_as_thirty_observations() -> None:
    found = []
    for seed in range(300):
        calibration = calibrate(*simulate(30, seed))
        target, location, scale = simulate(200, 10_000 + seed)
        lower, upper = interval(calibration, location, scale, 0.9, PLAIN)
        found.append(np.mean((target >= lower) & (target <= upper)))
    assert np.mean(found) == pytest.approx(0.9, abs=0.03)


def test_intervals_are_wider_where_the_predicted_spread_is() -> None:
    target, location, scale = simulate(500, 1)
    calibration = calibrate(target, location, scale)
    low, high = np.quantile(scale, [0.2, 0.8])
    zeros = np.zeros(2)
    lower, upper = interval(calibration, zeros, np.array([low, high]), 0.9, PLAIN)
    assert (upper - lower)[1] / (upper - lower)[0] == pytest.approx(high / low)


def test_spreads_beyond_those_calibrated_on_count_as_the_last() -> None:
    target, location, scale = simulate(500, 1)
    calibration = calibrate(target, location, scale)
    far = np.array([scale.max(), 100 * scale.max(), scale.min(), 0.0])
    lower, upper = interval(calibration, np.zeros(4), far, 0.9, PLAIN)
    deviation = calibration.mean_and_deviation(np.zeros(4), far, PLAIN)[1]
    for values in (upper - lower, deviation):
        assert values[0] == values[1] and values[2] == values[3] > 0


@pytest.mark.parametrize("transform", ["none", "log", "logit"])
def test_quantiles_rise_with_their_level(transform: str) -> None:
    target, location, scale = simulate(150, 3, "heavy")
    calibration = calibrate(target, location, scale)
    target_scale = TargetScale(transform, 0.1, 0.8, 100.0, 0.01 if transform == "logit" else 0.0)
    quantiles = np.array([calibration.quantile(location, scale, level, target_scale) for level in LEVELS])
    assert (np.diff(quantiles, axis=0) >= 0).all() and (quantiles[-1] > quantiles[0]).all()
    lower, upper = interval(calibration, location, scale, 0.9, target_scale)
    mean, deviation = calibration.mean_and_deviation(location, scale, target_scale)
    assert (lower <= mean).all() and (deviation > 0).all()
    assert (mean <= upper).mean() > 0.9  # not all: with heavy tails a lognormal's mean may lie beyond any quantile


@pytest.mark.parametrize("sigma", [0.2, 0.6, 1.0, 1.3])
def test_mean_of_a_lognormal_target_has_no_bias(sigma: float) -> None:
    """The observations' logarithms are normal around the prediction, so that their mean is exp(m + s^2 / 2)."""
    rng = np.random.default_rng(0)
    count = 200_000
    location = rng.normal(0, 0.5, count)  # on the log scale, which is taken as standardized
    target = location + sigma * rng.normal(size=count)
    target_scale = TargetScale("log", 3.0, 1.0)
    mean, deviation = calibrate(target, location, np.ones(count)).mean_and_deviation(
        location, np.ones(count), target_scale
    )
    expected = np.exp(3.0 + location + sigma**2 / 2)
    # A fifth of the residuals, those of like locations, tells a mean of exp(1.3 z) to 1 %.
    assert np.abs(mean / expected - 1).max() < (0.02 if sigma < 1.3 else 0.03)
    assert np.mean(mean) == pytest.approx(np.mean(np.exp(3.0 + target)), rel=0.02)
    if sigma <= 1:
        np.testing.assert_allclose(deviation / expected, np.sqrt(np.exp(sigma**2) - 1), rtol=0.1)
    naive = np.exp(3.0 + location)
    assert np.mean(naive) / np.mean(expected) == pytest.approx(np.exp(-(sigma**2) / 2), rel=1e-6)  # what is avoided


def test_lognormal_observations_of_a_few_hundred_sites_give_a_mean_without_bias_on_average() -> None:
    biases = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        values = np.exp(rng.normal(4, 0.7, 200))
        scale = fit_scale("log", values, 1.0)
        standardized = scale.forward(values)
        calibration = calibrate(standardized, np.zeros(200), np.ones(200))
        mean, _ = calibration.mean_and_deviation(np.zeros(1), np.ones(1), scale)
        biases.append(mean[0] / np.exp(4 + 0.7**2 / 2) - 1)
    assert abs(np.mean(biases)) < 0.02


def test_mean_and_deviation_without_a_transform_are_those_of_the_residuals() -> None:
    target, location, scale = simulate(100_000, 5, "skewed")
    z = (target - location) / scale
    mean, deviation = calibrate(z * scale, 0 * location, scale).mean_and_deviation(
        np.array([2.0]), np.array([1.5]), TargetScale("none", 10.0, 4.0)
    )
    assert mean[0] == pytest.approx(10 + 4 * (2 + 1.5 * z.mean()), rel=1e-6)
    assert deviation[0] == pytest.approx(4 * 1.5 * z.std(), rel=0.02)


def test_missing_targets_and_predictions_are_left_out() -> None:
    target, location, scale = simulate(100, 1)
    expected = calibrate(target[20:], location[20:], scale[20:])
    target[:10] = np.nan
    location[10:20] = np.nan
    assert calibrate(target, location, scale) == expected


def test_quantiles_are_order_statistics_at_p_times_n_plus_one() -> None:
    z = np.arange(1.0, 20.0)  # 19 residuals: the 10th of them is the median, the 1st the quantile at 0.05
    calibration = calibrate(z, 0 * z, 1 + 0 * z)
    found = [float(calibration.quantile(np.zeros(1), np.ones(1), level, PLAIN)[0]) for level in (0.05, 0.5, 0.9, 0.95)]
    assert found == pytest.approx([1, 10, 18, 19])
    (quantiles,) = calibration.shape.quantiles
    assert quantiles[0] == 1 and quantiles[-1] == 19  # beyond the outermost nothing is known


def test_any_shape_of_array_is_mapped_pixel_by_pixel() -> None:
    calibration = calibrate(*simulate(200, 1))
    location, scale = np.random.default_rng(0).normal(size=(4, 5)), np.full((4, 5), 0.7)
    location[1, 2] = np.nan
    for target_scale in (PLAIN, TargetScale("log", 0.0, 1.0)):
        mean, deviation = calibration.mean_and_deviation(location, scale, target_scale)
        assert mean.shape == deviation.shape == (4, 5)
        assert np.isnan(mean[1, 2]) and np.isfinite(mean).sum() == 19
        one, _ = calibration.mean_and_deviation(location[3:, 4], scale[3:, 4], target_scale)
        assert one[0] == pytest.approx(mean[3, 4])


def test_a_calibration_that_makes_no_sense_is_refused() -> None:
    good = calibrate(*simulate(50, 1))
    for changes in (
        {"scales": (0.0, 1.0)},
        {"scales": (2.0, 1.0)},
        {"residuals": (0.1, 1.0)},
        {"residuals": (-1.0, np.inf)},
    ):
        parts = {name: getattr(good, name) for name in ("shape", "scales", "residuals")}
        with pytest.raises(ValueError, match="calibration"):
            Calibration(**{**parts, **changes})


def test_normal_residuals_give_normal_quantiles() -> None:
    z = norm.ppf((np.arange(20000) + 0.5) / 20000)
    calibration = calibrate(z, 0 * z, 1 + 0 * z)
    np.testing.assert_allclose(calibration.shape.quantiles[0], norm.ppf(np.linspace(0.005, 0.995, 199)), atol=3e-3)


def simulate_measured(
    count: int, seed: int, stretch: float, limits: tuple[float, ...] = (), error: float = 0.0
) -> tuple[np.ndarray, tuple[np.ndarray, ...]]:
    """The truth, and what is known of it: reported values, locations and scales, which are `stretch` times too small,
    where the values are only limits, and errors of measurement, half of them small."""
    rng = np.random.default_rng(seed)
    location, spread = rng.normal(size=count), 0.6 * np.exp(rng.normal(0, 0.3, count))
    truth = location + spread * rng.normal(size=count)
    errors = error * np.where(rng.random(count) < 0.5, 0.1, 1.0)
    reported = truth + errors * rng.normal(size=count)
    limit = rng.choice(limits, count) if limits else np.full(count, -np.inf)
    return truth, (np.maximum(reported, limit), location, spread / stretch, reported < limit, errors)


@pytest.mark.parametrize("stretch", [0.6, 1.0, 1.7])
@pytest.mark.parametrize(("limits", "error"), [((0.3,), 0.0), ((-0.5, 0.3), 0.0), ((), 1.2), ((-0.3, 0.3), 0.8)])
def test_intervals_of_the_truth_hold_with_limits_and_errors(
    stretch: float, limits: tuple[float, ...], error: float
) -> None:
    _, known = simulate_measured(1500, 1, stretch, limits, error)
    calibration = calibrate(*known)
    truth, (_, location, scale, is_censored, errors) = simulate_measured(20_000, 2, stretch, limits, error)
    assert not limits or 0.3 < is_censored.mean() < 0.7
    for coverage in (0.5, 0.9):
        lower, upper = interval(calibration, location, scale, coverage, PLAIN)
        assert np.mean((truth >= lower) & (truth <= upper)) == pytest.approx(coverage, abs=0.035)
        assert np.mean(truth > upper) == pytest.approx((1 - coverage) / 2, abs=0.025)
    if not limits:  # what is measured is farther off, and its own interval holds
        measured = truth + errors * np.random.default_rng(3).normal(size=len(truth))
        wide = [calibration.quantile(location, scale, level, PLAIN, errors) for level in (0.05, 0.95)]
        assert np.mean((measured >= wide[0]) & (measured <= wide[1])) == pytest.approx(0.9, abs=0.035)
        assert calibration.stretch == pytest.approx(stretch, rel=0.1)


@pytest.mark.parametrize("limits", [(), (0.3,), (-0.5, 0.3)])
def test_the_probability_of_exceeding_a_threshold_is_its_frequency(limits: tuple[float, ...]) -> None:
    _, known = simulate_measured(1500, 1, 1.7, limits, 0.5)
    calibration = calibrate(*known)
    truth, (_, location, scale, _, _) = simulate_measured(50_000, 2, 1.7, limits, 0.5)
    scale_of_target = TargetScale("log", 3.0, 0.5)
    for threshold in (0.0, 1.0):
        values = np.exp(3 + 0.5 * threshold)
        probability = calibration.probability_above(location, scale, values, scale_of_target)
        for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.7), (0.7, 0.9), (0.9, 1)):
            own = (probability > low) & (probability <= high)
            assert np.mean(truth[own] > threshold) == pytest.approx(probability[own].mean(), abs=0.045)


def test_probabilities_agree_with_quantiles() -> None:
    target, location, scale = simulate(200, 4, "heavy")
    calibration = calibrate(target, location, scale)
    target_scale = TargetScale("log", 1.0, 0.8)
    for level in (0.02, 0.3, 0.5, 0.9, 0.99):
        limit = calibration.quantile(location[:5], scale[:5], level, target_scale)
        for i in range(5):
            found = calibration.probability_above(location[i : i + 1], scale[i : i + 1], float(limit[i]), target_scale)
            # at a deviation that was the largest ever met all larger quantiles lie, too
            assert found[0] == pytest.approx(1 - level, abs=0.006) or found[0] < 1 - level


def test_beyond_what_was_met_probabilities_stay_short_of_certainty() -> None:
    calibration = calibrate(*simulate(300, 1))
    place = np.zeros(2), np.ones(2)
    target_scale = TargetScale("log", 0.0, 1.0)
    np.testing.assert_allclose(calibration.probability_above(*place, 1e9, target_scale), 0.005)
    np.testing.assert_allclose(calibration.probability_above(*place, -3.0, target_scale), 0.995)
    assert np.isnan(calibration.probability_above(np.array([np.nan]), np.ones(1), 1.0, target_scale)).all()


def test_a_calibration_without_limits_and_errors_is_the_plain_one() -> None:
    plain = simulate(100, 1)
    assert calibrate(*plain, np.zeros(100, bool), np.zeros(100)) == calibrate(*plain)


def with_wild(count: int, wild: int, far: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normal residuals, the first ones of which lie `far` standard deviations out."""
    rng = np.random.default_rng(seed)
    residuals = 0.5 * rng.normal(size=count)
    residuals[:wild] += 0.5 * far
    location = rng.normal(size=count)
    return location + residuals, location, np.full(count, 0.5)


@pytest.mark.parametrize("transform", ["log", "none"])
@pytest.mark.parametrize(("wild", "far"), [(1, 17.0), (5, 17.0), (1, 60.0), (2, -20.0)])
def test_wild_values_hardly_move_the_mean_and_are_numbered(transform: str, wild: int, far: float) -> None:
    target_scale, place = TargetScale(transform, 6.0, 0.8), (np.zeros(1), np.full(1, 0.5))
    clean, spoilt = (calibrate(*with_wild(155, wild, each)) for each in (0.0, far))
    assert clean.wild == () and clean.reach is None
    assert spoilt.wild == tuple(range(wild)) and spoilt.reach is not None
    assert max(np.abs(spoilt.reach)) < 2 < max(np.abs(spoilt.residuals))
    expected, found = (each.mean_and_deviation(*place, target_scale)[0][0] for each in (clean, spoilt))
    assert found == pytest.approx(expected, rel=0.05)
    upper = spoilt.quantile(*place, 0.95, target_scale)[0]
    assert found < upper  # what a single such value turned round


def test_quantiles_count_wild_values_in_full() -> None:
    target, location, scale = with_wild(155, 1, 17.0)
    z = np.sort((target - location) / scale)
    quantiles = np.interp(np.linspace(0.005, 0.995, 199), np.arange(1, 156) / 156, z)
    (found,) = calibrate(z * scale, 0 * location, scale).shape.quantiles
    np.testing.assert_allclose(found, quantiles)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("count", [30, 155, 3000])
def test_ordinary_residuals_are_never_wild(kind: str, count: int) -> None:
    wild = [bool(calibrate(*simulate(count, seed, kind)).wild) for seed in range(40)]
    assert np.mean(wild) <= (0.0 if kind == "normal" else 0.15)  # an exponential tail is the heaviest with a mean


def test_the_mean_of_heavy_tails_keeps_nearly_all_of_its_size() -> None:
    """Laplace residuals of 0.4 on the logarithmic scale: their mean is 1 / (1 - 0.4^2)."""
    means, count = [], 155
    for seed in range(300):
        z = np.random.default_rng(seed).laplace(size=count)
        calibration = calibrate(z, np.zeros(count), np.ones(count))
        means.append(calibration.mean_and_deviation(np.zeros(1), np.ones(1), TargetScale("log", 0.0, 0.4))[0][0])
    assert np.mean(means) * (1 - 0.4**2) == pytest.approx(1, abs=0.03)


def test_residuals_that_are_mostly_equal_have_no_range() -> None:
    assert ordinary_range(np.append(np.zeros(95), [1.0, 2, 3, 4, 5])) == (-np.inf, np.inf)


def test_a_censored_value_is_never_wild() -> None:
    target, location, scale = with_wild(155, 1, 17.0)
    is_censored = np.arange(155) < 1  # a limit far above says nothing
    assert calibrate(target, location, scale, is_censored).wild == ()
    low = with_wild(155, 1, -30.0)
    assert calibrate(*low, is_censored).wild == ()


def test_small_spreads_where_nearly_all_is_censored_count_as_those_of_measured_values() -> None:
    """A network may predict any spread where it sees no values: here it is three times too small there."""
    rng = np.random.default_rng(4)
    location = rng.normal(size=2000)
    truth = location + 0.5 * rng.normal(size=2000)
    is_censored = truth < 0.25
    scale = np.where(location < -0.3, 0.15, 0.5)
    calibration = calibrate(np.maximum(truth, 0.25), location, scale, is_censored)
    assert 0.55 < is_censored.mean() < 0.65 and calibration.scales[0] == 0.5
    lower, upper = interval(calibration, location, scale, 0.9, PLAIN)
    inside = (truth >= lower) & (truth <= upper)
    assert inside[is_censored].mean() > 0.87 and inside.mean() == pytest.approx(0.9, abs=0.02)
