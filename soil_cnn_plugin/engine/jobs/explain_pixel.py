"""Explain pixel: what a network predicts at one place, and why."""

from __future__ import annotations

import torch

from soil_cnn_plugin.contract.jobs import ExplainPixel
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.explaining.pixel import explain_pixel, find_patches
from soil_cnn_plugin.engine.machine.device import on_device
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.pixel_page import (
    dissimilarity_in_words,
    prediction_in_words,
    write_pixel_json,
    write_pixel_page,
)
from soil_cnn_plugin.engine.training.network_file import read_network


def run(job: ExplainPixel, report: Report) -> dict[str, str | float | int]:
    return on_device(lambda device: _explain(job, device, report), job.device, job.full_gpu, report)


def _explain(job: ExplainPixel, device: torch.device, report: Report) -> dict[str, str | float | int]:
    trained = read_network(job.network, device)
    with PatchFile(find_patches(job, trained)) as file:
        step = report.part(0.1, 1.0, tr("Explaining the pixel"))
        explanation = explain_pixel(job, trained, file, device, step)
    told = [prediction_in_words(each, explanation.coverage) for each in explanation.predictions]
    applicable = dissimilarity_in_words(explanation)
    for line in [*told, *([applicable] if applicable else [])]:
        report.info(line)
    if job.report:
        write_pixel_page(job.report, explanation)
    if job.metrics:
        write_pixel_json(job.metrics, explanation)
    return {**job.output_paths(), "summary": ". ".join(told)}
