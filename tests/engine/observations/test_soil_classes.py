"""Soil classes: names and codes, and what becomes of rare ones."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.soil_classes import tell_classes
from tests.engine.layers import layer_of, located, read, read_classes

TYPES = ["Gley"] * 12 + ["Auenboden"] * 20 + [" Ranker "] * 8


def test_names_become_numbers_in_alphabetical_order() -> None:
    found, classes, notes, _ = located(layer_of(type=TYPES), "type")
    assert classes == {"type": ("Auenboden", "Gley", "Ranker")}
    assert found.values[:, 0].tolist() == [1.0] * 12 + [0.0] * 20 + [2.0] * 8
    assert not found.is_censored.any() and not found.errors.any()
    assert notes == Notes()


def test_whole_numbers_are_classes_in_the_order_of_their_size() -> None:
    codes = np.array([10.0] * 12 + [9.0] * 20 + [101.0] * 7 + [np.nan])  # integers with a gap come as floats
    found, classes, *_ = located(layer_of(code=codes), "code", target_type="class")
    assert classes == {"code": ("9", "10", "101")}
    assert found.values[:, 0].tolist() == [1.0] * 12 + [0.0] * 20 + [2.0] * 7
    texts = ["10"] * 12 + ["9"] * 20 + ["101"] * 8
    assert located(layer_of(code=texts), "code", target_type="class")[1] == {"code": ("9", "10", "101")}


def test_auto_takes_words_for_classes_and_numbers_for_numbers() -> None:
    assert read_classes(layer_of(type=TYPES), "type") == {"type": ("Auenboden", "Gley", "Ranker")}
    with_numbers = layer_of(type=[*TYPES[:-2], "7", "8"])
    assert read_classes(with_numbers, "type") == {"type": ("7", "8", "Auenboden", "Gley", "Ranker")}
    assert read_classes(layer_of(ph=["5,5", "<4"] * 20), "ph") == {}
    assert read_classes(layer_of(code=np.arange(40) % 3), "code") == {}
    with pytest.raises(EngineError, match="2 of its 40 values are not numbers: 'acid'.*choose the target type 'class'"):
        read(layer_of(ph=["acid"] * 2 + ["5"] * 38), "ph")
    with pytest.raises(EngineError, match="is a text field, and 40 of its 40 values are not numbers"):
        read(layer_of(type=TYPES), "type", target_type="continuous")


def test_classes_are_read_beside_numbers_and_other_classes() -> None:
    layer = layer_of(type=TYPES, ph=np.arange(40.0), code=[7] * 12 + [3] * 28)
    classes = {"type": ("Auenboden", "Gley", "Ranker"), "code": ("3", "7")}
    assert read_classes(layer, "ph", "type", "code", class_targets=("code",)) == classes
    found, notes, _ = read(layer, "ph", "type", "code", class_targets=("code",))
    assert found.values[:, 0].tolist() == list(range(40))
    assert found.values[:, 1].tolist() == [1.0] * 12 + [0.0] * 20 + [2.0] * 8
    assert found.values[:, 2].tolist() == [1.0] * 12 + [0.0] * 28
    assert not found.is_censored.any() and not found.errors.any() and notes == Notes()


def test_a_number_beside_classes_keeps_its_limit_and_its_error() -> None:
    layer = layer_of(type=TYPES, zinc=["<4", *["7.5", "8.5", "9.5"] * 13], zinc_sd=np.full(40, 0.5))
    found, _, _ = read(layer, "type", "zinc", errors=("zinc_sd",))
    assert not found.is_censored[:, 0].any() and found.is_censored[:, 1].tolist() == [True] + [False] * 39
    assert found.values[:2, 1].tolist() == [4.0, 7.5]
    assert not found.errors[:, 0].any() and found.errors[1, 1] == 0.5


def test_classes_have_no_limit_and_no_error() -> None:
    layer = layer_of(type=TYPES, sd=np.ones(40))
    message = "type of 'soil' holds soil classes, which have no detection limit and no measurement error. Leave the "
    with pytest.raises(EngineError, match=f"{message}error of type out"):
        read(layer, "type", errors=("sd",))
    with pytest.raises(EngineError, match=f"{message}limit of type out"):
        read(layer, "type", detection_limits=("sd",))


def test_a_field_of_measured_numbers_is_refused() -> None:
    with pytest.raises(EngineError, match="target ph of 'soil' holds 0.5, which names no class.*'continuous'"):
        read(layer_of(ph=np.arange(40) / 2), "ph", target_type="class")


@pytest.mark.parametrize("values", [[f"remark {i}" for i in range(3000)], list(range(3000))])
def test_a_field_of_3000_values_is_refused(values: list[object]) -> None:
    layer = layer_of(id=[*values, values[0]])
    with pytest.raises(EngineError, match="id of 'soil' has 3000 different values at 3001 observations, 0 of"):
        read(layer, "id", target_type="class")


def test_numbers_with_a_unit_are_no_classes_but_refused_with_a_remedy() -> None:
    for unit in (" %", " mg/kg"):
        texts = [f"{i % 40 / 10}{unit}" for i in range(120)]
        message = (
            f"120 of its 120 values are not numbers: '0.0{unit}', .* Most begin with a number: make a numeric field"
        )
        with pytest.raises(EngineError, match=message):
            located(layer_of(carbon=texts), "carbon")
        assert len(read_classes(layer_of(carbon=texts), "carbon", target_type="class")["carbon"]) == 40
    types = [f"{i % 4} Luvisol" for i in range(40)]
    assert len(read_classes(layer_of(type=types), "type")["type"]) == 4


def test_more_frequent_classes_than_a_map_shows_are_refused() -> None:
    with pytest.raises(EngineError, match="has 101 different values at 606 observations, 101 of them at more than 5"):
        read(layer_of(code=np.arange(606) % 101), "code", target_type="class")
    classes = read_classes(layer_of(code=np.arange(600) % 100), "code", target_type="class")
    assert len(classes["code"]) == 100


def test_many_rare_classes_beside_frequent_ones_are_dropped_as_asked() -> None:
    series = ["A"] * 300 + ["B"] * 200 + [f"series {i}" for i in range(150)]
    found, classes, notes, reasons = located(layer_of(series=series), "series")
    assert classes == {"series": ("A", "B")} and len(found) == 500 and len(reasons) == 150
    (doubt,) = notes.doubts
    assert doubt.endswith("series 115 1 and 130 more.") and len(doubt) < 500


def test_names_that_differ_in_capitals_only_are_doubted() -> None:
    _, notes, _ = read(layer_of(type=[*TYPES, "gley", "gley"]), "type")
    assert notes.doubts == [
        "These classes of type differ in capital letters only, and are learned as different ones: Gley, gley. If they"
        " are the same, give them one name."
    ]


def test_words_for_missing_are_no_class() -> None:
    layer = layer_of(type=["NA", "-", "", None, *TYPES[4:]])
    found, notes, _ = read(layer, "type")
    assert np.isnan(found.values[:4, 0]).all()
    assert read_classes(layer, "type") == {"type": ("Auenboden", "Gley", "Ranker")}
    assert notes.facts == ["2 observations have no type, as '-', 'NA' says."]
    with pytest.raises(EngineError, match="type of 'soil' names no class at any of its 40 observations"):
        read(layer_of(type=["NA"] * 40), "type", target_type="class")


def test_codes_that_may_be_no_classes_are_doubted() -> None:
    codes = np.where(np.arange(40) < 3, -9999, np.arange(40) % 2)
    _, notes, _ = read(layer_of(code=codes), "code", target_type="class")
    (doubt,) = notes.doubts
    assert doubt.startswith("code has negative numbers as classes: -9999 3 observations.")
    _, notes, _ = read(layer_of(copper=np.arange(120) % 30), "copper", target_type="class")
    (doubt,) = notes.doubts
    assert doubt.startswith("copper has 30 different numbers, and each is a class. If it is a measured number, choose")


def test_rare_classes_are_dropped_with_a_reason() -> None:
    found, classes, notes, reasons = located(layer_of(type=[*TYPES, *["Moor"] * 5, "Fels"]), "type")
    assert classes == {"type": ("Auenboden", "Gley", "Ranker")} and len(found) == 40
    assert set(found.values[:, 0]) == {0, 1, 2}
    assert set(reasons.values()) == {"of a class with at most 5 observations"} and len(reasons) == 6
    assert notes.doubts == [
        "Classes of at most 5 observations are dropped, and the map does not show them: Fels 1, Moor 5."
    ]


def test_rare_classes_are_merged_into_one() -> None:
    types = [*TYPES, *["Moor"] * 5, "Fels"]
    found, classes, notes, reasons = located(layer_of(type=types), "type", rare_classes="merge")
    assert classes == {"type": ("Auenboden", "Gley", "Ranker", "other classes")} and not reasons
    assert found.values[40:, 0].tolist() == [3.0] * 6
    assert notes.facts == ["Classes of at most 5 observations become one, 'other classes': Fels 1, Moor 5."]


def test_a_class_of_the_name_of_the_merged_ones_takes_them_up() -> None:
    types = [*TYPES, *["other classes"] * 7, *["Moor"] * 4, *["Fels"] * 3]
    found, classes, *_ = located(layer_of(type=types), "type", rare_classes="merge")
    assert classes == {"type": ("Auenboden", "Gley", "Ranker", "other classes")}
    assert (found.values[:, 0] == 3).sum() == 14


def test_merged_classes_that_are_still_rare_are_dropped() -> None:
    types = [*TYPES, *["Moor"] * 3, *["Fels"] * 2]
    _, classes, notes, reasons = located(layer_of(type=types), "type", rare_classes="merge")
    assert classes == {"type": ("Auenboden", "Gley", "Ranker")} and len(reasons) == 5
    assert notes.doubts[0].endswith("Fels 2, Moor 3. Together they would still be rare.")


def test_one_class_or_none_is_nothing_to_learn() -> None:
    with pytest.raises(EngineError, match="type is 'Gley' at all 36 usable observations.*4 were dropped: 4 of a class"):
        located(layer_of(type=["Gley"] * 36 + ["Moor"] * 4), "type")
    with pytest.raises(EngineError, match="None of the 40 observations of 'soil' can be used: 40 of a class with at m"):
        located(layer_of(type=[f"type {i % 8}" for i in range(40)]), "type")
    layer = layer_of(type=[f"type {i % 8}" for i in range(40)], ph=np.arange(40.0))
    with pytest.raises(EngineError, match="type has 0 usable observations of 40 in 'soil', but at least 20 are needed"):
        located(layer, "ph", "type")


def test_a_rare_class_leaves_what_else_was_measured_there() -> None:
    types = [*TYPES, *["Moor"] * 3]
    ph = [*np.arange(42.0), None]
    found, classes, notes, reasons = located(layer_of(type=types, ph=ph), "ph", "type")
    assert classes == {"type": ("Auenboden", "Gley", "Ranker")} and len(found) == 42
    assert found.values[40:, 0].tolist() == [40.0, 41.0] and np.isnan(found.values[40:, 1]).all()
    assert reasons == {43: "of a class with at most 5 observations"}  # it has nothing else
    assert notes.doubts == ["Classes of at most 5 observations are dropped, and the map does not show them: Moor 3."]


def test_classes_that_extraction_made_rare_are_told() -> None:
    notes = Notes()
    tell_classes(np.array([0.0] * 9 + [2.0] * 3), ("A", "B", "C"), notes)
    assert notes.facts == ["2 classes: A 9, C 3."]
    assert notes.doubts == [
        "Classes of which at most 5 observations are left, because the others lie where covariates have no data: B 0,"
        " C 3. They can hardly be learned."
    ]


def test_few_whole_numbers_are_told_to_be_learned_as_numbers() -> None:
    layer = layer_of(code=np.arange(40) % 3 + 1, ph=np.arange(40) % 3 / 2, year=np.arange(40))
    (doubt,) = read(layer, "code")[1].doubts
    assert doubt == (
        "code has only 3 different values, all whole numbers (1, 2, 3), and is learned as a measured number. If they"
        " are codes of soil classes, choose the target type 'class'."
    )
    assert read(layer, "code", target_type="continuous")[1].doubts == []
    assert read(layer, "ph")[1].doubts == read(layer, "year")[1].doubts == read(layer, "code", "ph")[1].doubts == []
