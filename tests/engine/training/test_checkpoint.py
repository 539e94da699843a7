"""An interrupted training goes on as if nothing had happened."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.training import checkpoint as module
from soil_cnn_plugin.engine.training.checkpoint import Checkpoint, CheckpointFolder
from soil_cnn_plugin.engine.training.fit import FitSettings, HeldOutPredictions, fit
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from tests.engine.landscape import Landscape, cut, learned_of, lesson_of, make_landscape, rows_of

N = 40
SETTINGS = FitSettings(16, 3e-3, 0.01, steps=24, evaluate_every=4, patience=50, seed=5)
HELD_OUT = np.arange(N) % 2 == np.arange(2)[:, None]


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


@pytest.fixture(autouse=True)
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every evaluation is written, not only one a minute."""
    monkeypatch.setattr(module, "_SECONDS", 0.0)


class Killed(Exception):
    pass


def train(
    landscape: Landscape,
    name: str,
    folder: Path | None,
    killed_at: float = 2.0,
    settings: FitSettings = SETTINGS,
    noise: float = 0.0,
) -> tuple[PackedNetwork, HeldOutPredictions, list[str]]:
    network = build_network(Shape(name, 11, 2), Encoder(landscape.summaries()), number_columns(1), 0.3)
    rows, cols = np.random.default_rng(0).integers(5, 35, (2, N))
    channels = network.encoder(torch.from_numpy(cut(landscape.values, rows, cols, 11)))
    targets = channels.values[:, 0, 5, 5][:, None] + noise
    told: list[str] = []

    def progress(share: float) -> None:
        if killed_at <= share < 1.0:  # one that was finished before tells that it is
            raise Killed

    kept = None
    if folder:
        where = CheckpointFolder(folder, told.append)
        kept = Checkpoint.of(where, network, settings, learned_of(targets), HELD_OUT)
    inputs = rows_of(network.inputs(channels))
    found, _ = fit(network, inputs, lesson_of(targets), HELD_OUT, settings, progress, told.append, kept)
    return network, found, told


def same(one: tuple[PackedNetwork, HeldOutPredictions, list[str]], two: object) -> bool:
    assert isinstance(two, tuple)
    pairs = zip(one[0].parameters(), two[0].parameters())
    return all(torch.equal(a, b) for a, b in pairs) and torch.equal(
        one[1].location.nan_to_num(), two[1].location.nan_to_num()
    )


@pytest.mark.parametrize("name", ["ring", "padarian"])
def test_an_interrupted_training_ends_as_one_that_was_not(landscape: Landscape, tmp_path: Path, name: str) -> None:
    whole = train(landscape, name, None)
    folder = tmp_path / "checkpoints"
    with pytest.raises(Killed):
        train(landscape, name, folder, killed_at=0.6)
    again = train(landscape, name, folder)
    assert f"{name}: goes on from its checkpoint, step 12" in again[2]
    assert same(whole, again)
    # And of a finished one nothing is trained any more.
    finished = train(landscape, name, folder, killed_at=0.0)
    assert same(whole, finished) and f"{name}: goes on from its checkpoint, step 24" in finished[2]


def test_a_training_that_had_begun_to_wait_stops_where_it_would_have(landscape: Landscape, tmp_path: Path) -> None:
    settings = replace(SETTINGS, learning_rate=0.05, steps=400, evaluate_every=2, patience=4)
    whole = train(landscape, "ring", None, settings=settings)
    kept = int(re.findall(r"kept as of step (\d+)", whole[2][-1])[0])
    assert 0 < kept < 300
    with pytest.raises(Killed):
        train(landscape, "ring", tmp_path, killed_at=(kept + 5) / settings.steps, settings=settings)
    again = train(landscape, "ring", tmp_path, settings=settings)
    assert f"ring: goes on from its checkpoint, step {kept + 4}" in again[2] and same(whole, again)


def test_a_checkpoint_of_another_training_is_not_used(landscape: Landscape, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    train(landscape, "ring", folder)
    for changed in ({"noise": 1.0}, {"settings": replace(SETTINGS, seed=6)}):
        told = train(landscape, "ring", folder, **changed)[2]
        assert not any("goes on" in line for line in told)


def test_a_checkpoint_of_another_device_is_not_used(tmp_path: Path, landscape: Landscape) -> None:
    """Its random numbers could not go on."""
    network = build_network(Shape("ring", 11, 2), Encoder(landscape.summaries()), number_columns(1), 0.3)
    learned = learned_of(torch.zeros(N, 1))
    folder = CheckpointFolder(tmp_path, print)
    here = Checkpoint.of(folder, network, SETTINGS, learned, HELD_OUT)
    elsewhere = Checkpoint.of(folder, network.to("meta"), SETTINGS, learned, HELD_OUT)
    assert here.path != elsewhere.path


def test_a_broken_checkpoint_is_as_good_as_none(landscape: Landscape, tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    whole = train(landscape, "ring", folder)
    (file,) = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-1000])
    again = train(landscape, "ring", folder)
    assert same(whole, again) and not any("goes on" in line for line in again[2])


def test_a_training_whose_checkpoints_cannot_be_written_goes_on_and_tells_it_once(
    landscape: Landscape, tmp_path: Path
) -> None:
    whole = train(landscape, "ring", None)
    (tmp_path / "file").write_text("in the way")
    again = train(landscape, "ring", tmp_path / "file" / "checkpoints")
    assert same(whole, again)
    (sentence,) = (line for line in again[2] if "Checkpoints" in line)
    assert f"cannot be written to {tmp_path / 'file' / 'checkpoints'}: " in sentence and "goes on" in sentence


def test_a_disk_that_gets_full_leaves_the_last_whole_checkpoint(
    landscape: Landscape, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "checkpoints"
    with pytest.raises(Killed):
        train(landscape, "ring", folder, killed_at=0.6)
    save, wholes = module.save_file, {each.name: each.read_bytes() for each in folder.iterdir()}

    def save_half(tensors: dict[str, torch.Tensor], path: str, words: dict[str, str]) -> None:
        save(tensors, path, words)
        os.truncate(path, 1000)
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(module, "save_file", save_half)
    told = train(landscape, "ring", folder)[2]
    assert len([line for line in told if "No space left" in line]) == 1
    assert {each.name: each.read_bytes() for each in folder.iterdir()} == wholes
