"""Cross-fitted networks: each member holds out a fold, so that stopping, blending and calibration leak nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.processes import is_agreed
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.learned import Learned
from soil_cnn_plugin.engine.training.checkpoint import Checkpoint, CheckpointFolder
from soil_cnn_plugin.engine.training.fit import HeldOutPredictions, fit
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.training.plan import Plan, build_network

MakeFolds = Callable[[int, int], Rows]
"""Takes a number of folds and a seed, gives the fold of each training row; fewer folds with too few sites or blocks."""


@dataclass(frozen=True)
class CrossFit:
    """The networks, the rows (K, N) that the members of each had not seen, and their predictions for these rows:
    (networks, N, T) each."""

    networks: tuple[PackedNetwork, ...]
    held_out: tuple[Flags, ...]
    location: Array
    scale: Array
    curves: tuple[LossCurve, ...]


def cross_fit(
    plans: Sequence[Plan],
    encoder: Encoder,
    inputs: Sequence[InputRows],
    learned: Learned,
    make_folds: MakeFolds,
    seed: int,
    progress: Callable[[str, float], None],
    tell: Callable[[str], None],
    checkpoints: CheckpointFolder | None = None,
) -> CrossFit:
    """Train all members on `inputs`, N rows for each plan, to predict what is `learned` of them. `progress` gets the
    name of a network and the share of its steps that is done."""
    networks, held_outs, curves, locations, scales = [], [], [], [], []
    for plan, rows in zip(plans, inputs):
        held_out = held_out_rows(plan.shape.members, make_folds, seed)
        check_folds(held_out, rows.device)
        network = build_network(plan.shape, encoder, learned.layout, plan.dropout).to(rows.device)
        settings = plan.fit_settings(int((~held_out).sum(1).min()), seed)
        lesson = learned.lesson(rows.device)
        checkpoint = Checkpoint.of(checkpoints, network, settings, learned, held_out) if checkpoints else None
        share = partial(progress, plan.shape.name)
        predictions, curve = fit(network, rows, lesson, held_out, settings, share, tell, checkpoint)
        networks.append(network)
        held_outs.append(held_out)
        curves.append(curve)
        location, scale = _over_members(predictions)
        locations.append(location)
        scales.append(scale)
    return CrossFit(tuple(networks), tuple(held_outs), np.stack(locations), np.stack(scales), tuple(curves))


def check_folds(folds: Flags | Rows, device: torch.device) -> None:
    """Raise EngineError where processes that train together have dealt the observations to other folds."""
    if not is_agreed(crc32(folds.tobytes()), device):
        raise EngineError(
            tr(
                "The processes that train together deal the observations to different folds. Give all"
                " machines the same patch file, and choose machines of one kind."
            )
        )


def held_out_rows(members: int, make_folds: MakeFolds, seed: int) -> Flags:
    """Rows (K, N) that each member holds out; folds are drawn anew each time all of them have been held out."""
    held_out: list[Flags] = []
    repeat = 0
    while len(held_out) < members:
        fold = make_folds(min(INNER_FOLDS, members), seed + repeat)
        held_out += [fold == number for number in range(fold.max() + 1)]
        repeat += 1
    return np.stack(held_out[:members])


def _over_members(predictions: HeldOutPredictions) -> tuple[Array, Array]:
    """Mean over the members that held a row out: (K, N, T) -> (N, T)."""
    return _numpy(predictions.location.nanmean(0)), _numpy(predictions.scale.nanmean(0))


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.cpu().numpy().astype(np.float64)
    return array
