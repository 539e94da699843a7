"""Thresholds as users write them, and the targets that they name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soil_cnn_plugin.contract.jobs import (
    Covariate,
    ExtractPatches,
    JobError,
    MapSoilProperties,
    PredictMap,
    Threshold,
    TrainNetwork,
    pair_thresholds,
    parse_thresholds,
)
from soil_cnn_plugin.contract.soil_property import SoilProperty

CLAY = (SoilProperty("clay_0_5", "%"), SoilProperty("clay_5_15", "%"), SoilProperty("copper", "mg/kg"))


@pytest.mark.parametrize(
    ("text", "thresholds"),
    [
        ("copper > 150", [Threshold("copper", 150)]),
        ("copper>150;pH<4,5", [Threshold("copper", 150), Threshold("pH", 4.5, is_above=False)]),
        ("clay 0-5 cm >= 1e1\n 'a b' <= -2 ;", [Threshold("clay 0-5 cm", 10), Threshold("a b", -2, is_above=False)]),
        ("", []),
    ],
)  # fmt: skip
def test_thresholds_are_read(text: str, thresholds: list[Threshold]) -> None:
    assert list(parse_thresholds(text)) == thresholds


@pytest.mark.parametrize(
    "text", ["copper", "copper > ", "> 150", "copper = 150", "copper > much", "copper > 150 mg/kg", "a > 1, b > 2"]
)
def test_what_is_no_threshold_is_quoted(text: str) -> None:
    with pytest.raises(JobError, match="cannot be read. Write the target, > or <, and a number"):
        parse_thresholds(text)


@pytest.mark.parametrize("text", ["a > inf", "a > nan", "a > 1e999"])
def test_a_threshold_is_finite(text: str) -> None:
    with pytest.raises(JobError, match="must be a finite number"):
        parse_thresholds(text)


def test_a_property_means_all_its_depths_and_a_title_one() -> None:
    whole, one, field = parse_thresholds("CLAY > 20; clay 5-15 cm > 30; clay_0_5 < 10")
    pairs = pair_thresholds((whole, one, field), CLAY)
    assert pairs == ((0, whole), (1, whole), (1, one), (0, field))
    assert [threshold.words(CLAY[index]) for index, threshold in pairs][2] == "clay 5-15 cm > 30 %"


def test_the_same_threshold_counts_once() -> None:
    assert len(pair_thresholds(parse_thresholds("clay > 20; clay_0_5 > 20; clay > 20"), CLAY)) == 2


def test_a_threshold_of_no_target_is_refused_with_those_there_are() -> None:
    with pytest.raises(JobError, match="'lead > 3' names no target. The targets are: clay_0_5, clay_5_15, copper"):
        pair_thresholds(parse_thresholds("lead > 3"), CLAY)


def test_the_whole_chain_refuses_a_threshold_of_no_target_before_anything_is_done() -> None:
    extract = ExtractPatches("p.gpkg", CLAY, (Covariate("d.tif", "dem"),), "p.h5")
    train, predict = TrainNetwork("p.h5", "n.safetensors"), PredictMap("n.safetensors", "m.tif")
    lead = parse_thresholds("lead > 3")
    with pytest.raises(JobError, match="names no target. The targets are: clay_0_5"):
        MapSoilProperties(extract, replace(train, exceedance=lead), predict)
    with pytest.raises(JobError, match="names no target"):
        MapSoilProperties(extract, train, replace(predict, exceedance=lead, exceedance_probability="p.tif"))
    classes = replace(extract, targets=CLAY[:1], target_type="class")
    with pytest.raises(JobError, match="soil classes cannot exceed them"):
        MapSoilProperties(classes, replace(train, exceedance=parse_thresholds("clay > 3")), predict)
    assert MapSoilProperties(extract, replace(train, exceedance=parse_thresholds("clay > 3")), predict)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('"Ton <2µm" > 30', "Ton <2µm"),
        ("'Sand >63um' > 30", "Sand >63um"),
        ('"N; total" >= 30', "N; total"),
        ('"pH=H2O">30', "pH=H2O"),
        ('"a ""b"" c" > 30', 'a "b" c'),
        ('"clay " > 30', "clay "),
        ("clay  > 30", "clay "),
        ("clay > 30", " clay"),
        ("my'field > 30", "my'field"),
    ],
)
def test_a_name_in_quotes_may_hold_anything(text: str, field: str) -> None:
    (threshold,) = parse_thresholds(text)
    assert pair_thresholds([threshold], [SoilProperty("other"), SoilProperty(field)]) == ((1, threshold),)
    assert parse_thresholds(Threshold(field, 30).text) == (Threshold(field, 30),)


def test_of_two_fields_that_differ_in_blanks_the_one_as_written_is_meant() -> None:
    fields = [SoilProperty("clay"), SoilProperty("clay "), SoilProperty("clay_0_5")]
    plain, with_blank = parse_thresholds('clay > 30; "clay " > 40')
    assert [index for index, _ in pair_thresholds([plain], fields)] == [0, 2]
    assert [index for index, _ in pair_thresholds([with_blank], fields)][0] == 1


def test_quotes_keep_separators_together() -> None:
    found = parse_thresholds('"a;b" > 1; c < 2\n"d>e" > 3')
    assert [each.target for each in found] == ["a;b", "c", "d>e"]
