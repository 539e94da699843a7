"""A contribution has the unit of the scale it lies on: the target's, or that of a logarithm of a factor."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.explaining.contribution_scale import ContributionScale

ZINC, SOIL = SoilProperty("zinc_0_10", "mg/kg"), SoilProperty("soil")


@pytest.mark.parametrize(
    ("scale", "band", "unit", "size", "base"),
    [
        (ContributionScale("none", ZINC), "dem: contribution to zinc 0-10 cm (mg/kg)", "mg/kg", "0.3 mg/kg", "5 mg/kg"),
        (
            ContributionScale("log", ZINC),
            "dem: ln of the factor on zinc 0-10 cm",
            "ln(factor)",
            "× or ÷ 1.35",
            "148 mg/kg",
        ),
        (
            ContributionScale("logit", ZINC),
            "dem: ln of the factor on the odds of zinc 0-10 cm",
            "ln(factor of odds)",
            "× or ÷ 1.35",
            "148 : 1",
        ),
        (
            ContributionScale("log-ratio", ZINC),
            "dem: ln of the factor on the ratio of zinc 0-10 cm to the geometric mean of all parts",
            "ln(factor of ratio)",
            "× or ÷ 1.35",
            "148 : 1",
        ),
        (
            ContributionScale("log-odds", SOIL, "Moor"),
            "dem: ln of the factor on the odds of Moor (soil)",
            "ln(factor of odds)",
            "× or ÷ 1.35",
            "148 : 1",
        ),
    ],
    ids=lambda value: value.transform if isinstance(value, ContributionScale) else None,
)
def test_contributions_have_the_unit_of_their_scale(
    scale: ContributionScale, band: str, unit: str, size: str, base: str
) -> None:
    assert (scale.band("dem"), scale.unit) == (band, unit)
    assert (scale.size_in_words(0.3), scale.base_in_words(5.0)) == (size, base)
    assert ("mg/kg" in scale.unit) == ("1.35" not in scale.meaning) == (not scale.is_factor)


def test_a_factor_beyond_all_numbers_is_told_as_a_power() -> None:
    assert ContributionScale("log", ZINC).size_in_words(900.0) == "× or ÷ e^900"
