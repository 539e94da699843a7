"""The scales targets are learned on, and which one is taken."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.scales import (
    TargetScale,
    choose_transform,
    fit_scale,
    logarithm_in_words,
    transform_in_words,
    upper_bound,
)

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
    assert choose_transform("auto", VALUES["log"], SoilProperty("zinc")) == "log"
    assert choose_transform("auto", VALUES["none"], SoilProperty("ph")) == "none"
    assert choose_transform("auto", np.append(VALUES["log"], 0.0), SoilProperty("zinc")) == "none"  # no logarithm of 0
    assert choose_transform("auto", -VALUES["log"], SoilProperty("x")) == "none"
    assert choose_transform("auto", RNG.normal(50, 5, 200), SoilProperty("clay")) == "none"
    assert choose_transform("auto", np.append(VALUES["log"], np.nan), SoilProperty("zinc")) == "log"


SKEWED = np.append(np.full(60, 4.2) + np.linspace(0, 0.3, 60), [6.5, 7.2, 7.4, 7.9])


@pytest.mark.parametrize(
    ("field", "unit"),
    [
        *(("pH", ""), ("ph_0_5", ""), ("pH_H2O", "-"), ("PHIHOX", ""), ("phkcl", ""), ("pH_CaCl2_0_30", "1")),
        *(("soilPH", ""), ("topsoil_pH", ""), ("pHwater", ""), ("ph_wert", "none"), ("reaction", "pH")),
        *(("acidity", "pH units"), ("suction", "pF"), ("pF", ""), ("log_zinc", "mg/kg"), ("ln_soc", ""), ("lgCu", "")),
        *(("logZn", "mg/kg"), ("log10zn", ""), ("lnksat", ""), ("zinc_log", ""), ("zinc", "log(mg/kg)")),
        *(("zinc", "ln mg/kg"), ("soc", "log10(%)"), ("k", "lg"), ("acid", "-log(mol/l)"), ("signal", "dB")),
    ],
)
def test_what_is_a_logarithm_already_is_not_logged_again(field: str, unit: str) -> None:
    known = SoilProperty(field, unit)
    assert choose_transform("auto", SKEWED, SoilProperty("zinc", "mg/kg")) == "log"
    assert choose_transform("auto", SKEWED, known) == "none"
    fact, doubt = transform_in_words("auto", SKEWED, known)
    assert f"{field}: its values are above 0 and skewed" in fact and "no logarithm is taken, because it is" in fact
    assert doubt == "" and choose_transform("log", SKEWED, known) == "log"  # who asks for it gets it, and is told
    assert (
        f"{field} is learned as its logarithm, as you asked, but it is" in transform_in_words("log", SKEWED, known)[1]
    )


@pytest.mark.parametrize(
    ("field", "unit", "factor"),
    [
        *(("zinc", "mg/kg", 1), ("phosphorus", "mg/kg", 1), ("ph", "mg/kg", 1), ("p", "", 1), ("phenanthrene", "", 1)),
        *(("alphabet", "", 1), ("biology", "", 1), ("logging", "", 1), ("land", "lg/kg", 1), ("slope", "", 1)),
        *(("ph", "", 100), ("log_zinc", "", 100), ("pF2", "", 10), ("x", "pH", 100), ("graph", "", 1)),
    ],
)
def test_other_names_and_impossible_values_are_no_logarithms(field: str, unit: str, factor: float) -> None:
    known, values = SoilProperty(field, unit), factor * SKEWED
    assert logarithm_in_words(known, values) == "" and choose_transform("auto", values, known) == "log"
    assert "so it is learned as its logarithm" in transform_in_words("auto", values, known)[0]
    assert transform_in_words("log", values, known) == ("", "")


def test_values_that_are_not_skewed_or_take_negative_numbers_need_no_word() -> None:
    for values in (VALUES["none"], RNG.normal(50, 5, 200), SKEWED - 6):
        assert choose_transform("auto", values, SoilProperty("ph")) == "none"
        assert transform_in_words("auto", values, SoilProperty("ph")) == ("", "")


def test_auto_leaves_values_that_the_logarithm_would_skew_more() -> None:
    values = np.concatenate([np.full(50, 1e-12), np.linspace(1, 1.2, 40), [4, 5]])
    assert choose_transform("auto", np.exp(values), SoilProperty("x")) in ("none", "log")
    assert choose_transform("none", VALUES["log"], SoilProperty("zinc")) == "none"


def test_a_transform_that_the_values_forbid_is_told_with_their_number() -> None:
    values = np.array([3.0, 0.0, -1.0, 5.0, np.nan])
    with pytest.raises(
        EngineError, match="zinc: 2 of 4 values are 0 or negative.*Choose the transform 'none' or 'auto'"
    ):
        choose_transform("log", values, SoilProperty("zinc"))
    with pytest.raises(EngineError, match="clay: .* but the values go from -1 to 5.*Choose 'none' or 'auto'"):
        choose_transform("logit", values, SoilProperty("clay"))
    with pytest.raises(EngineError, match="go from 20 to 140"):
        choose_transform("logit", np.array([20.0, 140.0]), SoilProperty("carbon"))
    assert choose_transform("logit", np.array([0.0, 100.0]), SoilProperty("clay")) == "logit"


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
