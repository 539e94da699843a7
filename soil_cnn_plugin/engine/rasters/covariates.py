"""All covariates on one grid: arrays (C, height, width) for any block, NaN where a covariate has no data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import numpy as np
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import some_of, tr, tr_n
from soil_cnn_plugin.engine.arrays import Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.opening import allow_open_files, grid_of, open_raster
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster
from soil_cnn_plugin.engine.rasters.unchanged import FileStates

_T = TypeVar("_T")


_CACHE_BYTES = 256_000_000
"""Warped pixels that all rasters together keep for the next blocks, in bytes."""
_NAMES_IN_WORDS = 10
_FINEST = 100
"""Most cells of a grid along one pixel of its reference; more are a mistake, such as metres in a CRS of degrees."""


class CovariateStack(AbstractContextManager["CovariateStack"]):
    """Open covariates on one grid; made by `open_stack`. One thread reads at a time."""

    def __init__(self, rasters: Sequence[CovariateRaster], grid: Grid) -> None:
        self.rasters = tuple(rasters)
        self.covariates = tuple(raster.covariate for raster in rasters)
        self.grid = grid
        self._files = _by_file(rasters)
        self._states = FileStates.of(raster.covariate.path for raster in rasters)
        self._pool = ThreadPoolExecutor(min(usable_cores(), len(self._files)), "read")

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the rasters and free what GDAL keeps of them; a second call does no harm."""
        self._pool.shutdown(wait=True, cancel_futures=True)  # no thread may read what is closed
        for raster in self.rasters:
            raster.close()

    def read(self, block: Block) -> Singles:
        """Return (C, height, width), NaN where a covariate has no data; the block may reach beyond the grid.

        Raises:
            EngineError: a raster, which the message names, cannot be read.
        """
        values = np.empty((len(self.rasters), block.height, block.width), np.float32)
        for raster, out in zip(self.rasters, values):
            raster.read(block, out)
        return values

    def check_unchanged(self) -> None:
        """Raise EngineError when a raster is no longer the one that was opened; call it before its values are used."""
        self._states.check()

    def submit(self, read: Callable[[int, CovariateRaster, _T], None], task: _T) -> list[Future[None]]:
        """Call `read` for each raster with its number, in threads; rasters of one file are read one after another."""
        return [self._pool.submit(file.read, read, task) for file in self._files]

    def resamplings(self) -> list[str]:
        """Return a sentence for each way of resampling, naming the covariates that are resampled in it."""
        names: dict[tuple[object, ...], list[str]] = {}
        for raster in self.rasters:
            if raster.resampling is not None:
                own = raster.own_grid
                way = (raster.resampling.name, *own.cell_size, own.unit, own.crs_name)
                names.setdefault(way, []).append(raster.covariate.name)
        return [
            tr_n(
                "{} is resampled onto the grid ({}) from {:g} x {:g} {}, {}.",
                "{} are resampled onto the grid ({}) from {:g} x {:g} {}, {}.",
                len(of_way),
            ).format(names_in_words(of_way), *way)
            for way, of_way in names.items()
        ]

    def class_names(self) -> tuple[dict[int, str], ...]:
        """Return code -> name for each covariate, as its user or its file gives them; empty when neither does."""
        return tuple(raster.class_names() if raster.covariate.kind == "categorical" else {} for raster in self.rasters)


def names_in_words(names: list[str]) -> str:
    """Return `a`, `a and b` or `a, b, c and 197 more`."""
    return some_of(names, _NAMES_IN_WORDS)


def reference_grid(path: str, cell_size: float | None = None) -> Grid:
    """Return a raster's grid, with north up and longitudes from -180; `cell_size` in CRS units replaces its own.

    Raises:
        EngineError: the raster cannot be opened or does not say where it lies, or the cell size is far too fine for it.
    """
    with open_raster(path) as dataset:
        grid = grid_of(dataset, path)
    grid = grid.upright().from_minus_180()
    if cell_size is None:
        return grid
    own = min(grid.cell_size)
    if cell_size * _FINEST < own:
        raise EngineError(
            tr(
                "The cell size of {:g} {} is {:.0f} times finer than the pixels of {}, which are {:g} {}. Use"
                " at least {:g}, in the unit of {}."
            ).format(cell_size, grid.unit, own / cell_size, path, own, grid.unit, own / _FINEST, grid.crs_name)
        )
    return grid.with_cell_size(cell_size)


def open_stack(covariates: Sequence[Covariate], grid: Grid) -> CovariateStack:
    """Open all rasters; use it in a `with` statement.

    Raises:
        EngineError: a raster, which the message names, is missing, damaged, without the band, without a CRS, or lies
            beside the grid.
    """
    allow_open_files(len(covariates))
    with ExitStack() as opened:
        rasters = []
        files: dict[str, rasterio.DatasetReader] = {}  # GDAL unpacks all bands at once, and keeps them with their file
        for covariate in covariates:
            known = files.get(covariate.path)
            rasters.append(CovariateRaster(covariate, grid, known))
            files[covariate.path] = rasters[-1].dataset
            opened.callback(rasters[-1].close)
        opened.pop_all()
    warped = [raster for raster in rasters if raster.resampling is not None]
    for raster in warped:
        raster.keep(_CACHE_BYTES // len(warped))
    return CovariateStack(rasters, grid)


class _File:
    """The rasters of one file, with their numbers; only one thread may read the file at a time."""

    def __init__(self, rasters: list[tuple[int, CovariateRaster]]) -> None:
        self._rasters, self._lock = rasters, threading.Lock()

    def read(self, read: Callable[[int, CovariateRaster, _T], None], task: _T) -> None:
        with self._lock:
            for number, raster in self._rasters:
                read(number, raster, task)


def _by_file(rasters: Sequence[CovariateRaster]) -> list[_File]:
    files: dict[str, list[tuple[int, CovariateRaster]]] = {}
    for number, raster in enumerate(rasters):
        files.setdefault(raster.covariate.path, []).append((number, raster))
    return [_File(each) for each in files.values()]
