"""Network files of classes: read as written, and refused where what they say makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import read_description, read_network, write_network
from tests.engine.class_landscape import NAMES, random_class_network
from tests.engine.landscape import make_landscape, same_description
from tests.engine.training.test_network_file import CPU, change_description, change_tensor, refused


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = str(tmp_path / "classes.safetensors")
    write_network(path, random_class_network(make_landscape(tmp_path)))
    return path


@pytest.mark.parametrize("has_forest", [True, False])
def test_a_network_of_classes_is_read_as_it_was_written(tmp_path: Path, has_forest: bool) -> None:
    trained = random_class_network(make_landscape(tmp_path), has_forest=has_forest)
    path = str(tmp_path / "n.safetensors")
    write_network(path, trained)
    found = read_network(path, CPU)
    assert same_description(found.description, trained.description) and names_in(found.description) == NAMES
    assert [forest.outputs for forest in found.predictor.forests] == [3] * has_forest
    raw, wanted = torch.randn(1, 3, 20, 20), np.ones((6, 6), np.bool_)
    one, other = (each.predictor.predict_block(each.encoder(raw), wanted)[0] for each in (found, trained))
    np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(one.sum(axis=0), 1, atol=1e-5)


def names_in(description: NetworkDescription) -> tuple[str, ...]:
    (found,) = description.words.classes_of
    return found


def names(*values: str) -> Callable[[dict[str, Any]], None]:
    return lambda description: description["outcomes"][0].update(names=list(values))


SENSELESS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "one class": names("a"),
    "twin classes": names("a", "b", "a"),
    "a class more": names("a", "b", "c", "d"),
    "300 classes": names(*map(str, range(300))),
    "no temperature": lambda description: description["outcomes"][0].update(temperature=0.0),
    "temperature as a text": lambda description: description["outcomes"][0].update(temperature="1"),
    "two targets": lambda description: description["targets"].append({"field": "zinc", "unit": ""}),
    "two outcomes": lambda description: description["outcomes"].append(description["outcomes"][0]),
    "weights of one column": lambda description: description.update(
        weights=[row[:1] for row in description["weights"]]
    ),
}


@pytest.mark.parametrize("change", SENSELESS.values(), ids=SENSELESS.keys())
def test_descriptions_without_sense_are_refused(path: str, change: Callable[[dict[str, Any]], Any]) -> None:
    change_description(path, change)
    refused(path)


def test_a_forest_with_another_number_of_outputs_is_refused(path: str) -> None:
    forest = read_network(path, CPU).predictor.forests[0]
    change_tensor(path, "forest0.value", torch.from_numpy(forest.value[:, :2]).contiguous())
    assert names_in(read_description(path)) == NAMES
    refused(path)
