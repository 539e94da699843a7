"""A made-up hill, written as layers of QGIS: what all of these tests map."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from osgeo import gdal, ogr, osr

SIZE, CELL = 60, 25.0  # cells, metres
WEST, NORTH = 600_000.0, 5_700_000.0
CRS = "EPSG:32631"
gdal.UseExceptions()
ogr.UseExceptions()
osr.UseExceptions()


@dataclass(frozen=True)
class Land:
    """A made-up hill: covariates, observations and what they are made from."""

    elevation: Path
    moisture: Path
    cover: Path
    observations: Path
    clay: np.ndarray  # (SIZE, SIZE), the truth

    @property
    def inputs(self) -> dict[str, object]:
        covariates = {"COVARIATES": [self.elevation, self.moisture], "CATEGORICAL_COVARIATES": [self.cover]}
        return {"OBSERVATIONS": self.observations, "TARGETS": ["clay_0_10", "sand_0_10"], **covariates}


def make_land(folder: Path) -> Land:
    """In a folder whose name has a space and a letter beyond ASCII, as users' folders have."""
    folder = folder / "böden im tal"
    folder.mkdir()
    rows, cols = np.mgrid[0:SIZE, 0:SIZE] / SIZE
    elevation = 200 + 80 * np.exp(-((rows - 0.4) ** 2 + (cols - 0.6) ** 2) / 0.1)
    moisture = np.sin(9 * rows) * np.cos(7 * cols)
    cover = 1 + (cols > 0.5) + 2 * (rows > 0.7)
    clay = 10 + (elevation - 200) / 4 + 5 * moisture + 6 * (cover > 2)
    elevation[:4, :9] = -9999
    return Land(
        elevation=write_raster(folder / "elevation.tif", elevation, nodata=-9999),
        moisture=write_raster(folder / "moisture.tif", moisture),
        cover=write_raster(folder / "cover.tif", cover, kind=gdal.GDT_Byte),
        observations=write_observations(folder / "observations.gpkg", clay),
        clay=clay,
    )


def write_raster(path: Path, values: np.ndarray, kind: int = gdal.GDT_Float32, nodata: float | None = None) -> Path:
    height, width = values.shape
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), width, height, 1, kind)
    dataset.SetGeoTransform((WEST, CELL, 0, NORTH, 0, -CELL))
    dataset.SetProjection(wkt(CRS))
    if nodata is not None:
        dataset.GetRasterBand(1).SetNoDataValue(nodata)
    dataset.GetRasterBand(1).WriteArray(values)
    return path


def write_points(path: Path, points: Iterable[tuple[int, int, dict[str, object]]], crs: str | None = CRS) -> Path:
    """Row and column of the cell in whose middle a point lies, and its values; what is left out has no value."""
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    reference = osr.SpatialReference(wkt(crs)) if crs else None
    layer = dataset.CreateLayer(path.stem, reference, ogr.wkbPoint)
    listed = list(points)
    for name, value in {name: value for *_, values in listed for name, value in values.items()}.items():
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTString if isinstance(value, str) else ogr.OFTReal))
    for row, col, values in listed:
        feature = ogr.Feature(layer.GetLayerDefn())
        x, y = WEST + (col + 0.5) * CELL, NORTH - (row + 0.5) * CELL
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({x} {y})"))
        for name, value in values.items():
            feature[name] = value
        layer.CreateFeature(feature)
    return path


def write_observations(path: Path, clay: np.ndarray, crs: str | None = CRS) -> Path:
    """80 points in the middle of cells: clay with some noise, and sand, which is missing at every fifth."""
    noise = np.random.default_rng(1)
    cells = noise.choice(SIZE * (SIZE - 4), 80, replace=False) + 4 * SIZE  # below the rows that have empty cells
    points = []
    for number, (row, col) in enumerate(zip(*np.divmod(cells, SIZE))):
        value = float(clay[row, col] + noise.normal(0, 1))
        points.append((row, col, {"clay_0_10": value} | ({"sand_0_10": 90 - value} if number % 5 else {})))
    return write_points(path, points, crs)


def write_horizons(path: Path, clay: np.ndarray) -> Path:
    """30 profiles of two horizons, 0-20 and 20-50 cm, the lower one with 10 % more clay; one has litter above."""
    noise = np.random.default_rng(2)
    points = []
    for number, (row, col) in enumerate(noise.integers(4, SIZE, (30, 2)).tolist()):
        limits = [(0, 20, 0.0), (20, 50, 10.0)] + [(-3, 0, 50.0)] * (number == 7)
        for top, bottom, more in limits:
            values = {"profile": number, "top": top, "bottom": bottom, "clay": float(clay[row, col] + more)}
            points.append((row, col, values))
    return write_points(path, points)


def wkt(crs: str) -> str:
    reference = osr.SpatialReference()
    reference.SetFromUserInput(crs)
    return str(reference.ExportToWkt())


def read_raster(path: object) -> np.ndarray:
    """The first band, (H, W), NaN where it has no data."""
    dataset = gdal.Open(str(path))  # a band lives only as long as its dataset
    band = dataset.GetRasterBand(1)
    values = band.ReadAsArray().astype(float)
    return np.where(values == band.GetNoDataValue(), np.nan, values)
