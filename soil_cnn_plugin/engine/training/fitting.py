"""Fits networks and forests to some of the observations, for the final map and for every held-out fold alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch

from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.assessment.assessment import LossCurve
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS
from soil_cnn_plugin.engine.assessment.methods import BLEND, BLENDED, FOREST_CONTEXT, FORESTS, NETWORK, PROCESS
from soil_cnn_plugin.engine.forests.forest import FittedForest, steps_to_a_forest
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.kriging.fitted_process import FittedProcess
from soil_cnn_plugin.engine.machine.memory import give_back
from soil_cnn_plugin.engine.networks.packed import PackedNetwork
from soil_cnn_plugin.engine.targets.blending import fair_weights
from soil_cnn_plugin.engine.targets.groups import learn_all, own_columns
from soil_cnn_plugin.engine.targets.kinds import Scaled
from soil_cnn_plugin.engine.targets.learned import Learned, units
from soil_cnn_plugin.engine.targets.measured import draw_below, estimate_below
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.ensemble import CrossFit, MakeFolds, cross_fit, held_out_rows
from soil_cnn_plugin.engine.training.fewer_trees import narrowing
from soil_cnn_plugin.engine.training.kept_forests import fit_or_read_forests
from soil_cnn_plugin.engine.training.kept_process import fit_or_read_process
from soil_cnn_plugin.engine.training.mixture import Mixture
from soil_cnn_plugin.engine.training.pace import FitProgress
from soil_cnn_plugin.engine.training.predictor import Predictor, mix, spread_weights
from soil_cnn_plugin.engine.training.unseen import HeldOutRows, UnseenPredictor


@dataclass(frozen=True)
class Fitted:
    """Everything fitted to some rows: networks, forests (one a column), a Gaussian process, and their predictions for
    rows they had not seen: `location` and `scale` (M, N, R) of the `components`, each named by its method. `scaled` are
    the kinds of targets, whose columns follow each other.

    `half` (2, N, R) are location and scale of a component, by its number, with half of the trees, where forests have
    few; they tell by how much more trees narrow residuals.
    `held_out` says who had not seen which row; `parts` are the parts of the forests with context, for each unit of
    columns. `places` (N, 2) are those of the rows, in metres."""

    networks: tuple[PackedNetwork, ...]
    forests: dict[str, tuple[Trees, ...]]
    process: FittedProcess | None
    components: tuple[str, ...]
    scaled: tuple[Scaled, ...]
    learned: Learned
    location: Array
    scale: Array
    half: dict[int, Array]
    curves: tuple[LossCurve, ...]
    held_out: HeldOutRows
    parts: tuple[tuple[Trees, ...], ...]
    places: Array

    def unseen(self, method: str) -> UnseenPredictor:
        """What predicts the training rows by what had not seen them; `method` is one of PREDICTORS."""
        if method == NETWORK:
            return UnseenPredictor(self.networks, (), self.held_out)
        processes = self.process.process.parts if self.process else ()
        return UnseenPredictor(self.networks, self.parts, self.held_out, processes)

    def weights(self, method: str) -> Array:
        """Weight of each component in a method, (M, R); learned where the method has several."""
        members = BLENDED if method == BLEND else (method,)
        chosen = [index for index, component in enumerate(self.components) if component in members]
        weights = np.zeros((len(self.location), self.learned.columns))
        location = self.location[chosen]
        told = self._told(location.mean(axis=0))
        fair = fair_weights([self.components[index] for index in chosen])
        for each, own in zip(self.scaled, own_columns(self.scaled)):
            weights[chosen, own] = each.blend(location[:, :, own], told[:, own], fair)
        return weights

    def _told(self, centre: Array) -> Array:
        """The learned values (N, R). A censored one is its expected value around the components' mean `centre` (N, R):
        the expectation of one of them would favour it."""
        told = self.learned.values.copy()
        for column in np.flatnonzero(self.learned.is_censored.any(axis=0)):
            known = np.isfinite(told[:, column]) & np.isfinite(centre[:, column])
            is_censored = self.learned.is_censored[known, column]
            told[known, column] = estimate_below(told[known, column], is_censored, centre[known, column])
        return told

    def mixture(self, method: str) -> Mixture:
        """The components mixed by a method, at the rows of the fit, by the parts that had not seen them."""
        weights = self.weights(method)
        return Mixture.of(method, weights, self.scaled, self.learned, self._place(weights), self.places)

    def _place(self, weights: Array) -> tuple[Array, Array]:
        """Locations and scales (N, R) of the mixture. Where few trees predicted, scales are as much wider as to make
        residuals those of the forest that predicts other rows."""
        location, scale = self._mixed(self.location, self.scale, weights)
        if not self.half:
            return location, scale
        halves = self.location.copy(), self.scale.copy()
        for component, found in self.half.items():
            halves[0][component], halves[1][component] = found
        half = self._mixed(*halves, weights)
        steps = steps_to_a_forest(len(location))
        for own in units(self.learned.layout):
            if own.stop - own.start == 1:  # the scales of classes tell nothing
                at = own.start
                pairs = (location[:, at], scale[:, at]), (half[0][:, at], half[1][:, at])
                scale[:, at] /= narrowing(self.learned.estimate[:, at], *pairs, steps)
        return location, scale

    def _mixed(self, location: Array, scale: Array, weights: Array) -> tuple[Array, Array]:
        return mix(location, weights), mix(scale, spread_weights(weights, self.components))

    def predictor(self, method: str, patch_size: int) -> Predictor:
        """The predictor of maps by a method, one of PREDICTORS."""
        weights = self.weights(method)[: len(self.networks) + 2 * (method != NETWORK)]
        if method == NETWORK:
            return Predictor(self.networks, (), weights, patch_size)
        process = self.process.process if self.process else None
        return Predictor(self.networks, self.forests[FOREST_CONTEXT], weights, patch_size, process)


def fit_design(
    design: Design,
    rows: Rows,
    seed: int,
    forests: tuple[str, ...] = FORESTS,
    progress: FitProgress | None = None,
    tell: Callable[[str], None] = lambda line: None,
    keeps_parts: bool = True,
) -> Fitted:
    """Train networks, forests and, beside the forest with context, a Gaussian process on `rows`, each target on its
    scale. Processes that train together share the work, and all have all of it in the end. Without `keeps_parts`,
    nothing can predict the rows unseen again."""
    progress = progress or FitProgress()
    scaled = tuple(kind.fit(design.measured.of(kind.targets), rows) for kind in design.kinds)
    learned = learn_all(design.kinds, scaled, design.measured.take(rows))
    make_folds = design.make_inner_folds(rows)
    networks = _fit_networks(design, rows, learned, make_folds, seed, progress, tell)
    learned = fill_below(learned, networks.location.mean(axis=0), networks.scale.mean(axis=0), seed)
    fold = make_folds(INNER_FOLDS, seed)
    found = _Components(networks)
    process: FittedProcess | None = None
    trees: dict[str, tuple[Trees, ...]] = {}
    parts: tuple[tuple[Trees, ...], ...] = ()
    for name in forests:
        features = _some(design.data.features(name), rows)
        part = partial(progress.tell, name)
        fitted = fit_or_read_forests(design.checkpoints, features, learned, fold, seed, part)
        found.add_forests(name, fitted)
        trees[name] = tuple(forest.trees for forest in fitted)
        if name == FOREST_CONTEXT:
            parts = tuple(forest.parts for forest in fitted) if keeps_parts else ()
            part = partial(progress.tell, PROCESS)
            known = features, design.data.layout, learned, fold, seed
            process = fit_or_read_process(design.checkpoints, *known, part)
            found.add(PROCESS, process.location, process.scale)
        del fitted, features  # before the next ones need as much memory
        give_back()
    progress.end()
    return Fitted(
        networks=networks.networks,
        forests=trees,
        process=process,
        components=tuple(found.names),
        scaled=scaled,
        learned=learned,
        location=np.stack(found.location),
        scale=np.stack(found.scale),
        half=found.half,
        curves=networks.curves,
        held_out=HeldOutRows(networks.held_out, fold),
        parts=parts,
        places=design.data.places[rows],
    )


def check_inner_folds(design: Design, rows: Rows, seed: int) -> None:
    """Deal `rows` as `fit_design` will, where a target has gaps: one known in few places may fall into one inner fold.

    Raises:
        EngineError: no value of a target would be left to train on.
    """
    if np.isnan(design.measured.values[rows]).any():
        make_folds = design.make_inner_folds(rows)
        make_folds(INNER_FOLDS, seed)
        for plan in design.plans:
            held_out_rows(plan.shape.members, make_folds, seed)


class _Components:
    """The components of a fit so far, and their predictions, in order."""

    def __init__(self, networks: CrossFit) -> None:
        self.location, self.scale = list(networks.location), list(networks.scale)
        self.names = [NETWORK] * len(self.location)
        self.half: dict[int, Array] = {}

    def add(self, name: str, location: Array, scale: Array) -> None:
        self.names.append(name)
        self.location.append(location)
        self.scale.append(scale)

    def add_forests(self, name: str, forests: Sequence[FittedForest]) -> None:
        """Add the forests of all units of columns as one component."""
        halves = [forest.half for forest in forests if forest.half is not None]
        if halves:
            self.half[len(self.names)] = np.concatenate(halves, axis=2)
        location, scale = (np.concatenate(each, axis=1) for each in zip(*((f.location, f.scale) for f in forests)))
        self.add(name, location, scale)


def _fit_networks(
    design: Design,
    rows: Rows,
    learned: Learned,
    make_folds: MakeFolds,
    seed: int,
    progress: FitProgress,
    tell: Callable[[str], None],
) -> CrossFit:
    networks = cross_fit(
        design.plans,
        design.data.encoder,
        [part.chosen(torch.from_numpy(rows)) for part in design.data.inputs],
        learned,
        make_folds,
        seed,
        progress.tell,
        tell,
        design.checkpoints,
    )
    give_back()  # forests need much of it
    return networks


def _some(features: Singles, rows: Rows) -> Singles:
    """Return some rows; all of them, in order, need no copy of what may be a million rows."""
    return features if len(rows) == len(features) else features[rows]


def fill_below(learned: Learned, location: Array, scale: Array, seed: int) -> Learned:
    """Replace censored values, for forests, by draws below their limits. The draws come from `location` and `scale`
    (N, R), the predictions of networks that had not seen the row.

    Forests alone cannot know how low values are where all are censored, and end too high.
    """
    estimate = learned.values.copy()
    for column in np.flatnonzero(learned.is_censored.any(axis=0)):
        known = np.isfinite(estimate[:, column])
        place = location[known, column], scale[known, column]
        estimate[known, column] = draw_below(
            estimate[known, column], learned.is_censored[known, column], *place, seed + int(column)
        )
    return replace(learned, estimate=estimate)
