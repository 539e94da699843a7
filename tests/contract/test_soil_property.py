"""Reading a soil property from a field's name and alias."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty, unit_in


@pytest.mark.parametrize(
    ("field", "name", "depth"),
    [
        ("clay_5_15", "clay", (5.0, 15.0)),
        ("soc_stock_0_2.5", "soc_stock", (0.0, 2.5)),
        ("zinc", "zinc", None),
        ("ph_2019", "ph_2019", None),
    ],
)
def test_a_fields_name_tells_property_and_depth(field: str, name: str, depth: tuple[float, float] | None) -> None:
    found = SoilProperty(field)
    assert (found.name, found.depth_cm) == (name, depth)


def test_an_interval_upside_down_is_no_depth() -> None:
    assert SoilProperty("clay_15_5").depth_cm is None
    assert SoilProperty("clay_15_5").title == "clay_15_5"


def test_the_label_has_depth_and_unit() -> None:
    assert SoilProperty("clay_5_15", "%").label == "clay 5-15 cm (%)"
    assert SoilProperty("ph").label == "ph"


@pytest.mark.parametrize(
    ("alias", "unit"),
    [
        *(("Zinc (mg/kg)", "mg/kg"), ("Clay [%] ", "%"), ("Zinc", ""), ("(log) zinc", "")),
        *(("Copper, mg/kg", "mg/kg"), ("Carbon, g kg-1", "g kg-1"), ("CEC, cmol(+)/kg", "cmol(+)/kg")),
        *(("Sodium, meq/100 g", "meq/100 g"), ("Stock, kg/m²", "kg/m²"), ("Gravel, vol%", "vol%")),
        *(("Clay, topsoil", ""), ("Iron, total", ""), ("pH, H2O", ""), ("Sand, silt and clay", "")),
    ],
)
def test_the_unit_stands_at_the_end_of_an_alias(alias: str, unit: str) -> None:
    assert unit_in(alias) == unit
