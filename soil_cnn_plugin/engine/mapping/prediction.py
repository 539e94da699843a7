"""The blocks of a map, predicted and brought to the targets' units, on this computer or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable

import torch

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.machine.threads import work_ahead
from soil_cnn_plugin.engine.mapping.blocks import block_shape, bounded_block_size, predict_blocks, read_trial_block
from soil_cnn_plugin.engine.mapping.half_precision import choose_half, half_in_words
from soil_cnn_plugin.engine.mapping.layers import FinishedBlock, Finisher
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.summaries import doubt_large_blocks
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

_WORTH_TRYING = 2**18  # pixels; a smaller map is done before a trial of half precision would be


def finished_blocks(
    job: PredictMap,
    trained: TrainedNetwork,
    stack: CovariateStack,
    finisher: Finisher,
    inside: Callable[[Block], Flags] | None,
    device: torch.device,
    report: Report,
) -> Generator[FinishedBlock | Block, None, None]:
    """Plan the map's blocks, tell them, and return what yields them finished, or bare where nothing is predicted.
    `inside` returns which pixels (h, w) of a block lie in the area."""
    size = _block_size(job, trained, stack.grid, device, report)
    halo = trained.predictor.halo
    _tell_map(stack, (size, size) if job.cluster else block_shape(stack, size, halo), halo, report)
    dtype = _choose_dtype(job, trained, stack, device, inside, report)
    if job.cluster:
        # Dask takes long to load, and few maps need it.
        from soil_cnn_plugin.engine.mapping.cluster import MapTask, finish_blocks_on_cluster

        task = MapTask(job, stack.covariates, stack.grid, half_in_words(dtype))
        return finish_blocks_on_cluster(job.cluster, task, size, report)
    predictor = BlockPredictor(trained, stack.grid, device, finisher.index, dtype, report.info)
    return _finish_blocks(predict_blocks(predictor, stack, size, inside), finisher)


def _block_size(job: PredictMap, trained: TrainedNetwork, grid: Grid, device: torch.device, report: Report) -> int:
    if job.cluster and job.block_size:
        return job.block_size  # who started the workers knows how much memory they have
    size = bounded_block_size(job.block_size, trained, grid, device)
    if job.block_size and size < min(job.block_size, max(grid.height, grid.width)):
        report.info(
            tr("Blocks of {} pixels would take too much memory: {} is used instead.").format(job.block_size, size)
        )
    return size


def _tell_map(stack: CovariateStack, shape: tuple[int, int], halo: int, report: Report) -> None:
    grid, (height, width) = stack.grid, shape
    report.info(
        tr(
            "Map of {} x {} pixels of {:g} x {:g} {}, {}; predicted in blocks of {} x {} pixels with {} pixels around"
        ).format(
            grid.height, grid.width, grid.cell_size[0], grid.cell_size[1], grid.unit, grid.crs_name, height, width, halo
        )
    )
    for way in stack.resamplings():
        report.info(way)
    if doubt := doubt_large_blocks(stack):
        report.warning(doubt)


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
