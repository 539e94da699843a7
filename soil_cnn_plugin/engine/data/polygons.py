"""Polygons of a vector file in the CRS of a map: where one is wanted, or where maps will be made."""

from __future__ import annotations

import geopandas
import numpy as np
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from soil_cnn_plugin.engine.errors import EngineError

from .grid import Grid
from .point_layer import is_undefined, layer_name


def read_polygons(path: str, role: str, grid: Grid) -> geopandas.GeoSeries | None:
    """The valid parts of all polygons, in the grid's CRS; None when the file is no vector file.

    `role` says in messages what the polygons are.

    Raises:
        EngineError: the layer has no geometries, no CRS, or no polygon with an area.
    """
    try:
        layer = geopandas.read_file(path)
    except (DataSourceError, DataLayerError):
        return None
    name = layer_name(path)
    if not isinstance(layer, geopandas.GeoDataFrame):
        raise EngineError(f"'{name}', {role}, is a table without geometries. Choose a layer of polygons.")
    if layer.crs is None or is_undefined(layer.crs.name):
        raise EngineError(f"'{name}', {role}, has no CRS. Set it in the layer's properties and run again.")
    polygons = layer.geometry[layer.geom_type.isin(["Polygon", "MultiPolygon"]) & ~layer.is_empty].to_crs(grid.crs_wkt)
    has_place = np.isfinite(polygons.bounds).all(axis=1)
    if not has_place.all():
        raise EngineError(
            f"{(~has_place).sum()} of {len(has_place)} polygons of '{name}', {role}, have no place in {grid.crs_name},"
            " the CRS of the covariates. Check the CRS of the layer."
        )
    polygons = geopandas.GeoSeries(shapely.make_valid(polygons.values, method="structure", keep_collapsed=False))
    polygons = polygons[polygons.area > 0]
    if polygons.empty:
        raise EngineError(f"'{name}', {role}, holds {len(layer)} features but no polygon. Choose a layer of polygons.")
    return polygons
