"""p is written in one way, adjusted for many comparisons, and told with what a test could have found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from soil_cnn_plugin.engine.assessment.significance import above, holm, p_text, p_words, paired_test, percent_text


@pytest.mark.parametrize(
    ("p", "text"), [(0.0, "< 0.001"), (0.00099, "< 0.001"), (0.001, "0.001"), (0.0123, "0.012"), (0.5, "0.5"), (1, "1")]
)
def test_p_is_never_zero(p: float, text: str) -> None:
    assert p_text(p) == text
    assert p_words(p) == (f"p {text}" if text[0] == "<" else f"p = {text}")


def test_a_detectable_difference_has_two_digits() -> None:
    assert [percent_text(each) for each in (4.81, 12.3, 99.6, 134.2)] == ["4.8 %", "12 %", "100 %", "134 %"]


def test_p_is_adjusted_as_holm_does() -> None:
    """Expected values: R's p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm")."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.02, None, 0.6, 0.7]) == [pytest.approx(0.06), None, 1.0, 1.0]
    assert holm([]) == []


def test_the_detectable_difference_is_found_in_four_of_five_data_sets() -> None:
    rng = np.random.default_rng(0)
    level = paired_test(rng.normal(size=15), 0.25)
    assert level is not None
    error = np.sqrt(1 / 15 + 0.25)  # of the mean of 15 differences whose standard deviation is 1
    true = error * (stats.t.isf(0.025, 14) + stats.t.ppf(0.8, 14))
    found = []
    for _ in range(2000):  # the mean varies by that error, the spread over folds by itself
        values = rng.normal(size=15)
        values += true + error * rng.normal() - values.mean()
        test = paired_test(values, 0.25)
        assert test is not None
        found.append(test.p < 0.05)
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)
    assert level.detectable() == pytest.approx(true * level.standard_error / error)
    assert level.detectable(comparisons=3) > level.detectable() > level.detectable(sides=1)


def test_one_side_counts_differences_above_zero() -> None:
    test = paired_test(np.array([1.0, 2.0, 3.0]), 0.5)
    opposite = paired_test(np.array([-1.0, -2.0, -3.0]), 0.5)
    assert test is not None and above(test) == pytest.approx(test.p / 2)
    assert above(opposite) == pytest.approx(1 - test.p / 2) and above(None) is None
    assert test.lowest() == pytest.approx(2 - test.standard_error * stats.t.ppf(0.95, 2))
