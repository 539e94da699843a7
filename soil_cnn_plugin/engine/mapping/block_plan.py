"""The division of a map into blocks: memory decides their size, and the way rasters are stored decides their order."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch

from soil_cnn_plugin.engine.machine.memory import read_memory
from soil_cnn_plugin.engine.networks.focal import context_count
from soil_cnn_plugin.engine.rasters.block_reading import cache_bytes
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

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


def choose_block_size(trained: TrainedNetwork, grid: Grid, device: torch.device) -> int:
    """Return the side of a block in pixels, chosen so that all blocks under way fit into a share of the free memory."""
    threads = torch.get_num_threads() if device.type == "cpu" else BLOCKS_ON_GPU
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else read_memory().free
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
