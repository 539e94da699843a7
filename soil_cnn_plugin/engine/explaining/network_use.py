"""What a network uses: how much each covariate matters, and how far around a pixel it looks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.importance import errors, permutation_importance
from soil_cnn_plugin.engine.explaining.explanation import Context, Explanation
from soil_cnn_plugin.engine.explaining.known_observations import KnownObservations
from soil_cnn_plugin.engine.explaining.patch_views import exchange_beyond, see
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import by_target, map_values, observed_values, own_columns, told_together
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.predictor import mix, spread_weights
from soil_cnn_plugin.engine.training.unseen import UnseenPredictor, Views, covariate_names
from soil_cnn_plugin.engine.versions import read_versions

_EXCHANGES = 3000  # of observations for each covariate, at least: small samples are exchanged several times
_MOST_REPEATS = 10
_CONTEXT_REPEATS = 2


def measure_use(
    trained: TrainedNetwork,
    known: KnownObservations,
    metres: tuple[float, float],
    seed: int,
    settings: dict[str, str],
    report: Report,
) -> Explanation:
    """Measure how the held-out error grows when each covariate, and when surroundings, are exchanged between
    observations. `metres` are the width and height of a cell."""
    description = trained.description
    methods = _Methods(trained)
    observed = observed_values(description.kinds, known.values)
    importance = permutation_importance(
        lambda covariate, order: methods.predict(
            known.unseen, known.views if covariate is None else known.views.exchange(covariate, order), known.limits
        ),
        len(covariate_names(trained.encoder)),
        observed,
        known.fold,
        repeats=max(2, min(_MOST_REPEATS, _EXCHANGES // len(known.values))),
        seed=seed,
        told_together=told_together(description.kinds),
        progress=report.part(0.3, 0.5, tr("Exchanging covariates")).progress,
    )
    step = report.part(0.5, 0.75, tr("Exchanging surroundings"))
    return Explanation(
        targets=description.targets,
        covariates=tuple(covariate_names(trained.encoder)),
        methods=methods.names,
        forest_weights=_weights(trained, 0),
        process_weights=_weights(trained, 1),
        measures=tuple(by_target(description.kinds, [kind.error_names for kind in description.kinds])),
        importance=importance,
        context=_context(trained, known, methods, seed, step.progress),
        metres=float(np.mean(metres)),
        standard_deviation=_deviation(observed, told_together(description.kinds)),
        observations=len(known.values),
        basis=known.basis,
        settings=settings,
        versions=read_versions(),
    )


def _weights(trained: TrainedNetwork, component: int) -> tuple[float, ...]:
    """Return the weight of the forest (0) or the Gaussian process (1) for each target, as the mean over the columns
    that it is learned in; empty where the networks predict alone."""
    if not trained.predictor.forests:
        return ()
    description = trained.description
    weights = np.array(description.weights[len(description.shapes) + component])
    own = own_columns([outcome.scaled for outcome in description.outcomes])
    of_kinds = [[float(np.mean(weights[at]))] * len(kind.targets) for kind, at in zip(description.kinds, own)]
    return tuple(by_target(description.kinds, of_kinds))


def _deviation(observed: Array, told: list[slice]) -> Array:
    """Return the standard deviations (T,) of the targets. For classes, return the root Brier score of their
    frequencies, which is the same for indicators."""
    variance = np.nanstd(observed, axis=0, ddof=1) ** 2
    return np.sqrt([variance[own].sum() for own in told])


def _context(
    trained: TrainedNetwork,
    known: KnownObservations,
    methods: _Methods,
    seed: int,
    progress: Callable[[float], None],
) -> Context:
    """Measure the error when all pixels beyond a radius are exchanged, for a series of radii up to the patch's own."""
    rows, channels = known.context_rows, known.channels
    unseen, fold, kinds = known.unseen.take(rows), known.fold[rows], trained.description.kinds
    observed, told = observed_values(kinds, known.values[rows]), told_together(kinds)
    halo = trained.description.patch_size // 2
    radii = [*_radii(halo), halo]
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(rows)) for _ in range(_CONTEXT_REPEATS)]
    error, by_fold = [], []
    for index, radius in enumerate(radii):
        changed = (_seen(trained, channels, order, radius) for order in (orders if radius < halo else orders[:1]))
        found = errors((methods.predict(unseen, views, known.limits[rows]) for views in changed), observed, fold, told)
        error.append(found[0])
        by_fold.append(found[1])
        progress((index + 1) / len(radii))
    return Context(tuple(radii), np.stack(error), np.stack(by_fold), len(rows))


def _seen(trained: TrainedNetwork, channels: Channels, order: Rows, radius: int) -> Views:
    return see(trained, exchange_beyond(channels, order, radius))


def _radii(halo: int) -> list[int]:
    """Return the radii 0, 1, 2, 3, 5, 7, 10, 15, 21, ... below the halo."""
    radii, radius = [0], 1.0
    while round(radius) < halo:
        radii.append(round(radius))
        radius = max(radius * 1.42, radius + 1)
    return radii


@dataclass(frozen=True)
class _Methods:
    """The map's predictor and, in a blend, its parts: the networks and the forests, each in the targets' units."""

    trained: TrainedNetwork

    @property
    def names(self) -> tuple[str, ...]:
        return ("map", "networks", "forest", "process") if self.trained.predictor.forests else ("map",)

    def predict(self, unseen: UnseenPredictor, views: Views, limits: Array) -> Array:
        """Predict the values (M, N, V) that a map shows, raised to the limits of reporting (N, T)."""
        location, scale = unseen.predict(views)
        weights = self.trained.predictor.weights
        ways = [weights]
        if self.trained.predictor.forests:
            count = len(self.trained.predictor.networks)
            networks, forest, process = (np.zeros_like(weights) for _ in range(3))
            total = weights[:count].sum(axis=0)
            networks[:count] = np.where(total > 0, weights[:count] / np.where(total > 0, total, 1), 1 / count)
            forest[count] = process[count + 1] = 1
            ways += [networks, forest, process]
        components = self.trained.predictor.components
        found = np.stack(
            [self._in_units(mix(location, way), mix(scale, spread_weights(way, components))) for way in ways]
        )
        description = self.trained.description
        for t, own in enumerate(told_together(description.kinds)):
            found[..., own] = np.maximum(found[..., own], limits[:, t, None])
        return found

    def _in_units(self, location: Array, scale: Array) -> Array:
        return map_values(self.trained.description.outcomes, location.T, scale.T).T
