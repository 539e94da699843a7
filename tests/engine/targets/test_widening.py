"""Limits from few independent residuals: simulated groups that share errors, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import t as student

from soil_cnn_plugin.engine.assessment.independent_errors import independent_share
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.targets.joint_calibration import calibrate_jointly
from soil_cnn_plugin.engine.targets.scales import TargetScale
from soil_cnn_plugin.engine.targets.widening import widened

PLAIN = TargetScale("none", 0.0, 1.0)
LEVELS = (0.05, 0.95)


def test_limits_of_groups_that_share_errors_hold() -> None:
    """5 groups of 15 whose errors have a correlation of 0.9: without widening, intervals of 90 % hold about 80 %."""
    covered = {"as they are": [], "widened": []}
    for seed in range(150):
        rng = np.random.default_rng(seed)
        group = np.repeat(np.arange(5), 15)
        truth = np.sqrt(0.9) * rng.normal(size=5)[group] + np.sqrt(0.1) * rng.normal(size=75)
        places = rng.uniform(0, 1000, (5, 2))[group] + rng.normal(0, 5, (75, 2))
        # A held-out group is predicted by the mean of the others, a map by the mean of all.
        of_group = np.bincount(group, truth)
        errors = truth - (truth.sum() - of_group[group]) / 60
        share = independent_share(errors, places)
        for name, each in (("as they are", 1.0), ("widened", share)):
            calibration = calibrate(errors, np.zeros(75), np.ones(75), independent=each)
            low, high = (calibration.quantile(np.zeros(1), np.ones(1), p, PLAIN)[0] for p in LEVELS)
            covered[name].append(ndtr(high + truth.mean()) - ndtr(low + truth.mean()))
    assert np.mean(covered["as they are"]) < 0.85
    assert 0.87 < np.mean(covered["widened"]) < 0.93


def test_residuals_widen_as_quantiles_of_t_do() -> None:
    z = np.sort(np.random.default_rng(1).normal(size=99))
    wide, most = widened(z, 0.1)
    place = 94  # the level 0.95 of 99
    factor = student.ppf(0.95, 8.9) / student.ppf(0.95, 98)
    assert (wide[place] - z[49]) / (z[place] - z[49]) == pytest.approx(factor)
    assert most == pytest.approx(student.ppf(0.99, 8.9) / student.ppf(0.99, 98))
    assert (np.diff(wide) >= 0).all() and wide[49] == z[49]


def test_means_and_the_spread_around_them_stay() -> None:
    rng = np.random.default_rng(2)
    target, location, scale = rng.normal(size=60), np.zeros(60), np.ones(60)
    for transform in (PLAIN, TargetScale("log", 1.0, 0.5)):
        plain, wide = (calibrate(target, location, scale, independent=share) for share in (1.0, 0.1))
        place = rng.normal(size=9), np.full(9, 1.0)
        for one, other in zip(plain.mean_and_deviation(*place, transform), wide.mean_and_deviation(*place, transform)):
            np.testing.assert_allclose(one, other)
    assert wide.quantile(*place, 0.99, PLAIN)[0] - place[0][0] > target.max()  # beyond what was met
    assert calibrate(target, location, scale, independent=0.999) == plain


def test_joint_residuals_widen_around_their_means() -> None:
    z = np.random.default_rng(3).normal(size=(100, 2)) + [1, 2]
    plain, wide = (np.array(calibrate_jointly(z, 0 * z, 1 + 0 * z, share).residuals) for share in (1.0, 0.2))
    np.testing.assert_allclose(wide.mean(axis=0), plain.mean(axis=0))
    factor = student.ppf(0.95, 19) / student.ppf(0.95, 99)
    np.testing.assert_allclose(wide.std(axis=0), factor * plain.std(axis=0))
