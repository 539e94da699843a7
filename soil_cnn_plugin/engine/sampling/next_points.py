"""Where next, from files: what a trained network does not know on its map, and the points that lower it most."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.jobs import PlanSampling
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.block_reading import bounded_stack
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.sampling.candidates import Candidates
from soil_cnn_plugin.engine.sampling.designs import RANDOM_SAMPLES, Task, check_all_found
from soil_cnn_plugin.engine.sampling.how_many import spherical
from soil_cnn_plugin.engine.sampling.network_uncertainty import read_uncertainty
from soil_cnn_plugin.engine.sampling.plan import Chosen, Criterion
from soil_cnn_plugin.engine.sampling.random_designs import check_enough
from soil_cnn_plugin.engine.sampling.spacing import Spacing
from soil_cnn_plugin.engine.sampling.where_next import Correlation, ErrorProcess, choose_next
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

MOST_TARGETS, MOST_PLACES = 1500, 3000
"""Pixels at which uncertainty is counted, and candidates: their covariances are kept in memory."""
_MOST_COVARIANCES = 60_000_000


def choose_next_points(task: Task, focus: Candidates, grid: Grid, trained: TrainedNetwork, report: Report) -> Chosen:
    """Choose the points that lower the uncertainty of the map at the pixels of `focus` most.

    Raises:
        EngineError: too few pixels are left, or nothing is known of how errors go together.
    """
    job, candidates = task.job, task.candidates
    correlation = error_correlation(job, trained)
    check_enough(candidates, job.points, task.free)
    values = sum(outcome.scaled.columns.count for outcome in trained.description.outcomes)
    share = min(1.0, (_MOST_COVARIANCES / (MOST_TARGETS * MOST_PLACES * values)) ** 0.5)
    places = _some(np.flatnonzero(task.free), max(int(MOST_PLACES * share), 2 * job.points), job.seed)
    targets = _some(np.arange(len(focus)), int(MOST_TARGETS * share), job.seed + 1)
    report.info(
        tr("{} of {} candidates and {} of {} pixels of the map, drawn at random, are compared with each other.").format(
            len(places), int(task.free.sum()), len(targets), focus.counts.places
        )
    )
    rows = np.concatenate([focus.rows[targets], candidates.rows[places]])
    cols = np.concatenate([focus.cols[targets], candidates.cols[places]])
    metres = np.concatenate([focus.metres[targets], candidates.metres[places]])
    with bounded_stack(task.covariates, grid) as stack:
        step = report.part(0.3, 0.7, tr("Asking the network what it does not know"))
        known = read_uncertainty(trained, stack, rows, cols, metres, job.network_target, step.progress)
    of_targets, of_places = known.take(np.arange(len(targets))), known.take(np.arange(len(targets), len(rows)))
    weights = np.full(len(targets), 1 / len(targets))
    process = ErrorProcess(of_targets, of_places, task.legacy, weights, correlation)
    rng = np.random.default_rng([job.seed, 5])
    samples = [rng.choice(len(places), job.points, replace=False) for _ in range(RANDOM_SAMPLES)]
    random = np.array([process.after(sample) for sample in samples])
    chosen = choose_next(
        process,
        job.points,
        cost=candidates.cost[places],
        is_free=np.ones(len(places), np.bool_),
        spacing=Spacing(of_places.metres, job.min_spacing, task.legacy),
        progress=report.part(0.7, 0.95, tr("Choosing points one after the other")).progress,
    )
    check_all_found(task, len(chosen.rows))
    name = tr("Mean variance of the map's error after sampling, relative to that before")
    criterion = Criterion(name, float(chosen.variance[-1]), random)
    return Chosen(places[chosen.rows], criterion=criterion, course=(name, chosen.variance))


def error_correlation(job: PlanSampling, trained: TrainedNetwork) -> Correlation:
    """Return the correlation of the map's errors by distance: that of the job's variogram, if it has one, else that of
    the network's correlogram, the mean of those of its targets.

    Raises:
        EngineError: neither is known.
    """
    numbers = job.variogram_numbers()
    if numbers:
        nugget, sill, reach = numbers

        def of_variogram(distances: Array) -> Array:
            return np.asarray((1 - nugget / sill) * (1 - spherical(distances, 0.0, 1.0, reach)))

        return of_variogram
    known = trained.description.error_correlation
    pairs = zip(known.groups, known.correlograms) if known else ()
    found = [each for fields, each in pairs if each and (not job.network_target or job.network_target in fields)]
    if found:
        return lambda distances: np.asarray(np.mean([each.correlation(distances) for each in found], axis=0))
    raise EngineError(
        tr(
            "{} does not tell how the errors of its map go together from place to place: it was written by an"
            " older version, or has too few observations. Train the network again, or write nugget, sill and"
            " range of its errors in VARIOGRAM."
        ).format(job.network)
    )


def _some(rows: Rows, most: int, seed: int) -> Rows:
    if len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng([seed, 6]).choice(rows, most, replace=False))
