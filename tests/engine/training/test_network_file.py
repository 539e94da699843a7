"""The network file: whole round trips, and files that are cut, foreign, newer or made by a stranger."""

from __future__ import annotations

import json
import resource
import struct
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from soil_cnn_plugin.engine.assessment.methods import NETWORK
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.training import network_file
from soil_cnn_plugin.engine.training.network_file import read_description, read_network, write_network
from tests.engine.landscape import make_landscape, random_network, same_description
from tests.engine.observations.test_patch_file import crs_with_grid

CPU = torch.device("cpu")


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A network file of both networks and forests."""
    path = str(tmp_path / "network.safetensors")
    write_network(path, random_network(make_landscape(tmp_path, has_aspect=True), has_location=True))
    return path


def refused(path: str, words: str = "is damaged or is no network file") -> str:
    """The message, which must name the file, of a file that is refused whatever is read of it."""
    with pytest.raises(EngineError, match=words) as error:
        read_network(path, CPU)
    message = str(error.value)
    assert path in message and message.endswith(".") and len(message) < 1000
    return message


Header = dict[str, Any]


def read_parts(path: str) -> tuple[Header, bytes]:
    content = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_parts(path: str, header: Header, data: bytes) -> None:
    text = json.dumps(header).encode()
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


def change_description(path: str, change: Callable[[Header], object]) -> None:
    header, data = read_parts(path)
    description = json.loads(header["__metadata__"]["description"])
    change(description)
    header["__metadata__"]["description"] = json.dumps(description)
    write_parts(path, header, data)


def change_tensor(path: str, name: str, values: torch.Tensor) -> None:
    header, _ = read_parts(path)
    save_file({**load_file(path), name: values}, path, metadata=header["__metadata__"])


@pytest.mark.parametrize("has_forest", [True, False])
@pytest.mark.parametrize("has_location", [True, False])
def test_what_is_written_is_read_to_the_last_bit(tmp_path: Path, has_forest: bool, has_location: bool) -> None:
    trained = random_network(make_landscape(tmp_path), has_forest=has_forest, has_location=has_location)
    path = str(tmp_path / "Böden 1.safetensors")
    write_network(path, trained)
    found = read_network(path, CPU)
    assert same_description(found.description, trained.description)
    assert same_description(read_description(path), trained.description)
    for one, two in zip(found.predictor.networks, trained.predictor.networks):
        parameters = dict(two.named_parameters())
        assert type(one) is type(two) and {name for name, _ in one.named_parameters()} == set(parameters)
        assert all(torch.equal(values, parameters[name]) for name, values in one.named_parameters())
        assert not one.training
    assert len(found.predictor.forests) == 2 * has_forest
    for trees, others in zip(found.predictor.forests, trained.predictor.forests):
        for each in fields(Trees):
            np.testing.assert_array_equal(getattr(trees, each.name), getattr(others, each.name))
    np.testing.assert_array_equal(found.predictor.weights, trained.predictor.weights)
    raw = torch.randn(1, 3, 20, 20)
    where = torch.rand(1, 2, 6, 6, dtype=torch.float64) * 400
    wanted = np.ones((6, 6), np.bool_)
    for one, two in zip(
        found.predictor.predict_block(found.encoder(raw, where), wanted),
        trained.predictor.predict_block(trained.encoder(raw, where), wanted),
    ):
        np.testing.assert_array_equal(one, two)
    assert sorted(each.name for each in tmp_path.iterdir() if ".part" in each.name) == []


def test_a_second_reading_and_writing_gives_the_same_file(path: str, tmp_path: Path) -> None:
    again = str(tmp_path / "again.safetensors")
    write_network(again, read_network(path, CPU))
    headers = [read_parts(each)[0].pop("__metadata__") for each in (path, again)]  # safetensors shuffles its order
    assert headers[0] == headers[1]
    first, second = load_file(path), load_file(again)
    assert first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name], equal_nan=True) for name in first
    )


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    refused(str(tmp_path / "nothing.safetensors"), "There is no network file")
    refused(str(tmp_path), "There is no network file")


@pytest.mark.parametrize("content", [b"", b"\x00", b"PK\x03\x04 not a network", b"\x89HDF\r\n\x1a\n", b"\x80\x04\x95."])
def test_files_of_another_kind_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    refused(str(path))


def test_a_safetensors_file_of_another_program_is_refused(tmp_path: Path) -> None:
    path = str(tmp_path / "llm.safetensors")
    save_file({"weight": torch.ones(3)}, path)
    refused(path, "of another program")
    save_file({"weight": torch.ones(3)}, path, metadata={"format": "pt"})
    refused(path, "of another program")


def test_a_newer_version_is_told_to_update(path: str) -> None:
    header, data = read_parts(path)
    header["__metadata__"]["version"] = "10"
    write_parts(path, header, data)
    refused(path, "has format version 10; this plugin reads version 9. Update the plugin")
    del header["__metadata__"]["version"]
    write_parts(path, header, data)
    refused(path, "has format version unknown")


def test_folds_that_the_gaussian_process_has_no_part_for_are_refused(tmp_path: Path) -> None:
    whole = str(Path(__file__).parents[1] / "networks" / "numbers_version_9.safetensors")
    header, path, tensors = read_parts(whole)[0], str(tmp_path / "folds.safetensors"), load_file(whole)
    assert tensors["rows.fold"].max() == len(tensors["process.weights_of_parts"]) - 1
    tensors["rows.fold"][0] += 10
    save_file(tensors, path, header["__metadata__"])
    refused(path, "folds that do not exist")


def test_a_file_that_was_cut_anywhere_is_refused(path: str) -> None:
    content = Path(path).read_bytes()
    for length in (*range(0, 2000, 97), *range(2000, len(content), 20011), len(content) - 1):
        Path(path).write_bytes(content[:length])
        refused(path)


def test_flipped_bytes_are_refused_or_harmless(path: str) -> None:
    """Every byte of the header counts; nothing but an EngineError may come of any of them."""
    content = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    rng = np.random.default_rng(0)
    places = np.concatenate([np.arange(9), rng.integers(8, 8 + length, 250), rng.integers(length, len(content), 50)])
    for place in places:
        broken = bytearray(content)
        broken[place] ^= int(rng.integers(1, 256))
        Path(path).write_bytes(broken)
        try:
            read_network(path, CPU)
        except EngineError as error:
            assert path in str(error)


WRONG = [None, True, -1, 0, 1.5, 10**30, 10**400, "x", "\ud800", [], [[]], {}, {"a": 1}]


def test_a_value_of_any_other_kind_is_refused_or_harmless(path: str) -> None:
    """Each value of the description in turn is exchanged for each of the wrong ones."""
    header, data = read_parts(path)
    description = json.loads(header["__metadata__"]["description"])
    places = [place for place in _places(description) if not (isinstance(place[-1], int) and place[-1] > 1)]
    assert len(places) > 100
    for number, place in enumerate(places):
        for wrong in WRONG[number % 7 :: 7]:
            changed = json.loads(header["__metadata__"]["description"])
            inner = changed
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = wrong
            metadata = {**header["__metadata__"], "description": json.dumps(changed)}
            write_parts(path, {**header, "__metadata__": metadata}, data)
            try:
                read_network(path, CPU)
            except EngineError as error:
                assert path in str(error)


def _places(value: Any, place: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where values stand in nested lists and dicts: keys from the outermost inwards."""
    keys = value.keys() if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [each for key in keys for each in ((*place, key), *_places(value[key], (*place, key)))]


