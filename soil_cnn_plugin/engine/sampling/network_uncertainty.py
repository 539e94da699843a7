"""What a trained network does not know at places: the spread of its errors, and on what its members disagree."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.observations.patches import Observations, cut_patches
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.sampling.where_next import Uncertainty
from soil_cnn_plugin.engine.targets.groups import map_values, own_columns, told_together
from soil_cnn_plugin.engine.targets.kinds import MapRequest, Outcome
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.predictor import mix, predict_forests, spread_weights
from soil_cnn_plugin.engine.training.unseen import Views

_ROWS_AT_ONCE = 512


def read_uncertainty(
    trained: TrainedNetwork,
    stack: CovariateStack,
    rows: Rows,
    cols: Rows,
    metres: Array,
    target: str,
    progress: Callable[[float], None],
) -> Uncertainty:
    """Predict the pixels of the stack's grid by each component of the network.

    `target` is the field whose uncertainty counts; all count alike where it is empty. Deviations are relative to the
    mean variance of their target at these pixels.

    Raises:
        EngineError: the network has no such target.
    """
    count = len(rows)
    xy = np.column_stack(stack.grid.xy(rows, cols, trained.description.grid.crs_wkt))
    nothing = np.zeros((count, 1))
    placed = Observations(
        nothing, nothing > 0, nothing, np.ones(count), xy, rows, cols, np.arange(count), np.arange(count)
    )
    members: Array | None = None
    deviation: Array | None = None
    done = 0
    for some, patches in cut_patches(stack, placed, trained.description.patch_size):
        for start in range(0, len(some), _ROWS_AT_ONCE):
            part = slice(start, start + _ROWS_AT_ONCE)
            views = see(trained, encode(trained, patches[part], some.coordinates[part]))
            own_members, own_deviation = _predict(trained, views)
            if members is None or deviation is None:
                members = np.empty((count, *own_members.shape[1:]))
                deviation = np.empty((count, own_deviation.shape[1]))
            members[some.sites[part]], deviation[some.sites[part]] = own_members, own_deviation
            done += len(own_members)
            progress(done / count)
    if members is None or deviation is None:
        raise EngineError(tr("None of the pixels can be predicted: each lacks data of a covariate in its patch."))
    return _for_targets(trained, Uncertainty(metres, members, deviation), target)


def _predict(trained: TrainedNetwork, views: Views) -> tuple[Array, Array]:
    """Anomalies (n, M, V) of members and components in the targets' units, and deviations (n, V) of the whole error.

    A member of a network counts with the network's weight in the blend, shared among its members, as do the forest and
    the Gaussian process with theirs: the products of anomalies sum to the covariance of the mixture's means.
    """
    predictor, outcomes = trained.predictor, trained.description.outcomes
    locations: list[Array] = []
    scales: list[Array] = []
    each: list[tuple[Array, float]] = []
    weight = predictor.weights.mean(axis=1)
    for index, (network, inputs) in enumerate(zip(predictor.networks, views.inputs)):
        with torch.no_grad():
            location, scale = (part.cpu().numpy().astype(np.float64) for part in network.predict(inputs))
        each += [(member, weight[index] / len(location)) for member in location]
        locations.append(location.mean(axis=0))
        scales.append(scale.mean(axis=0))
    if predictor.forests:
        location, scale = predict_forests(predictor.forests, views.context)
        each.append((location, weight[len(locations)]))
        locations.append(location)
        scales.append(scale)
    if predictor.process:
        location = predictor.process.locations(torch.from_numpy(views.context))
        each.append((location, weight[len(locations)]))
        locations.append(location)
    spreads = spread_weights(predictor.weights, predictor.components)[: len(scales)]
    mixed, scale = mix(np.stack(locations), predictor.weights), mix(np.stack(scales), spreads)
    values = np.stack([map_values(outcomes, member.T, scale.T).T for member, _ in each])  # (M, n, V)
    shares = np.array([share for _, share in each])
    centre = np.einsum("mnv,m->nv", values, shares)
    members = (values - centre) * np.sqrt(shares)[:, None, None]
    return members.transpose(1, 0, 2), _deviations(trained, mixed, scale)


def _deviations(trained: TrainedNetwork, location: Array, scale: Array) -> Array:
    """The standard deviation (n, V) of the error of each value: that of the distribution of a number, and that of
    being of a class or not."""
    description, parts = trained.description, []
    request = MapRequest(frozenset({"standard_deviation"}), description.coverage)
    own = own_columns([outcome.scaled for outcome in description.outcomes])
    outcomes: Sequence[Outcome] = description.outcomes
    for kind, outcome, at in zip(description.kinds, outcomes, own):
        place = location[:, at].T, scale[:, at].T
        if "standard_deviation" in kind.offers:
            parts.append(outcome.layers(kind, request, *place)["standard_deviation"])
        else:
            shares = outcome.values(*place)
            parts.append(np.sqrt(shares * (1 - shares)))
    return np.concatenate(parts).T


def _for_targets(trained: TrainedNetwork, found: Uncertainty, target: str) -> Uncertainty:
    fields = [each.field for each in trained.description.targets]
    if target and target not in fields:
        raise EngineError(
            tr(
                "The network knows no target {!r}. Its targets are: {}. Write one of them in NETWORK_TARGET, or"
                " leave it empty for all."
            ).format(target, ", ".join(fields))
        )
    chosen = []
    for field, values in zip(fields, told_together(trained.description.kinds)):
        if target in ("", field):
            mean = float((found.deviation[:, values] ** 2).sum(axis=1).mean())
            chosen.append((values, 1 / np.sqrt(mean) if mean > 0 else 0.0))
    return Uncertainty(
        found.metres,
        np.concatenate([found.members[:, :, values] * factor for values, factor in chosen], axis=2),
        np.concatenate([found.deviation[:, values] * factor for values, factor in chosen], axis=1),
    )
