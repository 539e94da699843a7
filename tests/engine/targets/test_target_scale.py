"""The scales targets are learned on, and which one is taken."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.scales import TargetScale, choose_transform, fit_scale, upper_bound

RNG = np.random.default_rng(0)
VALUES = {
    "none": RNG.normal(-3, 5, 200),
    "log": np.exp(RNG.normal(4, 1, 200)),
    "logit": np.clip(RNG.normal(40, 40, 200), 0, 100),
}


@pytest.mark.parametrize("transform", VALUES)
def test_there_and_back_is_where_it_began(transform: str) -> None:
    values = VALUES[transform].copy()
    values[5] = np.nan
    scale = fit_scale(transform, values, 100.0)
    standardized = scale.forward(values)
    assert np.nanmean(standardized) == pytest.approx(0, abs=1e-9) and np.nanstd(standardized) == pytest.approx(1)
    assert np.isnan(standardized[5])
    np.testing.assert_allclose(scale.back(standardized), values, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("upper", [1.0, 100.0])
def test_logit_stays_within_its_bounds_whatever_is_predicted(upper: float) -> None:
    values = VALUES["logit"] / 100 * upper
    assert values.min() == 0 and values.max() == upper
    scale = fit_scale("logit", values, upper_bound(values))
    assert scale.upper == upper
    with np.errstate(all="raise"):
        found = scale.back(np.array([-1e6, -50.0, -3.0, 0.0, 3.0, 50.0, 1e6]))
    assert (np.diff(found) >= 0).all() and found[0] == 0 and found[-1] == upper


def test_percentages_stay_percentages_where_those_trained_on_are_all_below_one() -> None:
    carbon = np.array([0.2, 0.5, np.nan, 0.9, 3.0])
    assert upper_bound(carbon) == 100 and upper_bound(carbon[:4]) == 1
    assert fit_scale("logit", carbon[:4], upper_bound(carbon)).back(np.array([40.0]))[0] > 1


def test_log_is_never_negative() -> None:
    assert (fit_scale("log", VALUES["log"], 1.0).back(np.array([-50.0, 0.0, 5.0])) > 0).all()


def test_auto_takes_the_logarithm_of_skewed_positive_values_alone() -> None:
    assert choose_transform("auto", VALUES["log"], "zinc") == "log"
    assert choose_transform("auto", VALUES["none"], "ph") == "none"
    assert choose_transform("auto", np.append(VALUES["log"], 0.0), "zinc") == "none"  # no logarithm of 0
    assert choose_transform("auto", -VALUES["log"], "x") == "none"
    assert choose_transform("auto", RNG.normal(50, 5, 200), "clay") == "none"
    assert choose_transform("auto", np.append(VALUES["log"], np.nan), "zinc") == "log"


def test_auto_leaves_values_that_the_logarithm_would_skew_more() -> None:
    values = np.concatenate([np.full(50, 1e-12), np.linspace(1, 1.2, 40), [4, 5]])
    assert choose_transform("auto", np.exp(values), "x") in ("none", "log")
    assert choose_transform("none", VALUES["log"], "zinc") == "none"


def test_a_transform_that_the_values_forbid_is_told_with_their_number() -> None:
    values = np.array([3.0, 0.0, -1.0, 5.0, np.nan])
    with pytest.raises(
        EngineError, match="zinc: 2 of 4 values are 0 or negative.*Choose the transform 'none' or 'auto'"
    ):
        choose_transform("log", values, "zinc")
    with pytest.raises(EngineError, match="clay: .* but the values go from -1 to 5.*Choose 'none' or 'auto'"):
        choose_transform("logit", values, "clay")
    with pytest.raises(EngineError, match="go from 20 to 140"):
        choose_transform("logit", np.array([20.0, 140.0]), "carbon")
    assert choose_transform("logit", np.array([0.0, 100.0]), "clay") == "logit"


def test_a_constant_target_has_a_spread_of_one() -> None:
    scale = fit_scale("none", np.full(5, 7.0), 1.0)
    assert (scale.centre, scale.spread) == (7.0, 1.0)


@pytest.mark.parametrize(
    "wrong",
    [("cube", 0.0, 1.0), ("log", 0.0, 0.0), ("log", np.nan, 1.0), ("log", 0.0, np.inf), ("logit", 0.0, 1.0, 0.0),
     ("logit", 0.0, 1.0, 1.0, 0.5)],
)  # fmt: skip
def test_a_scale_that_makes_no_sense_is_refused(wrong: tuple[object, ...]) -> None:
    with pytest.raises(ValueError, match="no scale of a target"):
        TargetScale(*wrong)  # type: ignore[arg-type]