def _set(*place: Any) -> Callable[[Header], object]:
    *keys, last, value = place

    def change(description: Header) -> None:
        inner: Any = description
        for key in keys:
            inner = inner[key]
        inner[last] = value

    return change


HOSTILE = {
    "no targets": _set("targets", []),
    "no networks": _set("shapes", []),
    "no covariates": _set("covariates", []),
    "one target twice": lambda d: d["targets"].__setitem__(1, d["targets"][0]),
    "one covariate twice": lambda d: d["covariates"].__setitem__(1, d["covariates"][0]),
    "one architecture twice": lambda d: d["shapes"].append(d["shapes"][0]),
    "an unknown architecture": _set("shapes", 0, "name", "transformer"),
    "an even patch": _set("shapes", 0, "patch_size", 14),
    "a negative patch": _set("shapes", 0, "patch_size", -15),
    "a patch as wide as a country": _set("shapes", 0, "patch_size", 2**40 + 1),
    "a patch wider than the file's": _set("patch_size", 9),
    "an even patch of the forests": _set("patch_size", 16),
    "a patch of the forests as wide as a country": _set("patch_size", 10**9 + 1),
    "a million members": _set("shapes", 0, "members", 10**6),
    "members beyond all numbers": _set("shapes", 0, "members", 10**25),
    "no members": _set("shapes", 0, "members", 0),
    "a foreign predictor": _set("predictor", "oracle"),
    "weights of too few components": lambda d: d["weights"].pop(),
    "weights of too few targets": lambda d: d["weights"][0].pop(),
    "negative weights": _set("weights", 0, 0, -0.5),
    "weights that do not sum to 1": _set("weights", 0, 0, 5.0),
    "an outcome too few": lambda d: d["outcomes"].pop(),
    "an unknown transform": _set("outcomes", 0, "scale", "transform", "cube"),
    "a spread of 0": _set("outcomes", 0, "scale", "spread", 0.0),
    "an infinite centre": _set("outcomes", 0, "scale", "centre", float("inf")),
    "an outcome without calibration": lambda d: d["outcomes"][0].pop("calibration"),
    "a class beside other targets": _set("outcomes", 0, {"names": ["a", "b"], "temperature": 1.0}),
    "a composition of other targets": _set("compositions", [["zinc_0_10", "clay"]]),
    "a calibration without quantiles": _set("outcomes", 0, "calibration", "shape", "quantiles", []),
    "quantiles that go down": lambda d: d["outcomes"][0]["calibration"]["shape"]["quantiles"][0].reverse(),
    "a calibration that is not a number": _set("outcomes", 0, "calibration", "shape", "nodes", 0, 0, float("nan")),
    "a calibration without weights": _set("outcomes", 0, "calibration", "weights", []),
    "a coverage above all": _set("coverage", 1.5),
    "a coverage that is not a number": _set("coverage", float("nan")),
    "quantiles of a covariate that go down": lambda d: d["covariates"][0]["quantiles"].reverse(),
    "a location that is not a number": _set("location", "x", float("nan")),
    "a location without spread": _set("location", "spread", [1.0, 0.0]),
    "a CRS that is none": _set("grid", "crs_wkt", "drop table"),
    "a CRS with a grid of a server": _set("grid", "crs_wkt", crs_with_grid("//server/share/a.gsb")),
    "a CRS with a grid of a device": _set("grid", "crs_wkt", crs_with_grid("@null,/dev/stdin")),
    "a grid without area": _set("grid", "transform", [0.0] * 6),
    "a grid of negative height": _set("grid", "height", -40),
    "a field too many": _set("run", "import os"),
    "a field too few": lambda d: d.pop("settings"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_description_that_makes_no_sense_is_refused(path: str, what: str) -> None:
    change_description(path, HOSTILE[what])
    refused(path)


def test_text_that_is_no_description_is_refused(path: str) -> None:
    header, data = read_parts(path)
    for text in ("", "{", "null", "[]", "[" * 100_000, '{"a": ' * 50_000, "1e999", "9" * 5000):
        header["__metadata__"]["description"] = text
        write_parts(path, header, data)
        refused(path)
    del header["__metadata__"]["description"]
    write_parts(path, header, data)
    refused(path)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(path: str, number: float) -> None:
    weights = load_file(path)["ring.residual_weight"]
    weights[1, 0, 3, 3] = number
    change_tensor(path, "ring.residual_weight", weights)
    assert "ring.residual_weight" in refused(path)


@pytest.mark.parametrize("kind", ["float64", "float16", "bfloat16", "int32", "bool", "float8_e4m3fn"])
@pytest.mark.parametrize("name", ["padarian.dense_bias", "forest0.value", "forest1.roots"])
def test_numbers_of_another_kind_are_refused(path: str, name: str, kind: str) -> None:
    tensor = load_file(path)[name]
    change_tensor(path, name, tensor.to(getattr(torch, kind)))
    assert name.split(".")[0] in refused(path)


@pytest.mark.parametrize("name", ["ring.input_weight", "padarian.last_bias", "forest0.children", "forest1.threshold"])
@pytest.mark.parametrize("shape", ["cut", "flat", "empty", "scalar"])
def test_weights_of_another_shape_are_refused(path: str, name: str, shape: str) -> None:
    tensor = load_file(path)[name]
    shapes = {"cut": tensor[:-1], "flat": tensor.reshape(1, -1), "empty": tensor[:0], "scalar": tensor.flatten()[0]}
    change_tensor(path, name, shapes[shape].clone())
    refused(path)


def test_weights_too_few_or_too_many_are_refused(path: str) -> None:
    header, _ = read_parts(path)
    tensors = load_file(path)
    for wrong in ({**tensors, "extra": torch.ones(2)}, {k: v for k, v in tensors.items() if k != "ring.output_bias"}):
        save_file(wrong, path, metadata=header["__metadata__"])
        refused(path)
    save_file({k: v for k, v in tensors.items() if k != "forest1.value"}, path, metadata=header["__metadata__"])
    assert "forests or its Gaussian process are incomplete" in refused(path)
    save_file({k: v for k, v in tensors.items() if k != "process.known"}, path, metadata=header["__metadata__"])
    assert "forests or its Gaussian process are incomplete" in refused(path)


def test_a_forest_that_walks_out_of_its_arrays_is_refused(path: str) -> None:
    children = load_file(path)["forest0.children"]
    children[0, 0] = 2**31 - 1
    change_tensor(path, "forest0.children", children)
    assert "leads nowhere" in refused(path)


def test_giant_claims_take_no_memory(path: str) -> None:
    header, data = read_parts(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for changed in (
        {**header, "ring.input_weight": {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}},
        {**header, "ring.input_weight": {"dtype": "F32", "shape": [2**62, 2], "data_offsets": [0, 8]}},
    ):
        write_parts(path, changed, data)
        refused(path)
    write_parts(path, header, data)
    for members in (10**7, 10**12):
        change_description(path, _set("shapes", 1, "members", members))
        refused(path)
    Path(path).write_bytes(struct.pack("<Q", 2**60) + b"{}")
    refused(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_a_network_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = random_network(make_landscape(tmp_path))
    scores = {"clay": {NETWORK: Scores(60, *[float("nan")] * 9)}}
    broken = replace(trained, description=replace(trained.description, scores=scores))
    with pytest.raises(ValueError, match="JSON"):
        write_network(str(tmp_path / "n.safetensors"), broken)
    assert not list(tmp_path.glob("n.*"))


def test_reading_needs_no_pickle() -> None:
    source = Path(network_file.__file__).read_text(encoding="utf-8")
    assert "pickle" not in source and "torch.load" not in source
