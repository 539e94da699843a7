"""What networks and forests learn of observations below limits, and how a blend of them is weighed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.targets.groups import kinds_of, learn_all
from soil_cnn_plugin.engine.targets.learned import Learned
from soil_cnn_plugin.engine.targets.measured import TargetsInWords, TargetValues
from soil_cnn_plugin.engine.targets.numbers import ScaledNumber
from soil_cnn_plugin.engine.targets.scales import TargetScale
from soil_cnn_plugin.engine.training.fitting import fill_below

WORDS = TargetsInWords((SoilProperty("zinc"), SoilProperty("clay")))
SCALES = (TargetScale("log", 3.0, 0.5), TargetScale("none", 20.0, 4.0))
VALUES = np.array([[20.0, 16.0], [5.0, np.nan], [5.0, 24.0], [60.0, 30.0]])
CENSORED = np.array([[False, False], [True, False], [True, False], [False, False]])
ERRORS = np.array([[2.0, 0.0], [0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
MEASURED = TargetValues(VALUES, CENSORED, ERRORS, np.ones(4))


def learn(scales: Sequence[TargetScale], measured: TargetValues) -> Learned:
    return learn_all(kinds_of(WORDS), [ScaledNumber(scale) for scale in scales], measured)


def test_limits_and_errors_are_learned_on_the_scale_of_the_target() -> None:
    learned = learn(SCALES, MEASURED)
    np.testing.assert_allclose(learned.values[:, 0], (np.log(VALUES[:, 0]) - 3) / 0.5)
    np.testing.assert_array_equal(learned.is_censored, CENSORED)
    # Of a logarithm the error is nearly the coefficient of variation, divided by the spread.
    np.testing.assert_allclose(learned.errors[:, 0], [0.1 / 0.5, 0, 0.2 / 0.5, 0], rtol=0.02)
    np.testing.assert_allclose(learned.errors[:, 1], [0, 0, 0, 2 / 4])


def test_forests_get_draws_below_the_limits_and_what_was_measured() -> None:
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(4000, 2))
    values = centre + 0.5 * rng.normal(size=(4000, 2))
    values[::7, 0] = np.nan
    is_censored = (values < 0) & (np.arange(2) == 0)
    measured = TargetValues(values, is_censored, 0 * values, np.ones(4000))
    learned = learn((TargetScale("none", 0.0, 1.0),) * 2, measured)
    learned = replace(learned, values=np.where(is_censored, 0.0, values))
    filled = fill_below(learned, centre, np.full((4000, 2), 0.5), seed=0)
    np.testing.assert_array_equal(filled.values, learned.values)
    np.testing.assert_array_equal(filled.estimate[~is_censored], values[~is_censored])
    found = filled.estimate[is_censored]
    assert (found <= 0).all() and np.corrcoef(found, values[is_censored])[0, 1] > 0.5
    assert abs(found.mean() - values[is_censored].mean()) < 0.05
