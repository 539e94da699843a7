"""Vector files are read from and written to folders and names that pyogrio would take for something else."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from shapely import Point, box

from soil_cnn_plugin.engine.observations.point_layer import Dropped, read_layer, write_dropped
from soil_cnn_plugin.engine.rasters.class_names import read_class_names
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.polygons import read_polygons
from tests.engine.landscape import CRS, Log, make_landscape

ODD = ["Soils! final", "!first", "a.zip!b", "tab\there", "two\nlines", " blanks ", "plain"]


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("ending", ["gpkg", "shp", "geojson"])
def test_points_are_read_whatever_folder_and_file_are_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, ending: str
) -> None:
    folder = tmp_path / name
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))  # a user's TMPDIR
    frame = geopandas.GeoDataFrame({"clay": [1.5, 2.5]}, geometry=[Point(1, 2), Point(3, 4)], crs=CRS)
    frame.to_file(tmp_path / f"plain.{ending}")
    for part in tmp_path.glob("plain.*"):
        part.rename(folder / f"{name}{part.suffix}")
    layer = read_layer(str(folder / f"{name}.{ending}"))
    assert layer.name == name and layer.columns["clay"].tolist() == [1.5, 2.5]
    dropped = Dropped()
    dropped.add(layer.ids[:1], "outside")
    write_dropped(str(folder / f"{name}_dropped.gpkg"), layer, dropped)
    written = pyogrio.read_dataframe((folder / f"{name}_dropped.gpkg").rename(tmp_path / "written.gpkg"))
    assert written["clay"].tolist() == [1.5] and written["reason"].tolist() == ["outside"]
    assert not [each for each in os.listdir(folder) if "link" in each or "part" in each]


def test_areas_and_names_of_classes_are_read_from_such_folders_too(tmp_path: Path) -> None:
    folder = tmp_path / "!Projekte"
    folder.mkdir()
    landscape = make_landscape(folder)
    geopandas.GeoDataFrame(geometry=[box(1000, 1900, 1100, 2000)], crs=CRS).to_file(tmp_path / "area.gpkg")
    area = (tmp_path / "area.gpkg").rename(folder / "area.gpkg")
    grid = Grid(landscape.grid.crs_wkt, landscape.grid.transform, 40, 40)
    polygons = read_polygons(str(area), "the area", grid, Log())
    assert polygons is not None and polygons.area.tolist() == [10000]
    rows = geopandas.pd.DataFrame({"VALUE": np.array([1, 2], "i4"), "SOIL": ["Luvisol", "Podzol"]})
    pyogrio.write_dataframe(rows, tmp_path / "table.dbf", driver="ESRI Shapefile", encoding="UTF-8")
    soil = landscape.covariates[2].path
    (tmp_path / "table.dbf").rename(f"{soil}.vat.dbf")
    with rasterio.open(soil) as dataset:
        assert read_class_names(dataset, 1) == {1: "Luvisol", 2: "Podzol"}
