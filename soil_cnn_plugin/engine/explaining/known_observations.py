"""The observations of a patch file beside a trained network: who had not seen them, and what the network sees of
them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.folds import INNER_FOLDS, PlacedTargets, make_folds
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.patch_views import encode, join, join_views, see
from soil_cnn_plugin.engine.forests.forest import fit_parts
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import kinds_of, learn_all
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.training.fitting import fill_below
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import HeldOutRows, TrainingRows, UnseenPredictor, Views, place_keys

FEWEST_HELD_OUT = 10
_PATCHES_AT_ONCE = 256
_MOST_BYTES = 2**29  # of encoded patches that are kept whole


@dataclass(frozen=True)
class KnownObservations:
    """N observations of a patch file. `values` (N, T) are NaN where missing. `limits` (N, T) are the limits below which
    nothing is reported, and minus infinity where there is none. `fold` (N,) serves the spread of errors. `channels` are
    the whole encoded patches of the observations in `context_rows`. `basis` says in a sentence what the errors rest
    on."""

    values: Array
    limits: Array
    fold: Rows
    unseen: UnseenPredictor
    views: Views
    context_rows: Rows
    channels: Channels
    basis: str


def read_observations(trained: TrainedNetwork, file: PatchFile, network: str, report: Report) -> KnownObservations:
    """Read the observations of the patch file that some part of the network has not seen.

    In the file that the network was trained on these are all observations, each as seen by the members that held it
    out. In another file they are those that the network does not know.

    Raises:
        EngineError: the file has other covariates, targets or patches, or too few observations that were not seen.
    """
    order, columns = match_file(trained, file)
    rows = trained.rows
    if rows is None:
        raise EngineError(
            tr(
                "{} does not tell which observations it was trained on: it was written by an older version."
                " Train the network again."
            ).format(network)
        )
    keys = place_keys(file.coordinates)
    is_known = np.isin(keys, rows.keys)
    measured = _of_targets(trained, file, columns)
    values = measured.values
    is_training_file = is_known.all() and np.isin(rows.keys, keys).all()
    chosen = np.arange(file.count) if is_training_file else np.flatnonzero(~is_known)
    if len(chosen) < FEWEST_HELD_OUT:
        raise EngineError(
            tr(
                "{} holds {} observations that {} was not trained on, and not all of those that it was trained"
                " on. Errors need held-out observations, at least {}: choose the patch file the network was"
                " trained on, or one of new observations."
            ).format(file.path, len(chosen), network, FEWEST_HELD_OUT)
        )
    read = _read(trained, file, order, chosen, report.progress)
    if is_training_file:
        held_out = _held_out(rows, keys)
        process = trained.predictor.process
        processes = process.parts if process else ()
        parts = _parts(trained, read.views, measured, held_out)
        unseen = UnseenPredictor(trained.predictor.networks, parts, held_out, processes)
        fold = held_out.fold
        basis = _basis_of_held_out(len(chosen), bool(trained.predictor.forests))
    else:
        members = tuple(np.ones((net.members, len(chosen)), bool) for net in trained.predictor.networks)
        parts = tuple((forest,) for forest in trained.predictor.forests)
        processes = (trained.predictor.process,) if trained.predictor.process else ()
        unseen = UnseenPredictor(
            trained.predictor.networks, parts, HeldOutRows(members, np.zeros(len(chosen), np.int64)), processes
        )
        placed = PlacedTargets(file.coordinates[chosen], file.sites[chosen])
        folds = make_folds("random", placed, INNER_FOLDS, 0, inner=True)
        fold = folds.fold
        basis = _basis_of_new(len(chosen), int(is_known.sum()), folds.count)
    limits = measured.limits[chosen]
    if np.isfinite(limits).any():
        basis += tr(" Below a detection limit no prediction is wrong: errors compare what a laboratory would report.")
    return KnownObservations(values[chosen], limits, fold, unseen, read.views, read.rows, read.channels, basis)


def _basis_of_held_out(count: int, is_blend: bool) -> str:
    if is_blend:
        return tr(
            "Errors are of {} observations that were held out: each is predicted by the members of the ensemble that"
            " were not trained on it, and by a forest and a Gaussian process that were not."
        ).format(count)
    return tr(
        "Errors are of {} observations that were held out: each is predicted by the members of the ensemble that were"
        " not trained on it."
    ).format(count)


def _basis_of_new(count: int, known: int, parts: int) -> str:
    if known:
        text = tr("Errors are of {} observations that the network was not trained on; {} that it knows are left out.")
    else:
        text = tr("Errors are of {} observations that the network was not trained on.")
    return text.format(count, known) + tr(" The spread is over {} random parts of them.").format(parts)


def match_file(trained: TrainedNetwork, file: PatchFile) -> tuple[list[int], list[int]]:
    """Return the places in the file of the network's covariates and of its targets."""
    description = trained.description
    names = [summary.covariate.name for summary in file.covariates]
    fields = [target.field for target in file.targets]
    wanted = [summary.covariate.name for summary in description.covariates]
    targets = [target.field for target in description.targets]
    for what, missing, there in (
        (tr("covariates"), [name for name in wanted if name not in names], names),
        (tr("targets"), [name for name in targets if name not in fields], fields),
    ):
        if missing:
            raise EngineError(
                tr(
                    "{} lacks {} of the network: {}. It has: {}. Choose the patch file the network was trained"
                    " on, or one with the same covariates and targets."
                ).format(file.path, what, ", ".join(missing), ", ".join(there))
            )
    if file.patch_size != description.patch_size:
        raise EngineError(
            tr(
                "The patches of {} are {} pixels wide, those the network was trained on {}. Extract patches of"
                " {} pixels."
            ).format(file.path, file.patch_size, description.patch_size, description.patch_size)
        )
    return [names.index(name) for name in wanted], [fields.index(field) for field in targets]


