"""Which share of each pixel of a block lies in a polygon, exactly: holes, parts and slivers included."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

_LEAST = 1e-9  # of a pixel; less is what rounding leaves of a border along pixels


def in_pixels(polygon: Any, grid: Grid) -> Any:
    """The polygon in columns and rows of the grid, where each pixel is a unit square."""
    return shapely.transform(polygon, lambda xy: np.column_stack(grid.rows_cols(xy[:, 0], xy[:, 1])[::-1]))


def touched_block(polygon: Any, grid: Grid) -> Block | None:
    """The block of the grid's pixels around a polygon in columns and rows; None where none is touched."""
    left, top, right, bottom = polygon.bounds
    first_row, first_col = max(0, int(np.floor(top))), max(0, int(np.floor(left)))
    last_row, last_col = min(grid.height, int(np.ceil(bottom))), min(grid.width, int(np.ceil(right)))
    if first_row >= last_row or first_col >= last_col:
        return None
    return Block(first_row, first_col, last_row - first_row, last_col - first_col)


def overlap_of(one: Block, other: Block) -> Block | None:
    """The part that two blocks share; None where they share none."""
    row, col = max(one.row, other.row), max(one.col, other.col)
    bottom = min(one.row + one.height, other.row + other.height)
    right = min(one.col + one.width, other.col + other.width)
    return Block(row, col, bottom - row, right - col) if row < bottom and col < right else None


def pixel_shares(polygon: Any, block: Block) -> Array:
    """Shares (h, w) of the block's pixels that lie in a valid polygon in columns and rows of the grid.

    Pixels that a border crosses are cut with the polygon; the others lie in it with their centre or not at all.
    """
    shape, place = (block.height, block.width), Affine.translation(block.col, block.row)
    frame = shapely.box(block.col, block.row, block.col + block.width, block.row + block.height)
    pieces = shapely.get_parts(shapely.get_parts(shapely.intersection(polygon, frame)))
    part = shapely.multipolygons([piece for piece in pieces if piece.geom_type == "Polygon"])
    if part.area == 0:
        return np.zeros(shape)
    shares = _burn([part], shape, place, False).astype(np.float64)
    is_cut = _burn([shapely.boundary(part)], shape, place, True) > 0
    rows, cols = np.nonzero(is_cut)
    left, top = cols + block.col, rows + block.row
    shapely.prepare(part)
    squares = shapely.box(left, top, left + 1, top + 1)
    shares[rows, cols] = shapely.area(shapely.intersection(part, squares))
    shares[shares < _LEAST] = 0.0
    return shares


def _burn(shapes: list[Any], shape: tuple[int, int], place: Affine, touched: bool) -> NDArray[np.uint8]:
    burnt: NDArray[np.uint8] = rasterize(shapes, out_shape=shape, transform=place, all_touched=touched, dtype="uint8")
    return burnt
