"""Points of the area that will be mapped, to which held-out distances are matched."""

from __future__ import annotations

import math

import numpy as np
import pyproj
import shapely

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Bounds, Grid, bounds_in_words
from soil_cnn_plugin.engine.rasters.opening import layer_name
from soil_cnn_plugin.engine.rasters.polygons import read_polygons
from soil_cnn_plugin.engine.rasters.sampling import read_sample

DOMAIN_POINTS = 2000


def read_domain(path: str, grid: Grid) -> Array:
    """Return x, y (M, 2) in the grid's CRS, spread evenly over the polygons or over the raster's pixels with data.

    Raises:
        EngineError: the file holds neither, or has no CRS.
    """
    polygons = read_polygons(path, "the domain of the map", grid)
    if polygons is not None:
        return _points_in(shapely.union_all(polygons.values))
    raster_grid = reference_grid(path)
    with open_stack([Covariate(path, "domain")], raster_grid) as stack:
        points = read_sample(stack, with_values=False).spread(DOMAIN_POINTS)
    if not len(points):
        raise EngineError(f"{path}, the domain of the map, has no pixel with data. Choose another raster or polygons.")
    try:
        moved = np.column_stack(grid.place(points[:, 0], points[:, 1], raster_grid.crs_wkt))
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            f"{path}, the domain of the map, cannot be transformed from {raster_grid.crs_name} to {grid.crs_name}, the"
            " CRS of the covariates. Set its CRS and run again."
        ) from error
    found: Array = moved[np.isfinite(moved).all(axis=1)]
    if not len(found):
        raise EngineError(f"{path}, the domain of the map, has no place in {grid.crs_name}, the CRS of the covariates.")
    return found


def check_touch(path: str, points: Array, coordinates: Array, grid: Grid) -> None:
    """Raise EngineError when the domain's points and the observations, (N, 2) in the grid's CRS, lie apart."""
    west, south, east, north = _bounds(points)
    own = _bounds(coordinates)
    if west <= own[2] and own[0] <= east and south <= own[3] and own[1] <= north:
        return
    raise EngineError(
        f"'{layer_name(path)}', the domain of the map, does not touch the observations: it reaches over"
        f" {bounds_in_words((west, south, east, north))}, they over {bounds_in_words(own)} ({grid.crs_name}). Check its"
        " CRS, or choose the area around the observations that will be mapped."
    )


def _bounds(points: Array) -> Bounds:
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _points_in(area: shapely.Geometry) -> Array:
    """Return about DOMAIN_POINTS points of a lattice, part by part; between parts far apart it would be empty."""
    step = math.sqrt(area.area / DOMAIN_POINTS)
    found = []
    for part in shapely.get_parts(area):
        west, south, east, north = part.bounds
        columns, rows = (np.arange(low // step, high // step + 1) for low, high in ((west, east), (south, north)))
        x, y = ((each.ravel() + 0.5) * step for each in np.meshgrid(columns, rows))
        inside = shapely.contains_xy(part, x, y)
        found.append(np.column_stack([x[inside], y[inside]]))
    points: Array = np.concatenate(found)
    return points
