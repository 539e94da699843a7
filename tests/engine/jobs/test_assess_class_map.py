"""A map of classes is no map of numbers."""

from __future__ import annotations

from pathlib import Path

import geopandas
import numpy as np
import pyproj
import pytest

from soil_cnn_plugin.contract.jobs import AssessMap, Covariate
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs import assess_map
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.report import Report

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (10, 0, 1000, 0, -10, 2000), 20, 30)


def test_a_map_of_classes_is_refused_by_its_names(tmp_path: Path) -> None:
    path = str(tmp_path / "classes.tif")
    with RasterFile(path, GRID, ["soil"], [""], {}, [["Gley", "Moor"]]) as file:
        file.write(Block(0, 0, 20, 30), np.ones((1, 20, 30)))
        file.finish()
    west, south, east, north = GRID.bounds
    x, y = np.linspace(west, east, 12)[1:-1], np.linspace(south, north, 12)[1:-1]
    points = geopandas.GeoDataFrame(
        {"code": np.arange(10.0)}, geometry=geopandas.points_from_xy(x, y), crs=GRID.crs_wkt
    )
    points.to_file(tmp_path / "points.gpkg")
    job = AssessMap(
        str(tmp_path / "points.gpkg"),
        SoilProperty("code"),
        Covariate(path, "classes"),
        report=str(tmp_path / "r.html"),
    )
    with pytest.raises(EngineError, match=r"classes.tif is a map of classes \(Gley, Moor\), but only maps of numbers"):
        assess_map.run(job, Report(lambda event: None))
    assert not (tmp_path / "r.html").exists()
