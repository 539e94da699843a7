"""Fields: which are checked, what their texts say, detection limits, sums of parts, and soil classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from soil_cnn_plugin.contract.language import some_of
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.checks.doubtful_names import check_classes
from soil_cnn_plugin.engine.checks.fields import mark_below_limits
from soil_cnn_plugin.engine.checks.findings import Finding, examples
from soil_cnn_plugin.engine.checks.measured import Measured, choose_fields, is_classes, read_measured
from soil_cnn_plugin.engine.checks.sums import check_sums
from soil_cnn_plugin.engine.checks.texts import check_texts

RNG = np.random.default_rng(8)
XY = RNG.uniform(1000, 2000, (40, 2))
NOWHERE = np.full(40, np.nan)


def measured(field: str, values: list[Any] | np.ndarray) -> Measured:
    is_text = isinstance(values, list) and any(isinstance(value, str) for value in values)
    return read_measured(SoilProperty(field), np.array(values, object if is_text else float))


def of_kind(found: list[Finding], kind: str) -> list[int]:
    return [row for each in found if each.kind == kind for row in each.rows.tolist()]


def test_fields_are_chosen_that_hold_measured_numbers() -> None:
    texts = np.array([f"{value:.1f}".replace(".", ",") for value in XY[:, 0]], object)
    texts[::3] = "<1"
    columns = {
        "zinc": RNG.normal(5, 1, 40),
        "om": texts,
        "ID": RNG.permutation(40),
        "profile_no": RNG.permutation(40) * 7,
        "Easting": XY[:, 0],
        "lon": RNG.normal(9, 0.1, 40),
        "x_feet": XY[:, 0] / 0.3048,
        "soil": np.array(["Luvisol", "Gleysol"] * 20, object),
        "depth": RNG.normal(5, 1, 40),
    }
    chosen, left_out = choose_fields(columns, ["depth"], XY)
    assert chosen == ["zinc", "om"]
    assert {name: why.split(":")[0] for name, why in left_out.items()} == {
        "ID": "an identifier",
        "profile_no": "an identifier",
        "Easting": "a coordinate",
        "lon": "a coordinate",
        "x_feet": "a coordinate",
        "soil": "text",
    }


def test_texts_that_are_no_numbers_are_found_with_what_stands_there() -> None:
    field = measured("om", ["1,5", "2.5", "", None, "many", "see note", " 7 ", "many"])
    np.testing.assert_array_equal(field.values, [1.5, 2.5, np.nan, np.nan, np.nan, np.nan, 7, np.nan])
    found = check_texts(field)
    assert of_kind(found, "no_number") == [4, 5, 7]
    assert found[0].values == ["many", "see note", "many"]
    assert "'many' and 'see note' at 3 of 8 observations" in found[0].sentence
    assert "1 of them with a decimal comma" in found[1].sentence


def test_commas_that_may_separate_thousands_are_told_and_decimal_ones_are_not() -> None:
    assert of_kind(check_texts(measured("cu", ["1,234", "950", "2,100"])), "thousands") == [0, 2]
    assert of_kind(check_texts(measured("cu", ["1,234", "950", "2,1"])), "thousands") == []


def test_points_that_may_separate_thousands_are_told_as_commas_are() -> None:
    found = check_texts(measured("cu", ["1.234", "950", "2.100"]))
    assert of_kind(found, "thousands") == [0, 2]
    assert found[0].sentence.startswith(
        "All points of cu stand before three digits (1.234 and 2.100). They are read as"
    )
    assert found[0].remedy == "If they separate thousands, take them out: replace(\"cu\", '.', '')."
    assert of_kind(check_texts(measured("cu", ["1.234", "950", "2.1"])), "thousands") == []


def test_thousands_beside_decimals_are_to_be_repaired() -> None:
    found = check_texts(measured("cu", ["1.234", "980,5", "many", "7"]))
    assert [(each.kind, each.rows.tolist()) for each in found[:2]] == [("no_number", [2]), ("no_number", [0])]
    assert found[1].sentence == "cu holds '1.234' at 1 of 4 observations, which may be thousands beside '980,5'."
    assert found[1].remedy.startswith("Write every number with the same decimal sign, and thousands without one.")


def test_numbers_with_a_unit_are_no_classes_and_come_with_a_remedy() -> None:
    texts = [f"{value:.1f} %" for value in RNG.uniform(1, 60, 40)]
    assert not is_classes(np.array(texts, object))
    assert is_classes(np.array(["2nd terrace", "3rd terrace"] * 20, object))
    found = check_texts(measured("clay", texts))
    assert of_kind(found, "no_number") == list(range(40))
    assert found[0].remedy.endswith(
        "Or make a numeric field of the numbers in them:"
        " try(to_real(regexp_substr(replace(\"clay\", ',', '.'), '(-?[0-9.]+)')), NULL)."
    )
    with_limits = check_texts(measured("clay", [*texts, "<1 %"]))
    assert with_limits[0].remedy.endswith("Extract patches refuses the field until then.")


def test_values_below_limits_in_texts_are_counted() -> None:
    field, summary, found = mark_below_limits(measured("cu", ["<0.5", "< 2", "3", "4"]), None)
    assert summary is not None and (summary.below, summary.known, summary.share) == (2, 4, 0.5)
    assert (summary.lowest, summary.highest) == (0.5, 2.0)
    assert [each.kind for each in found] == ["below_limit"] and "2 of 4 values of cu (50 %)" in found[0].sentence
    assert field.is_below.tolist() == [True, True, False, False]


def test_a_field_of_limits_censors_and_shows_what_was_put_in_their_place() -> None:
    values, limits = [0.15, 0.3, 5.0, np.nan, 2.0, -0.3, 7.0], [0.3, 0.3, 0.3, 0.3, 0.0, 0.3, np.nan]
    field, summary, found = mark_below_limits(measured("cd", np.array(values)), measured("cd_dl", np.array(limits)))
    assert field.is_below.tolist() == [True, True, False, False, False, True, False]
    np.testing.assert_array_equal(field.values, [0.3, 0.3, 5, np.nan, 2, 0.3, 7])
    assert summary is not None and (summary.below, summary.half, summary.equal) == (3, 1, 1)
    assert of_kind(found, "wrong_limit") == [4]
    assert of_kind(found, "limit_without_value") == [3]


def test_not_detected_needs_a_limit() -> None:
    texts = measured("cd", ["n.d.", "n.d.", "5", "6"])
    assert of_kind(mark_below_limits(texts, None)[2], "undetected") == [0, 1]
    field, _, found = mark_below_limits(texts, measured("cd_dl", np.array([0.3, np.nan, 0.3, 0.3])))
    assert of_kind(found, "undetected") == [1]
    assert field.values[0] == 0.3 and field.is_below[0]


def sums(*parts: list[float]) -> tuple[Any, list[Finding]]:
    fields = [measured(name, np.array(part)) for name, part in zip(("sand", "silt", "clay"), parts)]
    return check_sums(fields, [np.isfinite(field.values) for field in fields])


def test_sums_are_counted_by_their_distance_from_the_whole() -> None:
    summary, found = sums(
        [40, 40, 40, 40, 40, 40, 40, np.nan], [30, 30, 30, 30, 30, 30, 0, 30], [30, 31, 31.1, 35, 25, 40, 60, 30]
    )
    assert (summary.whole, summary.complete, summary.near, summary.fair, summary.far) == (100, 7, 3, 6, 1)
    assert (summary.torn, summary.with_zero) == (1, 1)
    assert of_kind(found, "sum_far") == [5] and found[1].texts == ["sand + silt + clay is 110, not 100."]
    assert of_kind(found, "torn_composition") == [7] and found[0].texts == ["sand is missing."]


@pytest.mark.parametrize("whole", [1.0, 1000.0])
def test_other_wholes_are_recognized(whole: float) -> None:
    summary, found = sums(*([[share * whole] * 5 for share in (0.5, 0.3, 0.2)]))
    assert (summary.whole, summary.near, found) == (whole, 5, [])


def test_a_part_that_was_not_chosen_is_one_problem_and_not_one_a_row() -> None:
    _, found = sums([40.0] * 9, [15.0] * 9)
    assert [each.kind for each in found] == ["parts_missing"] and len(found[0].rows) == 0
    assert "have a median sum of 55" in found[0].sentence


def test_classes_are_counted_whatever_their_spelling() -> None:
    column = np.array(["Luvisol"] * 9 + ["luvisol ", "LUVISOL"] + ["Gleysol"] * 6 + ["Podzol", None, " "], object)
    summary, found = check_classes("soil", column)
    assert summary.counts == (("Luvisol", 11), ("Gleysol", 6), ("Podzol", 1))
    assert (summary.known, summary.missing) == (18, 2)
    assert of_kind(found, "class_spelling") == [9, 10]
    assert of_kind(found, "rare_class") == [17]
    assert found[1].texts == ["soil is Podzol, a class with 1 observation."]


def test_more_than_fifty_classes_are_one_problem() -> None:
    _, found = check_classes("remark", np.array([f"remark {number}" for number in range(51)], object))
    assert [each.kind for each in found] == ["many_classes"]
    assert "51 different texts at 51 of 51 observations; 51 of them occur once" in found[0].sentence


def test_fifty_classes_with_enough_observations_are_fine() -> None:
    assert check_classes("soil", np.array([f"class {number % 50}" for number in range(300)], object))[1] == []


def test_lists_in_words() -> None:
    assert some_of(["a"]) == "a" and some_of(["a", "b", "c"]) == "a, b and c"
    assert some_of(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert examples(np.array([7.0, -1, -1, 7, 7])) == "7 and -1"