@dataclass(frozen=True)
class _Read:
    """What is seen of all chosen observations, and the whole patches of those in `rows`, which count among the
    chosen."""

    views: Views
    rows: Rows
    channels: Channels


def _read(
    trained: TrainedNetwork, file: PatchFile, order: list[int], chosen: Rows, progress: Callable[[float], None]
) -> _Read:
    each = 4 * file.patch_size**2 * (trained.encoder.channel_count + len(order))
    most = max(FEWEST_HELD_OUT, _MOST_BYTES // each)
    rows = np.arange(len(chosen))
    if len(chosen) > most:
        rows = np.sort(np.random.default_rng(0).choice(len(chosen), most, replace=False))
    views, kept = [], []
    for start in range(0, len(chosen), _PATCHES_AT_ONCE):
        some = chosen[start : start + _PATCHES_AT_ONCE]
        patches = file.read(int(some[0]), int(some[-1]) + 1)[some - some[0]][:, order]
        channels = encode(trained, patches, file.coordinates[some])
        views.append(see(trained, channels))
        wanted = rows[(rows >= start) & (rows < start + len(some))] - start
        kept.append(_take(channels, wanted))
        progress(min(1.0, (start + len(some)) / len(chosen)))
    return _Read(join_views(views), rows, join(kept))


def _take(channels: Channels, rows: Rows) -> Channels:
    location = None if channels.location is None else channels.location[rows]
    return Channels(
        channels.values[rows], channels.known[rows], channels.covariate_of_channel, channels.continuous, location
    )


def _held_out(rows: TrainingRows, keys: Rows) -> HeldOutRows:
    """Return the held-out rows in the order of the file. Observations of one place share their folds."""
    index = {key: number for number, key in enumerate(rows.keys.tolist())}
    return rows.held_out.take(np.array([index[key] for key in keys.tolist()]))


def _of_targets(trained: TrainedNetwork, file: PatchFile, columns: list[int]) -> TargetValues:
    """Return the values of the network's targets, in its order, with classes numbered as it numbers them."""
    measured = file.measured.of(columns)
    values = measured.values.copy()
    there = {field: kind for kind in kinds_of(file.words) for field in kind.fields}
    for kind in trained.description.kinds:
        own = list(kind.targets)
        values[:, own] = kind.as_known(values[:, own], there[kind.fields[0]], file.path)
    return replace(measured, values=values)


def _parts(
    trained: TrainedNetwork, views: Views, measured: TargetValues, held_out: HeldOutRows
) -> tuple[tuple[Trees, ...], ...]:
    """Grow again the forests that had not seen a fold: the network file keeps only the forest of all observations."""
    if not trained.predictor.forests:
        return ()
    description = trained.description
    learned = learn_all(description.kinds, [outcome.scaled for outcome in description.outcomes], measured)
    if learned.is_censored.any():
        location, scale = UnseenPredictor(trained.predictor.networks, (), held_out).predict(views)
        learned = fill_below(learned, location.mean(axis=0), scale.mean(axis=0), description.seed)
    return tuple(fit_parts(views.context, learned, held_out.fold, description.seed))
