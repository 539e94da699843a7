"""Dense prediction of a whole map: blocks and their halos are read ahead, predicted side by side and returned in
order."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing

import numpy as np
import torch

from soil_cnn_plugin.engine.arrays import Flags, Singles
from soil_cnn_plugin.engine.machine.threads import alone, work_ahead
from soil_cnn_plugin.engine.mapping.block_plan import BLOCKS_ON_GPU, choose_block_size, order_blocks
from soil_cnn_plugin.engine.mapping.half_precision import TrialBlock
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock, encode_block
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

Read = tuple[Singles, Flags]
"""The covariates (C, h + 2 halo, w + 2 halo) of a block, and the pixels (h, w) to predict."""

_SAMPLE = 128  # pixels a side
_PLACES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25), (0.1, 0.5), (0.9, 0.5))
"""The places of a sample, from the top and the left, as parts of the map."""


def predict_blocks(
    predictor: BlockPredictor,
    stack: CovariateStack,
    size: int,
    inside: Callable[[Block], Flags] | None = None,
) -> Generator[PredictedBlock | Block, None, None]:
    """Yield every block of the stack's grid: predicted, or the bare Block where no pixel is to be predicted.

    `inside` returns which pixels (h, w) of a block lie in the area; the network still sees the covariates around it.
    """

    def read(block: Block) -> tuple[Block, Read | None]:
        return block, read_block(stack, block, predictor.trained.predictor.halo, inside)

    def predict(found: tuple[Block, Read | None]) -> PredictedBlock | Block:
        block, values = found
        return block if values is None else predictor.predict(block, *values)

    # On a processor each thread predicts a block by itself: threads that share one operation wait for each other.
    cores = torch.get_num_threads()
    threads = cores if predictor.device.type == "cpu" else BLOCKS_ON_GPU
    coming = work_ahead(read, order_blocks(stack, size, predictor.trained.predictor.halo), 1)
    is_shared = predictor.device.type == "cpu" and threads > 1
    with closing(work_ahead(alone(predict) if is_shared else predict, coming, threads)) as predicted:
        try:
            yield from predicted
        finally:
            torch.set_num_threads(cores)


def read_trial_block(
    trained: TrainedNetwork,
    stack: CovariateStack,
    device: torch.device,
    inside: Callable[[Block], Flags] | None = None,
) -> TrialBlock | None:
    """Read a small block of the map in which many pixels can be predicted, or None if none of a few places has such a
    pixel."""
    grid, best = stack.grid, None
    side = min(_SAMPLE, choose_block_size(trained, grid, device))  # less if there are hundreds of covariates
    for down, across in _PLACES:
        height, width = min(side, grid.height), min(side, grid.width)
        block = Block(int(down * (grid.height - height)), int(across * (grid.width - width)), height, width)
        read = read_block(stack, block, trained.predictor.halo, inside)
        if read is None:
            continue
        sample = TrialBlock(*encode_block(trained, grid, block, *read, device))
        if best is None or sample.wanted.sum() > best.wanted.sum():
            best = sample
        if best.wanted.mean() > 0.5:
            break
    return best if best is not None and best.wanted.any() else None


def read_block(stack: CovariateStack, block: Block, halo: int, inside: Callable[[Block], Flags] | None) -> Read | None:
    """Read the covariates with their halo, and find the pixels to predict. Return None when there are none; nothing at
    all is read outside the area."""
    area = np.ones((block.height, block.width), np.bool_) if inside is None else inside(block)
    if not area.any():
        return None
    raw = stack.read(block.with_halo(halo))
    centre = raw[:, halo : halo + block.height, halo : halo + block.width]
    valid = area & np.isfinite(centre).all(0)
    return (raw, valid) if valid.any() else None
