"""Stocks: hand-computed tonnes, units as laboratories write them, pairs that no soil can have."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import SummarizeAreas, parse_expressions
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.areas.formulas import CarbonStock, Formula, per_hectare, plan_formulas
from soil_cnn_plugin.engine.errors import EngineError

TARGETS = tuple(
    SoilProperty(field, unit)
    for field, unit in {
        "soc_0_10": "g/kg",
        "soc_10_30": "%",
        "bd_0_10": "g cm-3",
        "bd_10_30": "kg/m³",
        "stones_0_10": "vol %",
        "stones_10_30": "%",
        "ph_0_10": "",
    }.items()
)
FIELDS = [target.field for target in TARGETS]


def plan(**wanted: object) -> Formula:
    job = SummarizeAreas("n", "p", "a.gpkg", **wanted)  # type: ignore[arg-type]
    (formula,) = plan_formulas(job, TARGETS, FIELDS)
    return formula


def test_a_stock_of_two_layers_is_that_computed_by_hand() -> None:
    layers = {"carbon": ("soc_0_10", "soc_10_30"), "bulk_density": ("bd_0_10", "bd_10_30")}
    stones = ("stones_0_10", "stones_10_30")
    values = {"soc_0_10": 20.0, "bd_0_10": 1.2, "stones_0_10": 10.0}
    values |= {"soc_10_30": 1.0, "bd_10_30": 1400.0, "stones_10_30": 0.0}
    arrays = {field: np.array([value]) for field, value in values.items()}
    # 0.02 x 1.2 t/m3 x 1000 m3/ha x 0.9 = 21.6; 0.01 x 1.4 x 2000 = 28
    stock = plan(stock="organic_carbon", stones=stones, **layers)
    assert stock.evaluate(arrays) == pytest.approx([49.6])
    assert stock.unit == "t/ha" and set(stock.fields) == set(values)
    # 1080 t/ha of fine soil in the upper layer; 920 t/ha of the lower one; deeper soil goes on with its content
    assert plan(stock="equivalent_soil_mass", stones=stones, soil_mass=2000.0, **layers).evaluate(
        arrays
    ) == pytest.approx([21.6 + 9.2])
    assert plan(stock="equivalent_soil_mass", stones=stones, soil_mass=5000.0, **layers).evaluate(
        arrays
    ) == pytest.approx([21.6 + 39.2])
    assert isinstance(stock, CarbonStock) and stock.held(arrays) == pytest.approx([1080 + 2800])


def test_pairs_that_no_soil_can_have_are_left_out() -> None:
    stock = plan(stock="organic_carbon", carbon=("soc_0_10",), bulk_density=("bd_0_10",))
    values = {"soc_0_10": np.array([20.0, 400.0, -1.0, 700.0]), "bd_0_10": np.array([2.7, 1.7, 1.2, 0.2])}
    assert np.isnan(stock.evaluate(values)).all()
    assert np.isfinite(stock.evaluate({"soc_0_10": np.array([400.0]), "bd_0_10": np.array([0.3])})).all()


def test_a_typed_formula_is_plain_arithmetic() -> None:
    job = SummarizeAreas(
        "n", "p", "a.gpkg", expressions=parse_expressions("x = -sqrt(soc_0_10) + max(ph_0_10, 2) ** 2")
    )
    (formula,) = plan_formulas(job, TARGETS, FIELDS)
    values = {"soc_0_10": np.array([4.0, -1.0]), "ph_0_10": np.array([3.0, 1.0])}
    np.testing.assert_array_equal(formula.evaluate(values), [7.0, np.nan])


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"carbon": ("ph_0_10",), "bulk_density": ("bd_0_10",)}, "ph_0_10, the carbon of the stock, has no unit"),
        (
            {"carbon": ("soc_0_10",), "bulk_density": ("bd_10_30",)},
            "The thickness of a layer of the stock is not known",
        ),
        ({"carbon": ("lead",), "bulk_density": ("bd_0_10",)}, "The carbon of the stock is 'lead'"),
    ],
)
def test_stocks_without_unit_depth_or_target_are_refused(wanted: dict[str, tuple[str, ...]], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        plan(stock="organic_carbon", **wanted)


def test_totals_are_told_of_units_per_area_alone() -> None:
    assert per_hectare("t ha-1") == (1.0, "t") and per_hectare("kg m⁻²") == (10.0, "t")
    assert per_hectare("mg/kg") is None and per_hectare("") is None
