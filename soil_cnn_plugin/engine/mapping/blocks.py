"""Dense prediction of a whole map: its division into blocks, which are read ahead and predicted side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator
from contextlib import closing

import numpy as np
import torch

from soil_cnn_plugin.engine.arrays import Flags, Singles
from soil_cnn_plugin.engine.machine.gpu import free_memory_of_gpu
from soil_cnn_plugin.engine.machine.memory import read_memory
from soil_cnn_plugin.engine.machine.threads import alone, work_ahead
from soil_cnn_plugin.engine.mapping.half_precision import TrialBlock
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock, encode_block
from soil_cnn_plugin.engine.networks.focal import context_count
from soil_cnn_plugin.engine.rasters.block_reading import cache_bytes
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

Read = tuple[Singles, Flags]
"""The covariates (C, h + 2 halo, w + 2 halo) of a block, and the pixels (h, w) to predict."""

_SAMPLE = 128  # pixels a side
_PLACES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25), (0.1, 0.5), (0.9, 0.5))
"""The places of a sample, from the top and the left, as parts of the map."""
BLOCK_SIZES = (512, 256, 128, 64, 32)
"""The sides of blocks, in pixels. Most rasters are stored in tiles of 256 or 512 pixels, and so are the maps made
here."""
_FLATTEST = 16
"""The least height of a block, in pixels. The flatter the blocks, the more pixels are predicted twice, in the halos of
two blocks."""
_SHARE_OF_CACHE = 0.75  # of GDAL's cache may hold what is read: it also holds the tiles of the maps that are written
BLOCKS_ON_GPU = 2  # at the same time: one is copied while the other is computed
_SHARE_OF_MEMORY = 0.25  # of the free memory
_MOST_MEMORY = 3 * 2**27  # bytes; each thread may take the next number more
_MOST_OF_THREAD = 2**27
_MOST_ON_GPU = 2**32
_LAYERS = {"cpu": 2**26, "cuda": 2**29, "mps": 2**29}  # bytes that a thread's layers take at any block size


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


def choose_block_size(trained: TrainedNetwork, grid: Grid, device: torch.device) -> int:
    """Return the side of a block in pixels, chosen so that all blocks under way fit into a share of the free memory."""
    threads = torch.get_num_threads() if device.type == "cpu" else BLOCKS_ON_GPU
    of_gpu = free_memory_of_gpu(device)
    free = read_memory().free if of_gpu is None else of_gpu
    budget = _MOST_MEMORY + threads * _MOST_OF_THREAD if device.type == "cpu" else _MOST_ON_GPU
    if free is not None:
        budget = min(int(_SHARE_OF_MEMORY * free), budget)
    working, waiting = _numbers_a_pixel(trained)
    pixels = (budget - threads * _LAYERS[device.type]) / (4 * (threads * working + (2 * threads + 4) * waiting))
    side = math.isqrt(max(0, int(pixels))) - 2 * trained.predictor.halo
    fitting = next((size for size in BLOCK_SIZES if size <= side), BLOCK_SIZES[-1])
    return min(fitting, max(grid.height, grid.width))


def _numbers_a_pixel(trained: TrainedNetwork) -> tuple[int, int]:
    """Return how many four-byte numbers a pixel takes: in a block that is being predicted, and in one that waits to be
    predicted, converted or written."""
    encoder, predictor = trained.encoder, trained.predictor
    covariates, channels = len(encoder.covariates), encoder.channel_count
    features = context_count(channels, len(encoder.continuous), predictor.patch_size)
    columns, components = predictor.weights.shape[1], len(predictor.weights)
    # Covariates raw and known; channels encoded, with squares and sums of them; features gathered and as rows; location
    # and scale in float64, of each component and of the results.
    working = 2 * covariates + 8 * channels + 3 * features + 4 * (components + 2) * columns
    return working, covariates + 12 * columns


def bounded_block_size(asked: int | None, trained: TrainedNetwork, grid: Grid, device: torch.device) -> int:
    """Return the block size that the user asked for, bounded by what fits into memory."""
    chosen = choose_block_size(trained, grid, device)
    return chosen if asked is None else min(asked, chosen)


def order_blocks(stack: CovariateStack, size: int, halo: int) -> Iterator[Block]:
    """Yield the blocks of the stack's grid, row by row. A wide raster is cut into strips that run from top to bottom,
    so that tiles which the next row needs as well are still unpacked or warped."""
    grid, (height, width, strip) = stack.grid, _plan(stack, size, halo)
    for left in range(0, grid.width, strip):
        end = min(left + strip, grid.width)
        for row in range(0, grid.height, height):
            for col in range(left, end, width):
                yield Block(row, col, min(height, grid.height - row), min(width, end - col))


def block_shape(stack: CovariateStack, size: int, halo: int) -> tuple[int, int]:
    """Return the height and width of the blocks that `order_blocks` yields; the last ones may be smaller."""
    return _plan(stack, size, halo)[:2]


def _plan(stack: CovariateStack, size: int, halo: int) -> tuple[int, int, int]:
    """Return the height and width of blocks, and the width of strips. Blocks are flat instead of square where rasters
    are stored row by row and are too wide for strips. Warped rasters come first, because warping costs many times as
    much as unpacking."""
    warped = min(raster.kept_width(size + 2 * halo) for raster in stack.rasters) - 2 * halo
    unpacked = _unpacked_width(stack, size)
    if min(warped, unpacked) < stack.grid.width:
        return size, size, max(size, int(min(warped, unpacked)) // size * size)
    height, width = _flat(stack, size, halo) if unpacked == math.inf else (size, size)
    return height, width, stack.grid.width


def _unpacked_width(stack: CovariateStack, size: int) -> float:
    """Return how many pixels side by side GDAL can keep unpacked from one row of blocks to the next. The number is
    infinite where rasters are stored row by row, or in tiles so large that there is nothing to gain."""
    tiles = [raster.stored for raster in stack.rasters if raster.resampling is None]
    if not tiles:
        return math.inf
    rows = size + 2 * max(tile.height for tile in tiles)  # of pixels in GDAL's cache
    width = cache_bytes() / (4 * len(tiles) * rows)
    return width if width >= max(4 * size, 4 * max(tile.width for tile in tiles)) else math.inf


def _flat(stack: CovariateStack, size: int, halo: int) -> tuple[int, int]:
    """Return the height and width of blocks that take no more memory than squares, and are so flat that the rows which
    a block and its halo need are still unpacked for the next block. Return those of the square where these rows fit
    anyway or never would."""
    stored = [(raster.stored, raster.itemsize) for raster in stack.rasters if raster.resampling is None]
    if not stored:
        return size, size
    row = sum(max(stack.grid.width, tile.width) * itemsize for tile, itemsize in stored)
    height = int(_SHARE_OF_CACHE * cache_bytes()) // row - 2 * halo - 2 * max(tile.height for tile, _ in stored)
    if not _FLATTEST <= height < size:
        return size, size
    return height, (size + 2 * halo) ** 2 // (height + 2 * halo) - 2 * halo
