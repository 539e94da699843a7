"""Train network: assess it on held-out folds beside the forests, train it on all observations, keep it in one file."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.machine.device import on_device
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.held_out_files import numbers, write_wanted
from soil_cnn_plugin.engine.training.assessing import assess, choose_predictor
from soil_cnn_plugin.engine.training.cross_validation import fit_and_cross_validate
from soil_cnn_plugin.engine.training.designs import make_designs
from soil_cnn_plugin.engine.training.trained_network import keep_network


def run(job: TrainNetwork, report: Report) -> dict[str, str | float | int]:
    return on_device(lambda device: _train(job, device, report), job.device, job.full_gpu, report)


def _train(job: TrainNetwork, device: torch.device, report: Report) -> dict[str, str | float | int]:
    checkpoints = Path(f"{job.network}.checkpoints")
    with PatchFile(job.patches) as file:
        designs = make_designs(job, file, checkpoints, device, report)
        step = report.part(0.02, 0.98, "Training, and assessing on held-out folds")
        final, validations = fit_and_cross_validate(designs.all, job.predictor, step)
        if not validations:  # of several processes only the first one writes
            return {}
        validations = designs.joined(validations)
        predictor = choose_predictor(job, validations, report)
        assessment = assess(job, file, designs, validations, final, predictor, report)
        assessment = keep_network(job, file, designs.first, final, assessment, report)
        write_wanted(job, assessment, file)
    if job.resume:
        shutil.rmtree(checkpoints, ignore_errors=True)
    found = numbers(assessment)
    for name, value in found.items():
        report.metric(name, value)
    verdicts = [f"{target.soil_property.title}: {target.verdict.text}" for target in assessment.targets]
    return {**job.output_paths(), **found, "verdict": " ".join(verdicts)}
