"""Network files of numbers, a composition and classes: read as written, and refused where they make no sense."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.training.network_file import read_description, read_network, write_network
from tests.engine.landscape import make_landscape, same_description
from tests.engine.mixed import FIELDS, LAYOUT, WORDS, mixed_network
from tests.engine.training.test_network_file import CPU, change_description, change_tensor, refused


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("mixed")
    path = str(folder / "n.safetensors")
    write_network(path, mixed_network(make_landscape(folder)))
    return Path(path).read_bytes()


@pytest.fixture
def path(content: bytes, tmp_path: Path) -> str:
    (tmp_path / "n.safetensors").write_bytes(content)
    return str(tmp_path / "n.safetensors")


@pytest.mark.parametrize("has_forest", [True, False])
def test_a_network_of_all_kinds_is_read_as_it_was_written(tmp_path: Path, has_forest: bool) -> None:
    trained = mixed_network(make_landscape(tmp_path), has_forest)
    path = str(tmp_path / "n.safetensors")
    write_network(path, trained)
    found = read_network(path, CPU)
    assert same_description(found.description, trained.description)
    assert found.description.words == WORDS and found.description.layout == LAYOUT
    assert [network.layout for network in found.predictor.networks] == [LAYOUT] * 2
    assert [forest.outputs for forest in found.predictor.forests] == [1, 1, 1, 3, 1] * has_forest
    raw, wanted = torch.randn(1, 3, 20, 20), np.ones((6, 6), np.bool_)
    one, other = (each.predictor.predict_block(each.encoder(raw), wanted) for each in (found, trained))
    for got, expected in zip(one, other):
        assert got.shape == (7, 6, 6)
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_allclose(one[0][3:6].sum(axis=0), 1, atol=1e-5)


def test_scores_and_scales_are_those_of_each_target(path: str) -> None:
    description = read_description(path)
    for field in FIELDS:
        kind = ClassScores if field == "type" else Scores
        assert all(isinstance(scores, kind) for scores in description.scores[field].values())
    scales = ("log", "log-ratio", "log-ratio", "log-ratio", "classes", "none")
    assert description.transforms == dict(zip(("zinc", "sand", "silt", "clay", "type", "ph"), scales))


def swap(one: int, other: int) -> Callable[[dict[str, Any]], None]:
    def change(description: dict[str, Any]) -> None:
        outcomes = description["outcomes"]
        outcomes[one], outcomes[other] = outcomes[other], outcomes[one]

    return change


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a composition for a number": swap(0, 1),
    "a class more": lambda d: d["outcomes"][2]["names"].append("Ranker"),
    "no composition": lambda d: d.update(compositions=[]),
    "a composition of a part less": lambda d: d.update(compositions=[["sand", "silt"]]),
    "a composition of a part more": lambda d: d.update(compositions=[["sand", "silt", "clay", "ph"]]),
    "an outcome too few": lambda d: d["outcomes"].pop(),
    "weights of targets, not of columns": lambda d: d.update(weights=[row[:6] for row in d["weights"]]),
    "scores of another kind": lambda d: d["scores"].update(type=d["scores"]["zinc"]),
    "scores of nothing": lambda d: d["scores"].update(type={"network": {}}),
}


@pytest.mark.parametrize("what", CHANGES)
def test_descriptions_without_sense_are_refused(path: str, what: str) -> None:
    change_description(path, CHANGES[what])
    refused(path)


def test_a_number_for_the_classes_is_refused_by_its_weights(path: str) -> None:
    """Any outcome alone makes sense: what is learned of a class and of a number has other weights."""
    change_description(path, swap(2, 3))
    refused(path)


def test_a_forest_of_classes_with_another_number_of_outputs_is_refused(path: str) -> None:
    forest = read_network(path, CPU).predictor.forests[3]
    change_tensor(path, "forest3.value", torch.from_numpy(forest.value[:, :2]).contiguous())
    refused(path)
