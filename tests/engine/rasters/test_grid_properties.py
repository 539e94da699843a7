"""Grid and Block: what holds for every grid, upright, mirrored or rotated, near its origin or far from it."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from soil_cnn_plugin.engine.rasters.grid import Block, Grid

RD_NEW = pyproj.CRS.from_epsg(28992).to_wkt()
WGS84 = pyproj.CRS.from_epsg(4326).to_wkt()
PIXELS = 1e-5
"""By how much of a pixel numbers may differ: coordinates have 16 digits, of which those of an origin take some."""

sizes = st.integers(1, 40)
cell_sizes = st.floats(0.01, 1000)
origins = st.floats(-1e6, 1e6)
signs = st.sampled_from([-1, 1])


@st.composite
def upright_grids(draw: st.DrawFn) -> Grid:
    a, e = draw(signs) * draw(cell_sizes), draw(signs) * draw(cell_sizes)
    return Grid(RD_NEW, (a, 0.0, draw(origins), 0.0, e, draw(origins)), draw(sizes), draw(sizes))


@st.composite
def rotated_grids(draw: st.DrawFn) -> Grid:
    angle, width, height = draw(st.floats(0, 2 * math.pi)), draw(cell_sizes), draw(cell_sizes)
    cosine, sine = math.cos(angle), math.sin(angle)
    linear = (width * cosine, height * sine, draw(origins), width * sine, -height * cosine, draw(origins))
    return Grid(RD_NEW, linear, draw(sizes), draw(sizes))


grids = upright_grids() | rotated_grids()
blocks = st.builds(Block, st.integers(-50, 50), st.integers(-50, 50), sizes, sizes)


@st.composite
def grids_with_blocks_inside(draw: st.DrawFn, of: st.SearchStrategy[Grid] = grids) -> tuple[Grid, Block]:
    grid = draw(of)
    row, col = draw(st.integers(0, grid.height - 1)), draw(st.integers(0, grid.width - 1))
    height, width = draw(st.integers(1, grid.height - row)), draw(st.integers(1, grid.width - col))
    return grid, Block(row, col, height, width)


def all_pixels(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    rows, cols = np.mgrid[: grid.height, : grid.width]
    return rows.ravel(), cols.ravel()


@given(grids, st.integers(1, 50))
def test_blocks_tile_the_grid_row_by_row(grid: Grid, size: int) -> None:
    number = np.full((grid.height, grid.width), -1)
    tiled = list(grid.blocks(size))
    for index, block in enumerate(tiled):
        assert 1 <= block.height <= size and 1 <= block.width <= size
        assert block.row + block.height <= grid.height and block.col + block.width <= grid.width
        assert (number[block.slices] == -1).all()
        number[block.slices] = index
    assert number.min() == 0
    assert tiled == sorted(tiled, key=lambda block: (block.row, block.col))


@given(blocks, st.integers(0, 30))
def test_a_block_lies_in_the_middle_of_its_halo(block: Block, halo: int) -> None:
    around = block.with_halo(halo)
    rows, cols = np.mgrid[around.row : around.row + around.height, around.col : around.col + around.width]
    inside = block.within(around)
    assert rows[inside].shape == (block.height, block.width)
    assert (rows[inside][0, 0], cols[inside][0, 0]) == (block.row, block.col)
    assert around.height - block.height == around.width - block.width == 2 * halo


@given(grids)
def test_each_pixel_holds_its_own_centre_and_the_grid_holds_no_other(grid: Grid) -> None:
    rows, cols = all_pixels(grid)
    found_rows, found_cols = grid.rows_cols(*grid.xy(rows, cols))
    np.testing.assert_allclose(found_rows, rows + 0.5, atol=PIXELS)
    np.testing.assert_allclose(found_cols, cols + 0.5, atol=PIXELS)
    assert grid.contains(*grid.xy(rows, cols)).all()
    around = [-1, grid.height], [-1, grid.width]
    assert not grid.contains(*grid.xy(around[0], [0, 0])).any()
    assert not grid.contains(*grid.xy([0, 0], around[1])).any()


@given(grids, st.integers(-5, 45), st.integers(-5, 45))
def test_a_pixel_is_as_far_from_its_neighbours_as_it_is_wide_and_high(grid: Grid, row: int, col: int) -> None:
    x, y = grid.xy([row, row, row + 1], [col, col + 1, col])
    assert np.hypot(np.diff(x), np.diff(y))[0] == pytest.approx(grid.cell_size[0], rel=1e-6)
    assert np.hypot(x[2] - x[0], y[2] - y[0]) == pytest.approx(grid.cell_size[1], rel=1e-6)


@given(grids, blocks)
def test_a_block_keeps_the_lattice_and_tells_where_it_begins(grid: Grid, block: Block) -> None:
    part = grid.at(block)
    rows, cols = all_pixels(part)
    np.testing.assert_allclose(part.xy(rows, cols), grid.xy(rows + block.row, cols + block.col), rtol=1e-9, atol=1e-6)
    assert grid.offset_of(part) == (block.row, block.col)
    assert part.offset_of(grid) == (-block.row, -block.col)


@given(grids, st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_grids_that_are_shifted_by_part_of_a_pixel_do_not_coincide(grid: Grid, down: float, right: float) -> None:
    a, b, c, d, e, f = grid.transform
    shifted = (a, b, c + a * right + b * down, d, e, f + d * right + e * down)
    assert grid.offset_of(Grid(RD_NEW, shifted, grid.height, grid.width)) is None
    assert grid.offset_of(Grid(WGS84, grid.transform, grid.height, grid.width)) is None


@given(grids_with_blocks_inside(upright_grids()))
def test_clipping_to_a_block_gives_the_block(given_block: tuple[Grid, Block]) -> None:
    grid, block = given_block
    part = grid.clip(grid.at(block).bounds)
    assert grid.offset_of(part) == (block.row, block.col)
    assert (part.height, part.width) == (block.height, block.width)


@given(grids_with_blocks_inside(), st.data())
def test_clipping_keeps_the_pixels_of_the_rectangle_and_none_beyond_the_grid(
    given_block: tuple[Grid, Block], data: st.DataObject
) -> None:
    grid, block = given_block
    west, south, east, north = grid.at(block).bounds
    shares = st.floats(0.1, 0.45)
    width, height = east - west, north - south
    west, east = west + width * data.draw(shares), east - width * data.draw(shares)
    south, north = south + height * data.draw(shares), north - height * data.draw(shares)
    rows, cols = all_pixels(grid)
    x, y = grid.xy(rows, cols)
    is_inside = (x > west) & (x < east) & (y > south) & (y < north)
    assume(is_inside.any())
    part = grid.clip((west, south, east, north))
    offset = grid.offset_of(part)
    assert offset is not None
    row, col = offset
    assert row >= 0 and col >= 0 and row + part.height <= grid.height and col + part.width <= grid.width
    assert part.contains(x[is_inside], y[is_inside]).all()
    if not any(grid.transform[1::2][:2]):  # upright: no pixel more than the rectangle touches
        assert part.height <= height / grid.cell_size[1] + 2 and part.width <= width / grid.cell_size[0] + 2


@given(upright_grids())
def test_an_upright_grid_has_the_same_pixels_with_north_up(grid: Grid) -> None:
    turned = grid.upright()
    assert turned.bounds == pytest.approx(grid.bounds, rel=1e-12, abs=1e-6)
    assert turned.transform[0] > 0 > turned.transform[4]
    assert (turned.height, turned.width) == (grid.height, grid.width)
    assert turned.upright() == turned


@given(rotated_grids())
def test_a_rotated_grid_stays_as_it_is(grid: Grid) -> None:
    assume(grid.transform[1] and grid.transform[3])
    assert grid.upright() == grid


@given(upright_grids(), st.floats(0.1, 10), st.floats(0.1, 10))
def test_other_cells_cover_the_area_from_the_same_corner(grid: Grid, wider: float, higher: float) -> None:
    width, height = grid.cell_size[0] * wider, grid.cell_size[1] * higher
    other = grid.with_cell_size(width, height)
    assert other.cell_size == pytest.approx((width, height))
    assert (other.transform[2], other.transform[5]) == (grid.transform[2], grid.transform[5])
    spare = (
        other.height * height - grid.height * grid.cell_size[1],
        other.width * width - grid.width * grid.cell_size[0],
    )
    assert -0.002 * height <= spare[0] <= height and -0.002 * width <= spare[1] <= width


@given(st.integers(1, 8), st.integers(1, 400), st.integers(-200, 400))
def test_longitudes_move_by_whole_turns(cells_per_degree: int, width: int, west: int) -> None:
    cell = 1 / cells_per_degree
    grid = Grid(WGS84, (cell, 0.0, float(west), 0.0, -cell, 10.0), 3, width)
    moved = grid.from_minus_180()
    before, after = (each.xy(np.zeros(each.width), np.arange(each.width))[0] for each in (grid, moved))
    assert set(np.round(after % 360, 6)) == set(np.round(before % 360, 6))
    assert moved.bounds[0] < 180 and (moved == grid or moved.bounds[0] >= -180 - 1e-9)
