"""Cross-fitted ensembles: each member holds out a fold, so that stopping, blending and calibration leak nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import nnls
from torch import Tensor

from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.fit import HeldOutPredictions, fit, predict_all
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.networks.plan import INNER_FOLDS, Plan, build_network

Array = NDArray[np.float64]
MakeFolds = Callable[[int, int], NDArray[np.int64]]
"""(number of folds, seed) -> fold of each training row; fewer folds where there are too few sites or blocks."""

_SHRINKAGE = 0.5  # how far blending weights are drawn from least squares towards equal weights


@dataclass(frozen=True)
class Ensemble:
    """All members of one or two architectures. `weights` (architectures, targets) blend their predictions."""

    networks: tuple[PackedNetwork, ...]
    weights: Array

    @property
    def halo(self) -> int:
        """Pixels around a block that its border pixels need."""
        return max(network.halo for network in self.networks)

    def predict(self, inputs: Sequence[Tensor]) -> tuple[Array, Array]:
        """Location and scale (N, T) of observations, from each network's inputs."""
        parts = [predict_all(network, rows) for network, rows in zip(self.networks, inputs)]
        return self._blend([_numpy(part[0]) for part in parts]), self._blend([_numpy(part[1]) for part in parts])

    @torch.inference_mode()
    def predict_block(self, channels: Channels) -> tuple[Array, Array]:
        """Location and scale (T, h, w) of every pixel of a block that came with its halo."""
        parts = [network.dense(channels.crop(self.halo - network.halo)) for network in self.networks]
        locations, scales = ([_numpy(part[i]).transpose(1, 2, 0) for part in parts] for i in (0, 1))
        return self._blend(locations).transpose(2, 0, 1), self._blend(scales).transpose(2, 0, 1)

    def _blend(self, parts: Sequence[Array]) -> Array:
        """(..., T) of each architecture -> their weighted mean."""
        blended: Array = sum((part * weight for part, weight in zip(parts, self.weights)), np.zeros(()))
        return blended


@dataclass(frozen=True)
class CrossFit:
    """An ensemble with what its members predicted for the rows they had not seen: location and scale (N, T)."""

    ensemble: Ensemble
    location: Array
    scale: Array
    curves: tuple[LossCurve, ...]


def cross_fit(
    plans: Sequence[Plan],
    encoder: Encoder,
    inputs: Sequence[Tensor],
    targets: Array,
    make_folds: MakeFolds,
    seed: int,
    progress: Callable[[float], None],
    tell: Callable[[str], None],
) -> CrossFit:
    """Train all members on `inputs`, N rows for each plan, and standardized `targets` (N, T), NaN where missing."""
    networks, curves, locations, scales = [], [], [], []
    for index, (plan, rows) in enumerate(zip(plans, inputs)):
        held_out = _held_out_rows(plan.shape.members, make_folds, seed)
        network = build_network(plan.shape, encoder, targets.shape[1], plan.dropout).to(rows.device)
        settings = plan.fit_settings(int((~held_out).sum(1).min()), seed)
        known = torch.from_numpy(targets).to(rows.device, torch.float32)
        predictions, curve = fit(network, rows, known, held_out, settings, _share(progress, index, len(plans)), tell)
        networks.append(network)
        curves.append(curve)
        location, scale = _over_members(predictions)
        locations.append(location)
        scales.append(scale)
    ensemble = Ensemble(tuple(networks), _blend_weights(np.stack(locations), targets))
    return CrossFit(ensemble, ensemble._blend(locations), ensemble._blend(scales), tuple(curves))


def _share(progress: Callable[[float], None], index: int, count: int) -> Callable[[float], None]:
    """Progress of one of `count` equal steps."""
    return lambda share: progress((index + share) / count)


def _held_out_rows(members: int, make_folds: MakeFolds, seed: int) -> NDArray[np.bool_]:
    """(K, N): which rows each member holds out; folds are drawn anew each time all of them have been held out."""
    held_out: list[NDArray[np.bool_]] = []
    repeat = 0
    while len(held_out) < members:
        fold = make_folds(min(INNER_FOLDS, members), seed + repeat)
        held_out += [fold == number for number in range(fold.max() + 1)]
        repeat += 1
    return np.stack(held_out[:members])


def _over_members(predictions: HeldOutPredictions) -> tuple[Array, Array]:
    """Mean over the members that held a row out: (K, N, T) -> (N, T)."""
    return _numpy(predictions.location.nanmean(0)), _numpy(predictions.scale.nanmean(0))


def _blend_weights(locations: Array, targets: Array) -> Array:
    """Weights (architectures, T), not negative, summing to 1: least squares on held-out predictions, drawn half-way to
    equal weights, for a few hundred observations cannot tell good weights from lucky ones."""
    count = len(locations)
    equal = np.full((count, targets.shape[1]), 1 / count)
    if count == 1:
        return equal
    weights = equal.copy()
    for target in range(targets.shape[1]):
        known = np.isfinite(targets[:, target]) & np.isfinite(locations[:, :, target]).all(0)
        design, observed = locations[:, known, target].T, targets[known, target]
        # A heavy last row holds the sum at 1.
        heavy = 1e3 * np.sqrt(len(observed))
        solution, _ = nnls(np.vstack([design, np.full(count, heavy)]), np.append(observed, heavy))
        weights[:, target] = solution / solution.sum()
    return _SHRINKAGE * equal + (1 - _SHRINKAGE) * weights


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy().astype(np.float64)
    return array
