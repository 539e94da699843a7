"""What to read around observations: cells of the grid, in an order that asks for each pixel once. Arithmetic, no files.

A patch lies in the cell of its lower right pixel. What of it lies in the cells above and to the left was read with
them: their last rows and columns are kept, see `patches.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from .grid import Block

Integers = NDArray[np.int64]

_SMALLEST = 64
"""Pixels of a tile's height and width: of smaller ones several are taken as one."""


@dataclass(frozen=True)
class Layout:
    """How a grid is divided. Tiles, which rasters are stored in, lie side by side from `tile`, the upper left one; a
    cell is `rows` x `cols` of them; a strip is `across` cells wide and is read from top to bottom."""

    tile: Block
    rows: int
    cols: int
    across: int

    @property
    def cell_height(self) -> int:
        return self.rows * self.tile.height

    @property
    def cell_width(self) -> int:
        return self.cols * self.tile.width

    def strip_start(self, strip: int) -> int:
        """The first column of pixels that patches in the strip may have: one cell to the left of its own."""
        return self.tile.col + (strip * self.across - 1) * self.cell_width


@dataclass(frozen=True)
class Cell:
    """`place` is the whole cell, `reads` are the parts of it that some patch needs; `frame` holds them and the patches
    of `index`, the observations whose lower right pixel lies in the cell, sorted by row and column."""

    strip: int
    place: Block
    reads: tuple[Block, ...]
    frame: Block
    index: Integers


def plan_cells(rows: Integers, cols: Integers, halo: int, layout: Layout) -> Iterator[Cell]:
    """Strip by strip, row by row; a tile is at least twice as high and wide as the halo."""
    tile = layout.tile
    down = np.stack([rows - halo - tile.row, rows + halo - tile.row]) // tile.height  # first and last tile: (2, N)
    right = np.stack([cols - halo - tile.col, cols + halo - tile.col]) // tile.width
    strip = right[1] // (layout.cols * layout.across)
    parts = []
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        own = np.full(rows.shape, True)
        if i == 0:
            own &= down[0] < down[1]
        if j == 0:
            own &= right[0] < right[1]
        parts.append(np.stack([strip, down[i], right[j], rows, cols])[:, own])
    needed = _needed_tiles(np.concatenate(parts, axis=1), halo, layout)
    order = np.lexsort((cols, rows, right[1] // layout.cols, down[1] // layout.rows, strip))
    whole = np.stack([strip, down[1] // layout.rows, right[1] // layout.cols])[:, order]
    starts = np.flatnonzero(np.r_[True, (np.diff(whole) != 0).any(axis=0)]) if order.size else order
    index = dict(zip(map(tuple, whole[:, starts].T.tolist()), np.split(order, starts[1:])))
    for key, tiles in groupby(needed, lambda each: (each[0], each[1], each[2])):
        own_index = index.get(key, np.empty(0, np.int64))
        yield _cell(key, list(tiles), own_index, rows[own_index], cols[own_index], halo, layout)


def _needed_tiles(touched: Integers, halo: int, layout: Layout) -> list[tuple[int, ...]]:
    """Strip, row and column of its cell, row and column of the tile, and the needed pixels' top, bottom, left, right
    in it, of each tile that a patch touches; `touched` (5, M) are strip, row and column of a tile, and the pixel."""
    tile, (strip, down, right, rows, cols) = layout.tile, touched
    keys = np.stack([strip, down // layout.rows, right // layout.cols, down, right])
    order = np.lexsort(keys[::-1])
    keys = keys[:, order]
    starts = np.flatnonzero(np.r_[True, (np.diff(keys) != 0).any(axis=0)]) if order.size else order
    top, left = tile.row + down * tile.height, tile.col + right * tile.width
    spans = (
        (
            np.minimum.reduceat(np.maximum(rows - halo, top)[order], starts),
            np.maximum.reduceat(np.minimum(rows + halo + 1, top + tile.height)[order], starts),
            np.minimum.reduceat(np.maximum(cols - halo, left)[order], starts),
            np.maximum.reduceat(np.minimum(cols + halo + 1, left + tile.width)[order], starts),
        )
        if order.size
        else ()
    )
    return list(zip(*keys[:, starts].tolist(), *(span.tolist() for span in spans)))


def _cell(
    key: tuple[int, ...], tiles: list[tuple[int, ...]], index: Integers, rows: Integers, cols: Integers, halo: int,
    layout: Layout,
) -> Cell:  # fmt: skip
    strip, row, col = key
    height, width = layout.cell_height, layout.cell_width
    place = Block(layout.tile.row + row * height, layout.tile.col + col * width, height, width)
    reads = tuple(_rectangles(tiles))
    tops, lefts = [each.row for each in reads], [each.col for each in reads]
    bottoms, rights = [each.row + each.height for each in reads], [each.col + each.width for each in reads]
    if index.size:
        tops.append(int(rows.min()) - halo)
        lefts.append(int(cols.min()) - halo)
    top, left = min(tops), min(lefts)
    return Cell(strip, place, reads, Block(top, left, max(bottoms) - top, max(rights) - left), index)


def _rectangles(tiles: list[tuple[int, ...]]) -> Iterator[Block]:
    """Few blocks that hold the needed pixels of a cell's tiles, and no pixel of other tiles."""
    runs: list[list[int]] = []  # tile's row, first and last tile's column; top, bottom, left, right in pixels
    for _, _, _, down, right, top, bottom, left, end in tiles:
        if runs and runs[-1][0] == down and runs[-1][2] == right - 1:
            run = runs[-1]
            runs[-1] = [down, run[1], right, min(run[3], top), max(run[4], bottom), run[5], end]
        else:
            runs.append([down, right, right, top, bottom, left, end])
    merged: list[list[int]] = []
    for run in runs:
        last = merged[-1] if merged else None
        if last and last[0] == run[0] - 1 and last[1:3] == run[1:3] and last[4] == run[3]:
            merged[-1] = [run[0], *last[1:4], run[4], min(last[5], run[5]), max(last[6], run[6])]
        else:
            merged.append(run)
    for _, _, _, top, bottom, left, right in merged:
        yield Block(top, left, bottom - top, right - left)


def layout_of(tile: Block, halo: int, height: int, width: int, cell_pixels: int, strip_width: int) -> Layout:
    """Cells of about `cell_pixels` on a grid of `height` x `width` pixels, in strips of about `strip_width`.

    `tile` is one of the blocks that rasters are stored in; small ones are taken several at once.
    """
    high = tile.height * math.ceil(max(2 * halo, _SMALLEST) / tile.height)
    wide = tile.width * math.ceil(max(2 * halo, _SMALLEST) / tile.width)
    first = Block(_first(tile.row, high, halo), _first(tile.col, wide, halo), high, wide)
    down = math.ceil((height + halo - first.row) / high)
    right = math.ceil((width + halo - first.col) / wide)
    cols = min(right, max(1, cell_pixels // (high * wide)))
    rows = min(down, max(1, cell_pixels // (high * wide * cols)))
    return Layout(first, rows, cols, max(1, min(math.ceil(right / cols), strip_width // (wide * cols))))


def _first(start: int, step: int, halo: int) -> int:
    """The last of start, start +- step, start +- 2 step, ... that is not above -halo."""
    return start - math.ceil((start + halo) / step) * step
