"""Parts of a whole: they are positive and sum to it, or the user hears why not."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.compositions import with_units
from tests.engine.layers import layer_of, located, read

PARTS = ("sand", "silt", "clay")
SAND = np.linspace(10, 60, 40)
CLAY = np.linspace(30, 10, 40)
TEXTURE = {"sand": SAND, "silt": 100 - SAND - CLAY, "clay": CLAY}


def scaled(factor: float) -> dict[str, np.ndarray]:
    return {name: values * factor for name, values in TEXTURE.items()}


@pytest.mark.parametrize("whole", [1.0, 100.0, 1000.0])
def test_parts_keep_their_whole(whole: float) -> None:
    found, notes, _ = read(layer_of(**scaled(whole / 100)), *PARTS, composition=PARTS)
    np.testing.assert_allclose(found.values, np.column_stack(list(TEXTURE.values())) * whole / 100)
    assert notes.facts == notes.doubts == []


def test_rounded_sums_are_rescaled_and_told() -> None:
    columns = {**TEXTURE, "clay": CLAY + np.where(np.arange(40) < 4, 3, 0)}
    found, notes, _ = read(layer_of(**columns), *PARTS, composition=PARTS)
    np.testing.assert_allclose(found.values.sum(axis=1), 100)
    assert found.values[0, 0] == pytest.approx(10 / 1.03)
    assert notes.facts == [
        "sand, silt, clay sum to 100 within 1 % at 90% of 40 observations; sums go from 100 to 103. All are rescaled to"
        " 100."
    ]
    assert notes.doubts == []


def test_sums_far_from_the_whole_are_named() -> None:
    clay = CLAY.copy()
    clay[[4, 9]] += -20, 30
    found, notes, _ = read(layer_of(**{**TEXTURE, "clay": clay}), *PARTS, composition=PARTS)
    np.testing.assert_allclose(found.values.sum(axis=1), 100)
    (doubt,) = notes.doubts
    assert "sums go from 80 to 130" in doubt
    assert doubt.endswith("More than 5 % off are 2, check them: 130 of feature 10, 80 of feature 5.")


def test_sums_that_all_are_far_from_a_whole_are_refused() -> None:
    with pytest.raises(EngineError, match="sand, silt, clay of 'soil' have a median sum of 55 .*to 55.*missing"):
        read(layer_of(**scaled(0.55)), *PARTS, composition=PARTS)
    columns = {f"{name}_{end}": values for name, values in TEXTURE.items() for end in "ab"}
    fields = (*columns, "other")  # without a common ending they are taken for one whole
    layer = layer_of(**columns, other=SAND)
    with pytest.raises(EngineError, match="median sum of 2[0-9.]+ .*names such as clay_0_5 and clay_5_15"):
        read(layer, *fields, composition=fields)


def test_negative_parts_are_refused_by_name_and_number() -> None:
    silt = TEXTURE["silt"].copy()
    silt[[2, 3]] = -1, -9999
    with pytest.raises(EngineError, match=r"of 'soil' are negative: silt 2 values \(-1 of feature 3\)"):
        read(layer_of(**{**TEXTURE, "silt": silt}), *PARTS, composition=PARTS)


def test_an_observation_that_lacks_a_part_has_none() -> None:
    silt = TEXTURE["silt"].copy()
    silt[:5] = np.nan
    columns = {**TEXTURE, "silt": silt, "ph": np.where(np.arange(40) < 2, 5.0, np.arange(40.0))}
    found, _, notes, reasons = located(layer_of(**columns), *PARTS, "ph", composition=PARTS)
    assert np.isnan(found.values[:5, :3]).all() and np.isfinite(found.values[5:]).all()
    assert found.values[:2, 3].tolist() == [5, 5] and not reasons
    assert notes.facts == [
        "5 observations lack some of the parts sand, silt, clay (silt 5); all their parts are left out there."
    ]


def test_an_observation_of_nothing_else_is_dropped_with_that_reason() -> None:
    columns = {name: values.copy() for name, values in TEXTURE.items()}
    columns["silt"][0] = np.nan
    for values in columns.values():
        values[1], values[2] = 0, np.nan
    _, _, notes, reasons = located(layer_of(**columns), *PARTS, composition=PARTS)
    assert reasons == {
        1: "lacking a part of the composition, or with 0 in all",
        2: "lacking a part of the composition, or with 0 in all",
        3: "without a value of any target",
    }
    assert "1 observations have 0 in all parts sand, silt, clay; they are left out." in notes.facts


def test_zeros_are_counted() -> None:
    sand, silt = np.where(np.arange(40) < 3, 0, SAND), TEXTURE["silt"] + np.where(np.arange(40) < 3, SAND, 0)
    found, notes, _ = read(layer_of(sand=sand, silt=silt, clay=CLAY), *PARTS, composition=PARTS)
    assert (found.values[:3, 0] == 0).all()
    assert notes.facts == ["Parts of sand, silt, clay that are 0, which counts as very small: sand 3."]


def test_parts_that_were_never_measured_together_are_refused() -> None:
    silt = np.where(np.arange(40) < 20, np.nan, TEXTURE["silt"])
    clay = np.where(np.arange(40) < 20, CLAY, np.nan)
    with pytest.raises(EngineError, match="No observation of 'soil' has values of all parts .*: sand, silt, clay"):
        read(layer_of(sand=SAND, silt=silt, clay=clay), *PARTS, composition=PARTS)


@pytest.mark.parametrize("ends", [("_0_5", "_5_15"), ("_A", "_B")])
def test_several_depths_are_several_wholes(ends: tuple[str, str]) -> None:
    top, sub = ends
    columns = {f"{name}{top}": values for name, values in TEXTURE.items()}
    columns |= {f"{name}{sub}": values * 10 for name, values in TEXTURE.items()}
    columns[f"sand{sub}"] = columns[f"sand{sub}"].copy()
    columns[f"sand{sub}"][0] = np.nan
    found, _, _ = read(layer_of(**columns), *columns, composition=tuple(columns))
    np.testing.assert_allclose(found.values[:, :3].sum(axis=1), 100)
    np.testing.assert_allclose(found.values[1:, 3:].sum(axis=1), 1000)
    assert np.isnan(found.values[0, 3:]).all()


def test_a_part_below_a_detection_limit_is_refused() -> None:
    clay = ["<2", *[f"{value}" for value in CLAY[1:]]]
    with pytest.raises(EngineError, match="clay of 'soil' is a part of a composition, but 1 of its values"):
        read(layer_of(**{**TEXTURE, "clay": clay}), *PARTS, composition=PARTS)


@pytest.mark.parametrize(("whole", "unit"), [(1.0, ""), (100.0, "%"), (1000.0, "g/kg")])
def test_the_whole_tells_the_unit_of_parts_that_have_none(whole: float, unit: str) -> None:
    targets = (SoilProperty("sand"), SoilProperty("ph"), SoilProperty("clay", "mass-%"))
    values = np.array([[np.nan, 5.0, np.nan], [0.4 * whole, 6.0, 0.6 * whole]])
    units = [target.unit for target in with_units(targets, (("sand", "clay"),), values)]
    assert units == [unit, "", "mass-%"]
