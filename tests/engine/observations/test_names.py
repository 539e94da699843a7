"""Names of profiles and sites in one spelling, exact in the type of their field, and words that stand for no value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
from pyogrio.raw import write

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.checks.doubtful_names import check_classes, check_names
from soil_cnn_plugin.engine.jobs.standardize_depths import run
from soil_cnn_plugin.engine.observations.layer_fields import parse_numbers, read_numbers
from soil_cnn_plugin.engine.observations.names import find_doubtful, is_missing, plain_name, read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer, read_table, write_dropped
from soil_cnn_plugin.engine.observations.soil_classes import read_classes
from soil_cnn_plugin.engine.report import Report
from tests.engine.layers import layer_of, located

NEIGHBOURS = (9007199254740992, 9007199254740993)  # one number in floating point


def table_of(path: Path, **columns: tuple[list[Any], str]) -> Layer:
    """A GeoPackage without geometry; None is empty. Columns are (values, type)."""
    masks, arrays = [], []
    for values, dtype in columns.values():
        is_null = np.array([value is None for value in values])
        masks.append(None if dtype == "object" else is_null)
        filled = [0 if value is None and dtype != "object" else value for value in values]
        arrays.append(np.array(filled, dtype))
    write(str(path), None, arrays, list(columns), field_mask=masks, layer="t", driver="GPKG", geometry_type=None)
    return read_table(str(path))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (" P1\t", "P1"),
        ("P1\u00a0", "P1"),
        ("\ufeffP1", "P1"),
        ("site  7", "site 7"),
        ("Mu\u0308hle", "Mühle"),
        (NEIGHBOURS[1], "9007199254740993"),
        (7.0, "7"),
        (7.25, "7.25"),
        (True, "True"),
        (None, ""),
        (float("nan"), ""),
    ],
)
def test_a_name_has_one_spelling(value: object, expected: str) -> None:
    assert plain_name(value) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "#N/A",
            "#NV",
            "#n/a",
            "#N/D",
            "#WERT!",
            "#VALUE!",
            "#REF!",
            "#DIV/0!",
            "#NAME?",
            "#¡VALOR!",
            "#NULL!",
            "####",
        ),
        *(
            "n.a.",
            "na",
            "NA",
            "N/A",
            "NoData",
            "No Data",
            "no_data",
            "None",
            "NONE",
            "null",
            "<NULL>",
            ".",
            "...",
            " ? ",
        ),
        *("-", "\u2013", "---", "Err:502", "k.A.", "(leer)", "NaN", ""),
    ],
)
def test_words_for_missing_are_those_of_numbers_and_classes_alike(text: str) -> None:
    assert is_missing(text)
    assert np.isnan(parse_numbers(np.array([text, "1"], object)).values[0])
    assert parse_numbers(np.array([text, "1"], object)).failed == []
    names = ["Luvisol", "Gleysol"] * 10
    numbers, classes = read_classes(layer_of(soil=[*names, text]), "soil", Notes())
    assert classes == ("Gleysol", "Luvisol") and np.isnan(numbers[-1])
    summary, _ = check_classes("soil", np.array([*names, text], object))
    assert dict(summary.counts) == {"Luvisol": 10, "Gleysol": 10} and summary.missing == 1


@pytest.mark.parametrize("text", ["Nitisol", "#3", "Na-Solonetz", "A1", "Nan soil", "0", "P-1", "S.1", "Ah.", "1.5"])
def test_names_that_only_resemble_them_stay(text: str) -> None:
    assert not is_missing(text)


def test_doubtful_names_of_classes_are_told_and_learned() -> None:
    notes = Notes()
    layer = layer_of(soil=["Luvisol"] * 9 + ["unknown", "-9999", "Unbekannt"])
    _, classes = read_classes(layer, "soil", notes)
    assert len(classes) == 4
    assert any("may stand for missing values" in doubt and "unknown 1" in doubt for doubt in notes.doubts)
    assert find_doubtful(["Luvisol", "unknown", "-9999", "9999", "n.d.", "12", "99"]) == [
        "unknown",
        "-9999",
        "9999",
        "n.d.",
    ]
    _, found = check_classes("soil", layer.columns["soil"])
    assert [each.rows.tolist() for each in found if each.kind == "doubtful_class"] == [[9, 10, 11]]


def test_blanks_do_not_tear_a_site_in_two_and_are_told() -> None:
    names = [f"S{i // 2}" + " " * (i % 2) for i in range(60)]
    found, _, notes, _ = located(layer_of(clay=np.arange(60.0), site=names), "clay", group="site")
    assert len(np.unique(found.sites)) == 30
    assert any("30 of 60 names" in doubt and "'S0 '" in doubt for doubt in notes.doubts)
    (finding,) = check_names("site", np.array(names, object))
    assert finding.kind == "name_spelling" and finding.rows.tolist() == list(range(1, 60, 2))


def test_names_that_differ_in_capitals_are_told_but_not_joined() -> None:
    notes = Notes()
    names = read_names(layer_of(site=["p1", "P1", "P2"]), "site", "group", notes)
    assert names.tolist() == ["p1", "P1", "P2"]
    assert any("capital letters" in doubt and "P1, p1" in doubt for doubt in notes.doubts)
    assert check_names("site", np.array(["p1", "P1", "P2"], object))[0].rows.tolist() == [0, 1]


def test_a_word_for_missing_is_no_name_and_joins_nothing() -> None:
    notes = Notes()
    names = read_names(layer_of(site=["#N/A", "A", "#N/A"]), "site", "group", notes)
    assert names.tolist() == [None, "A", None]
    assert any("'#N/A' at 2 of 3 rows counts as no name" in doubt for doubt in notes.doubts)
    assert [each.rows.tolist() for each in check_names("site", np.array(["#N/A", "A", "#N/A"], object))] == [[0, 2]]


def test_whole_numbers_keep_all_digits_beside_an_empty_row(tmp_path: Path) -> None:
    layer = table_of(tmp_path / "t.gpkg", site=([*NEIGHBOURS, None, 5], "int64"), small=([1, None, 3, 4], "int32"))
    assert layer.columns["site"].dtype == np.int64 and layer.columns["small"].dtype == np.int32
    names = read_names(layer, "site", "group", Notes())
    assert names.tolist() == ["9007199254740992", "9007199254740993", None, "5"]
    np.testing.assert_array_equal(read_numbers(layer, "small", "target", []), [1, np.nan, 3, 4])


def test_booleans_are_the_same_classes_with_an_empty_row_and_without(tmp_path: Path) -> None:
    for number, values in enumerate(([True, False, True, None], [True, False, True, False])):
        layer = table_of(tmp_path / f"{number}.gpkg", wet=(values, "bool"))
        assert read_classes(layer, "wet", Notes())[1] == ("False", "True")
        summary, _ = check_classes("wet", layer.columns["wet"])
        assert {name for name, _ in summary.counts} == {"False", "True"}


def test_dropped_observations_keep_their_numbers(tmp_path: Path) -> None:
    layer = table_of(tmp_path / "t.gpkg", site=([*NEIGHBOURS, None], "int64"), wet=([None, True, False], "bool"))
    dropped = Dropped({2: "far away", 3: "nameless"})
    write_dropped(str(tmp_path / "dropped.gpkg"), layer, dropped)
    found = read_table(str(tmp_path / "dropped.gpkg"))
    assert found.columns["site"].tolist() == [NEIGHBOURS[1], None]
    assert found.columns["wet"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("sites", "dtype", "expected"),
    [
        (["P1", "P1 ", "P1", "P2", "P2", " P2"], "object", ["P1", "P2"]),
        ([NEIGHBOURS[0]] * 3 + [NEIGHBOURS[1]] * 2 + [None], "int64", list(NEIGHBOURS)),
    ],
)
def test_profiles_are_neither_torn_nor_merged(
    sites: list[Any], dtype: str, expected: list[Any], tmp_path: Path
) -> None:
    table_of(
        tmp_path / "h.gpkg",
        pid=(sites, dtype),
        top=([0, 20, 50] * 2, "float64"),
        bottom=([20, 50, 100] * 2, "float64"),
        clay=([20, 30, 40, 60, 60, 60], "float64"),
    )
    job = StandardizeDepths(
        str(tmp_path / "h.gpkg"), "pid", "top", "bottom", (SoilProperty("clay"),), str(tmp_path / "o.gpkg")
    )
    run(job, Report(lambda event: None))
    _, _, _, (names, clay) = pyogrio.raw.read(job.output, columns=["pid", "clay_15_30"])
    assert names.tolist() == expected
    np.testing.assert_allclose(clay[1], 60)
    assert 20 < clay[0] < 31


def test_names_in_floating_point_that_lost_digits_are_told() -> None:
    notes = Notes()
    read_names(layer_of(site=[1.0e16, 2.0, np.nan]), "site", "group", notes)
    assert any("no more than 15 digits" in doubt for doubt in notes.doubts)
    kinds = [each.kind for each in check_names("site", np.array([1.0e16, 2.0, 3.0]))]
    assert kinds == ["rounded_name"]
