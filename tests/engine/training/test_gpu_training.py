"""Training on a GPU learns as on the processor, on a pretended GPU where there is no real one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.engine.machine.memory import Memory
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.training import checkpoint, input_rows
from soil_cnn_plugin.engine.training import fit as fit_module
from soil_cnn_plugin.engine.training.checkpoint import Checkpoint, CheckpointFolder
from soil_cnn_plugin.engine.training.fit import FitSettings, fit
from soil_cnn_plugin.engine.training.input_rows import Batches, InputRows, room_for
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from tests.engine import pretended_gpu
from tests.engine.landscape import Landscape, cut, learned_of, lesson_of, make_landscape

NAMES = ("ring", "padarian")
N, MEMBERS, PATCH = 48, 3, 11
SETTINGS = FitSettings(16, 1e-2, 0.01, steps=40, evaluate_every=10, patience=50, seed=5)
SHORT = replace(SETTINGS, steps=12, evaluate_every=3)
HELD_OUT = np.arange(N) % MEMBERS == np.arange(MEMBERS)[:, None]
CPU = torch.device("cpu")
Make = Callable[[tuple[int, ...], torch.device], InputRows]
Trainings = Callable[[str], "tuple[Training, Training]"]

device = pretended_gpu.device


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"))


@pytest.fixture(scope="module")
def short_trainings(landscape: Landscape, device: torch.device) -> Trainings:
    """Give two short trainings of an architecture that differ in nothing but chance."""

    @cache
    def of(name: str) -> tuple[Training, Training]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.backends.cudnn, "deterministic", True)
            return train(landscape, name, device, SHORT), train(landscape, name, device, replace(SHORT, seed=6))

    return of


class Killed(Exception):
    pass


@dataclass(frozen=True)
class Training:
    network: PackedNetwork
    location: NDArray[np.float64]
    targets: NDArray[np.float64]
    told: list[str]


def train(
    landscape: Landscape,
    name: str,
    device: torch.device,
    settings: FitSettings = SETTINGS,
    folder: Path | None = None,
    killed_at: float = 2.0,
    make: Make = room_for,
    dropout: float = 0.1,
) -> Training:
    """Of a target that follows elevation; `make` chooses where inputs lie."""
    network = build_network(Shape(name, PATCH, MEMBERS), Encoder(landscape.summaries()), number_columns(1), dropout)
    rows, cols = np.random.default_rng(0).integers(5, 35, (2, N))
    channels = network.encoder(torch.from_numpy(cut(landscape.values, rows, cols, PATCH)))
    seen = network.inputs(channels)
    targets = channels.values[:, 0, PATCH // 2, PATCH // 2] + 0.1 * torch.randn(
        N, generator=torch.Generator().manual_seed(0)
    )
    network.to(device)
    inputs = make(tuple(seen.shape), device)
    inputs.tensor[:] = seen
    told: list[str] = []

    def progress(share: float) -> None:
        if share >= killed_at:
            raise Killed

    kept = None
    if folder:
        where = CheckpointFolder(folder, told.append)
        kept = Checkpoint.of(where, network, settings, learned_of(targets[:, None]), HELD_OUT)
    lesson = lesson_of(targets[:, None].to(device))
    found, _ = fit(network, inputs, lesson, HELD_OUT, settings, progress, told.append, kept)
    return Training(network, found.location[..., 0].double().cpu().numpy(), targets.double().numpy(), told)


def apart(one: Training, two: Training) -> float:
    """Root mean square difference of what two trainings predict."""
    return float(np.sqrt(np.nanmean((one.location - two.location) ** 2)))


@pytest.mark.parametrize("name", NAMES)
def test_training_learns_what_there_is_to_learn(landscape: Landscape, device: torch.device, name: str) -> None:
    done = train(landscape, name, device)
    assert next(done.network.parameters()).device.type == device.type
    assert np.std(np.nanmean(done.location, axis=0) - done.targets) < 0.75 * np.std(done.targets)


@pytest.mark.parametrize("name", NAMES)
def test_training_without_chance_is_that_of_the_processor(
    landscape: Landscape, device: torch.device, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawn weights apart, which a real GPU draws in a way of its own. It stops early."""
    draw = PackedNetwork.draw_parameters

    def draw_on_the_processor(network: PackedNetwork, generator: torch.Generator) -> None:
        network.to(CPU)
        draw(network, torch.Generator().manual_seed(1))
        network.to(device_of_run)

    monkeypatch.setattr(PackedNetwork, "draw_parameters", draw_on_the_processor)
    monkeypatch.setattr(fit_module, "training_dtype", lambda device: torch.float32)
    settings = replace(SETTINGS, steps=24, evaluate_every=2, patience=2)
    device_of_run = CPU
    expected = train(landscape, name, CPU, settings, dropout=0.0)
    device_of_run = device
    found = train(landscape, name, device, settings, dropout=0.0)
    assert found.told[-1] == expected.told[-1]  # the step that is kept
    assert apart(found, expected) < 0.01 * np.nanstd(expected.location)


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_training_ends_as_one_that_was_not(
    landscape: Landscape,
    device: torch.device,
    short_trainings: Trainings,
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(checkpoint, "_SECONDS", 0.0)
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    whole, other = short_trainings(name)
    with pytest.raises(Killed):
        train(landscape, name, device, SHORT, tmp_path / "checkpoints", killed_at=0.6)
    again = train(landscape, name, device, SHORT, tmp_path / "checkpoints")
    assert f"{name}: goes on from its checkpoint, step 6" in again.told
    # A GPU adds up in an order of its own, which differs by far less than another training does.
    assert apart(whole, again) < 0.1 * apart(whole, other)


def in_memory(shape: tuple[int, ...], device: torch.device) -> InputRows:
    return InputRows(torch.empty(shape), device, is_far=True)


@pytest.fixture
def in_a_file(monkeypatch: pytest.MonkeyPatch) -> Make:
    """Where neither the GPU nor the computer has memory left."""

    def make(shape: tuple[int, ...], device: torch.device) -> InputRows:
        with monkeypatch.context() as here:
            here.setattr(torch.cuda, "mem_get_info", lambda device: (0, 0))
            here.setattr(input_rows, "read_memory", lambda: Memory(10, 10))
            here.setattr(input_rows, "lies_in_memory", lambda folder: False)
            rows = room_for(shape, device)
        assert rows.is_far and rows.tensor.device == CPU
        return rows

    return make


def test_batches_are_the_same_wherever_inputs_lie(device: torch.device, in_a_file: Make) -> None:
    seen = torch.randn(N, 5, 5, 2)
    turns = torch.stack([torch.arange(25), torch.arange(25).flip(0)])
    for symmetries in (None, turns):
        places = [make((N, 5, 5, 2), device) for make in (room_for, in_memory, in_a_file)]
        for place in places:
            place.tensor[:] = seen
        for number, batches in enumerate(zip(*(Batches(each, HELD_OUT, 8, 3, symmetries) for each in places))):
            near, *far = batches
            assert near.inputs.device.type == near.rows.device.type == device.type
            if symmetries is None:
                assert torch.equal(near.inputs.cpu(), seen[near.rows.cpu()])
            for each in far:
                assert torch.equal(each.rows, near.rows) and torch.equal(each.inputs, near.inputs)
            if number == 6:  # more than a round
                break


@pytest.mark.parametrize("name", NAMES)
def test_training_is_the_same_wherever_inputs_lie(
    landscape: Landscape,
    device: torch.device,
    short_trainings: Trainings,
    name: str,
    in_a_file: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    near, other = short_trainings(name)
    for make in (in_memory, in_a_file):
        assert apart(near, train(landscape, name, device, SHORT, make=make)) < 0.1 * apart(near, other)
