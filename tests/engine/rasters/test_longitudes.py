"""Rasters in degrees all round the globe: longitudes of 0 to 360, across Greenwich, and across 180 degrees."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyproj
import pytest
import rasterio
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

Write = Callable[..., str]
WGS84 = rasterio.CRS.from_epsg(4326).to_wkt()
UTM_60_SOUTH = rasterio.CRS.from_epsg(32760).to_wkt()
BRITISH_GRID = rasterio.CRS.from_epsg(27700).to_wkt()


def wave(longitude: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same after a full turn, so that a raster may count longitudes as it likes."""
    return np.cos(np.radians(longitude)) + np.sin(np.radians(3 * longitude))


def write_globe(write_raster: Write, west: float, cell: float = 0.5, width: int = 720) -> str:
    longitudes = west + cell * (np.arange(width) + 0.5)
    height = round(180 / cell)
    transform = (cell, 0.0, west, 0.0, -cell, 90.0)
    return write_raster(f"{west:g}.tif", np.tile(wave(longitudes), (height, 1)).astype("f4"), transform, "EPSG:4326")


def read_all(path: str, grid: Grid) -> NDArray[np.float32]:
    with open_stack([Covariate(path, "wave")], grid) as stack:
        return stack.read(Block(0, 0, grid.height, grid.width))[0]


def true_wave(grid: Grid) -> NDArray[np.float64]:
    x, y = grid.xy(*np.mgrid[0 : grid.height, 0 : grid.width])
    longitude, _ = pyproj.Transformer.from_crs(grid.crs_wkt, 4326, always_xy=True).transform(x, y)
    return wave(np.asarray(longitude))


GRIDS = {
    "Britain in degrees": Grid(WGS84, (0.1, 0.0, -6.0, 0.0, -0.1, 56.0), 60, 80),
    "Britain in metres": Grid(BRITISH_GRID, (10000.0, 0.0, 300000.0, 0.0, -10000.0, 600000.0), 60, 40),
    "Fiji across 180 degrees": Grid(UTM_60_SOUTH, (10000.0, 0.0, 600000.0, 0.0, -10000.0, 8200000.0), 40, 40),
    "America beyond 180 degrees": Grid(WGS84, (0.1, 0.0, 280.0, 0.0, -0.1, 10.0), 60, 80),
}


def test_the_whole_globe_is_found_in_another_projection(write_raster: Write) -> None:
    equal_earth = rasterio.CRS.from_epsg(8857).to_wkt()
    grid = Grid(equal_earth, (100000.0, 0.0, -1.72e7, 0.0, -100000.0, 7e6), 140, 344)
    x, _ = grid.xy(*np.mgrid[0:140, 0:344])
    is_inside = np.abs(x) < 1e7  # away from the outline, at which PROJ begins the globe again
    for west in (0.0, -180.0):
        found = read_all(write_globe(write_raster, west), grid)
        np.testing.assert_allclose(found[is_inside], true_wave(grid)[is_inside], atol=0.02)


@pytest.mark.parametrize("place", GRIDS)
@pytest.mark.parametrize("west", [-180.0, 0.0, -60.0])
def test_any_place_is_found_however_longitudes_are_counted(write_raster: Write, place: str, west: float) -> None:
    grid = GRIDS[place]
    np.testing.assert_allclose(read_all(write_globe(write_raster, west), grid), true_wave(grid), atol=2e-3)


def test_pixels_that_coincide_after_a_full_turn_are_read_as_they_are(write_raster: Write) -> None:
    east, west = write_globe(write_raster, 0.0), write_globe(write_raster, -180.0)
    grid = Grid(WGS84, (0.5, 0.0, -20.0, 0.0, -0.5, 10.0), 30, 80)
    with open_stack([Covariate(east, "east"), Covariate(west, "west")], grid) as stack:
        assert [raster.resampling for raster in stack.rasters] == [None, None]
        np.testing.assert_allclose(*stack.read(Block(0, 0, 30, 80)), atol=1e-6)


def test_a_patch_at_the_edge_of_the_globe_goes_on_at_the_other_edge(write_raster: Write) -> None:
    path = write_globe(write_raster, -180.0)
    with open_stack([Covariate(path, "wave")], reference_grid(path)) as stack:
        beyond = stack.read(Block(100, -3, 1, 7))[0, 0]
    np.testing.assert_allclose(beyond, wave(-180 + 0.5 * (np.arange(-3, 4) + 0.5)), atol=1e-6)


def test_the_map_of_a_raster_of_0_to_360_degrees_runs_from_minus_180_to_180(write_raster: Write) -> None:
    path = write_globe(write_raster, 0.0)
    grid = reference_grid(path)
    assert grid.bounds == (-180.0, -90.0, 180.0, 90.0)
    np.testing.assert_allclose(read_all(path, grid), true_wave(grid), atol=1e-6)
    assert grid.contains([-75.0, 100.0], [5.0, 5.0]).all()


def test_the_map_of_a_raster_beyond_180_degrees_lies_in_the_west(write_raster: Write) -> None:
    values = np.tile(wave(280 + 0.5 * (np.arange(60) + 0.5)), (60, 1)).astype("f4")
    path = write_raster("america.tif", values, (0.5, 0.0, 280.0, 0.0, -0.5, 10.0), "EPSG:4326")
    grid = reference_grid(path)
    assert grid.bounds == (-80.0, -20.0, -50.0, 10.0)
    np.testing.assert_array_equal(read_all(path, grid), values)


def test_a_raster_across_180_degrees_stays_in_one_piece(write_raster: Write) -> None:
    values = np.tile(wave(170 + 0.5 * (np.arange(40) + 0.5)), (20, 1)).astype("f4")
    path = write_raster("fiji.tif", values, (0.5, 0.0, 170.0, 0.0, -0.5, -10.0), "EPSG:4326")
    assert reference_grid(path).bounds == (170.0, -20.0, 190.0, -10.0)
    inside = Grid(UTM_60_SOUTH, (10000.0, 0.0, 600000.0, 0.0, -10000.0, 8300000.0), 40, 40)
    np.testing.assert_allclose(read_all(path, inside), true_wave(inside), atol=2e-3)
