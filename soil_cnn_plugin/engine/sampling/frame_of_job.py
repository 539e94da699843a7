"""From a job to what a design chooses from: the grid, its places, strata, costs and existing points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from soil_cnn_plugin.contract.jobs import Covariate, PlanSampling
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.mapping.matching import map_grid, match_covariates
from soil_cnn_plugin.engine.observations.notes import Notes, share_in_words
from soil_cnn_plugin.engine.rasters.covariates import reference_grid
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.polygons import read_area
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.sampling.candidates import Candidates, names_of, read_candidates, with_made_strata
from soil_cnn_plugin.engine.sampling.designs import Task, strata_by_place
from soil_cnn_plugin.engine.sampling.existing import ExistingPoints, no_points, points_at, read_existing
from soil_cnn_plugin.engine.sampling.frame import Frame, draw_lattice
from soil_cnn_plugin.engine.sampling.strata import read_strata
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, read_network


@dataclass(frozen=True)
class FoundTask:
    """A task with what stands behind it. Where next has a network, and `focus`, the pixels whose uncertainty counts."""

    task: Task
    grid: Grid
    existing: ExistingPoints
    trained: TrainedNetwork | None = None
    focus: Candidates | None = None


def read_task(job: PlanSampling, device: torch.device | None, notes: Notes, report: Report) -> FoundTask:
    """Read all that limits the places, and the network onto the device.

    Raises:
        EngineError: an input cannot be read or used, or no pixel may be sampled.
    """
    trained: TrainedNetwork | None = None
    covariates: tuple[Covariate, ...] = job.covariates
    if device is not None:
        trained = read_network(job.network, device)
        covariates = tuple(match_covariates(trained.description.covariates, job.covariates, report))
    grid = _grid(job, covariates, trained, report)
    strata, labels = read_strata(job.strata, job.stratum, grid, report) if job.strata else (None, dict[int, str]())
    is_random = job.design in PlanSampling.PROBABILITY
    frame = Frame(
        grid,
        covariates,
        reference=Covariate(job.reference, "reference") if job.reference else None,
        area=read_area(job.area, grid, report, tr("the area to sample")) if job.area else None,
        excluded=read_area(job.excluded, grid, report, tr("the excluded area")) if job.excluded else None,
        cost=job.cost,
        strata=strata,
        lattice=draw_lattice(grid, job.min_spacing, job.seed) if is_random else None,
    )
    candidates = read_candidates(
        frame, job.cost_weight, job.seed, report.part(0.0, 0.15, tr("Counting the pixels that may be sampled")).progress
    )
    candidates = replace(candidates, strata=names_of(candidates.strata, labels))
    if job.design == "stratified_random" and not job.strata:
        candidates = _make_strata(job, frame, candidates, report)
    existing = _existing(job, covariates, grid, candidates, trained, notes)
    _tell_frame(job, candidates, existing, notes)
    task = Task(job, covariates, candidates, existing.metres, existing.values, existing.taken)
    if trained is None:
        return FoundTask(task, grid, existing)
    focus = candidates
    if job.focus:
        whole = Frame(
            grid, covariates, area=read_area(job.focus, grid, report, tr("the area whose uncertainty counts"))
        )
        focus = read_candidates(whole, 0.0, job.seed, report.part(0.2, 0.3).progress)
    return FoundTask(task, grid, existing, trained, focus)


def _grid(job: PlanSampling, covariates: tuple[Covariate, ...], trained: TrainedNetwork | None, report: Report) -> Grid:
    if trained is not None:  # a network knows its context in pixels of its training
        return map_grid(covariates, trained.description.covariates, trained.description.grid, report)
    return reference_grid(job.reference or covariates[0].path)


def _make_strata(job: PlanSampling, frame: Frame, candidates: Candidates, report: Report) -> Candidates:
    count = job.strata_count or job.points // 2
    number = strata_by_place(candidates.metres, count, job.seed)
    return with_made_strata(frame, candidates, number, count, report.part(0.15, 0.3, tr("Making strata")).progress)


def _existing(
    job: PlanSampling,
    covariates: tuple[Covariate, ...],
    grid: Grid,
    candidates: Candidates,
    trained: TrainedNetwork | None,
    notes: Notes,
) -> ExistingPoints:
    """Return the points of the layer; without one, those that a network file tells it was trained on."""
    if not job.legacy and trained is not None and trained.errors is not None:
        notes.facts.append(tr("The existing points are the observations that the network was trained on."))
        x, y = trained.errors.places.T
        placed = grid.place(x, y, trained.description.grid.crs_wkt)
        return points_at(*placed, grid, candidates, len(covariates))
    if not job.legacy and trained is not None:
        notes.doubts.append(
            tr(
                "{} does not tell where its observations lie, and no existing points are chosen (LEGACY): new"
                " points may lie beside old ones."
            ).format(Path(job.network).name)
        )
    if not job.legacy:
        return no_points(candidates, len(covariates))
    found = read_existing(job.legacy, job.target, covariates, grid, candidates, notes)
    if found.lost:
        notes.doubts.append(tr("Existing points that are not used: {}.").format(found.lost))
    return found


def _tell_frame(job: PlanSampling, candidates: Candidates, existing: ExistingPoints, notes: Notes) -> None:
    counts = candidates.counts
    if candidates.is_part:
        notes.facts.append(
            tr(
                "Points are chosen among {} of the {} places ({}), drawn at random, so that time and memory"
                " stay bounded. Inclusion probabilities take this into account."
            ).format(len(candidates), counts.on_lattice, share_in_words(len(candidates), counts.on_lattice))
        )
    if candidates.lattice:
        step = candidates.lattice.step
        notes.facts.append(
            tr(
                "To keep {:g} m between points, they are drawn on a lattice of every {}th row and column with a"
                " random start, which holds {} of {} places. Inclusion probabilities take this into account."
            ).format(job.min_spacing, step, counts.on_lattice, counts.places)
        )
    if counts.without_cost:
        notes.doubts.append(
            tr("{} pixels have no cost in {} and count as out of reach.").format(
                counts.without_cost, Path(job.cost.path).name if job.cost else ""
            )
        )
    if len(existing) and job.design in ("simple_random", "stratified_random"):
        notes.facts.append(
            tr(
                "The {} existing points do not change where random points fall: chances would no longer be"
                " known. The design balanced keeps away from them with known chances."
            ).format(len(existing))
        )
