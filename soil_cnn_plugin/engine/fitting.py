"""Fitting networks and forests to some of the observations: what a final map and every held-out fold need alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.engine.assessment.assessment import (
    BLEND,
    FOREST,
    FOREST_CONTEXT,
    MEAN,
    NETWORK,
    LossCurve,
)
from soil_cnn_plugin.engine.assessment.calibration import Calibration, calibrate
from soil_cnn_plugin.engine.assessment.target_scale import TargetScale, fit_scale, upper_bound
from soil_cnn_plugin.engine.networks.ensemble import MakeFolds, cross_fit
from soil_cnn_plugin.engine.networks.forest import fit_forest
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.networks.plan import INNER_FOLDS, Plan
from soil_cnn_plugin.engine.networks.predictor import Predictor, learn_weights, mix
from soil_cnn_plugin.engine.networks.training_data import TrainingData
from soil_cnn_plugin.engine.networks.trees import Trees
from soil_cnn_plugin.engine.networks.unseen import HeldOutRows, UnseenPredictor

Array = NDArray[np.float64]
Rows = NDArray[np.int64]

FORESTS = (FOREST_CONTEXT, FOREST)


@dataclass(frozen=True)
class Design:
    """What all fits share. `values` (N, T) are in the targets' units, NaN where missing; `fold` (N,) counts from 0;
    `make_inner_folds` deals the given rows to folds of the same kind; `forests` are fitted beside the networks, the one
    with context always."""

    data: TrainingData
    values: Array
    fields: tuple[str, ...]
    transforms: tuple[str, ...]
    fold: Rows
    make_inner_folds: Callable[[Rows], MakeFolds]
    plans: tuple[Plan, ...]
    coverage: float
    seed: int
    device: torch.device
    forests: tuple[str, ...] = FORESTS

    @property
    def methods(self) -> tuple[str, ...]:
        return (BLEND, NETWORK, *self.forests, MEAN)


@dataclass(frozen=True)
class Fitted:
    """Everything fitted to some rows: networks and forests (one a target), and what they predicted, standardized, for
    rows they had not seen: `location` and `scale` (M, N, T), of the networks, then of the kinds of forests.

    `held_out` tells who had not seen which row; `parts` are the parts of the first kind of forests, for each target."""

    networks: tuple[PackedNetwork, ...]
    forests: dict[str, tuple[Trees, ...]]
    scales: tuple[TargetScale, ...]
    targets: Array  # (N, T), standardized
    location: Array
    scale: Array
    curves: tuple[LossCurve, ...]
    held_out: HeldOutRows
    parts: tuple[tuple[Trees, ...], ...]

    def unseen(self, method: str) -> UnseenPredictor:
        """What predicts the rows that were fitted to without having seen them, BLEND or NETWORK."""
        return UnseenPredictor(self.networks, self.parts if method == BLEND else (), self.held_out)

    def weights(self, method: str) -> Array:
        """How much each component counts in a method, (M, T); learned where the method has several."""
        count = len(self.networks)
        kinds = {
            NETWORK: range(count),
            BLEND: range(count + 1),
            FOREST_CONTEXT: [count],
            FOREST: [count + 1],
        }
        chosen = list(kinds[method])
        weights = np.zeros((len(self.location), self.targets.shape[1]))
        weights[chosen] = learn_weights(self.location[chosen], self.targets)
        return weights

    def calibrations(self, weights: Array) -> tuple[Calibration, ...]:
        """Of the mixture of the components, one a target."""
        location, scale = mix(self.location, weights), mix(self.scale, weights)
        return tuple(calibrate(self.targets[:, t], location[:, t], scale[:, t]) for t in range(self.targets.shape[1]))

    def predictor(self, method: str, patch_size: int) -> Predictor:
        """What maps by a method, BLEND or NETWORK, are predicted with."""
        count = len(self.networks)
        has_forests = method == BLEND
        forests = self.forests[FOREST_CONTEXT] if has_forests else ()
        return Predictor(self.networks, forests, self.weights(method)[: count + has_forests], patch_size)


def fit(
    design: Design,
    rows: Rows,
    seed: int,
    forests: tuple[str, ...] = FORESTS,
    progress: Callable[[float], None] = lambda share: None,
    tell: Callable[[str], None] = lambda line: None,
) -> Fitted:
    """Train networks and forests on `rows`, each on its scale."""
    values = design.values[rows]
    uppers = [upper_bound(column) for column in design.values.T]
    scales = tuple(map(fit_scale, design.transforms, values.T, uppers))
    targets = np.column_stack([scale.forward(values[:, t]) for t, scale in enumerate(scales)])
    make_folds = design.make_inner_folds(rows)
    inputs = [part[rows] for part in design.data.inputs]
    networks = cross_fit(
        design.plans,
        design.data.encoder,
        inputs,
        targets,
        make_folds,
        seed,
        lambda share: progress(0.85 * share),
        tell,
    )
    fold = make_folds(INNER_FOLDS, seed)
    location, scale = list(networks.location), list(networks.scale)
    trees, parts = {}, {}
    for name in forests:
        features = forest_features(design, name)[rows]
        fitted = [fit_forest(features, targets[:, t], fold, seed) for t in range(targets.shape[1])]
        trees[name] = tuple(forest.trees for forest in fitted)
        parts[name] = tuple(forest.parts for forest in fitted)
        location.append(np.column_stack([forest.location for forest in fitted]))
        scale.append(np.column_stack([forest.scale for forest in fitted]))
    progress(1.0)
    return Fitted(
        networks=networks.networks,
        forests=trees,
        scales=scales,
        targets=targets,
        location=np.stack(location),
        scale=np.stack(scale),
        curves=networks.curves,
        held_out=HeldOutRows(networks.held_out, fold),
        parts=parts.get(FOREST_CONTEXT, ()),
    )


def forest_features(design: Design, forest: str) -> NDArray[np.float32]:
    return design.data.context if forest == FOREST_CONTEXT else design.data.point
