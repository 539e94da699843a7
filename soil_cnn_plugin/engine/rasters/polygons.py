"""Polygons of a vector file in the CRS of a map: the area where a map is wanted, or where maps will be made."""

from __future__ import annotations

import math
from collections.abc import Callable

import geopandas
import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from rasterio.features import rasterize
from rasterio.transform import Affine

from soil_cnn_plugin.contract.jobs import ExplainNetwork, PredictMap
from soil_cnn_plugin.engine.arrays import Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.grid import Block, Grid, bounds_in_words
from soil_cnn_plugin.engine.rasters.opening import is_undefined, layer_name
from soil_cnn_plugin.engine.rasters.shapes import place_polygons
from soil_cnn_plugin.engine.rasters.vector_paths import as_pyogrio_reads


def read_polygons(path: str, role: str, grid: Grid) -> geopandas.GeoSeries | None:
    """Return the valid parts of all polygons, in the grid's CRS; None when the file is not a vector file.

    `role` tells in messages what the polygons are.

    Raises:
        EngineError: the layer has no geometries, no CRS, or no polygon with an area.
    """
    try:
        with as_pyogrio_reads(path) as readable:
            layer = geopandas.read_file(readable)
    except (DataSourceError, DataLayerError):
        return None
    name = layer_name(path)
    if not isinstance(layer, geopandas.GeoDataFrame):
        raise EngineError(f"'{name}', {role}, is a table without geometries. Choose a layer of polygons.")
    if layer.crs is None or is_undefined(layer.crs.name):
        raise EngineError(f"'{name}', {role}, has no CRS. Set it in the layer's properties and run again.")
    drawn = layer.geometry[layer.geom_type.isin(["Polygon", "MultiPolygon"]) & ~layer.is_empty].values
    try:
        placed = place_polygons(np.array(shapely.force_2d(drawn), object), layer.crs.to_wkt(), grid)
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            f"'{name}', {role}, cannot be transformed from {layer.crs.name} to {grid.crs_name}, the CRS of the"
            " covariates. Set the layer's CRS and run again."
        ) from error
    has_place = np.isfinite(shapely.bounds(placed)).all(axis=1) if len(placed) else np.ones(0, bool)
    if not has_place.all():
        raise EngineError(
            f"{(~has_place).sum()} of {len(has_place)} polygons of '{name}', {role}, have no place in {grid.crs_name},"
            " the CRS of the covariates. Check the CRS of the layer."
        )
    polygons = geopandas.GeoSeries(shapely.make_valid(placed, method="structure", keep_collapsed=False))
    polygons = polygons[polygons.area > 0]
    if polygons.empty:
        raise EngineError(f"'{name}', {role}, holds {len(layer)} features but no polygon. Choose a layer of polygons.")
    return polygons


def clip_to_extent(job: PredictMap | ExplainNetwork, grid: Grid) -> Grid:
    """Return the part of the grid that covers the job's extent; the whole grid when the job has none.

    Raises:
        EngineError: the extent lies beside the grid.
    """
    if job.extent is None:
        return grid
    if not job.extent_crs or grid.has_same_crs(job.extent_crs):
        return grid.clip(grid.turned(job.extent))
    try:
        transformer = pyproj.Transformer.from_crs(job.extent_crs, grid.crs_wkt, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            f"The extent {bounds_in_words(job.extent)} cannot be transformed to {grid.crs_name}, the CRS of the map."
            " Give it in that CRS."
        ) from error
    west, south, east, north = transformer.transform_bounds(*job.extent)
    if grid.full_turn and east < west:  # it lies across 180 degrees
        east += grid.full_turn
    if not all(map(math.isfinite, (west, south, east, north))):
        raise EngineError(
            f"The extent {bounds_in_words(job.extent)} has no place in {grid.crs_name}, the CRS of the map. Choose an"
            f" extent that overlaps the covariates ({bounds_in_words(grid.bounds)})."
        )
    return grid.clip(grid.turned((west, south, east, north)))


def read_area(path: str, grid: Grid) -> Callable[[Block], Flags]:
    """Return a function that marks the pixels (h, w) of a block whose centre lies in the polygons.

    Raises:
        EngineError: the file is not a vector layer, has no CRS, no polygons, or none that touches the grid.
    """
    polygons = read_polygons(path, "the area of the map", grid)
    if polygons is None:
        raise EngineError(f"{path}, the area of the map, cannot be read as a vector file. Choose a layer of polygons.")
    bounds = tuple(float(value) for value in polygons.total_bounds)
    west, south, east, north = grid.bounds
    if bounds[0] >= east or bounds[2] <= west or bounds[1] >= north or bounds[3] <= south:
        raise EngineError(
            f"The area ({bounds_in_words((bounds[0], bounds[1], bounds[2], bounds[3]))}) lies outside the map"
            f" ({bounds_in_words(grid.bounds)}, {grid.crs_name}). Choose polygons that overlap the covariates."
        )
    index = polygons.sindex

    def inside(block: Block) -> Flags:
        part = grid.at(block)
        near = polygons.iloc[index.intersection(part.bounds)]
        if near.empty:
            return np.zeros((block.height, block.width), np.bool_)
        mask: NDArray[np.uint8] = rasterize(
            near, out_shape=(block.height, block.width), transform=Affine(*part.transform), dtype="uint8"
        )
        return mask > 0

    return inside
