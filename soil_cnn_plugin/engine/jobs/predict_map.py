"""Predict map: every pixel of the covariates, by a trained network, into Cloud Optimized GeoTIFFs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.device import choose_device
from soil_cnn_plugin.engine.machine.memory import give_back
from soil_cnn_plugin.engine.machine.threads import work_ahead
from soil_cnn_plugin.engine.mapping.blocks import block_shape, bounded_block_size, predict_blocks, read_trial_block
from soil_cnn_plugin.engine.mapping.cluster import MapTask, finish_blocks_on_cluster
from soil_cnn_plugin.engine.mapping.half_precision import choose_half, half_in_words
from soil_cnn_plugin.engine.mapping.layers import (
    FinishedBlock,
    Finisher,
    MapLayers,
    choose_index,
    means_beyond_intervals,
    plan_layers,
)
from soil_cnn_plugin.engine.mapping.matching import (
    check_replaces_nothing,
    map_grid,
    match_covariates,
    warn_of_changed_files,
    warn_of_far_location,
    why_nothing,
)
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.mapping.ranges import RangeCheck
from soil_cnn_plugin.engine.rasters.block_reading import bounded_cache
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, open_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.polygons import clip_to_extent, read_area
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile, finish_together
from soil_cnn_plugin.engine.rasters.summaries import doubt_large_blocks
from soil_cnn_plugin.engine.rasters.unchanged import FileStates
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.dissimilarity import COVARIATES, EMBEDDING, BlockIndex
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, read_network


def run(job: PredictMap, report: Report, inputs: FileStates | None = None) -> dict[str, str | float | int]:
    """Predict the map. `inputs` are files that must still be the same when the maps are given their names."""
    device = choose_device(job.device, report)
    trained = read_network(job.network, device)
    description = trained.description
    layers = plan_layers(job, description, report)
    index = choose_index(job, trained, device)
    covariates = match_covariates(description.covariates, job.covariates, report)
    check_replaces_nothing(job.output_paths(), covariates)
    warn_of_changed_files(description.covariates, description.provenance, covariates, report)
    grid = clip_to_extent(job, map_grid(covariates, description.covariates, description.grid, report))
    warn_of_far_location(description.location, description.grid, grid, report)
    inside = read_area(job.area, grid) if job.area else None
    size = bounded_block_size(job.block_size, trained, grid, device)
    if job.cluster and job.block_size:
        size = job.block_size  # who started the workers knows how much memory they have
    if job.block_size and size < min(job.block_size, max(grid.height, grid.width)):
        report.info(f"Blocks of {job.block_size} pixels would take too much memory: {size} is used instead.")
    with ExitStack() as resources:
        resources.enter_context(bounded_cache(len(covariates)))
        stack = resources.enter_context(open_stack(covariates, grid))
        shape = (size, size) if job.cluster else block_shape(stack, size, trained.predictor.halo)
        _tell_map(stack, shape, trained.predictor.halo, report)
        files = {
            name: resources.enter_context(_open_output(name, path, job, grid, layers, index))
            for name, path in job.output_paths().items()
        }
        ranges = RangeCheck(description.covariates, stack.class_names())
        dtype = _choose_dtype(job, trained, stack, device, inside, report)
        # The blocks are closed before the rasters are: a block that is read ahead must not lose its raster.
        if job.cluster:
            task = MapTask(job, tuple(covariates), grid, half_in_words(dtype))
            coming = finish_blocks_on_cluster(job.cluster, task, size, report)
        else:
            predictor = BlockPredictor(trained, grid, device, index, dtype, report.info)
            coming = _finish_blocks(predict_blocks(predictor, stack, size, inside), Finisher(layers, index))
        blocks = resources.enter_context(closing(coming))
        predicted, applicable, done = 0, 0, 0
        beyond = np.zeros(len(description.targets), np.int64)
        for block in resources.enter_context(closing(_write_blocks(blocks, files, ranges))):
            if isinstance(block, FinishedBlock):
                predicted, applicable = predicted + block.predicted, applicable + block.applicable
                beyond += block.beyond
            area = block.block if isinstance(block, FinishedBlock) else block
            done += area.height * area.width
            report.progress(0.95 * done / (grid.height * grid.width))
        ranges.tell(report)
        if predicted == 0:
            raise EngineError(why_nothing(stack, inside))
        if inputs:
            inputs.check()
        _finish(stack, files)
    report.info(
        f"{predicted} of {grid.height * grid.width} pixels predicted; the others lack a covariate or lie outside"
    )
    for line in means_beyond_intervals(description, beyond, predicted):
        report.warning(line)
    applicability = _tell_applicability(job, index, applicable / predicted, report) if index else {}
    return {**job.output_paths(), **applicability}


def _tell_map(stack: CovariateStack, shape: tuple[int, int], halo: int, report: Report) -> None:
    grid, (height, width) = stack.grid, shape
    report.info(
        f"Map of {grid.height} x {grid.width} pixels of {grid.cell_size[0]:g} x {grid.cell_size[1]:g} {grid.unit},"
        f" {grid.crs_name}; predicted in blocks of {height} x {width} pixels with {halo} pixels around"
    )
    for way in stack.resamplings():
        report.info(way)
    if doubt := doubt_large_blocks(stack):
        report.warning(doubt)


_WORTH_TRYING = 2**18  # pixels; a smaller map is done before a trial of half precision would be
_SPACES_IN_WORDS = {
    COVARIATES: "Meyer & Pebesma 2021, covariates weighted by their importance",
    EMBEDDING: "the rule of Meyer & Pebesma 2021 in the last hidden layer of the networks, an addition of Soil CNN",
}


def _tell_applicability(job: PredictMap, index: BlockIndex, share: float, report: Report) -> dict[str, float]:
    report.info(
        f"{100 * share:.1f} % of the predicted pixels are applicable: their dissimilarity index is at most"
        f" {index.threshold:.4g} ({_SPACES_IN_WORDS[job.dissimilarity_space]}). Do not trust the map elsewhere: there"
        " it meets conditions that its observations do not cover."
    )
    return {"dissimilarity_threshold": index.threshold, "applicable_share": share}


def _choose_dtype(
    job: PredictMap,
    trained: TrainedNetwork,
    stack: CovariateStack,
    device: torch.device,
    inside: Callable[[Block], Flags] | None,
    report: Report,
) -> torch.dtype:
    """Choose the type of number that the networks compute in. Half precision is tried on a part of the map."""
    pixels = stack.grid.height * stack.grid.width
    if job.precision == "float32" or (job.precision == "auto" and pixels < _WORTH_TRYING):
        return torch.float32
    sample = read_trial_block(trained, stack, device, inside)
    if sample is None:
        return torch.float32
    choice = choose_half(trained.predictor, sample, is_forced=job.precision == "half")
    report.info(choice.why)
    return choice.dtype


def _finish_blocks(
    blocks: Iterable[PredictedBlock | Block], finisher: Finisher
) -> Generator[FinishedBlock | Block, None, None]:
    """Yield each block in the targets' units, while later ones are predicted."""

    def finish(block: PredictedBlock | Block) -> FinishedBlock | Block:
        return block if isinstance(block, Block) else finisher.finish(block)

    return work_ahead(finish, blocks, torch.get_num_threads())


