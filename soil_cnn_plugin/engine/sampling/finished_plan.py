"""From chosen points to a finished plan: the way past them, how many would be enough, and the settings."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from soil_cnn_plugin.contract.jobs import PlanSampling
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.sampling.coverage import in_covariate_space
from soil_cnn_plugin.engine.sampling.designs import Task
from soil_cnn_plugin.engine.sampling.existing import ExistingPoints
from soil_cnn_plugin.engine.sampling.frame_of_job import FoundTask
from soil_cnn_plugin.engine.sampling.how_many import FEWEST_FOR_CURVE, ErrorCurve, curve_of_variogram, learn_curve
from soil_cnn_plugin.engine.sampling.plan import Chosen, Legacy, SamplingPlan
from soil_cnn_plugin.engine.sampling.route import shortest_walk
from soil_cnn_plugin.engine.versions import read_versions


def find_curve(
    job: PlanSampling, task: Task, existing: ExistingPoints, notes: Notes, report: Report
) -> ErrorCurve | None:
    """Return the expected error against the number of samples; None where nothing tells it.

    The data at hand come first, then a variogram.
    """
    unit = job.target.unit if job.target else ""
    is_known = np.isfinite(existing.measured) & np.isfinite(existing.values).all(axis=1)
    if job.target is not None and is_known.sum() >= FEWEST_FOR_CURVE and task.covariates:
        values = existing.values[is_known]
        columns = in_covariate_space(values, task.covariates, values)
        features = np.concatenate([columns, existing.metres[is_known]], axis=1)
        return learn_curve(features, existing.measured[is_known], job.points, unit, job.seed, report.progress)
    numbers = job.variogram_numbers()
    if job.target is not None and not numbers:
        notes.doubts.append(
            (
                tr(
                    "{} existing points have a value of {} and all covariates; at least {} with covariates are needed"
                    " to measure how the error falls with their number."
                )
                if task.covariates
                else tr(
                    "{} existing points have a value of {}, and no covariates are chosen; at least {} with covariates"
                    " are needed to measure how the error falls with their number."
                )
            ).format(int(is_known.sum()), job.target.field, FEWEST_FOR_CURVE)
            + tr(" Write nugget, sill and range in VARIOGRAM instead.")
        )
    if not numbers:
        return None
    source = tr("The variogram was given: spherical, nugget {:g}, sill {:g}, range {:g} m.").format(
        numbers[0], numbers[1], numbers[2]
    )
    return curve_of_variogram(*numbers, task.candidates.hectares, job.points, source, unit)


def finish_plan(
    job: PlanSampling, found: FoundTask, chosen: Chosen, curve: ErrorCurve | None, notes: Notes
) -> SamplingPlan:
    candidates, existing, grid = found.task.candidates, found.existing, found.grid
    points = candidates.take(chosen.rows)
    order, metres = shortest_walk(points.metres)
    walk = np.empty(len(order), np.int64)
    walk[order] = np.arange(len(order)) + 1
    return SamplingPlan(
        design=job.design,
        points=points,
        chosen=chosen,
        walk=walk,
        walk_metres=metres,
        legacy=Legacy(existing.metres, existing.xy),
        frame=candidates,
        crs_name=grid.crs_name,
        crs_wkt=grid.crs_wkt,
        curve=curve,
        settings=_settings(job, found),
        versions=read_versions(),
        notes=(*notes.doubts, *notes.facts),
    )


def _settings(job: PlanSampling, found: FoundTask) -> dict[str, str]:
    grid = found.grid
    width, height = grid.cell_size
    named = {
        "Design": job.design,
        "Points": str(job.points),
        "Grid of the places": tr("{} rows × {} columns of {:g} × {:g} {}, {}").format(
            grid.height, grid.width, width, height, grid.unit, grid.crs_name
        ),
        "Covariates": ", ".join(each.name for each in found.task.covariates),
        "Area": _file(job.area),
        "Excluded": _file(job.excluded),
        "Existing points": _file(job.legacy),
        "Strata": _file(job.strata) + (tr(", field {}").format(job.stratum) if job.stratum else ""),
        "Network": _file(job.network),
        "Uncertainty counts in": _file(job.focus),
        "Cost": tr("{}, weight {:g}").format(_file(job.cost.path), job.cost_weight) if job.cost else "",
        "Smallest spacing": localized(f"{job.min_spacing:g} m") if job.min_spacing else "",
        "Variogram": job.variogram,
        "Iterations": str(job.iterations) if job.design == "latin_hypercube" else "",
        "Seed": str(job.seed),
    }
    return {name: text for name, text in named.items() if text}


def _file(path: str) -> str:
    return Path(path).name if path else ""
