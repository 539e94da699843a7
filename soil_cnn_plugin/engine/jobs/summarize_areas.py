"""Summarize areas: means, totals and shares of polygons, with intervals that know how alike errors are."""

from __future__ import annotations

import torch

from soil_cnn_plugin.contract.jobs import SummarizeAreas
from soil_cnn_plugin.engine.areas.area_layer import read_areas
from soil_cnn_plugin.engine.areas.pixel_sources import open_pixels
from soil_cnn_plugin.engine.areas.quantities import plan_quantities
from soil_cnn_plugin.engine.areas.summarizing import Survey, count_inside, read_observed, summarize_all
from soil_cnn_plugin.engine.machine.device import on_device
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.area_files import tell_areas, write_areas
from soil_cnn_plugin.engine.training.network_file import read_network


def run(job: SummarizeAreas, report: Report) -> dict[str, str | float | int]:
    return on_device(lambda device: _summarize(job, device, report), job.device, job.full_gpu, report)


def _summarize(job: SummarizeAreas, device: torch.device, report: Report) -> dict[str, str | float | int]:
    trained = read_network(job.network, device)
    quantities = plan_quantities(job, trained.description)
    with open_pixels(job, trained, device, report) as pixels:
        layer = read_areas(job.polygons, pixels.grid, report)
        names = layer.names(job.name_field)
        observed, places = read_observed(trained, job.patches, pixels.grid, report)
        survey = Survey(quantities, pixels, layer.areas, observed, count_inside(layer.areas, places))
        summaries = summarize_all(survey, job, report)
    write_areas(job, layer, names, quantities, summaries)
    return {**job.output_paths(), **tell_areas(quantities, summaries, report)}
