"""Joint residuals of log-ratios give distributions of parts that hold, without bias, and sum to the whole."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soil_cnn_plugin.engine.targets.joint_calibration import MOST_RESIDUALS, JointCalibration, calibrate_jointly
from soil_cnn_plugin.engine.targets.scales import CompositionScale, fit_composition

Array = NDArray[np.float64]
SCALE = CompositionScale(100.0, (0.1, 0.1, 0.1), (0.4, 0.9), (0.8, 0.6))
MIXING = np.array([[0.9, 0.0], [-0.5, 0.6]])


def simulate(count: int, seed: int) -> tuple[Array, Array, Array]:
    """Learned columns (n, 2), and the centre and the spread that is predicted for them: residuals are skewed, long in
    their tails, go together, and are 0.8 of what the spread says."""
    rng = np.random.default_rng(seed)
    location, spread = rng.normal(size=(count, 2)), rng.uniform(0.4, 1.2, (count, 1)) * np.array([1.0, 1.5])
    z = np.column_stack([rng.gamma(4, 0.5, count) - 2, rng.standard_t(6, count)]) @ MIXING.T * 0.8
    return location + spread * z, location, spread


def calibrated(count: int, seed: int = 1) -> JointCalibration:
    return calibrate_jointly(*simulate(count, seed))


@pytest.mark.parametrize("count", [200, 3000])
@pytest.mark.parametrize("coverage", [0.5, 0.9, 0.98])
def test_the_interval_of_each_part_holds_what_it_says(count: int, coverage: float) -> None:
    learned, location, spread = simulate(4000, seed=2)
    parts = SCALE.back(learned.T)
    tail = (1 - coverage) / 2
    lower, upper = calibrated(count).quantiles(location.T, spread.T, [tail, 1 - tail], SCALE)
    # What 200 residuals tell of a quantile, by chance: three binomial standard errors.
    margin = 3 * np.sqrt(coverage * (1 - coverage) / count) + 0.01
    below, inside = (parts < lower).mean(axis=1), ((parts >= lower) & (parts <= upper)).mean(axis=1)
    assert np.abs(inside - coverage).max() < margin
    assert np.abs(below - tail).max() < margin


def test_the_mean_is_free_of_the_bias_of_carrying_the_centre_back() -> None:
    learned, location, spread = simulate(20_000, seed=3)
    location = np.zeros_like(location) + [1.5, -1.5]  # a corner of the triangle, where the way back is bent
    parts = SCALE.back((location + (learned - simulate(20_000, seed=3)[1])).T)
    mean, deviation = calibrated(3000).mean_and_deviation(location.T, spread.T, SCALE)
    truth, naive = parts.mean(axis=1), SCALE.back(location.T).mean(axis=1)
    standard_error = parts.std(axis=1) / np.sqrt(3000)
    assert np.abs(mean.mean(axis=1) - truth).max() < 3 * standard_error.max()
    assert np.abs(naive - truth).max() > 10 * standard_error.max()
    np.testing.assert_allclose(np.sqrt((deviation**2).mean(axis=1)), (parts - mean).std(axis=1), rtol=0.06)


def test_a_description_is_the_mean_the_deviation_and_the_quantiles_of_the_compositions() -> None:
    _, location, spread = simulate(40, seed=4)
    joint = calibrated(150)
    z = np.array(joint.residuals).T[:, None]
    lowest, highest = np.array(joint.scales).T[..., None]
    draws = SCALE.back(location.T[..., None] + np.clip(spread.T, lowest, highest)[..., None] * z)  # (3, 40, 150)
    levels = [0.01, 0.05, 0.5, 0.95]
    expected = [draws.mean(-1), draws.std(-1), *np.quantile(draws, levels, axis=-1, method="weibull")]
    np.testing.assert_allclose(joint.describe(location.T, spread.T, levels, SCALE), expected, rtol=2e-4, atol=2e-5)
    np.testing.assert_allclose(joint.quantiles(location.T, spread.T, levels, SCALE), expected[2:], rtol=2e-4)


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("far", [1.0, 50.0, 1e6])
def test_means_are_positive_and_sum_to_the_whole_in_a_float32_raster_too(parts: int, far: float) -> None:
    rng = np.random.default_rng(5)
    values = rng.dirichlet(np.ones(parts), 300) * 1000
    scale = fit_composition(values)
    learned = scale.forward(values)
    joint = calibrate_jointly(learned, 0 * learned, 1 + 0 * learned)
    location = far * rng.normal(size=(parts - 1, 20, 30))
    mean, _ = joint.mean_and_deviation(location, np.ones_like(location), scale)
    assert (mean > 0).all()
    np.testing.assert_allclose(mean.sum(axis=0), 1000, rtol=1e-12)
    stored = mean.astype(np.float32)
    assert (stored > 0).all()
    np.testing.assert_allclose(stored.astype(np.float64).sum(axis=0), 1000, rtol=1e-6)


def test_of_many_residuals_those_are_kept_that_stand_for_all() -> None:
    learned, location, spread = simulate(5000, seed=6)
    joint = calibrate_jointly(learned, location, spread)
    every, kept = (learned - location) / spread, np.array(joint.residuals)
    assert len(kept) == MOST_RESIDUALS
    assert {tuple(each) for each in joint.residuals} <= set(map(tuple, every.tolist()))
    draws = SCALE.back(kept.T), SCALE.back(every.T)
    for part, whole in zip(*draws):
        lower, upper = np.quantile(part, [0.05, 0.95], method="weibull")
        assert abs(((whole >= lower) & (whole <= upper)).mean() - 0.9) < 0.02  # of 256 at random: up to 0.06
        assert abs(part.mean() - whole.mean()) < 0.02 * whole.std()
    np.testing.assert_allclose(np.corrcoef(kept.T), np.corrcoef(every.T), atol=0.05)


def test_the_probability_above_a_threshold_is_the_share_that_lies_above() -> None:
    learned, location, spread = simulate(5000, seed=7)
    clay = SCALE.back(learned.T)[2]
    probability = calibrated(3000).probability_above(location.T, spread.T, 2, 25.0, SCALE)
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        own = (probability >= low) & (probability < high)
        assert abs((clay[own] > 25).mean() - probability[own].mean()) < 0.05
    assert 0 < probability.min() < 0.05


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 100.0, 1e9])
def test_no_probability_is_0_or_1_because_more_is_not_known(threshold: float) -> None:
    found = calibrated(3000).probability_above(np.zeros((2, 1)), np.ones((2, 1)), 0, threshold, SCALE)
    assert found == pytest.approx(1 / 514 if threshold >= 100 else 513 / 514)


def test_pixels_without_a_prediction_stay_without_one() -> None:
    _, location, spread = simulate(12, seed=8)
    places, spreads = location.T.reshape(2, 3, 4).copy(), spread.T.reshape(2, 3, 4).copy()
    places[:, 1, 2] = spreads[:, 1, 2] = np.nan
    joint = calibrated(100)
    found = joint.describe(places, spreads, [0.05], SCALE)
    assert found.shape == (3, 3, 3, 4)
    is_missing = np.zeros((3, 4), bool)
    is_missing[1, 2] = True
    assert (np.isnan(found) == is_missing).all()
    assert (np.isnan(joint.probability_above(places, spreads, 0, 50.0, SCALE)) == is_missing).all()
    assert np.isnan(joint.describe(0 * places[:, 1:2, 2:3] + np.nan, spreads[:, :1, :1], [0.5], SCALE)).all()


def test_held_out_observations_that_miss_a_part_are_left_out() -> None:
    learned, location, spread = simulate(90, seed=9)
    learned[::3] = np.nan
    location[1, 0] = np.nan
    joint = calibrate_jointly(learned, location, spread)
    assert len(joint.residuals) == 59
    known = np.isfinite(learned).all(axis=1) & np.isfinite(location).all(axis=1)
    assert joint.scales[0] == (spread[known, 0].min(), spread[known, 0].max())


def test_spreads_beyond_those_that_were_met_count_as_the_nearest() -> None:
    joint = calibrated(300)
    location, widest = np.zeros((2, 1)), np.array([[highest] for _, highest in joint.scales])
    one, other = (joint.describe(location, spread, [0.05, 0.95], SCALE) for spread in (widest, 1e12 * widest))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("residuals", "scales"),
    [
        ((), ((1.0, 1.0),)),
        (((0.0, 1.0),), ((1.0, 1.0),)),
        (((0.0,),) * (MOST_RESIDUALS + 1), ((1.0, 1.0),)),
        (((float("nan"),),), ((1.0, 1.0),)),
        (((0.0,),), ()),
        (((0.0,),), ((0.0, 1.0),)),
        (((0.0,),), ((2.0, 1.0),)),
        (((0.0,),), ((1.0, float("inf")),)),
    ],
    ids=str,
)
def test_a_calibration_that_makes_no_sense_is_refused(residuals: object, scales: object) -> None:
    with pytest.raises(ValueError, match="joint calibration"):
        JointCalibration(residuals, scales)  # type: ignore[arg-type]
