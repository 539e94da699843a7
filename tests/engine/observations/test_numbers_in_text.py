"""Numbers as laboratories and spreadsheets write them."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.observations.layer_fields import parse_numbers


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
