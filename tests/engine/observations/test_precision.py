"""Errors of measurement and weights: what counts more, what less, and what cannot be."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.errors import EngineError
from tests.engine.layers import layer_of, located, read

CLAY = np.arange(40.0)


def test_errors_of_each_target_come_with_their_size_told() -> None:
    errors = np.where(CLAY < 10, 1.0, 2.0)
    columns = {"clay": CLAY, "ph": CLAY / 10, "clay_sd": errors}
    found, notes, _ = read(layer_of(**columns), "clay", "ph", errors=("clay_sd",))
    assert found.errors[:, 0].tolist() == errors.tolist()
    assert found.errors[:, 1].tolist() == [0.0] * 40
    # The standard deviation of 0 to 39 is sqrt((40**2 - 1) / 12) = 11.54.
    assert notes.facts == [
        "clay: the measurement error in clay_sd has a median of 2, 17% of the values' standard deviation. Less"
        " precise values count less."
    ]
    assert notes.doubts == []


def test_missing_errors_are_the_median_of_the_others() -> None:
    errors = np.where(CLAY < 10, np.nan, np.where(CLAY < 30, 1.5, 3.0))
    clay = np.where(CLAY < 2, np.nan, CLAY)
    found, notes, _ = read(layer_of(clay=clay, sd=errors), "clay", errors=("sd",))
    assert found.errors[:, 0].tolist() == [0.0] * 2 + [1.5] * 28 + [3.0] * 10
    assert notes.facts[0].endswith("8 values without one get the median.")


@pytest.mark.parametrize("wrong", [0.0, -0.1, np.inf])
def test_an_error_that_is_not_above_zero_is_refused(wrong: float) -> None:
    errors = np.full(40, 0.5)
    errors[[3, 5]] = wrong
    with pytest.raises(EngineError, match=rf"error sd of 'soil' is not above 0 at 2 of 40 .*{wrong:g} of feature 4\)"):
        read(layer_of(clay=CLAY, sd=errors), "clay", errors=("sd",))


def test_an_error_matters_only_where_there_is_a_value() -> None:
    clay, errors = np.where(CLAY < 5, np.nan, CLAY), np.where(CLAY < 5, 0.0, 0.5)
    found, _, _ = read(layer_of(clay=clay, sd=errors), "clay", errors=("sd",))
    assert found.errors[:, 0].tolist() == [0.0] * 5 + [0.5] * 35
    with pytest.raises(EngineError, match="sd of 'soil' is empty wherever clay has a value"):
        read(layer_of(clay=clay, sd=np.where(CLAY < 5, 0.5, np.nan)), "clay", errors=("sd",))


def test_an_error_larger_than_the_spread_is_doubted() -> None:
    _, notes, _ = read(layer_of(clay=CLAY, sd=np.full(40, 15.0)), "clay", errors=("sd",))
    assert notes.doubts == [
        "clay: the measurement error in sd is larger than the spread of the values (15 against 11.5434). Check that it"
        " is a standard deviation in the unit of the values, no percentage and no variance."
    ]


def test_weights_are_relative() -> None:
    found, notes, _ = read(layer_of(clay=CLAY, w=np.repeat([1.0, 3.0], 20)), "clay", weight="w")
    assert found.weights.tolist() == [0.5] * 20 + [1.5] * 20
    found, notes, _ = read(layer_of(clay=CLAY, w=np.full(40, 1e308)), "clay", weight="w")
    assert found.weights.tolist() == [1.0] * 40


def test_what_unequal_weights_leave_is_told() -> None:
    *_, notes, _ = located(layer_of(clay=CLAY, w=np.repeat([1.0, 3.0], 20)), "clay", weight="w")
    # (20 * 1 + 20 * 3)**2 / (20 * 1 + 20 * 9) = 32
    assert notes.facts == [
        "Weights from w: the largest is 3 times the smallest. 40 observations count as much as 32 of equal weight."
    ]
    weights = np.full(40, 0.001)
    weights[0] = 1
    *_, notes, _ = located(layer_of(clay=CLAY, w=weights), "clay", weight="w")
    (doubt,) = notes.doubts
    assert "40 observations count as much as 1 of equal weight. That is very few: check the field." in doubt


def test_weight_zero_leaves_an_observation_out() -> None:
    weights = np.where(CLAY < 3, 0.0, 1.0)
    found, _, _, reasons = located(layer_of(clay=CLAY, w=weights), "clay", weight="w")
    assert reasons == dict.fromkeys([1, 2, 3], "of weight 0 in w")
    assert len(found) == 37 and (found.weights > 0).all()


@pytest.mark.parametrize("wrong", [-1.0, np.nan, np.inf])
def test_a_weight_that_makes_no_sense_is_refused(wrong: float) -> None:
    weights = np.ones(40)
    weights[[8, 9]] = wrong
    with pytest.raises(EngineError, match=r"w of 'soil' is missing, negative or infinite at 2 of 40 .*feature 9\)"):
        read(layer_of(clay=CLAY, w=weights), "clay", weight="w")
    clay = np.where(np.isin(CLAY, [8, 9]), np.nan, CLAY)
    found, *_ = located(layer_of(clay=clay, w=weights), "clay", weight="w")  # where nothing was measured it matters not
    assert len(found) == 38


def test_weights_of_zero_alone_are_refused() -> None:
    with pytest.raises(EngineError, match="weight w of 'soil' is 0 at all 40 observations"):
        read(layer_of(clay=CLAY, w=np.zeros(40)), "clay", weight="w")


def test_a_value_below_its_limit_gets_no_error_of_others() -> None:
    zinc = ["<2", "<2", *map(str, range(2, 40))]
    errors = np.where(np.arange(40) == 0, 0.2, np.where(np.arange(40) < 4, np.nan, 5.0))
    found, notes, _ = read(layer_of(zinc=zinc, sd=errors), "zinc", errors=("sd",))
    assert found.errors[:5, 0].tolist() == [0.2, 0.0, 5.0, 5.0, 5.0]
    assert notes.facts[-1].endswith("2 values without one get the median.")
