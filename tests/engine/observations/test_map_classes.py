"""Observed classes are matched with a map's by name or by code, and what does not match is told."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import AssessMap, Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.map_classes import MatchedClasses, match_classes
from soil_cnn_plugin.engine.observations.notes import Notes

JOB = AssessMap("points.gpkg", SoilProperty("soil"), Covariate("map.tif", "map"))


def match(texts: str, present: list[int], legend: dict[int, str] | None = None) -> tuple[MatchedClasses, Notes]:
    notes = Notes()
    return match_classes(texts.split(), present, legend or {}, JOB, notes), notes


def paired(found: MatchedClasses) -> dict[str, int | None]:
    """Observed class -> the code of the map's class that it is."""
    codes = {number: code for code, number in found.of_code.items()}
    return {text: codes.get(number) for text, number in found.of_text.items()}


def test_names_are_matched_with_names() -> None:
    found, notes = match("Gley Gley Moor", [1, 2], {1: "Moor", 2: "Gley"})
    assert paired(found) == {"Gley": 2, "Moor": 1} and found.names == ("Moor", "Gley")
    assert notes.facts == ["3 of 3 observations are matched with the map's classes by name (soil: 2 of 2 classes)."]
    assert not notes.doubts
    np.testing.assert_array_equal(found.numbers(np.array([2.0, 1.0])), [1, 0])


def test_codes_are_matched_with_codes_where_there_are_no_names_or_others() -> None:
    assert paired(match("3 3 1", [1, 3])[0]) == {"3": 3, "1": 1}
    found, notes = match("3 3 1", [1, 3], {1: "Moor", 3: "Gley"})
    assert paired(found) == {"3": 3, "1": 1} and found.names == ("Moor", "Gley") and found.by == "code"
    assert "by code" in notes.facts[0] and not notes.doubts


def test_numbers_that_are_names_of_other_codes_are_names() -> None:
    """This plugin numbers the classes of a map anew: class 7 has the code 2."""
    found, notes = match("3 7 7 7", [1, 2], {1: "3", 2: "7"})
    assert paired(found) == {"3": 1, "7": 2} and not notes.doubts
    found, notes = match("2 3 3", [1, 2], {1: "2", 2: "3"})
    assert paired(found) == {"2": 1, "3": 2}
    assert "2 is the name of code 1. They are taken for names, which fit 3 of 3 observations" in notes.doubts[0]


def test_capital_letters_are_forgiven_aloud_unless_they_tell_classes_apart() -> None:
    found, notes = match("gley Moor", [1, 2], {1: "Moor", 2: "Gley"})
    assert paired(found) == {"gley": 2, "Moor": 1}
    assert "1 observations have a class that differs from the map's name in capital letters only" in notes.doubts[0]
    found, notes = match("GLEY Moor", [1, 2, 3], {1: "Moor", 2: "Gley", 3: "gley"})
    assert found.unmapped == {"GLEY": 1}


def test_observed_classes_that_the_map_lacks_are_kept_as_wrong_and_told() -> None:
    found, notes = match("Gley Fels Fels", [1, 2], {1: "Moor", 2: "Gley"})
    assert found.names == ("Moor", "Gley", "Fels") and found.unmapped == {"Fels": 2}
    assert "The map does not have the classes of 2 observations: Fels 2." in notes.doubts[0]
    assert notes.facts[0].startswith("1 of 3 observations are matched")


def test_classes_without_a_name_have_their_code_and_twins_in_name_are_one() -> None:
    found, _ = match("Gley 5", [1, 2, 3, 5], {1: "Gley", 2: "Moor", 3: "Gley"})
    assert found.names == ("Gley", "Moor", "5") and found.of_code == {1: 0, 2: 1, 3: 0, 5: 2}
    np.testing.assert_array_equal(found.per_class({1: 10, 2: 5, 3: 1, 5: 2}), [11, 5, 2])


def test_rare_classes_count_as_the_others_that_training_made_of_them() -> None:
    found, notes = match("Gley Fels", [1, 2], {1: "Gley", 2: "other classes"})
    assert paired(found) == {"Gley": 1, "Fels": 2} and not found.unmapped
    assert "Observations of classes that it does not name count as such: Fels 1." in notes.doubts[0]


def test_a_name_of_the_legend_that_no_pixel_has_is_known_but_an_unused_one_is_no_class() -> None:
    found, _ = match("Gley Moor", [1], {1: "Gley", 2: "Moor", 3: "Fels"})
    assert found.names == ("Gley", "Moor") and not found.unmapped


def test_an_observed_code_never_takes_the_name_of_another_class() -> None:
    found, _ = match("1 1 1 9", [1, 2], {1: "2", 2: "9"})
    assert found.by == "code" and found.names == ("2", "9", "9 (observed)")
    assert found.unmapped == {"9 (observed)": 1}


def test_nothing_in_common_is_refused_with_both_sides() -> None:
    with pytest.raises(EngineError, match=r"soil holds 'Gley', 'Moor'; the map has the codes 1, 2\. .* attribute"):
        match("Gley Moor", [1, 2])
    with pytest.raises(EngineError, match=r"soil holds '7'; the map has the codes 1 Gley, 2"):
        match("7", [1, 2], {1: "Gley"})
