"""Points of the area of a map, from polygons or from a raster."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pytest
from shapely import Point, Polygon, box, contains_xy

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.sampling import DOMAIN_POINTS, check_touch, read_domain
from tests.engine.landscape import NORTH, WEST, Landscape, Log, make_landscape, write_raster


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


def write(path: Path, shapes: list[object], crs: object = 28992) -> str:
    geopandas.GeoDataFrame(geometry=shapes, crs=crs).to_file(path)
    return str(path)


def test_polygons_are_filled_evenly(landscape: Landscape) -> None:
    large, small = box(0, 0, 3000, 1000), box(1e6, 1e6, 1e6 + 1000, 1e6 + 1000)  # far apart: 3 to 1 in area
    points = read_domain(write(landscape.folder / "d.gpkg", [large, small]), landscape.grid, Log())
    assert len(points) == pytest.approx(DOMAIN_POINTS, rel=0.05)
    assert contains_xy(large, *points.T).mean() == pytest.approx(0.75, abs=0.02)
    assert (contains_xy(large, *points.T) | contains_xy(small, *points.T)).all()


def test_polygons_that_overlap_or_cross_themselves_count_once(landscape: Landscape) -> None:
    bow_tie = Polygon([(0, 0), (1000, 1000), (1000, 0), (0, 1000)])
    layer, log = write(landscape.folder / "d.gpkg", [bow_tie, bow_tie, box(0, 0, 1000, 500)]), Log()
    points = read_domain(layer, landscape.grid, log)
    assert len(points) == pytest.approx(DOMAIN_POINTS, rel=0.05)
    assert len(log.warnings) == 1 and log.warnings[0].startswith("2 of 3 polygons of 'd' have outlines that cross")


def test_polygons_in_degrees_are_transformed(landscape: Landscape) -> None:
    there = geopandas.GeoSeries([box(150000, 400000, 160000, 410000)], crs=28992).to_crs(4326)
    points = read_domain(write(landscape.folder / "d.gpkg", list(there), 4326), landscape.grid, Log())
    assert ((points > (149990, 399990)) & (points < (160010, 410010))).all()


def test_of_a_raster_the_pixels_with_data_are_taken(landscape: Landscape) -> None:
    points = read_domain(landscape.covariates[0].path, landscape.grid, Log())
    elevation = landscape.values[0]
    assert len(points) == np.isfinite(elevation).sum()
    rows, cols = ((NORTH - points[:, 1]) // 10).astype(int), ((points[:, 0] - WEST) // 10).astype(int)
    assert np.isfinite(elevation[rows, cols]).all()


def test_what_is_no_domain_is_told(landscape: Landscape) -> None:
    folder = landscape.folder
    with pytest.raises(EngineError, match="'p', the domain of the map, holds 1 features but no polygon"):
        read_domain(write(folder / "p.gpkg", [Point(0, 0)]), landscape.grid, Log())
    with pytest.raises(EngineError, match="'n', the domain of the map, has no CRS"):
        read_domain(write(folder / "n.gpkg", [box(0, 0, 1, 1)], None), landscape.grid, Log())
    undefined = 'GEOGCS["Undefined geographic SRS",DATUM["unknown",SPHEROID["unknown",6378137,298.257223563]]]'
    with pytest.raises(EngineError, match="'u', the domain of the map, has no CRS"):
        read_domain(write(folder / "u.gpkg", [box(1000, 1000, 2000, 2000)], undefined), landscape.grid, Log())
    with pytest.raises(EngineError, match="1 of 2 polygons of 'd', .* have no place in EPSG:28992"):
        read_domain(
            write(folder / "d.gpkg", [box(4, 51, 5, 52), box(1000, 1000, 2000, 2000)], 4326), landscape.grid, Log()
        )
    (folder / "t.csv").write_text("x,y\n1,2\n")
    with pytest.raises(EngineError, match="'t', the domain of the map, is a table"):
        read_domain(str(folder / "t.csv"), landscape.grid, Log())
    empty = write_raster(folder / "empty.tif", np.full((5, 5), np.nan))
    with pytest.raises(EngineError, match="no pixel with data"):
        read_domain(empty, landscape.grid, Log())
    with pytest.raises(EngineError, match="missing.tif does not exist"):
        read_domain(str(folder / "missing.tif"), landscape.grid, Log())


def test_a_domain_far_from_the_observations_is_refused(landscape: Landscape) -> None:
    points = read_domain(write(landscape.folder / "far.gpkg", [box(5000, 5000, 6000, 6000)]), landscape.grid, Log())
    observations = np.array([[1000.0, 1500.0], [1400.0, 2000.0]])
    message = "'far', the domain of the map, does not touch the observations: .*, they over west 1000, south 1500"
    with pytest.raises(EngineError, match=message):
        check_touch("/x/far.gpkg", points, observations, landscape.grid)
    check_touch("/x/near.gpkg", points - 4000, observations, landscape.grid)
