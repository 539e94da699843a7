"""What a map is predicted with: networks and, in a blend, forests and a Gaussian process; how much each counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.assessment.methods import BLENDED, NETWORK, PROCESS
from soil_cnn_plugin.engine.forests.trees import Trees, in_squares, predict_forest
from soil_cnn_plugin.engine.kriging.gaussian_process import GaussianProcess
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch
from soil_cnn_plugin.engine.training.fit import predict_all
from soil_cnn_plugin.engine.training.input_rows import InputRows


@dataclass(frozen=True)
class Predictor:
    """What predicts a map. `forests`, of the covariates with context, holds one forest a column, one for all classes of
    a target, or nothing; `process` sees the same features and coordinates. `weights` (networks [+ 2], R) blend
    locations: the weight of the forests comes behind those of the networks, that of the process last. `patch_size` is
    the widest window of forests and process.

    The process has no part in scales: intervals with it were worse, because its own spread knows only distances."""

    networks: tuple[PackedNetwork, ...]
    forests: tuple[Trees, ...]
    weights: Array
    patch_size: int
    process: GaussianProcess | None = None

    @property
    def halo(self) -> int:
        """Pixels around a block that its border pixels need."""
        halos = [network.halo for network in self.networks]
        return max(halos + ([self.patch_size // 2] if self.forests else []))

    def predict(self, inputs: Sequence[Tensor], context: Singles) -> tuple[Array, Array]:
        """Location and scale (N, R) of observations, from each network's inputs and the forests' features."""
        parts = [predict_all(network, InputRows(rows, rows.device)) for network, rows in zip(self.networks, inputs)]
        locations, scales = ([_numpy(part[i]) for part in parts] for i in (0, 1))
        if self.forests:
            location, scale = predict_forests(self.forests, context)
            locations.append(location)
            scales.append(scale)
        if self.process:
            locations.append(self.process.locations(torch.from_numpy(context)))
        return self._mixed(locations, scales)

    @torch.inference_mode()
    def predict_block(
        self,
        channels: Channels,
        wanted: Flags,
        watches: Sequence[Watch] = (),
        dtype: torch.dtype = torch.float32,
    ) -> tuple[Array, Array]:
        """Location and scale (R, h, w) of a block that came with its halo, NaN where not `wanted` (h, w).

        `watches`, if any, one a network, get the last hidden layers. Networks compute in `dtype`.
        """
        locations, scales = [], []
        for index, network in enumerate(self.networks):
            watch = watches[index] if watches else None
            if not watches and not self.weights[index].any():  # where the forest predicts alone
                nothing = np.zeros((int(wanted.sum()), self.weights.shape[1]))
                locations.append(nothing)
                scales.append(nothing)
                continue
            location, scale = network.dense(channels.crop(self.halo - network.halo), watch, dtype)
            locations.append(_numpy(location)[:, wanted].T)  # (T, h, w) -> (n, T)
            scales.append(_numpy(scale)[:, wanted].T)
        if self.forests or self.process:
            order = in_squares(wanted)
            features = self._context(channels, np.flatnonzero(wanted)[order])
        if self.forests:
            for parts, found in zip((locations, scales), predict_forests(self.forests, features.cpu().numpy())):
                parts.append(_put_back(found, order))
        if self.process:
            locations.append(_put_back(self.process.locations(features), order))
        result = np.full((2, self.weights.shape[1], *wanted.shape), np.nan)
        for found, mixed in zip(result, self._mixed(locations, scales)):
            found[:, wanted] = mixed.T
        return result[0], result[1]

    def _context(self, channels: Channels, pixels: Rows) -> Tensor:
        """The features (n, F) of forests and process at some pixels of a block, selected where they lie: most of a
        GPU's then need not be copied."""
        features = context_features(channels.crop(self.halo - self.patch_size // 2), self.patch_size)
        return features[0].flatten(1).index_select(1, torch.from_numpy(pixels).to(features.device)).T

    @property
    def components(self) -> tuple[str, ...]:
        """The method of each row of weights."""
        return (*[NETWORK] * len(self.networks), *BLENDED[1:])[: len(self.weights)]

    def _mixed(self, locations: list[Array], scales: list[Array]) -> tuple[Array, Array]:
        weights = spread_weights(self.weights, self.components)[: len(scales)]
        return mix(np.stack(locations), self.weights), mix(np.stack(scales), weights)


def predict_forests(forests: Sequence[Trees], features: Singles) -> tuple[Array, Array]:
    """Location and scale (N, R); a forest with several outputs predicts as many columns."""
    parts = [predict_forest(forest, features) for forest in forests]
    return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts], axis=1)


def spread_weights(weights: Array, components: Sequence[str]) -> Array:
    """Return the weights (M, R) of scales: those of locations without the Gaussian process's, which the others share.
    Where it alone counts, it keeps its weight."""
    is_process = np.array([component == PROCESS for component in components])
    others = np.where(is_process[:, None], 0.0, weights)
    total = others.sum(axis=0)
    shared: Array = np.where(total > 0, others / np.where(total > 0, total, 1.0), weights)
    return shared


def mix(parts: Array, weights: Array) -> Array:
    """Blend M components (M, N, R) by their weights (M, R) -> (N, R)."""
    mixed: Array = np.einsum("mnt,mt->nt", parts, weights)
    return mixed


def _put_back(found: Array, order: Rows) -> Array:
    """Turn rows (n, R) in some order of the pixels into rows as the pixels lie."""
    rows = np.empty_like(found)
    rows[order] = found
    return rows


def _numpy(tensor: Tensor) -> Array:
    array: Array = tensor.cpu().numpy().astype(np.float64)
    return array
