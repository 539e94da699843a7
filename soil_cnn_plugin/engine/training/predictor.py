"""What a map is predicted with: networks and, in a blend, a forest for each target, and how much each counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags, Singles
from soil_cnn_plugin.engine.forests.forest import predict_forest
from soil_cnn_plugin.engine.forests.trees import Trees, in_squares
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch
from soil_cnn_plugin.engine.training.fit import predict_all
from soil_cnn_plugin.engine.training.input_rows import InputRows

_STEPS = 100  # towards the likeliest mixture of classes
_NEXT_TO_IMPOSSIBLE = 1e-6  # probability of a class, at least: no component is out for one surprise
_SHRINKAGE = 0.5  # how far weights are drawn from least squares towards equal ones


@dataclass(frozen=True)
class Predictor:
    """`forests` holds one forest a target, of the covariates with context, or nothing. `weights` (networks [+ 1], T)
    blend locations and scales; the forests' weight comes last. `patch_size` is the forests' widest window."""

    networks: tuple[PackedNetwork, ...]
    forests: tuple[Trees, ...]
    weights: Array
    patch_size: int

    @property
    def halo(self) -> int:
        """Pixels around a block that its border pixels need."""
        halos = [network.halo for network in self.networks]
        return max(halos + ([self.patch_size // 2] if self.forests else []))

    def predict(self, inputs: Sequence[Tensor], context: Singles) -> tuple[Array, Array]:
        """Location and scale (N, T) of observations, from each network's inputs and the forests' features."""
        parts = [predict_all(network, InputRows(rows, rows.device)) for network, rows in zip(self.networks, inputs)]
        locations, scales = ([_numpy(part[i]) for part in parts] for i in (0, 1))
        if self.forests:
            location, scale = predict_forests(self.forests, context)
            locations.append(location)
            scales.append(scale)
        return mix(np.stack(locations), self.weights), mix(np.stack(scales), self.weights)

    @torch.inference_mode()
    def predict_block(
        self,
        channels: Channels,
        wanted: Flags,
        watches: Sequence[Watch] = (),
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Array, Array]:
        """Location and scale (T, h, w) of a block that came with its halo, NaN where not `wanted` (h, w).

        `watches`, if any, one a network, get the last hidden layers. Networks compute in `dtype`.
        """
        locations, scales = [], []
        for index, network in enumerate(self.networks):
            watch = watches[index] if watches else None
            location, scale = network.dense(channels.crop(self.halo - network.halo), watch, dtype)
            locations.append(_numpy(location)[:, wanted].T)  # (T, h, w) -> (n, T)
            scales.append(_numpy(scale)[:, wanted].T)
        if self.forests:
            features = context_features(channels.crop(self.halo - self.patch_size // 2), self.patch_size)
            order = in_squares(wanted)
            pixels = np.flatnonzero(wanted)[order]
            # Chosen where they lie: on a GPU most of the features need not be copied.
            chosen = torch.from_numpy(pixels).to(features.device)
            rows = features[0].flatten(1).index_select(1, chosen).cpu().numpy().T  # (F, h, w) -> (n, F)
            for parts, found in zip((locations, scales), predict_forests(self.forests, rows)):
                as_wanted = np.empty_like(found)
                as_wanted[order] = found
                parts.append(as_wanted)
        result = np.full((2, self.weights.shape[1], *wanted.shape), np.nan)
        result[0][:, wanted] = mix(np.stack(locations), self.weights).T
        result[1][:, wanted] = mix(np.stack(scales), self.weights).T
        return result[0], result[1]


def predict_forests(forests: Sequence[Trees], features: Singles) -> tuple[Array, Array]:
    """Location and scale (N, T), from one forest a target; one with several outputs predicts as many columns."""
    parts = [predict_forest(forest, features) for forest in forests]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts], axis=1)


def mix(parts: Array, weights: Array) -> Array:
    """(M, N, T) of M components and their weights (M, T) -> (N, T)."""
    mixed: Array = np.einsum("mnt,mt->nt", parts, weights)
    return mixed


def learn_weights(locations: Array, targets: Array) -> Array:
    """Weights (M, T), not negative, summing to 1, for components that predicted (M, N, T) for rows they had not seen.

    Least squares against `targets` (N, T), drawn half-way to equal weights: a few hundred observations cannot tell
    good weights from lucky ones.
    """
    count = len(locations)
    equal = np.full((count, targets.shape[1]), 1 / count)
    weights = equal.copy()
    for target in range(targets.shape[1]) if count > 1 else ():
        known = np.isfinite(targets[:, target]) & np.isfinite(locations[:, :, target]).all(0)
        design, observed = locations[:, known, target].T, targets[known, target]
        # A light pull to equal weights decides between components that agree; a heavy row holds the sum at 1.
        size = np.sqrt(max(len(observed), 1))
        light, heavy = 0.03 * size * np.eye(count), 1e3 * size * np.ones(count)
        solution, _ = nnls(
            np.vstack([design, light, heavy]), np.concatenate([observed, light.sum(1) / count, heavy[:1]])
        )
        weights[:, target] = solution / solution.sum()
    return _SHRINKAGE * equal + (1 - _SHRINKAGE) * weights


def learn_class_weights(probabilities: Array, learned: Array) -> Array:
    """As `learn_weights`, for components that predicted probabilities (M, N, T) of T classes; `learned` (N, T) is 1 in
    the column of the class.

    The weights of the mixture with the highest likelihood (Dempster et al. 1977, 10.1111/j.2517-6161.1977.tb01600.x),
    one a component for all classes.
    """
    count = len(probabilities)
    known = np.isfinite(probabilities).all(axis=(0, 2))
    given = np.einsum("mnt,nt->mn", probabilities[:, known], learned[known])  # to the class that it was
    given = np.maximum(given, _NEXT_TO_IMPOSSIBLE)
    weights = np.full(count, 1 / count)
    for _ in range(_STEPS if known.any() else 0):
        shares = weights[:, None] * given
        weights = (shares / shares.sum(0)).mean(axis=1)
    mixed: Array = _SHRINKAGE / count + (1 - _SHRINKAGE) * weights
    return np.repeat(mixed[:, None], probabilities.shape[2], axis=1)


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.cpu().numpy().astype(np.float64)
    return array
