"""Predict map: every pixel of the covariates, by a trained network, into Cloud Optimized GeoTIFFs."""

from __future__ import annotations

from contextlib import closing

import torch

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.device import choose_device, on_device
from soil_cnn_plugin.engine.mapping.layers import keep_fitting, plan_map
from soil_cnn_plugin.engine.mapping.map_files import MapFiles, tell_applicability
from soil_cnn_plugin.engine.mapping.matching import place_map, why_nothing
from soil_cnn_plugin.engine.mapping.prediction import finished_blocks
from soil_cnn_plugin.engine.rasters.block_reading import bounded_stack
from soil_cnn_plugin.engine.rasters.polygons import read_area
from soil_cnn_plugin.engine.rasters.unchanged import FileStates
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_file import read_network


def run(job: PredictMap, report: Report, inputs: FileStates | None = None) -> dict[str, str | float | int]:
    """Predict the map. `inputs` are files that must still be the same when the maps are given their names."""
    if job.cluster:  # whose workers have GPUs of their own
        return _predict(job, choose_device(job.device, report, job.full_gpu), report, inputs)
    return on_device(lambda device: _predict(job, device, report, inputs), job.device, job.full_gpu, report)


def _predict(
    job: PredictMap, device: torch.device, report: Report, inputs: FileStates | None
) -> dict[str, str | float | int]:
    trained = read_network(job.network, device)
    has_index = any(space.words.space == job.dissimilarity_space for space in trained.spaces)
    job = keep_fitting(job, trained.description.kinds, report, has_index)
    finisher = plan_map(job, trained, device, report)
    covariates, grid = place_map(job, trained.description, report)
    inside = read_area(job.area, grid, report) if job.area else None
    with bounded_stack(covariates, grid) as stack, MapFiles(job, stack, finisher) as files:
        # The blocks are closed before the rasters are: a block that is read ahead must not lose its raster.
        with closing(finished_blocks(job, trained, stack, finisher, inside, device, report)) as blocks:
            files.write(blocks, report)
        if files.predicted == 0:
            raise EngineError(why_nothing(stack, inside))
        if inputs:
            inputs.check()
        files.finish()
    pixels = grid.height * grid.width
    report.info(
        tr("{} of {} pixels predicted; the others lack a covariate or lie outside").format(files.predicted, pixels)
    )
    applicability = tell_applicability(job, finisher.index, files, report)
    return {**job.output_paths(), **applicability}
