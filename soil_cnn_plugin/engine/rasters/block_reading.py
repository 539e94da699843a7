"""Read-ahead of covariates in threads, in the blocks that they are stored in, with as much memory as that takes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import numpy as np
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.machine.memory import read_memory, usable_cores
from soil_cnn_plugin.engine.rasters.cells import Layout, layout_of
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, open_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster

_T = TypeVar("_T")

_MOST_CACHE = 3 * 2**27  # bytes of unpacked blocks that GDAL keeps
_SHARE_OF_MEMORY = 0.25  # share of the free memory
_LARGEST_TILE = 1024
_USUAL_TILE = 256
_BORDER_BYTES = 128_000_000
_WARPING = 4  # warping is at least this many times as costly as unpacking


def bounded_cache(files: int) -> AbstractContextManager[object]:
    """Return the context in which to open and read `files` files.

    In it, GDAL keeps unpacked blocks in a bounded part of the memory, not in 5 % of whatever the computer has. It
    unpacks each file in several threads where there are more cores than files.
    """
    threads = -(-usable_cores() // max(1, files))
    found: AbstractContextManager[object] = rasterio.Env(GDAL_CACHEMAX=cache_bytes(), GDAL_NUM_THREADS=threads)
    return found


@contextmanager
def bounded_stack(covariates: Sequence[Covariate], grid: Grid) -> Iterator[CovariateStack]:
    """Open covariates to read all of them block by block, with a cache in GDAL that is large enough, but bounded."""
    with bounded_cache(len({covariate.path for covariate in covariates})), open_stack(covariates, grid) as stack:
        yield stack


def cache_bytes() -> int:
    """Return how many bytes of unpacked blocks GDAL keeps."""
    free = read_memory().free
    return _MOST_CACHE if free is None else min(_MOST_CACHE, int(_SHARE_OF_MEMORY * free))


def read_ahead(
    stack: CovariateStack, tasks: Iterable[_T], read: Callable[[int, CovariateRaster, _T], None], ahead: int = 2
) -> Iterator[_T]:
    """Call `read` (number of the covariate, its raster, task) for all covariates and tasks, different files at once.

    It yields the tasks in order, each when it is done, while the next ones are read.

    Raises:
        EngineError: a raster, which the message names, cannot be read.
    """
    coming: deque[tuple[_T, list[Future[None]]]] = deque()

    def finish() -> _T:
        task, parts = coming.popleft()
        for part in parts:
            part.result()
        return task

    try:
        for task in tasks:
            coming.append((task, stack.submit(read, task)))
            if len(coming) > ahead:
                yield finish()
        while coming:
            yield finish()
    finally:
        for _, parts in coming:
            for part in parts:
                part.cancel()


def choose_layout(stack: CovariateStack, halo: int, cell_bytes: int) -> Layout:
    """Choose cells of the tiles that most covariates are stored or warped in.

    The strips are so narrow that what is kept for the next row of cells stays in memory.
    """
    votes: Counter[Block] = Counter()
    for raster in stack.rasters:
        votes[_tile(raster.stored)] += 1 if raster.resampling is None else _WARPING
    tile, grid, covariates = votes.most_common(1)[0][0], stack.grid, len(stack.rasters)
    borders = 4 * covariates * 4 * halo  # bytes per column of pixels, kept above and below
    blocks = sum(_reaching(raster, tile) for raster in stack.rasters)
    strip = min(_BORDER_BYTES // max(1, borders), _MOST_CACHE // max(1, blocks))
    return layout_of(tile, halo, grid.height, grid.width, cell_bytes // (4 * covariates), strip)


def _reaching(raster: CovariateRaster, tile: Block) -> int:
    """Return the bytes per column of pixels in blocks that reach into the next row of cells."""
    if raster.resampling is not None or _tile(raster.stored) == tile:
        return 0
    size = int(np.dtype(raster.dataset.dtypes[raster.covariate.band - 1]).itemsize)
    return 2 * min(_LARGEST_TILE, raster.stored.height) * size


def _tile(stored: Block) -> Block:
    """Return the first block, right of and below 0, that a raster is stored in, or a part of a very large one."""
    height = stored.height if stored.height <= _LARGEST_TILE else _USUAL_TILE
    width = stored.width if stored.width <= _LARGEST_TILE else _USUAL_TILE
    return Block(stored.row % height, stored.col % width, height, width)