def _write_blocks(
    blocks: Iterable[FinishedBlock | Block], files: Mapping[str, RasterFile], ranges: RangeCheck
) -> Generator[FinishedBlock | Block, None, None]:
    """Yield each block once it is written, while later ones are predicted and finished."""

    def write(block: FinishedBlock | Block) -> FinishedBlock | Block:
        if isinstance(block, FinishedBlock):
            ranges.add(block.seen)
            for name, file in files.items():
                file.write(block.block, block.values[name])
        return block

    return work_ahead(write, blocks, 1)


def _finish(stack: CovariateStack, files: Mapping[str, RasterFile]) -> None:
    """Give all maps their names, or none."""
    stack.check_unchanged()
    stack.close()  # the covariates in GDAL's cache make room for the maps' overviews
    give_back()
    finish_together(files.values())


def _open_output(
    name: str, path: str, job: PredictMap, grid: Grid, layers: MapLayers, index: BlockIndex | None
) -> RasterFile:
    tags = {
        "TIFFTAG_SOFTWARE": f"Soil CNN {layers.description.versions.get('Soil CNN', '')}".strip(),
        "NETWORK": Path(job.network).name,
        "CONTENT": name,
    }
    if name == "dissimilarity" and index:
        tags["DISSIMILARITY_THRESHOLD"] = f"{index.threshold:.9g}"
        tags["DISSIMILARITY_SPACE"] = _SPACES_IN_WORDS[job.dissimilarity_space]
        return RasterFile(path, grid, bands=["dissimilarity index"], units=[""], tags=tags)
    return layers.open(name, path, grid, tags)
