"""Where a map is wanted: extents in any CRS, polygons, and what they may not be."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pyproj
import pytest
from shapely import LineString, Point, Polygon, box

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.polygons import clip_to_extent, read_area
from tests.engine.landscape import CELL, NORTH, SIDE, WEST, Log

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (CELL, 0, WEST + 150000, 0, -CELL, NORTH + 400000), SIDE, SIDE)
LEFT, TOP = WEST + 150000, NORTH + 400000
LOG = Log()


def job(extent: tuple[float, float, float, float] | None = None, crs: str = "") -> PredictMap:
    return PredictMap("n.safetensors", "map.tif", extent=extent, extent_crs=crs)


def write(path: Path, shapes: list[object], crs: object = "EPSG:28992") -> str:
    geopandas.GeoDataFrame({"name": range(len(shapes))}, geometry=shapes, crs=crs).to_file(path)
    return str(path)


def mask(path: str, size: int = 16, log: Log = LOG) -> np.ndarray:
    inside = read_area(path, GRID, log)
    found = np.zeros((SIDE, SIDE), np.bool_)
    for block in GRID.blocks(size):
        found[block.slices] = inside(block)
    return found


def test_an_extent_is_snapped_outward_to_whole_pixels() -> None:
    clipped = clip_to_extent(job((LEFT + 95, TOP - 155, LEFT + 205, TOP - 50)), GRID)
    assert clipped.bounds == (LEFT + 90, TOP - 160, LEFT + 210, TOP - 50)
    assert clip_to_extent(job(), GRID) is GRID


def test_an_extent_in_another_crs_covers_what_it_covered_there() -> None:
    transformer = pyproj.Transformer.from_crs(28992, 4326, always_xy=True)
    west, south = transformer.transform(LEFT + 105, TOP - 305)
    east, north = transformer.transform(LEFT + 205, TOP - 105)
    clipped = clip_to_extent(job((west, south, east, north), pyproj.CRS.from_epsg(4326).to_wkt()), GRID)
    for found, wanted in zip(clipped.bounds, (LEFT + 100, TOP - 310, LEFT + 210, TOP - 100)):
        assert abs(found - wanted) <= CELL  # the rectangle is slightly turned


def test_an_extent_elsewhere_is_told() -> None:
    with pytest.raises(EngineError, match="lies outside the covariates"):
        clip_to_extent(job((0, 0, 100, 100)), GRID)


def test_an_extent_that_has_no_place_in_the_maps_crs_is_told() -> None:
    with pytest.raises(EngineError, match="extent.*EPSG:28992"):
        clip_to_extent(job((0, 95, 10, 200), pyproj.CRS.from_epsg(4326).to_wkt()), GRID)


def test_an_extent_in_a_crs_that_nobody_knows_is_told() -> None:
    with pytest.raises(EngineError, match="extent.* cannot be transformed to EPSG:28992, the CRS of the map"):
        clip_to_extent(job((0, 0, 100, 100), "nonsense"), GRID)


def test_pixels_whose_centre_lies_in_a_polygon_are_inside(tmp_path: Path) -> None:
    square = box(LEFT + 96, TOP - 204, LEFT + 204, TOP - 96)  # no centre of the outermost pixels that it touches
    hole = Polygon(square.exterior.coords, [box(LEFT + 130, TOP - 170, LEFT + 160, TOP - 140).exterior.coords])
    far = box(LEFT + 5000, TOP, LEFT + 6000, TOP + 1000)
    expected = np.zeros((SIDE, SIDE), np.bool_)
    expected[10:20, 10:20] = True
    expected[14:17, 13:16] = False
    path = write(tmp_path / "area.gpkg", [hole, far, Polygon()])
    np.testing.assert_array_equal(mask(path), expected)
    np.testing.assert_array_equal(mask(path, SIDE), expected)


def test_polygons_that_cross_themselves_are_repaired_and_told(tmp_path: Path) -> None:
    bow_tie = Polygon([(LEFT, TOP), (LEFT + 200, TOP - 200), (LEFT + 200, TOP), (LEFT, TOP - 200)])
    square, log = box(LEFT + 300, TOP - 400, LEFT + 400, TOP - 300), Log()
    found = mask(write(tmp_path / "area.gpkg", [bow_tie, square]), log=log)
    assert found[10, 2] and found[10, 17] and not found[2, 10] and not found[17, 10] and found[35, 35]
    assert len(log.warnings) == 1
    assert log.warnings[0].startswith("1 of 2 polygons of 'area' have outlines that cross or touch themselves.")


def test_polygons_in_another_crs_are_transformed(tmp_path: Path) -> None:
    square = geopandas.GeoSeries([box(LEFT + 96, TOP - 204, LEFT + 204, TOP - 96)], crs=28992)
    found = mask(write(tmp_path / "area.gpkg", list(square.to_crs(4326)), 4326))
    assert found.sum() == 100 and found[10:20, 10:20].all()


@pytest.mark.parametrize(
    ("shapes", "crs", "words"),
    [
        ([Point(LEFT, TOP)], 28992, "holds 1 features but no polygon"),
        ([LineString([(0, 0), (1, 1)]), Polygon()], 28992, "holds 2 features but no polygon"),
        ([box(0, 0, 9, 9)], None, "no CRS"),
        ([box(0, 0, 9, 9)], 28992, "lies outside the map"),
    ],
)
def test_layers_that_are_no_area_are_told(tmp_path: Path, shapes: list[object], crs: object, words: str) -> None:
    path = write(tmp_path / "area.gpkg", shapes, crs)
    with pytest.raises(EngineError, match=words):
        read_area(path, GRID, Log())


def test_files_that_are_no_layers_are_told(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no layer")
    pd.DataFrame({"x": [1]}).to_csv(tmp_path / "table.csv")
    for name, words in {
        "notes.txt": "notes.txt",
        "missing.gpkg": "missing.gpkg",
        "table.csv": "'table', the area",
    }.items():
        with pytest.raises(EngineError, match=words):
            read_area(str(tmp_path / name), GRID, Log())
