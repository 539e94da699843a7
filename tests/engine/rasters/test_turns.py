"""Points, polygons, extents and domains whose longitudes are counted in another turn than the grid's; local CRSs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest
from shapely import Point, Polygon, box

from soil_cnn_plugin.contract.jobs import Covariate, PredictMap
from soil_cnn_plugin.engine.checks.coverage import check_coverage
from soil_cnn_plugin.engine.checks.places import check_places
from soil_cnn_plugin.engine.observations.locating import place_on_grid
from soil_cnn_plugin.engine.observations.map_values import read_values
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.point_layer import Dropped, read_layer
from soil_cnn_plugin.engine.rasters.crs import are_equal, in_one_turn
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.polygons import clip_to_extent, read_area
from soil_cnn_plugin.engine.rasters.sampling import read_domain
from soil_cnn_plugin.engine.targets.measured import TargetValues
from tests.engine.landscape import Log

Write = Callable[..., str]
WGS84, NAD83 = (pyproj.CRS.from_epsg(code).to_wkt() for code in (4326, 4269))
GLOBE = Grid(WGS84, (1.0, 0.0, -180.0, 0.0, -1.0, 90.0), 180, 360)
PACIFIC = Grid(WGS84, (1.0, 0.0, 150.0, 0.0, -1.0, 10.0), 40, 60)  # 150 to 210
ATLANTIC = Grid(WGS84, (1.0, 0.0, 300.0, 0.0, -1.0, 10.0), 40, 60)  # 300 to 360
LOCAL = 'ENGCRS["Mine grid",EDATUM["Local"],CS[Cartesian,2],AXIS["x",east],AXIS["y",north],LENGTHUNIT["metre",1]]'
LOCAL_WKT1 = (
    'LOCAL_CS["Mine grid",UNIT["metre",1,AUTHORITY["EPSG","9001"]],AXIS["Easting",EAST],AXIS["Northing",NORTH]]'
)


def placed(path: Path, longitudes: list[float], grid: Grid, crs: str = "EPSG:4326") -> tuple[Observations, Dropped]:
    points = [Point(each, -5.5) for each in longitudes]
    geopandas.GeoDataFrame({"clay": np.arange(len(points), dtype=float)}, geometry=points, crs=crs).to_file(path)
    values, dropped = np.arange(len(points), dtype=float)[:, None], Dropped()
    nothing = np.zeros_like(values)
    targets = TargetValues(values, nothing.astype(bool), nothing, np.ones(len(points)))
    return place_on_grid(read_layer(str(path)), targets, grid, dropped, "the covariates"), dropped


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:4269"])
@pytest.mark.parametrize(
    ("grid", "longitudes", "columns"),
    [
        (GLOBE, [-179.5, 180.5, 190.5, -169.5, 359.5, -0.5, 180.0], [0, 0, 10, 10, 179, 179, 359]),
        (PACIFIC, [170.5, -179.5, 180.5, -150.5, 209.5], [20, 30, 30, 59, 59]),
        (ATLANTIC, [-59.5, 300.5, -0.5, 359.5], [0, 0, 59, 59]),
    ],
)
def test_points_are_found_in_any_turn(
    grid: Grid, longitudes: list[float], columns: list[int], crs: str, tmp_path: Path
) -> None:
    found, dropped = placed(tmp_path / "p.gpkg", longitudes, grid, crs)
    assert found.cols.tolist() == columns and not dropped.reasons
    assert grid.contains(*found.coordinates.T).all()


def test_metres_under_a_crs_in_degrees_are_not_turned_until_they_fit(tmp_path: Path) -> None:
    _, dropped = placed(tmp_path / "p.gpkg", [500000.0, 10.5, 725.5], GLOBE)
    assert list(dropped.reasons) == [1, 3]


def test_values_of_a_map_are_read_in_its_own_turn(write_raster: Write, tmp_path: Path) -> None:
    columns = np.tile(np.arange(60, dtype=np.float32), (40, 1))
    path = write_raster("map.tif", columns, PACIFIC.transform, "EPSG:4326")
    found, _ = placed(tmp_path / "p.gpkg", [170.5, -179.5, -150.5], GLOBE)
    assert read_values(Covariate(path, "map"), found, GLOBE).tolist() == [20.0, 30.0, 59.0]


def test_checks_find_places_in_any_turn(write_raster: Write, tmp_path: Path) -> None:
    path = write_raster("map.tif", np.ones((40, 60), np.float32), PACIFIC.transform, "EPSG:4326")
    longitudes = [*np.linspace(171, 179.5, 10), *np.linspace(-179.5, -171, 10), 185.0, 500.0]
    placed(tmp_path / "p.gpkg", longitudes, GLOBE)
    places, found = check_places(read_layer(str(tmp_path / "p.gpkg")))
    assert [each.kind for each in found] == ["impossible_coordinates"]
    coverage, found = check_coverage(places, [Covariate(path, "map")])
    assert (coverage.inside, coverage.outside, found) == (21, 0, [])
    assert np.ptp(places.metres[:20, 0]) == pytest.approx(18 * 111_320 * np.cos(np.radians(5.5)), rel=0.01)


def test_a_place_far_beyond_180_degrees_is_noticed(tmp_path: Path) -> None:
    longitudes = [*np.linspace(179, 179.9, 10), *np.linspace(-179.9, -179, 10), 100.0]
    placed(tmp_path / "p.gpkg", longitudes, GLOBE)
    _, found = check_places(read_layer(str(tmp_path / "p.gpkg")))
    assert [(each.kind, each.rows.tolist()) for each in found] == [("far_place", [20])]


def test_longitudes_of_both_counts_come_into_one_turn() -> None:
    assert in_one_turn(np.array([179.0, -179.0, 181.0, np.nan, 1e6]), 360.0)[:3].tolist() in (
        [179.0, 181.0, 181.0],
        [-181.0, -179.0, -179.0],
    )
    assert in_one_turn(np.array([-5.0, 5.0, 3.0]), 360.0).tolist() == [-5.0, 5.0, 3.0]


def masked(path: Path, shape: Polygon, crs: str, grid: Grid) -> np.ndarray:
    geopandas.GeoDataFrame(geometry=[shape], crs=crs).to_file(path)
    return read_area(str(path), grid, Log())(Block(0, 0, grid.height, grid.width))


FIJI = pyproj.CRS.from_epsg(3832)  # a Mercator projection around 150 degrees east


@pytest.mark.parametrize("grid", [GLOBE, PACIFIC], ids=["globe", "pacific"])
@pytest.mark.parametrize("west", [175.0, -185.0, "metres"])
def test_an_area_across_180_degrees_is_the_same_in_any_turn(grid: Grid, west: float | str, tmp_path: Path) -> None:
    crs, shape = "EPSG:4326", box(-185, -8, -175, -3)
    if west == "metres":
        to_metres = pyproj.Transformer.from_crs(4326, FIJI, always_xy=True)
        crs, shape = FIJI.to_wkt(), box(*to_metres.transform(175, -8), *to_metres.transform(185, -3))
    elif west == 175.0:
        shape = box(175, -8, 185, -3)
    mask = masked(tmp_path / "area.gpkg", shape, crs, grid)
    rows, cols = np.nonzero(mask)
    longitudes = (grid.xy(rows, cols)[0] + 360) % 360
    assert mask.sum() == 50
    assert sorted(set(longitudes.tolist())) == [175.5 + each for each in range(10)]


def test_an_area_of_0_to_360_degrees_covers_the_globe_once(tmp_path: Path) -> None:
    assert masked(tmp_path / "area.gpkg", box(0, -90, 360, 90), "EPSG:4326", GLOBE).all()
    assert masked(tmp_path / "west.gpkg", box(300, 0, 310, 10), "EPSG:4326", GLOBE).sum() == 100


def test_a_domain_is_brought_to_the_turn_of_the_grid(write_raster: Write, tmp_path: Path) -> None:
    geopandas.GeoDataFrame(geometry=[box(300, -20, 320, 0)], crs="EPSG:4326").to_file(tmp_path / "d.gpkg")
    for path in (str(tmp_path / "d.gpkg"), write_raster("d.tif", np.ones((20, 20), "f4"), (1, 0, 300, 0, -1, 0), 4326)):
        points = read_domain(path, GLOBE, Log())
        assert -60 <= points[:, 0].min() <= points[:, 0].max() <= -40
        assert read_domain(path, ATLANTIC, Log())[:, 0].min() >= 300


@pytest.mark.parametrize(
    ("extent", "grid", "bounds"),
    [
        ((170.0, -5.0, 190.0, 5.0), GLOBE, (170.0, -5.0, 190.0, 5.0)),
        ((-190.0, -5.0, -170.0, 5.0), GLOBE, (-190.0, -5.0, -170.0, 5.0)),
        ((200.0, -5.0, 210.0, 5.0), GLOBE, (-160.0, -5.0, -150.0, 5.0)),
        ((-180.5, -95.0, 180.5, 95.0), GLOBE, GLOBE.bounds),
        ((-179.0, -5.0, -170.0, 5.0), PACIFIC, (181.0, -5.0, 190.0, 5.0)),
        ((-60.0, -5.0, -50.0, 5.0), ATLANTIC, (300.0, -5.0, 310.0, 5.0)),
    ],
)
def test_an_extent_is_found_in_any_turn(
    extent: tuple[float, float, float, float], grid: Grid, bounds: tuple[float, ...]
) -> None:
    job = PredictMap("n.safetensors", "map.tif", extent=extent, extent_crs=WGS84)
    assert clip_to_extent(job, grid).bounds == bounds


def test_an_extent_in_metres_across_180_degrees_stays_small() -> None:
    to_metres = pyproj.Transformer.from_crs(4326, FIJI, always_xy=True)
    extent = (*to_metres.transform(175.2, -8), *to_metres.transform(184.8, -3))
    job = PredictMap("n.safetensors", "map.tif", extent=extent, extent_crs=FIJI.to_wkt())
    assert clip_to_extent(job, PACIFIC).bounds == pytest.approx((175.0, -8.0, 185.0, -3.0), abs=1)
    assert clip_to_extent(job, GLOBE).width == pytest.approx(10, abs=1)


def test_points_of_a_local_crs_are_never_transformed(tmp_path: Path) -> None:
    assert are_equal(LOCAL, LOCAL_WKT1) and not are_equal(LOCAL, LOCAL.replace("Mine", "Other"))
    assert not are_equal(LOCAL, WGS84)
    grid = Grid(LOCAL, (1.0, 0.0, 0.0, 0.0, -1.0, 0.0), 10, 10)
    found, _ = placed(tmp_path / "p.gpkg", [0.5, 3.5, 9.5], grid, LOCAL_WKT1)
    assert found.cols.tolist() == [0, 3, 9]
    mask = masked(tmp_path / "area.gpkg", box(2, -4, 5, -1), LOCAL_WKT1, grid)
    assert mask.sum() == 9
    places, problems = check_places(read_layer(str(tmp_path / "p.gpkg")))
    assert np.isfinite(places.metres).all() and problems == []
    assert len(read_domain(str(tmp_path / "area.gpkg"), grid, Log()))
