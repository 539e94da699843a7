"""Observations in pixels without data, moved to the nearest pixel with data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soil_cnn_plugin.engine.arrays import Flags, Rows
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.observations import Observations
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

_BLOCK = 256


def snap_to_data(found: Observations, stack: CovariateStack, cells: int, notes: Notes) -> Observations:
    """Move observations whose pixel lacks data of a covariate to the nearest pixel with data of all covariates.

    It lies within `cells` rows and columns. Observations that find none stay, as do all others. Coordinates are not
    changed.
    """
    rows, cols = found.rows.copy(), found.cols.copy()
    metres, lost = [], 0
    across = stack.grid.width // _BLOCK + 1
    numbers = (rows // _BLOCK) * across + cols // _BLOCK
    order = np.argsort(numbers, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        if not some.size:
            continue
        top, left = int(rows[some].min()), int(cols[some].min())
        block = Block(top, left, int(rows[some].max()) - top + 1, int(cols[some].max()) - left + 1).with_halo(cells)
        has_data = np.isfinite(stack.read(block)).all(axis=0) & _in_grid(block, stack.grid)
        for number in some.tolist():
            row, col = int(found.rows[number]) - block.row, int(found.cols[number]) - block.col
            if has_data[row, col]:
                continue
            window = Block(row - cells, col - cells, 2 * cells + 1, 2 * cells + 1)
            near = np.argwhere(has_data[window.slices]) + (window.row + block.row, window.col + block.col)
            if not len(near):
                lost += 1
                continue
            away = _metres(near, found, number, stack.grid)
            rows[number], cols[number] = near[away.argmin()]
            metres.append(float(away.min()))
    _tell(metres, lost, cells, notes)
    return replace(found, rows=rows, cols=cols)


def _in_grid(block: Block, grid: Grid) -> Flags:
    """Return (height, width) True where the block's pixels belong to the grid."""
    rows, cols = np.arange(block.height) + block.row, np.arange(block.width) + block.col
    return np.asarray(((rows >= 0) & (rows < grid.height))[:, None] & ((cols >= 0) & (cols < grid.width)))


def _metres(pixels: Rows, found: Observations, number: int, grid: Grid) -> np.ndarray:
    """Return the metres (n,) from an observation to the middles of pixels (n, 2)."""
    own = grid.at(Block(int(found.rows[number]), int(found.cols[number]), 1, 1))
    east, north = own.metres_per_cell()
    x, y = found.coordinates[number]
    row, col = grid.rows_cols(x, y)
    return np.hypot((pixels[:, 0] + 0.5 - row) * north, (pixels[:, 1] + 0.5 - col) * east)


def _tell(metres: list[float], lost: int, cells: int, notes: Notes) -> None:
    if not metres and not lost:
        return
    within = f"within {cells} cell{'s' if cells > 1 else ''}"
    if metres:
        away = f"{min(metres):.3g} to {max(metres):.3g} m" if len(metres) > 1 else f"{metres[0]:.3g} m"
        notes.doubts.append(
            f"{len(metres)} observations lie in pixels without data, and the patch is cut around the nearest pixel with"
            f" data {within}: its middle is {away} away (median {np.median(metres):.3g} m)."
        )
    if lost:
        notes.doubts.append(f"{lost} observations lie in pixels without data and have none with data {within}.")
