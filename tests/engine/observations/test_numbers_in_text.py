"""Numbers as laboratories and spreadsheets write them."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.checks.measured import read_measured
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import parse_numbers, read_numbers
from soil_cnn_plugin.engine.observations.target_values import holds_names
from tests.engine.layers import layer_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("<0.5", 0.5), ("< 0,5", 0.5), ("<=0.5", 0.5), ("< = 0.5", 0.5), ("<=0,5", 0.5), (" <.5 ", 0.5), ("<5e-1", 0.5),
    ],
)  # fmt: skip
def test_below_a_limit_is_a_number_with_a_mark(text: str, number: float) -> None:
    parsed = parse_numbers(np.array([text, "0.5"], object))
    assert parsed.values.tolist() == [number, 0.5]
    assert parsed.is_below.tolist() == [True, False]
    assert parsed.failed == [] and not parsed.is_undetected.any()


def test_numbers_have_a_point_or_a_comma() -> None:
    parsed = parse_numbers(np.array(["1.5", "1,5", "+2", "-3,", ",25", "1E2", "1.5e-1"], object))
    assert parsed.values.tolist() == [1.5, 1.5, 2, -3, 0.25, 100, 0.15]
    assert not parsed.is_below.any() and parsed.failed == []


@pytest.mark.parametrize("text", ["", "  ", "NA", "n/a", "NaN", "NULL", "none", "-", "--", "\u2013", ".", None, np.nan])
def test_missing_is_no_number_and_no_failure(text: object) -> None:
    parsed = parse_numbers(np.array([text, "1"], object))
    assert np.isnan(parsed.values[0]) and parsed.values[1] == 1
    assert parsed.failed == [] and not parsed.is_undetected.any()


@pytest.mark.parametrize("text", ["nd", "N.D.", "n.n.", "BDL", "< LOD", "<LOQ", "not  detected"])
def test_not_detected_without_a_number_is_known_as_that(text: str) -> None:
    parsed = parse_numbers(np.array([text, "1", ""], object))
    assert parsed.is_undetected.tolist() == [True, False, False]
    assert np.isnan(parsed.values[0]) and not parsed.is_below.any()
    assert parsed.failed == [text] and parsed.unknown == []


@pytest.mark.parametrize("text", [">100", "1.234,5", "1 000", "12 mg/kg", "0.5<", "<", "<<5", "trace", "1-2", "0x10"])
def test_anything_else_is_no_number(text: str) -> None:
    parsed = parse_numbers(np.array([text, "1"], object))
    assert np.isnan(parsed.values[0])
    assert parsed.failed == parsed.unknown == [text]


def test_commas_that_may_separate_thousands_are_found() -> None:
    assert parse_numbers(np.array(["1,234", "56", "12,500"], object)).odd_comma == "1,234"
    assert parse_numbers(np.array(["1,234", "0,5"], object)).odd_comma == ""
    assert parse_numbers(np.array(["0,123", "0,456"], object)).odd_comma == ""
    assert parse_numbers(np.array(["1.234"], object)).odd_comma == ""


def test_points_of_several_values_that_all_may_separate_thousands_are_told_as_commas_are() -> None:
    assert parse_numbers(np.array(["7.614", "56", "12.500"], object)).odd_point == "7.614"
    for texts in (["7.614", "12.5"], ["0.614", "0.500"], ["7.614", "56"], ["7,614", "12,500"]):
        assert parse_numbers(np.array(texts, object)).odd_point == ""
    notes: list[str] = []
    assert read_numbers(layer_of(zinc=["7.614", "12.500"]), "zinc", "target", notes).tolist() == [7.614, 12.5]
    assert notes[0].endswith(
        "were read as numbers. Points count as decimal signs, not as separators of thousands (7.614)."
    )


@pytest.mark.parametrize(
    ("texts", "thousands", "decimal"),
    [
        (["980,5", "1.234", "<2.500", "7"], ["1.234", "<2.500"], "980,5"),
        (["1,234", "980.5", "0.12"], ["1,234"], "980.5"),
        (["1.234", "2.345"], [], ""),
        (["1.234", "2,345"], [], ""),
        (["0.5", "0,7", "1.234"], [], ""),
    ],
)
def test_thousands_beside_decimals_are_no_numbers(texts: list[str], thousands: list[str], decimal: str) -> None:
    parsed = parse_numbers(np.array(texts, object))
    assert (parsed.unknown, parsed.decimal, parsed.failed) == (thousands, decimal, [])


def test_thousands_beside_decimals_are_refused_with_a_remedy_and_are_no_classes() -> None:
    texts = ["1.234", "2.500", "980,5"]
    with pytest.raises(
        EngineError, match="2 of its 3 values are not numbers: '1.234', '2.500'. Beside '980,5', a point"
    ):
        read_numbers(layer_of(zinc=texts), "zinc", "target", [])
    assert not holds_names(layer_of(zinc=texts), "zinc")
    measured = read_measured(SoilProperty("zinc"), np.array(texts, object))
    assert measured.is_failed.tolist() == [True, True, False] and np.isnan(measured.values[:2]).all()


@pytest.mark.parametrize("null", [-1.7976931348623157e308, -3.4028234663852886e38, 1e20, 9.96921e36, 1e30])
def test_what_programs_write_for_missing_is_missing_and_told(null: float) -> None:
    for values in ([null, 2.0, null], [f"{null!r}", "2", f"{null!r}"]):
        notes: list[str] = []
        numbers = read_numbers(layer_of(clay=values), "clay", "target", notes)
        np.testing.assert_array_equal(numbers, [np.nan, 2.0, np.nan])
        assert any("clay: 2 of 3 numbers are beyond 1e+19" in note for note in notes)


def test_a_field_of_nothing_but_them_is_refused() -> None:
    with pytest.raises(EngineError, match="clay of 'soil' has no value at any of its 2 observations"):
        read_numbers(layer_of(clay=[-1.7976931348623157e308] * 2), "clay", "target", [])


def test_large_numbers_that_may_be_measured_stay() -> None:
    notes: list[str] = []
    assert read_numbers(layer_of(clay=[1e15, -1e12]), "clay", "target", notes).tolist() == [1e15, -1e12]
    assert notes == []
