"""How many samples: learning curves of data whose error is known, and kriging from a grid."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.sampling import how_many
from soil_cnn_plugin.engine.sampling.how_many import curve_of_variogram, kriging_variance, learn_curve, spherical


def test_without_structure_a_grid_tells_no_more_than_its_mean() -> None:
    """A range below the spacing leaves the sill and the error of the mean of 121 nodes."""
    assert kriging_variance(0.0, 1.0, 1.0, 50.0) == pytest.approx(1 + 1 / 121, rel=0.02)


def test_the_variance_of_kriging_lies_below_that_from_four_corners_alone() -> None:
    """At the middle of a cell the four nearest nodes count alike, by symmetry: 2 g(d) - mean g is their variance. It is
    the largest in the cell, and further nodes lower it a little."""
    side, reach = 100.0, 500.0
    corners = np.array([[0, 0], [0, side], [side, 0], [side, side]])
    between = spherical(np.linalg.norm(corners[:, None] - corners, axis=2), 0.1, 1.0, reach)
    to_middle = float(spherical(np.array([side / np.sqrt(2)]), 0.1, 1.0, reach)[0])
    by_hand = 2 * to_middle - float(between.mean())
    assert 0.7 * by_hand < kriging_variance(0.1, 1.0, reach, side) < by_hand


def test_more_points_lower_the_error_towards_the_nugget() -> None:
    curve = curve_of_variogram(0.2, 1.0, 800.0, 1000.0, 50, "A variogram.", "%")
    assert (np.diff(curve.rmse) < 0).all()
    assert 0.2 < curve.rmse[-1] ** 2 < curve.rmse[0] ** 2 < 1.1
    assert curve.sentence.startswith("Twice the samples (100 instead of 50) lower the RMSE by about")
    dense = curve_of_variogram(0.2, 1.0, 800.0, 1000.0, 5000, "A variogram.")
    assert dense.gain[0] < curve.gain[0]
    district = curve_of_variogram(0.2, 1.0, 800.0, 12345.6, 50, "A variogram.")
    assert "over 12345.60 ha, without covariates" in district.basis


def test_a_learning_curve_falls_as_far_as_there_is_something_to_learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(how_many, "_TREES", 10)
    monkeypatch.setattr(how_many, "_REPEATS", 5)
    rng = np.random.default_rng(0)
    features = rng.normal(0, 1, (120, 3))
    values = 3 * features[:, 0] + np.sin(2 * features[:, 1]) + rng.normal(0, 0.5, 120)
    curve = learn_curve(features, values, 40, "%", 0, lambda share: None)
    assert curve.present == 120 and curve.counts[-1] == 240
    assert curve.measured[-1] < curve.measured[0] < values.std()
    assert 0.5 < curve.rmse[-1] < curve.rmse[0]
    assert 0 < curve.gain[1] <= curve.gain[0] <= curve.gain[2] < 0.4
    noise = learn_curve(features, rng.normal(0, 1, 120), 40, "%", 0, lambda share: None)
    assert noise.gain[0] < curve.gain[0]
