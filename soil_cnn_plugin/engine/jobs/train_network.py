"""Train network: assess it on held-out folds beside the forests, train it on all observations, keep it in one file."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.machine.device import on_device
from soil_cnn_plugin.engine.machine.memory import giving_back
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.closing_words import tell_results
from soil_cnn_plugin.engine.reports.held_out_files import numbers, write_wanted
from soil_cnn_plugin.engine.training.assessing import assess, choose_predictor
from soil_cnn_plugin.engine.training.cross_validation import fit_and_cross_validate
from soil_cnn_plugin.engine.training.designs import make_designs
from soil_cnn_plugin.engine.training.stopping import STOPPING
from soil_cnn_plugin.engine.training.trained_network import keep_network

_Trained = tuple[dict[str, str | float | int], Assessment | None]


def run(job: TrainNetwork, report: Report) -> dict[str, str | float | int]:
    outputs, assessment = train(job, report)
    if assessment is not None:
        tell_results(report, assessment, {"patches": job.patches, **job.output_paths()})
    return outputs


def train(job: TrainNetwork, report: Report) -> _Trained:
    """Train, assess and write everything; of several processes only the first one has an assessment."""
    step = report.part(0.0, 1.0, tr("Training, and assessing on held-out folds"))
    with giving_back():
        return on_device(lambda device: _train(job, device, step), job.device, job.full_gpu, step)


def _train(job: TrainNetwork, device: torch.device, report: Report) -> _Trained:
    checkpoints = Path(f"{job.network}.checkpoints")
    with PatchFile(job.patches) as file:
        designs = make_designs(job, file, checkpoints, device, report)
        scored = designs.all[: designs.times]
        fitted = fit_and_cross_validate(designs.all, job.predictor, report, scored)
        if fitted is None:  # of several processes only the first one writes
            return {}, None
        final, validations = fitted
        stopped = [STOPPING.note] if STOPPING.note else []
        for line in stopped:
            report.warning(line)
        validations = designs.joined(validations)
        mixture = final.mixture(choose_predictor(job, validations, report))
        assessment = assess(job, file, designs, validations, final.curves, mixture, report)
        assessment = replace(assessment, notes=(*stopped, *assessment.notes), covariates=file.covariates)
        assessment = keep_network(job, file, designs.first, final, mixture, assessment, report)
        write_wanted(job, assessment, file)
    if job.resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
    found = numbers(assessment)
    for name, value in found.items():
        report.metric(name, value)
    verdicts = [f"{target.soil_property.title}: {target.verdict.text}" for target in assessment.targets]
    return {**job.output_paths(), **found, "verdict": " ".join(verdicts)}, assessment
