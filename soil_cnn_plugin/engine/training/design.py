"""What is trained on what: a patch file encoded once, its folds, its targets on their scales, and the networks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.arrays import Rows, Singles
from soil_cnn_plugin.engine.assessment.folds import Folds
from soil_cnn_plugin.engine.assessment.methods import BLEND, FORESTS, MEAN, NETWORK, PROCESS
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests.forest import growth_in_words
from soil_cnn_plugin.engine.kriging.fitted_process import rows_in_words
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout
from soil_cnn_plugin.engine.networks.encoding import Encoder, Location
from soil_cnn_plugin.engine.networks.focal import context_count, context_features
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import by_target, pair_with_targets
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.ensemble import MakeFolds
from soil_cnn_plugin.engine.training.folds_of_file import (
    hold_out,
    inner_folds,
    kind_within,
    kinds_on_scales,
    other_kind,
    tell_folds,
    tell_scales,
)
from soil_cnn_plugin.engine.training.input_rows import InputRows, room_for
from soil_cnn_plugin.engine.training.plan import Plan, build_network, make_plans
from soil_cnn_plugin.engine.versions import read_versions

_PATCHES_AT_ONCE = 128


@dataclass(frozen=True)
class TrainingData:
    """Encoded patches. `inputs` holds what each plan's network sees of N observations; the forests get `point` (N, D),
    the encoded covariates at the observation, and `context` (N, F), these with their focal means and deviations: what
    the ring network sees. `raw` (N, C) are the covariates at the observation as they were read, NaN where missing.
    `fingerprint` tells these patches from all others, even from those with the same targets. The patch file lies at
    `path`."""

    encoder: Encoder
    inputs: tuple[InputRows, ...]
    point: Singles
    context: Singles
    raw: Singles
    fingerprint: str
    path: str

    @property
    def forest_context(self) -> Singles:
        """What forests see of `context`: all but coordinates that only the Gaussian process sees."""
        is_hidden = self.encoder.location is not None and not self.encoder.shows_location
        return self.context[:, : -len(Location.ANGLES)] if is_hidden else self.context

    @property
    def layout(self) -> FeatureLayout:
        """What the columns of `context` are."""
        has_place = self.encoder.location is not None
        width = self.context.shape[1] - len(Location.ANGLES) * has_place
        return FeatureLayout(self.encoder.channel_count, width, has_place)


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
    def methods(self) -> tuple[str, ...]:
        return (BLEND, NETWORK, PROCESS, *self.forests, MEAN)


def make_designs(
    job: TrainNetwork, file: PatchFile, folds: Folds, checkpoints: Path, device: torch.device, report: Report
) -> list[Design]:
    """Return the design with the chosen folds and, where the observations allow it, the same one with folds of another
    kind: random folds beside spatial ones, and spatial blocks beside random ones. The difference shows how much the
    map's worth depends on near observations.

    Raises:
        EngineError: patches are too small for a network, or the values of a target forbid the transform.
    """
    plans = make_plans(job, file.patch_size)
    kinds = kinds_on_scales(job.transform, file)
    pair_with_targets(job.exceedance, file.targets, kinds)
    report.info(_plans_in_words(file, plans, kinds))
    tell_scales(kinds, job.transform, file, report)
    tell_folds(folds, job.domain, report)
    if growth_in_words(file.count):
        report.info(f"In the random forests {growth_in_words(file.count)}.")
    if rows_in_words(file.count):
        report.info(f"The Gaussian process is bounded: {rows_in_words(file.count)}.")
    data = encode_patches(file, plans, device, _who_sees_location(job))
    kept_at = checkpoints / read_versions()["Soil CNN"] / data.fingerprint
    design = Design(
        data=data,
        measured=file.measured,
        kinds=kinds,
        fold=folds.fold,
        make_inner_folds=inner_folds(file, kind_within(folds), job.domain),
        plans=plans,
        coverage=job.coverage,
        seed=job.seed,
        device=device,
        checkpoints=CheckpointFolder(kept_at, report.warning) if job.resume else None,
    )
    kind = other_kind(folds)
    try:
        fold = hold_out(file, kind, job.folds, job.seed).fold
    except EngineError as error:
        report.info(f"No folds of another kind are shown beside these: {error}")
        return [design]
    return [design, replace(design, fold=fold, make_inner_folds=inner_folds(file, kind))]


@torch.no_grad()
def encode_patches(
    file: PatchFile,
    plans: Sequence[Plan],
    device: torch.device,
    location: str = "off",
    patch_size: int | None = None,
) -> TrainingData:
    """Read the patches in pieces and keep only what the plans' networks need of their middle `patch_size` pixels."""
    patch_size = patch_size or file.patch_size
    encoder = Encoder(file.covariates, _location(file, location == "on") if location != "off" else None)
    coordinates = torch.from_numpy(file.coordinates)[:, :, None, None]  # (N, 2) -> (N, 2, 1, 1)
    networks = [build_network(plan.shape, encoder, number_columns(1), 0.0) for plan in plans]
    inputs: list[InputRows] = []
    context = np.empty((file.count, _context_width(encoder, patch_size)), np.float32)
    raw, middle = np.empty((file.count, len(file.covariates)), np.float32), file.patch_size // 2
    digest = hashlib.blake2b(np.ascontiguousarray(file.coordinates).tobytes(), digest_size=12)
    for start in range(0, file.count, _PATCHES_AT_ONCE):
        end = min(start + _PATCHES_AT_ONCE, file.count)
        patches = file.read(start, end)
        digest.update(np.ascontiguousarray(patches).data)
        raw[start:end] = patches[:, :, middle, middle]
        channels = encoder(torch.from_numpy(patches), coordinates[start:end])
        channels = channels.crop((file.patch_size - patch_size) // 2)
        context[start:end] = context_features(channels, patch_size).flatten(1).numpy()
        for index, network in enumerate(networks):
            seen = network.inputs(channels.crop((patch_size - network.patch_size) // 2))
            if not start:
                inputs.append(room_for((file.count, *seen.shape[1:]), device))
            inputs[index].tensor[start:end] = seen
    return TrainingData(
        encoder=encoder.to(device),
        inputs=tuple(inputs),
        point=_at_the_point(context, encoder),
        context=context,
        raw=raw,
        fingerprint=digest.hexdigest(),
        path=file.path,
    )


def _who_sees_location(job: TrainNetwork) -> str:
    """Return the job's choice; without a blend there is no Gaussian process that could see the location."""
    return "off" if job.location == "auto" and job.predictor != BLEND else job.location


def _context_width(encoder: Encoder, patch_size: int) -> int:
    location = len(Location.ANGLES) if encoder.location else 0
    return context_count(encoder.channel_count, len(encoder.continuous), patch_size) + location


def _at_the_point(context: Singles, encoder: Encoder) -> Singles:
    """The features in `context` that need no context: the channels in the centre, and the location."""
    centre = context[:, : encoder.channel_count]
    if not encoder.shows_location:
        return centre
    return np.concatenate([centre, context[:, -len(Location.ANGLES) :]], axis=1)


def _location(file: PatchFile, is_everywhere: bool) -> Location:
    middle = file.coordinates.mean(0)
    return Location(float(middle[0]), float(middle[1]), float(file.coordinates.std(0).max()), is_everywhere)


def _plans_in_words(file: PatchFile, plans: tuple[Plan, ...], kinds: tuple[Kind, ...]) -> str:
    ensembles = " and ".join(
        f"{plan.shape.members} members of {plan.shape.name} ({plan.shape.patch_size} x {plan.shape.patch_size} pixels)"
        for plan in plans
    )
    targets = ", ".join(by_target(kinds, [kind.in_words() for kind in kinds]))
    return f"{file.count} observations, {len(file.covariates)} covariates; networks: {ensembles}; targets: {targets}"
