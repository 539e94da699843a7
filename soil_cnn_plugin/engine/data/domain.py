"""Points of the area that maps will be made of: what held-out distances are matched to."""

from __future__ import annotations

from contextlib import suppress

import geopandas
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataSourceError

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.data.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.data.grid import Grid
from soil_cnn_plugin.engine.errors import EngineError

Array = NDArray[np.float64]

DOMAIN_POINTS = 2000


def read_domain(path: str, grid: Grid) -> Array:
    """x, y (M, 2) in the grid's CRS, spread evenly over the polygons or the pixels with data of a raster.

    Raises:
        EngineError: the file holds neither, or has no CRS.
    """
    with suppress(DataSourceError):
        layer = geopandas.read_file(path)
        return _points_in_polygons(path, layer, grid)
    raster_grid = reference_grid(path)
    with open_stack([Covariate(path, "domain")], raster_grid) as stack:
        points = stack.valid_points(DOMAIN_POINTS)
    if not len(points):
        raise EngineError(f"{path}, the domain of the map, has no pixel with data. Choose another raster or polygons.")
    transformer = pyproj.Transformer.from_crs(raster_grid.crs_wkt, grid.crs_wkt, always_xy=True)
    return np.column_stack(transformer.transform(points[:, 0], points[:, 1]))


def _points_in_polygons(path: str, layer: geopandas.GeoDataFrame, grid: Grid) -> Array:
    if layer.crs is None:
        raise EngineError(f"{path}, the domain of the map, has no CRS. Set it in the layer's properties.")
    polygons = layer.to_crs(grid.crs_wkt).geometry
    polygons = polygons[polygons.geom_type.isin(["Polygon", "MultiPolygon"]) & ~polygons.is_empty]
    if polygons.empty:
        raise EngineError(f"{path}, the domain of the map, holds no polygon. Choose polygons or a raster.")
    area = shapely.union_all(polygons.values)
    west, south, east, north = area.bounds
    # A lattice over the bounding box, of which about the wanted number falls inside.
    step = float(np.sqrt(area.area / DOMAIN_POINTS))
    x, y = np.meshgrid(np.arange(west + step / 2, east, step), np.arange(south + step / 2, north, step))
    inside = shapely.contains_xy(area, x, y)
    return np.column_stack([x[inside], y[inside]])
