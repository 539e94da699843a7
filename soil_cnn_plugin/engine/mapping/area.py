"""Where a map is wanted: the extent and the polygons of a job, in the map's grid."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pyproj
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from soil_cnn_plugin.contract.jobs import ExplainNetwork, PredictMap
from soil_cnn_plugin.engine.data.grid import Block, Grid, in_words
from soil_cnn_plugin.engine.data.polygons import read_polygons
from soil_cnn_plugin.engine.errors import EngineError


def clip_to_extent(job: PredictMap | ExplainNetwork, grid: Grid) -> Grid:
    """The part of the grid that covers the job's extent; the whole grid when the job has none.

    Raises:
        EngineError: the extent lies beside the grid.
    """
    if job.extent is None:
        return grid
    if not job.extent_crs or grid.has_same_crs(job.extent_crs):
        return grid.clip(job.extent)
    transformer = pyproj.Transformer.from_crs(job.extent_crs, grid.crs_wkt, always_xy=True)
    west, south, east, north = transformer.transform_bounds(*job.extent)
    if not all(map(math.isfinite, (west, south, east, north))):
        raise EngineError(
            f"The extent {in_words(job.extent)} has no place in {grid.crs_name}, the CRS of the map. Choose an extent"
            f" that overlaps the covariates ({in_words(grid.bounds)})."
        )
    return grid.clip((west, south, east, north))


def read_area(path: str, grid: Grid) -> Callable[[Block], NDArray[np.bool_]]:
    """A function from a block to the pixels (h, w) whose centre lies in the polygons.

    Raises:
        EngineError: the file is no layer, has no CRS, no polygons, or none that touches the grid.
    """
    polygons = read_polygons(path, "the area of the map", grid)
    if polygons is None:
        raise EngineError(f"{path}, the area of the map, cannot be read as a vector file. Choose a layer of polygons.")
    bounds = tuple(float(value) for value in polygons.total_bounds)
    west, south, east, north = grid.bounds
    if bounds[0] >= east or bounds[2] <= west or bounds[1] >= north or bounds[3] <= south:
        raise EngineError(
            f"The area ({in_words((bounds[0], bounds[1], bounds[2], bounds[3]))}) lies outside the map"
            f" ({in_words(grid.bounds)}, {grid.crs_name}). Choose polygons that overlap the covariates."
        )
    index = polygons.sindex

    def inside(block: Block) -> NDArray[np.bool_]:
        part = grid.at(block)
        near = polygons.iloc[index.intersection(part.bounds)]
        if near.empty:
            return np.zeros((block.height, block.width), np.bool_)
        mask: NDArray[np.uint8] = rasterize(
            near, out_shape=(block.height, block.width), transform=Affine(*part.transform), dtype="uint8"
        )
        return mask > 0

    return inside
