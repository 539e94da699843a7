"""Plan sampling: choose the pixels to visit by a design, and tell what it can and cannot prove."""

from __future__ import annotations

import torch

from soil_cnn_plugin.contract.jobs import PlanSampling
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.machine.device import on_device
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.sampling_files import write_plan_files
from soil_cnn_plugin.engine.reports.sampling_page import write_sampling_page
from soil_cnn_plugin.engine.reports.sampling_words import verdict_of
from soil_cnn_plugin.engine.sampling.designs import choose_points
from soil_cnn_plugin.engine.sampling.finished_plan import find_curve, finish_plan
from soil_cnn_plugin.engine.sampling.frame_of_job import read_task
from soil_cnn_plugin.engine.sampling.next_points import choose_next_points


def run(job: PlanSampling, report: Report) -> dict[str, str | float | int]:
    if not job.network:
        return _plan(job, None, report)
    return on_device(lambda device: _plan(job, device, report), job.device, job.full_gpu, report)


def _plan(job: PlanSampling, device: torch.device | None, report: Report) -> dict[str, str | float | int]:
    """Plan; the network of the job, if it has one, is evaluated on the device."""
    notes = Notes()
    found = read_task(job, device, notes, report)
    report.info(f"{found.task.candidates.counts.in_words()}.")
    if found.trained is None or found.focus is None:
        chosen = choose_points(found.task, report.part(0.3, 0.95, tr("Choosing points")).progress)
    else:
        chosen = choose_next_points(found.task, found.focus, found.grid, found.trained, report)
    curve = find_curve(job, found.task, found.existing, notes, report.part(0.95, 1.0, tr("Asking how many are enough")))
    plan = finish_plan(job, found, chosen, curve, notes)
    for fact in notes.facts:
        report.info(fact)
    for doubt in notes.doubts:
        report.warning(doubt)
    verdict = verdict_of(plan)
    report.info(verdict)
    write_plan_files(job, plan)
    if job.report:
        write_sampling_page(job.report, plan)
    return {**job.output_paths(), "count": plan.count, "walk_km": plan.walk_metres / 1000, "verdict": verdict}
