"""What is kept of an area while the map is predicted block by block: sums of all pixels, and cells that stand for them.

Memory depends on the number of cells, not on that of pixels. An area of few pixels has one cell a pixel; else a cell is
a square of pixels, with their moments and two of them, drawn at random by their weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.areas.area_layer import Area
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows

MOST_CELLS = 400
"""AreaCells of an area, about: of more pixels several make one cell."""
CHOSEN = 2
"""Pixels that stand for a cell. They differ, so that two answers tell how much that matters."""
_MOMENTS = 7  # weights, their squares, x, y, x^2, y^2, x y


@dataclass(frozen=True)
class PixelRows:
    """Some pixels of one area: `weights` (n,), their rows and columns in the grid, places (n, 2) in metres, learned
    columns `location` and `scale` (R, n), `expected` quantities (Q, n), and whether each is applicable."""

    weights: Array
    rows: Rows
    cols: Rows
    places: Array
    location: Array
    scale: Array
    expected: Array
    is_applicable: Flags


@dataclass(frozen=True)
class AreaCells:
    """The B cells of an area. `weights` (B,) sum to 1; `effective` (B,) are the pixels that a cell counts for in means
    of what neighbours do not share; `centres` (B, 2) and `spreads` (B, 2, 2) are moments of places in metres.
    `location` and `scale` (R, B, CHOSEN) are those of the chosen pixels, `is_single` says that each cell is a pixel."""

    weights: Array
    effective: Array
    centres: Array
    spreads: Array
    location: Array
    scale: Array
    is_single: bool


class AreaStore:
    """The sums and cells of one area. `weight` is that of its pixels on the grid, whose shares in the area sum to
    `shares`; `predicted` is the weight of those with a prediction, `applicable` that of the applicable ones;
    `sums` (Q,) of the expected quantities, where each is known, rest on `weights` (Q,)."""

    def __init__(self, area: Area, columns: int, quantities: int) -> None:
        block = area.block
        assert block is not None
        self._top, self._left = block.row, block.col
        self.side = cell_side(area.polygon.area, area.polygon.length)
        self._across = -(-block.width // self.side)
        count = self._across * -(-block.height // self.side)
        self._moments = np.zeros((_MOMENTS, count))
        self._keys = np.full((CHOSEN, count), -np.inf)
        self._chosen = np.full((2, columns, CHOSEN, count), np.nan)
        self._origin = np.zeros(2)
        self.weight = self.shares = self.predicted = self.applicable = 0.0
        self.pixels = 0
        self.sums, self.weights = np.zeros(quantities), np.zeros(quantities)

    def add(self, pixels: PixelRows, generator: np.random.Generator) -> None:
        """Take in pixels with a prediction."""
        weights = pixels.weights
        if not len(weights):
            return
        if not self.pixels:
            self._origin = pixels.places[0].copy()
        self.pixels += len(weights)
        self.predicted += float(weights.sum())
        self.applicable += float(weights[pixels.is_applicable].sum())
        is_known = np.isfinite(pixels.expected)
        self.sums += np.where(is_known, pixels.expected, 0.0) @ weights
        self.weights += is_known @ weights
        x, y = (pixels.places - self._origin).T
        cell = ((pixels.rows - self._top) // self.side) * self._across + (pixels.cols - self._left) // self.side
        cell = cell.astype(np.int64)
        for number, values in enumerate((1.0, weights, x, y, x * x, y * y, x * y)):
            self._moments[number] += np.bincount(cell, weights * values, self._moments.shape[1])
        for which in range(CHOSEN):
            self._choose(which, cell, pixels, generator)

    def _choose(self, which: int, cell: np.ndarray, pixels: PixelRows, generator: np.random.Generator) -> None:
        """Weighted reservoir sampling: the largest u^(1/w) of a cell is chosen (Efraimidis & Spirakis 2006,
        10.1016/j.ipl.2005.11.003)."""
        keys = np.log(generator.random(len(cell))) / pixels.weights
        order = np.lexsort((keys, cell))
        last = order[np.append(np.diff(cell[order]) > 0, True)]
        better = last[keys[last] > self._keys[which, cell[last]]]
        self._keys[which, cell[better]] = keys[better]
        self._chosen[0, :, which, cell[better]] = pixels.location[:, better].T
        self._chosen[1, :, which, cell[better]] = pixels.scale[:, better].T

    def cells(self) -> AreaCells:
        """The cells that hold a prediction."""
        filled = np.flatnonzero(self._moments[0] > 0)
        weight, squares, x, y, xx, yy, xy = self._moments[:, filled]
        x, y = x / weight, y / weight
        spreads = np.empty((len(filled), 2, 2))
        spreads[:, 0, 0], spreads[:, 1, 1] = np.maximum(xx / weight - x * x, 0), np.maximum(yy / weight - y * y, 0)
        spreads[:, 0, 1] = spreads[:, 1, 0] = xy / weight - x * y
        location, scale = self._chosen[:, :, :, filled].transpose(0, 1, 3, 2)  # (R, B, CHOSEN) each
        return AreaCells(
            weights=weight / weight.sum(),
            effective=weight**2 / squares,
            centres=np.column_stack([x, y]) + self._origin,
            spreads=spreads,
            location=location,
            scale=scale,
            is_single=self.side == 1,
        )


def cell_side(pixels: float, border: float) -> int:
    """Pixels in the side of a cell, so that about MOST_CELLS cells hold an area of so many pixels with a border so
    long."""
    if pixels + border <= MOST_CELLS:
        return 1
    return max(1, math.ceil((border + math.sqrt(border**2 + 4 * MOST_CELLS * pixels)) / (2 * MOST_CELLS)))
