"""Pixels of classes are counted, with their area on the ground in any CRS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.class_areas import cell_areas, measure_class_areas
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.report import Report

CODES = np.array([[1, 1, 2], [0, 7, 2]])


def write(path: Path, values: np.ndarray, crs: str = "EPSG:28992", cell: float = 10.0, **options: object) -> Covariate:
    west, north = {"EPSG:28992": (100_000, 450_000), "EPSG:4326": (5, 53), "EPSG:3857": (600_000, 6_800_000)}[crs]
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1], crs=crs,
        dtype=options.pop("dtype", "uint8"), transform=rasterio.Affine(cell, 0, west, 0, -cell, north), **options,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return Covariate(str(path), "map")


def measured(raster: Covariate):
    return measure_class_areas(raster, Report(lambda event: None))


def test_pixels_and_their_plane_area_are_counted_without_nodata(tmp_path: Path) -> None:
    found = measured(write(tmp_path / "a.tif", CODES, nodata=0))
    assert found.pixels == {1: 2, 2: 2, 7: 1} and not found.is_stretched
    assert found.areas == pytest.approx({1: 200, 2: 200, 7: 100})
    marked = Covariate(str(tmp_path / "a.tif"), "map", nodata=((7.0, 7.0),))
    assert measured(marked).pixels == {1: 2, 2: 2}


def test_pixels_of_degrees_have_the_area_of_the_ellipsoid(tmp_path: Path) -> None:
    found = measured(write(tmp_path / "d.tif", CODES, "EPSG:4326", 0.1))
    globe = pyproj.Geod(ellps="WGS84")
    north, south = (
        abs(globe.polygon_area_perimeter(5.0 + np.array([0, 0.1, 0.1, 0]), [top, top, top - 0.1, top - 0.1])[0])
        for top in (53.0, 52.9)
    )
    assert found.areas == pytest.approx({0: south, 1: 2 * north, 2: north + south, 7: south}, rel=1e-4)


def test_a_mercator_map_is_measured_on_the_ground(tmp_path: Path) -> None:
    found = measured(write(tmp_path / "m.tif", CODES, "EPSG:3857", 100.0))
    assert found.is_stretched
    _, latitude = pyproj.Transformer.from_crs(3857, 4326, always_xy=True).transform(600_150, 6_799_900)
    assert found.areas[1] == pytest.approx(2 * 100**2 * np.cos(np.radians(latitude)) ** 2, rel=0.01)


def test_a_rotated_pixel_has_the_area_of_its_parallelogram() -> None:
    wkt = pyproj.CRS.from_epsg(28992).to_wkt()
    grid = Grid(wkt, (8.0, 6.0, 100_000, 6.0, -8.0, 450_000), 4, 4)
    np.testing.assert_allclose(cell_areas(grid, Block(0, 0, 2, 2)), [100, 100])


def test_measured_numbers_are_no_codes(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"f\.tif holds 0\.5, which is no code of a class.*'continuous'"):
        measured(write(tmp_path / "f.tif", CODES / 2, dtype="float32"))
    with pytest.raises(EngineError, match="more than 1000 different values"):
        measured(write(tmp_path / "n.tif", np.arange(1600).reshape(40, 40), dtype="int32"))
    with pytest.raises(EngineError, match="the code 20000000, but codes of classes must be below 16777216"):
        measured(write(tmp_path / "l.tif", CODES * 0 + 20_000_000, dtype="int32"))
