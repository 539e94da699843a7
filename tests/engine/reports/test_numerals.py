"""Numbers as they are printed."""

import math

import pytest

from soil_cnn_plugin.engine.reports.words import decimals_for, fixed, percent, rounded, unbroken


@pytest.mark.parametrize(
    ("value", "text"),
    [(187.34, "187"), (1.0194, "1.02"), (0.34567, "0.346"), (0.0, "0.00"), (-1.234e-8, "−1.23 × 10⁻⁸")],
)
def test_three_digits_are_shown(value: float, text: str) -> None:
    assert rounded(value) == text


def test_nothing_is_a_dash() -> None:
    assert fixed(None, 2) == fixed(math.nan, 2) == fixed(math.inf, 2) == percent(None) == rounded(None) == "–"


def test_minus_is_a_minus_sign_and_zero_has_none() -> None:
    assert fixed(-1.25, 1) == "−1.2"
    assert fixed(-0.001, 2) == "0.00"


def test_shares_become_percent() -> None:
    assert percent(0.9149) == "91 %"
    assert percent(0.925, 1) == "92.5 %"


def test_decimals_follow_the_scale() -> None:
    assert [decimals_for(scale) for scale in (12345.0, 100.0, 10.0, 0.01)] == [0, 0, 1, 4]


def test_numbers_are_not_torn_from_their_signs() -> None:
    assert unbroken("a 12 % (p = 0.03) map, p < 0.001") == "a 12\u00a0% (p\u00a0=\u00a00.03) map, p\u00a0<\u00a00.001"
