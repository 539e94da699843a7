"""Located observations, and the cutting of patches around them: each part of the covariates is read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.rasters.block_reading import choose_layout, read_ahead
from soil_cnn_plugin.engine.rasters.cells import Cell, Layout, plan_cells
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster
from soil_cnn_plugin.engine.rasters.sampling import Sampler

_BLOCK_BYTES = 64_000_000
_BATCH_BYTES = 32_000_000
_AHEAD_BYTES = 200_000_000  # very large patches make large cells


def cut_patches(
    stack: CovariateStack, observations: Observations, patch_size: int, sampler: Sampler | None = None
) -> Iterator[tuple[Observations, Singles]]:
    """Yield observations, sorted by place, with their patches (n, C, P, P), a few megabytes at a time.

    An observation lies in the middle pixel of its patch. Values are NaN where a covariate has no data and beyond its
    border. `sampler` gets its sample from what is read for patches, and the rest of the sample is read along with that.
    """
    halo, covariates = patch_size // 2, len(stack.covariates)
    layout = choose_layout(stack, halo, _BLOCK_BYTES)
    borders = _Borders(covariates, halo, layout)
    most = max(1, _BATCH_BYTES // (4 * covariates * patch_size**2))
    cells = plan_cells(observations.rows, observations.cols, halo, layout, sampler.blocks if sampler else ())
    each = 4 * covariates * (layout.cell_height + 2 * halo) * (layout.cell_width + 2 * halo)
    ahead = min(2, max(0, _AHEAD_BYTES // each))
    for part in read_ahead(stack, (_Part.of(cell, covariates) for cell in cells), _read, ahead):
        borders.complete(part)
        frame, index = part.cell.frame, part.cell.index
        if sampler:
            for number, piece in part.cell.pieces:
                sampler.take(number, piece, part.values[:, *piece.within(frame)])
        if not index.size:
            continue
        windows = sliding_window_view(part.values, (patch_size, patch_size), axis=(1, 2))  # -> (C, height, width, P, P)
        windows = windows.transpose(1, 2, 0, 3, 4)  # -> (height, width, C, P, P)
        for start in range(0, len(index), most):
            some = observations.take(index[start : start + most])
            yield some, windows[some.rows - halo - frame.row, some.cols - halo - frame.col]  # -> (n, C, P, P)


def missing_share(patches: Singles) -> Array:
    """Return the share (N,) of missing values in each of the patches (N, C, P, P)."""
    return np.asarray(np.isnan(patches).mean(axis=(1, 2, 3)))


def missing_at_centre(patches: Singles) -> Flags:
    """Return (N, C) True where the observation's own pixel, in patches (N, C, P, P), has no data."""
    middle = patches.shape[2] // 2
    return np.asarray(np.isnan(patches[:, :, middle, middle]))


@dataclass(frozen=True)
class _Part:
    """A cell with the values (C, height, width) of its frame; pixels that nobody reads are left as memory had them."""

    cell: Cell
    values: Singles

    @staticmethod
    def of(cell: Cell, covariates: int) -> _Part:
        return _Part(cell, np.empty((covariates, cell.frame.height, cell.frame.width), np.float32))


def _read(number: int, raster: CovariateRaster, part: _Part) -> None:
    for block in part.cell.reads:
        raster.read(block, part.values[number][block.within(part.cell.frame)])


class _Borders:
    """The last rows and columns of cells that were read, for patches that reach into the cells below and right."""

    def __init__(self, covariates: int, halo: int, layout: Layout) -> None:
        self._layout, self._width, self._row = layout, 2 * halo, layout.tile.row
        wide = (layout.across + 1) * layout.cell_width  # a strip begins with what its first patches have left of it
        self._above, self._below = (np.empty((covariates, self._width, wide), np.float32) for _ in range(2))
        self._left = np.empty((covariates, layout.cell_height, self._width), np.float32)

    def complete(self, part: _Part) -> None:
        """Fill in the parts of a cell's frame above and to the left of it, and keep its own last rows and columns."""
        place, frame, values = part.cell.place, part.cell.frame, part.values
        if place.row != self._row:
            self._above, self._below, self._row = self._below, self._above, place.row
        top, left = max(0, place.row - frame.row), max(0, place.col - frame.col)
        rows = slice(frame.row + top - place.row, frame.row + frame.height - place.row)
        start = frame.col - self._layout.strip_start(part.cell.strip)
        values[:, :top] = self._above[:, self._width - top :, start : start + frame.width]
        values[:, top:, :left] = self._left[:, rows, self._width - left :]
        lowest, last = place.height - self._width, place.width - self._width  # the first row and column to keep
        first = max(rows.start, lowest)
        if first < rows.stop:
            kept = values[:, first + place.row - frame.row :, left:]
            self._below[:, first - lowest : rows.stop - lowest, start + left : start + frame.width] = kept
        first, stop = max(frame.col + left - place.col, last), frame.col + frame.width - place.col
        if first < stop:
            self._left[:, rows, first - last : stop - last] = values[:, top:, first + place.col - frame.col :]


@dataclass(frozen=True)
class Observations:
    """Points with their measured values.

    `values` (N, T) are the measured values or the numbers of the classes, NaN where a target was not measured;
    `is_censored` (N, T) is True where a value is only known to be below that number; `errors` (N, T) are standard
    deviations of the measurement, 0 where none is known; `weights` (N,) are above 0 and about 1. `coordinates` (N, 2)
    are x and y in the grid's CRS; `rows` and `cols` (N,) give the pixel that holds the point; `sites` (N,) are equal
    for observations of one group, and for those of one pixel, whose patches are the same; `ids` (N,) are feature ids of
    the layer.
    """

    values: Array
    is_censored: Flags
    errors: Array
    weights: Array
    coordinates: Array
    rows: Rows
    cols: Rows
    sites: Rows
    ids: Rows

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[Any]) -> Observations:
        """Return the observations that an index array or a boolean array chooses."""
        return Observations(*(getattr(self, name)[index] for name in self.__dataclass_fields__))
