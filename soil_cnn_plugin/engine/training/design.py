"""What is trained on what: a patch file encoded once, its folds, its targets on their scales, and the networks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST_CONTEXT, FORESTS, MEAN, NETWORK, PROCESS
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout
from soil_cnn_plugin.engine.machine.threads import alone, own_cores, work_ahead
from soil_cnn_plugin.engine.networks.encoding import Encoder, Location
from soil_cnn_plugin.engine.networks.focal import context_count, context_features
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.networks.ring import RingNetwork
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.ensemble import MakeFolds
from soil_cnn_plugin.engine.training.folds_of_file import in_metres
from soil_cnn_plugin.engine.training.input_rows import InputRows, room_for
from soil_cnn_plugin.engine.training.plan import Plan, build_network

_PATCHES_AT_ONCE = 256


@dataclass(frozen=True)
class TrainingData:
    """Encoded patches. `inputs` holds what each plan's network sees of N observations; the forests get `point` (N, D),
    the encoded covariates at the observation, and `context` (N, F), these with their focal means and deviations. Where
    there is a location, oblique coordinates come last in both. `raw` (N, C) are the covariates at the observation as
    they were read, NaN where missing. `places` (N, 2) are x, y in metres. `fingerprint` tells these patches from all
    others, even from those with the same targets. The patch file lies at `path`."""

    encoder: Encoder
    inputs: tuple[InputRows, ...]
    point: Singles
    context: Singles
    raw: Singles
    places: Array
    fingerprint: str
    path: str

    @property
    def layout(self) -> FeatureLayout:
        """What the columns of `context` are."""
        has_place = self.encoder.location is not None
        width = self.context.shape[1] - len(Location.ANGLES) * has_place
        return FeatureLayout(self.encoder.channel_count, width, has_place)

    def features(self, forest: str) -> Singles:
        """What a forest, one of FORESTS, grows on."""
        return self.context if forest == FOREST_CONTEXT else self.point


@dataclass(frozen=True)
class Design:
    """What all fits share. `measured` holds the targets of N observations, in their units, of `kinds` on the scales
    that they are learned on; `fold` (N,) counts from 0; `make_inner_folds` deals the given rows to folds of the same
    kind; `forests` are fitted beside the networks, the one with context always."""

    data: TrainingData
    measured: TargetValues
    kinds: tuple[Kind, ...]
    fold: Rows
    make_inner_folds: Callable[[Rows], MakeFolds]
    plans: tuple[Plan, ...]
    coverage: float
    seed: int
    device: torch.device
    forests: tuple[str, ...] = FORESTS
    checkpoints: CheckpointFolder | None = None  # None: an interrupted training begins anew

    @property
    def fold_count(self) -> int:
        return int(self.fold.max()) + 1

    @property
    def methods(self) -> tuple[str, ...]:
        return (BLEND, NETWORK, PROCESS, *self.forests, MEAN)


def encode_patches(
    file: PatchFile,
    plans: Sequence[Plan],
    device: torch.device,
    location: str = "off",
    patch_size: int | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> TrainingData:
    """Read the patches in pieces and keep only what the plans' networks need of their middle `patch_size` pixels.
    `progress` gets the share done, from 0."""
    patch_size = patch_size or file.patch_size
    encoder = Encoder(file.covariates, _location(file, location == "on") if location != "off" else None)
    coordinates = torch.from_numpy(file.coordinates)[:, :, None, None]  # (N, 2) -> (N, 2, 1, 1)
    networks = [build_network(plan.shape, encoder, number_columns(1), 0.0) for plan in plans]
    inputs: list[InputRows] = []
    context = np.empty((file.count, _context_width(encoder, patch_size)), np.float32)
    raw, middle = np.empty((file.count, len(file.covariates)), np.float32), file.patch_size // 2
    digest = hashlib.blake2b(np.ascontiguousarray(file.coordinates).tobytes(), digest_size=12)

    def room(network: PackedNetwork, seen: Tensor) -> InputRows:
        """Room for what a network sees of all patches; features that are the forests', too, lie in memory once."""
        is_context = isinstance(network, RingNetwork) and network.patch_size == patch_size and device.type == "cpu"
        if is_context:
            return InputRows(torch.from_numpy(context)[:, : seen.shape[1]], device)
        return room_for((file.count, *seen.shape[1:]), device)

    def pieces() -> Iterator[tuple[slice, Singles]]:
        """The patches in order: the file is read by one thread, while others encode."""
        for start in range(0, file.count, _PATCHES_AT_ONCE):
            patches = file.read(start, min(start + _PATCHES_AT_ONCE, file.count))
            digest.update(np.ascontiguousarray(patches).data)
            yield slice(start, start + len(patches)), patches

    @torch.no_grad()
    def encode(piece: tuple[slice, Singles]) -> None:
        rows, patches = piece
        raw[rows] = patches[:, :, middle, middle]
        channels = encoder(torch.from_numpy(patches), coordinates[rows]).crop((file.patch_size - patch_size) // 2)
        context[rows] = context_features(channels, patch_size).flatten(1).numpy()
        for index, network in enumerate(networks):
            seen = network.inputs(channels.crop((patch_size - network.patch_size) // 2))
            if len(inputs) == index:  # the first piece comes alone
                inputs.append(room(network, seen))
            inputs[index].tensor[rows] = seen

    coming = pieces()
    progress(0.0)
    encode(next(coming))
    for number, _ in enumerate(work_ahead(alone(encode), coming, own_cores()), 2):
        progress(min(1.0, number * _PATCHES_AT_ONCE / file.count))
    return TrainingData(
        encoder=encoder.to(device),
        inputs=tuple(inputs),
        point=_at_the_point(context, encoder),
        context=context,
        raw=raw,
        places=in_metres(file, file.coordinates),
        fingerprint=digest.hexdigest(),
        path=file.path,
    )


def _context_width(encoder: Encoder, patch_size: int) -> int:
    location = len(Location.ANGLES) if encoder.location else 0
    return context_count(encoder.channel_count, len(encoder.continuous), patch_size) + location


def _at_the_point(context: Singles, encoder: Encoder) -> Singles:
    """The features in `context` that need no context: the channels in the centre, and the location."""
    centre = context[:, : encoder.channel_count]
    if encoder.location is None:
        return centre
    return np.concatenate([centre, context[:, -len(Location.ANGLES) :]], axis=1)


def _location(file: PatchFile, is_everywhere: bool) -> Location:
    (x, y), spread = file.coordinates.mean(0), in_metres(file, file.coordinates).std(0).max()
    across, up = spread / in_metres(file, np.ones((1, 2)))[0]
    return Location(float(x), float(y), (float(across), float(up)), is_everywhere)
