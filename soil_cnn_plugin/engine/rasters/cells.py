"""What to read around observations: cells of the grid, in an order that asks for each pixel once. Arithmetic, no files.

A patch lies in the cell of its lower right pixel. Its parts in the cells above and to the left were read with those
cells, whose last rows and columns are kept; see `patches.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.rasters.grid import Block

_SMALLEST = 64
"""Least height and width of a tile in pixels; several smaller ones are taken as one."""


@dataclass(frozen=True)
class Layout:
    """The division of a grid into tiles, cells and strips.

    Rasters are stored in tiles, which lie side by side from `tile`, the upper left one. A cell is `rows` x `cols`
    tiles. A strip is `across` cells wide and is read from top to bottom.
    """

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

    def place(self, row: int, col: int) -> Block:
        """Return the whole cell in that row and column of cells."""
        height, width = self.cell_height, self.cell_width
        return Block(self.tile.row + row * height, self.tile.col + col * width, height, width)

    def strip_start(self, strip: int) -> int:
        """Return the first column of pixels that the strip's patches may reach: one cell to the left of the strip."""
        return self.tile.col + (strip * self.across - 1) * self.cell_width


@dataclass(frozen=True)
class Cell:
    """A cell of the grid, and what is needed of it.

    `place` is the whole cell; `reads` are the parts of it that are needed. `index` are the observations whose patch has
    its lower right pixel in the cell, sorted by row and column. `frame` holds the reads and these patches. `pieces` are
    the parts in this cell of the other blocks that are wanted, with the numbers of these blocks.
    """

    strip: int
    place: Block
    reads: tuple[Block, ...]
    frame: Block
    index: Rows
    pieces: tuple[tuple[int, Block], ...]


def plan_cells(rows: Rows, cols: Rows, halo: int, layout: Layout, others: Sequence[Block] = ()) -> Iterator[Cell]:
    """Yield the cells that are needed, strip by strip and row by row.

    A tile is at least twice as high and wide as the halo. `others` are further blocks that are wanted, inside the grid.
    """
    if not rows.size and not others:
        return
    tile = layout.tile
    down = np.stack([rows - halo - tile.row, rows + halo - tile.row]) // tile.height  # first and last tile: (2, N)
    right = np.stack([cols - halo - tile.col, cols + halo - tile.col]) // tile.width
    strip = right[1] // (layout.cols * layout.across)
    spans = np.stack([rows - halo, rows + halo + 1, cols - halo, cols + halo + 1])
    touched = []
    for i, j in ((0, 0), (0, 1), (1, 0), (1, 1)):
        is_another = ((down[0] < down[1]) | (i == 1)) & ((right[0] < right[1]) | (j == 1))
        touched.append(np.vstack([strip, down[i], right[j], spans])[:, is_another])
    pieces = [piece for number, block in enumerate(others) for piece in _pieces(number, block, layout)]
    if pieces:
        touched.append(np.array([each.touched for each in pieces]).T)
    order = np.lexsort((cols, rows, right[1] // layout.cols, down[1] // layout.rows, strip))
    keys, starts = _groups(np.stack([strip, down[1] // layout.rows, right[1] // layout.cols])[:, order])
    index = dict(zip(keys, np.split(order, starts[1:])))
    parts: dict[tuple[int, ...], list[tuple[int, Block]]] = {}
    for piece in pieces:
        parts.setdefault(piece.cell, []).append((piece.number, piece.block))
    for key, tiles in groupby(_needed_tiles(np.hstack(touched), layout), lambda each: each[:3]):
        own = index.get(key, np.empty(0, np.int64))
        reads = tuple(_rectangles(list(tiles)))
        corner = (
            (int(rows[own].min()) - halo, int(cols[own].min()) - halo) if own.size else (reads[0].row, reads[0].col)
        )
        yield Cell(key[0], layout.place(*key[1:]), reads, _around(reads, *corner), own, tuple(parts.get(key, ())))


@dataclass(frozen=True)
class _Piece:
    """The part of a wanted block that lies in one tile."""

    number: int
    block: Block
    cell: tuple[int, int, int]
    touched: tuple[int, ...]


def _pieces(number: int, block: Block, layout: Layout) -> Iterator[_Piece]:
    tile, bottom, end = layout.tile, block.row + block.height, block.col + block.width
    for down in range((block.row - tile.row) // tile.height, (bottom - 1 - tile.row) // tile.height + 1):
        for right in range((block.col - tile.col) // tile.width, (end - 1 - tile.col) // tile.width + 1):
            top, left = tile.row + down * tile.height, tile.col + right * tile.width
            rows, cols = (
                (max(top, block.row), min(top + tile.height, bottom)),
                (max(left, block.col), min(left + tile.width, end)),
            )
            part = Block(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0])
            strip = right // (layout.cols * layout.across)
            cell = (strip, down // layout.rows, right // layout.cols)
            yield _Piece(number, part, cell, (strip, down, right, *rows, *cols))


def _needed_tiles(touched: Rows, layout: Layout) -> list[tuple[int, ...]]:
    """Return for each tile its cell's strip, row and column, its own row and column, and the pixels needed of it.

    These pixels are given by their top, bottom, left and right. `touched` (7, M) holds the strip, row and column of a
    tile, and the pixels from top to right.
    """
    tile, (strip, down, right, *spans) = layout.tile, touched
    keys = np.stack([strip, down // layout.rows, right // layout.cols, down, right])
    order = np.lexsort(keys[::-1])
    places, starts = _groups(keys[:, order])
    top, left = tile.row + down * tile.height, tile.col + right * tile.width
    lowest = [np.maximum(spans[0], top), np.maximum(spans[2], left)]
    highest = [np.minimum(spans[1], top + tile.height), np.minimum(spans[3], left + tile.width)]
    tops, lefts = (np.minimum.reduceat(each[order], starts).tolist() for each in lowest)
    bottoms, ends = (np.maximum.reduceat(each[order], starts).tolist() for each in highest)
    return [(*place, *span) for place, span in zip(places, zip(tops, bottoms, lefts, ends))]


def _groups(keys: Rows) -> tuple[list[tuple[int, ...]], Rows]:
    """Return the different columns of sorted keys (K, M), and where each of them starts."""
    if not keys.shape[1]:
        return [], np.empty(0, np.int64)
    starts = np.flatnonzero(np.r_[True, (np.diff(keys) != 0).any(axis=0)])
    return list(map(tuple, keys[:, starts].T.tolist())), starts


def _around(reads: Sequence[Block], row: int, col: int) -> Block:
    """Return the smallest block that holds all reads and begins at the given pixel or before it."""
    top, left = min(row, *(each.row for each in reads)), min(col, *(each.col for each in reads))
    bottom, end = max(each.row + each.height for each in reads), max(each.col + each.width for each in reads)
    return Block(top, left, bottom - top, end - left)


def _rectangles(tiles: list[tuple[int, ...]]) -> Iterator[Block]:
    """Yield a few blocks that hold the needed pixels of a cell's tiles, and no pixel of other tiles."""
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
    """Return cells of about `cell_pixels` on a grid of `height` x `width` pixels, in strips of about `strip_width`.

    `tile` is one of the blocks that rasters are stored in; several small ones are taken at once.
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
    """Return the last of start, start +- step, start +- 2 step, ... that is not above -halo."""
    return start - math.ceil((start + halo) / step) * step
