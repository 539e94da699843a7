"""Measure training all members together against a plain PyTorch loop over a DataLoader and one member at a time.

Networks, batches, optimizer and numbers of members are those of the standard preset; covariates and targets are random.
The plain loop trains one member after the other from patches in memory. It neither mirrors patches nor averages
parameters, and it does not evaluate held-out observations, as two of our ways do every ten steps. Ways take turns, so
that a busy machine slows all alike. `make bench` runs this in the engine's Python.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from figures import Figure, devices, options, parse, ratios, spread, synchronize, write
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from soil_cnn_plugin.contract.jobs import Covariate, TrainNetwork
from soil_cnn_plugin.engine.machine.threads import run_side_by_side
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.targets.learned import Learned, number_columns
from soil_cnn_plugin.engine.training.fit import FitSettings, fit
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.plan import Plan, build_network, make_plans

QUICK = {"observations": 600, "steps": 15, "turns": 1}
PATCH_SIZE = 31
TOGETHER, EVALUATED, PAIR, FILE, ALONE = "together", "evaluated", "pair", "file", "alone"
PLAIN, WORKERS = "plain", "workers"
PIECE = 128  # patches that are encoded at once


@dataclass(frozen=True)
class Lecture:
    """The data to learn and how to learn them. `held_out` (K, N) marks the rows that each member does not train on."""

    plan: Plan
    encoder: Encoder
    inputs: InputRows
    learned: Learned
    held_out: NDArray[np.bool_]
    settings: FitSettings
    device: torch.device

    @property
    def members(self) -> int:
        return self.plan.shape.members

    @property
    def samples(self) -> int:
        """Number of observations that all members together learn from."""
        return self.members * self.settings.batch_size * self.settings.steps

    def network(self, members: int) -> PackedNetwork:
        shape = replace(self.plan.shape, members=members)
        return build_network(shape, self.encoder, number_columns(1), self.plan.dropout).to(self.device)


class Patches(Dataset[tuple[Tensor, Tensor]]):
    """What a network sees of some observations, and their targets, one at a time."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.inputs[index], self.targets[index]


def main() -> None:
    asked = read_options()
    figures = []
    for device in devices():
        for plan in make_plans(TrainNetwork("", "", members=asked.members), PATCH_SIZE, TrainNetwork.ENOUGH_FOR_BOTH):
            figures += compare(make_lecture(plan, torch.device(device), asked), asked)
    write("training", "Training", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--observations", type=int, default=2000)
    parser.add_argument("--covariates", type=int, default=10)
    parser.add_argument("--members", type=int, help="members of each ensemble; empty: the standard preset's")
    parser.add_argument("--steps", type=int, default=150, help="timed steps of each way")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2, help="processes of the DataLoader that uses processes")
    return parse(parser, QUICK)


@torch.no_grad()
def make_lecture(plan: Plan, device: torch.device, asked: argparse.Namespace) -> Lecture:
    rng, generator = np.random.default_rng(0), torch.Generator().manual_seed(0)
    quantiles = tuple(np.linspace(-3, 3, 129))
    encoder = Encoder([CovariateSummary(Covariate("", f"c{i}"), quantiles, (), ()) for i in range(asked.covariates)])
    network = build_network(plan.shape, encoder, number_columns(1), 0.0)
    size, count = plan.shape.patch_size, asked.observations
    pieces = []
    for start in range(0, count, PIECE):
        shape = min(PIECE, count - start), asked.covariates, size, size
        pieces.append(network.inputs(encoder(torch.randn(shape, generator=generator))))
    inputs = torch.cat(pieces)
    values = inputs.flatten(1)[:, :1].double().numpy() + rng.normal(size=(count, 1))
    nothing = np.zeros_like(values)
    return Lecture(
        plan=plan,
        encoder=encoder.to(device),
        inputs=InputRows(inputs.to(device), device),
        learned=Learned(values, nothing.astype(np.bool_), nothing, np.ones(count), values, number_columns(1)),
        held_out=np.arange(count) % 5 == np.arange(plan.shape.members)[:, None] % 5,
        settings=replace(plan.fit_settings(count, 0), steps=asked.steps, evaluate_every=asked.steps),
        device=device,
    )


