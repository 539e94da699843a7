"""Values that no soil has stand out, and those of skewed or zero-rich properties do not."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.observations.target_values import find_wild

CLAY = np.random.default_rng(0).normal(20, 6, 100)
ZINC = np.exp(np.random.default_rng(1).normal(5, 1.2, 2000))


@pytest.mark.parametrize("code", [-9999.0, 9999.0, 2e5, -999.0])
def test_codes_for_missing_and_slips_of_unit_stand_out(code: float) -> None:
    values = np.where(np.arange(100) % 20 == 3, code, CLAY)
    assert find_wild(values).tolist() == (values == code).tolist()


@pytest.mark.parametrize(
    "values",
    [CLAY, ZINC, np.append(np.zeros(60), CLAY[:40]), np.full(30, np.nan), np.append(CLAY, np.nan), CLAY - 20],
)
def test_skewed_and_zero_rich_values_do_not(values: np.ndarray) -> None:
    assert not find_wild(values).any()
