"""Outliers: on the scale that suits the values, and only those."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.checks.measured import Measured, read_measured
from soil_cnn_plugin.engine.checks.outliers import check_outliers, fence

NORMAL = norm.ppf((np.arange(999) + 0.5) / 999) * 2 + 50  # symmetric, without chance


def measured(values: np.ndarray) -> Measured:
    return read_measured(SoilProperty("clay"), values)


def test_the_fence_of_normal_values_is_three_times_the_outermost_tenth() -> None:
    found = fence(NORMAL, is_bounded=True)
    assert found is not None and not found.is_log
    assert found.median == pytest.approx(50)
    assert found.high == pytest.approx(50 + 3 * 1.2816 * 2, abs=0.02)
    assert found.low == pytest.approx(50 - 3 * 1.2816 * 2, abs=0.02)


def test_the_fence_of_lognormal_values_is_that_of_their_logarithms() -> None:
    found = fence(np.exp(NORMAL / 10))
    assert found is not None and found.is_log
    assert np.log(found.high) == pytest.approx(5 + 3 * 1.2816 * 0.2, abs=0.01)


def test_bounded_values_keep_their_own_scale() -> None:
    found = fence(np.exp(NORMAL / 10), is_bounded=True)
    assert found is not None and not found.is_log


@pytest.mark.parametrize("values", [np.arange(15.0), np.full(100, np.nan), np.full(100, 3.0)])
def test_too_few_or_equal_values_have_no_fence(values: np.ndarray) -> None:
    assert fence(values) is None


def test_an_outlier_is_named_with_its_value_and_what_is_usual() -> None:
    values = np.append(NORMAL, 62.0)
    wild, found = check_outliers(measured(values), np.ones(1000, bool), True)
    assert not wild.any()
    assert [each.kind for each in found] == ["outlier"] and found[0].rows.tolist() == [999]
    assert "42.3 to 57.7" in found[0].texts[0] and found[0].values == ["62"]


def test_values_far_from_all_others_are_no_mere_outliers() -> None:
    values = np.append(NORMAL, 50_000.0)
    wild, found = check_outliers(measured(values), np.ones(1000, bool), False)
    assert np.flatnonzero(wild).tolist() == [999]
    assert [each.kind for each in found] == ["far_value"]


def test_what_is_not_usable_is_not_looked_at() -> None:
    usable = np.append(np.ones(999, bool), False)
    assert check_outliers(measured(np.append(NORMAL, 9999.0)), usable, False)[1] == []


def test_a_few_zeros_keep_the_logarithm_and_are_no_outliers() -> None:
    values = np.append(np.exp(NORMAL / 10), [0.0, 0.0])
    found = fence(values)
    assert found is not None and found.is_log
    assert check_outliers(measured(values), np.ones(1001, bool), False)[1] == []


def test_what_is_usual_is_not_negative_where_no_value_is() -> None:
    found = fence(np.append(NORMAL - 44, 0.0).clip(0), is_bounded=True)
    assert found is not None and found.low == 0


def test_many_zeros_do_not_make_the_rest_outliers() -> None:
    values = np.append(np.zeros(700), NORMAL[:300] / 50)
    assert check_outliers(measured(values), np.ones(1000, bool), False)[1] == []