def compare(lecture: Lecture, asked: argparse.Namespace) -> list[Figure]:
    every = min(10, asked.steps)  # as often as Train network evaluates so many observations
    evaluated = replace(lecture, settings=replace(lecture.settings, evaluate_every=every))
    ways: dict[str, Callable[[], float]] = {
        TOGETHER: lambda: fit_members(lecture),
        EVALUATED: lambda: fit_members(evaluated),
        PAIR: lambda: fit_side_by_side(evaluated) / 2,
        FILE: lambda: fit_from_file(lecture),
        ALONE: lambda: sum(fit_members(lecture, member) for member in range(lecture.members)),
        PLAIN: lambda: sum(loop(lecture, member, 0) for member in range(lecture.members)),
        WORKERS: lambda: sum(loop(lecture, member, asked.workers) for member in range(lecture.members)),
    }
    speeds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(asked.turns + 1):
        for name, run in ways.items():
            seconds = run()
            if turn:  # the first turn warms up
                speeds[name].append(lecture.samples / seconds)
                print(f"turn {turn}, {name}: {speeds[name][-1]:,.0f} samples/s", file=sys.stderr, flush=True)
    faster = max((PLAIN, WORKERS), key=lambda name: sorted(speeds[name])[len(speeds[name]) // 2])
    told = {name: f"{spread(values)} samples/s" for name, values in speeds.items()}
    title = f"{lecture.plan.shape.name}, {lecture.members} members{', GPU' if lecture.device.type == 'cuda' else ''}"
    settings = lecture.settings
    looped = f"{told[faster]}, the DataLoader with {asked.workers if faster == WORKERS else 'no'} workers"

    def figure(name: str, way: str, other: str, against: str, goal: float | None = None) -> Figure:
        values = ratios(speeds[way], speeds[other])
        return Figure(f"{title}: {name}", values, goal=goal, detail=f"{told[way]} against {against}")

    return [
        figure(
            f"together against the faster plain loop, batches of {settings.batch_size}", TOGETHER, faster, looped, 3
        ),
        figure(f"the same, and evaluated every {every} steps", EVALUATED, faster, looped),
        figure("two trainings side by side and evaluated, as Train network does", PAIR, faster, looped, 3),
        figure("together, read from a file that is not in memory, against together", FILE, TOGETHER, told[TOGETHER]),
        figure("together against one member at a time", TOGETHER, ALONE, told[ALONE]),
    ]


def fit_members(lecture: Lecture, member: int | None = None) -> float:
    """Return the seconds of our training, for one member or all."""
    network = lecture.network(lecture.members if member is None else 1)
    held_out = lecture.held_out if member is None else lecture.held_out[[member]]
    lesson = lecture.learned.lesson(lecture.device)
    synchronize(lecture.device.type)
    started = time.perf_counter()
    fit(network, lecture.inputs, lesson, held_out, lecture.settings, lambda share: None, lambda line: None)
    synchronize(lecture.device.type)
    return time.perf_counter() - started


def fit_side_by_side(lecture: Lecture) -> float:
    started = time.perf_counter()
    run_side_by_side([lambda: fit_members(lecture)] * 2, lecture.device)
    return time.perf_counter() - started


def fit_from_file(lecture: Lecture) -> float:
    """Return the seconds of our training when its inputs are in a file."""
    tensor = lecture.inputs.tensor.cpu()
    with tempfile.NamedTemporaryFile() as file:
        np.memmap(file.name, np.float32, "w+", shape=tuple(tensor.shape))[:] = tensor.numpy()
        os.fsync(file.fileno())
        if hasattr(os, "posix_fadvise"):  # elsewhere it stays in memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        inputs = np.memmap(file.name, np.float32, "r+", shape=tuple(tensor.shape))
        return fit_members(replace(lecture, inputs=InputRows(torch.from_numpy(inputs), lecture.device, is_far=True)))


def loop(lecture: Lecture, member: int, workers: int) -> float:
    """Return the seconds of as many steps of the plain loop; its workers start before."""
    settings, heads = lecture.settings, lecture.network(1).heads
    network = plain_layers(lecture).to(lecture.device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    rows = np.flatnonzero(~lecture.held_out[member])
    targets = torch.from_numpy(lecture.learned.values[rows]).float()
    dataset = Patches(lecture.inputs.tensor.cpu()[rows], targets)
    size = min(settings.batch_size, len(rows))
    loader = DataLoader(
        dataset, size, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0,
        pin_memory=lecture.device.type == "cuda",
    )  # fmt: skip
    lesson = lecture.learned.lesson(lecture.device)
    batches = again_and_again(loader)
    next(batches)
    synchronize(lecture.device.type)
    started = time.perf_counter()
    for _ in range(settings.steps):
        seen, target = (part.to(lecture.device, non_blocking=True) for part in next(batches))
        loss = heads.loss(network(seen)[None], replace(lesson, values=target[None])).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    synchronize(lecture.device.type)
    return time.perf_counter() - started


def plain_layers(lecture: Lecture) -> nn.Module:
    """One member from PyTorch's own layers."""
    network, drop = lecture.network(1), Dropout(lecture.plan.dropout)
    if not isinstance(network, PadarianNetwork):
        features = network.input_weight.shape[1]
        first = nn.Sequential(nn.Linear(features, 96), nn.GELU(), drop)
        residual = [Residual(nn.Sequential(nn.Linear(96, 96), nn.GELU(), drop)) for _ in range(2)]
        return nn.Sequential(first, *residual, nn.Linear(96, network.heads.outputs))
    channels, side = network.first_weight.shape[2], network.dense_weight.shape[-1]
    return nn.Sequential(
        ChannelsFirst(4 * side + 6),
        nn.Conv2d(channels, 16, 3), nn.MaxPool2d(2), nn.ReLU(inplace=True),
        nn.Conv2d(16, 32, 3), nn.MaxPool2d(2), nn.ReLU(inplace=True), drop, nn.Flatten(),
        nn.Linear(32 * side**2, 40), nn.ReLU(inplace=True), nn.Linear(40, 96), nn.ReLU(inplace=True),
        nn.Linear(96, network.heads.outputs),
    ).to(memory_format=torch.channels_last)  # fmt: skip


class Residual(nn.Module):
    def __init__(self, layers: nn.Module) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden + self.layers(hidden)


class Dropout(nn.Module):
    """PyTorch's own dropout takes twice the time of this on a processor."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden * (torch.rand_like(hidden) >= self.share).to(hidden.dtype).div_(1 - self.share)


class ChannelsFirst(nn.Module):
    """Images (B, P, P, D) as (B, D, width, width): what the layers see of them, without a copy."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, images: Tensor) -> Tensor:
        return images.permute(0, 3, 1, 2)[:, :, : self.width, : self.width]


def again_and_again(loader: DataLoader[tuple[Tensor, Tensor]]) -> Iterator[tuple[Tensor, Tensor]]:
    while True:
        yield from loader


if __name__ == "__main__":
    main()
