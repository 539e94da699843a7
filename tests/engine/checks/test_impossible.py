"""Values that nothing has: found where they are, and not where other fields have them by their nature."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.checks.field_summary import FieldCheck, check_field
from soil_cnn_plugin.engine.checks.impossible import is_ph
from soil_cnn_plugin.engine.checks.measured import read_measured

RNG = np.random.default_rng(3)
ZINC = np.exp(RNG.normal(5, 0.5, 100)).round(1)


def check(field: str, values: object, unit: str = "", is_part: bool = False) -> FieldCheck:
    return check_field(read_measured(SoilProperty(field, unit), np.asarray(values)), is_part)


def rows(found: FieldCheck, kind: str) -> list[int]:
    """Of the findings of a kind, the observations."""
    return [row for each in found.findings if each.kind == kind for row in each.rows.tolist()]


def with_values(values: np.ndarray, **at: float) -> np.ndarray:
    """A copy with other values: `with_values(ZINC, _3=-9999)`."""
    copy = values.copy()
    for place, value in at.items():
        copy[int(place[1:])] = value
    return copy


@pytest.mark.parametrize("code", [-9999.0, -999.0, -99.0, -1.0, 9999.0, 99999.0, -32768.0, -2147483648.0])
def test_usual_codes_apart_from_all_others_are_found(code: float) -> None:
    found = check("zinc", with_values(ZINC, _3=code, _7=code), "mg/kg")
    assert rows(found, "missing_code") == [3, 7]
    assert not found.is_known[[3, 7]].any() and found.is_known.sum() == 98
    assert (found.summary.known, found.summary.codes, found.summary.negative) == (98, 2, 0)
    (finding,) = [each for each in found.findings if each.kind == "missing_code"]
    assert f'nullif("zinc", {code:.0f})' in finding.remedy and f"zinc is {code:.0f} at" in finding.sentence


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("zinc", np.append(ZINC * 5, [999.0, 999.0])),  # among the others
        ("temp", with_values(RNG.normal(0, 6, 100).round(1), _3=-1, _4=-9)),
        ("sand", np.append(RNG.uniform(2, 97, 60), 99.0)),
    ],
)
def test_numbers_of_codes_that_may_be_measured_are_left_alone(field: str, values: np.ndarray) -> None:
    assert rows(check(field, values), "missing_code") == []


def test_a_field_of_nothing_but_codes_is_one() -> None:
    found = check("zinc", np.full(30, -9999.0))
    assert len(rows(found, "missing_code")) == 30 and found.summary.known == 0


def test_infinite_values_and_those_of_raster_formats_are_found() -> None:
    found = check("zinc", with_values(ZINC, _2=np.inf, _5=-3.4e38))
    assert rows(found, "infinite") == [2, 5]
    assert found.summary.quantiles[-1] == ZINC.max() or found.summary.known == 98


@pytest.mark.parametrize(("field", "unit"), [("zinc", "mg/kg"), ("clay", "%"), ("soc", "g/kg"), ("x1", "")])
def test_a_negative_content_is_found_by_unit_name_or_rarity(field: str, unit: str) -> None:
    assert rows(check(field, with_values(ZINC / 20, _9=-0.37), unit), "negative") == [9]


@pytest.mark.parametrize(("field", "values"), [("log_zinc", ZINC - 200), ("d13C", ZINC - 150), ("index", ZINC - 150)])
def test_fields_that_are_negative_by_their_nature_are_left_alone(field: str, values: np.ndarray) -> None:
    assert (values < 0).sum() > 5
    found = check(field, values)
    assert rows(found, "negative") == rows(found, "minus_for_limit") == []


def test_a_minus_for_below_the_limit_is_told_from_negative_values() -> None:
    values = ZINC.copy()
    values[:30] = np.where(np.arange(30) % 2, -0.5, -2.0)
    found = check("gold", values, "ppb")
    assert rows(found, "minus_for_limit") == list(range(30)) and rows(found, "negative") == []
    finding = next(each for each in found.findings if each.kind == "minus_for_limit")
    assert "-2 stands for <2" in finding.sentence and "'<' || abs(\"gold\")" in finding.remedy


def test_percentages_above_the_whole_are_found_and_other_units_are_not() -> None:
    values = with_values(RNG.uniform(5, 60, 80), _1=101.0)
    assert rows(check("clay", values, "%"), "above_whole") == [1]
    assert rows(check("clay_0_5", np.where(values > 100, 100.0, values)), "above_whole") == []
    assert rows(check("clay", values * 10, "g/kg"), "above_whole") == []


def test_impossible_and_unusual_ph() -> None:
    found = check("pH_H2O", with_values(RNG.normal(6, 0.5, 80), _1=63.0, _2=-0.5, _3=1.5, _4=11.5))
    assert rows(found, "impossible_ph") == [1, 2]
    assert rows(found, "unusual_ph") == [3, 4]
    assert rows(found, "negative") == []


@pytest.mark.parametrize("field", ["pH", "ph", "PHIHOX", "ph_h2o", "pHCaCl2", "soil_pH", "ph_0_5", "phkcl"])
def test_names_of_ph(field: str) -> None:
    assert is_ph(field)


@pytest.mark.parametrize("field", ["phosphorus", "p", "graph", "phase", "PHOSP", "depth"])
def test_names_of_something_else(field: str) -> None:
    assert not is_ph(field)


def test_good_values_have_no_findings_but_a_summary() -> None:
    found = check("zinc", with_values(ZINC, _0=np.nan, _1=0.0), "mg/kg")
    assert found.findings == []
    summary = found.summary
    assert (summary.known, summary.missing, summary.zero, summary.negative, summary.below) == (99, 1, 1, 0, 0)
    np.testing.assert_allclose(summary.quantiles, np.quantile([0.0, *ZINC[2:]], [0, 0.25, 0.5, 0.75, 1]))
    assert sum(summary.bars) == 99


def test_the_suggested_transform_is_that_of_the_training() -> None:
    skewed = np.exp(RNG.normal(0, 1, 200))
    assert check("zinc", skewed).summary.transform == "log"
    assert check("bulk", RNG.normal(1.4, 0.1, 200)).summary.transform == "none"
    assert check("clay", skewed, is_part=True).summary.transform == "log-ratio"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.full(40, 3.0), "constant"),
        (np.full(40, np.nan), "empty_field"),
        (np.arange(12.0) ** 2, "few_values"),
        (np.repeat([1.0, 2.0, 3.0], 20), "code_like"),
    ],
)
def test_fields_that_are_no_use_are_told(values: np.ndarray, kind: str) -> None:
    assert [each.kind for each in check("a", values).findings] == [kind]


@pytest.mark.parametrize(("count", "words"), [(12, "Training needs at least 20, and"), (25, "that training needs are")])
def test_few_values_say_whether_they_are_enough_to_train(count: int, words: str) -> None:
    (found,) = check("a", np.arange(float(count)) ** 2).findings
    assert found.kind == "few_values" and words in found.remedy and "100 or more make" in found.remedy
    assert not check("a", np.arange(30.0) ** 2).findings
