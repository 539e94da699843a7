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


METALS = np.exp(np.random.default_rng(2).uniform(np.log(113), np.log(1839), 155))  # as wide as zinc of the Meuse


@pytest.mark.parametrize("factor", [1000.0, 1e-3])
def test_a_slip_of_unit_stands_out_among_values_that_span_an_order_of_magnitude(factor: float) -> None:
    for row in (METALS.argmin(), METALS.argmax(), 77):
        values = METALS.copy()
        values[row] *= factor
        assert np.flatnonzero(find_wild(values)).tolist() == [row]


def test_several_slips_stand_out_together_and_both_ways() -> None:
    values = METALS.copy()
    values[:5] *= 1000
    values[5:8] /= 1000
    assert np.flatnonzero(find_wild(values)).tolist() == list(range(8))


@pytest.mark.parametrize("seed", range(5))
def test_ordinary_values_of_any_number_do_not_stand_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for count in (12, 25, 40, 155, 2000):
        for values in (rng.lognormal(3, 1.5, count), rng.gamma(1.0, 10, count), rng.normal(20, 6, count)):
            assert not find_wild(values).any()
