"""How much of a map of classes each class covers: its pixels, and their area on the ground."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyproj

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.report import Report

_BLOCK = 1024
_MOST_CODES = 1000
_LARGEST_CODE = 2**24  # pixels are read as float32, which tells no larger whole numbers apart
_STRETCHED = 0.01
"""Share by which a projection may stretch areas before pixels count with their true area."""


@dataclass(frozen=True)
class ClassAreas:
    """The pixels and square metres of each code, in the order of codes; `is_stretched` where the CRS distorts areas so
    much that pixels count with their true area, not with that of their sides."""

    pixels: dict[int, int]
    areas: dict[int, float]
    is_stretched: bool


def measure_class_areas(raster: Covariate, report: Report) -> ClassAreas:
    """Count the pixels of each code, and their areas.

    Raises:
        EngineError: the raster cannot be read, or does not hold codes of classes.
    """
    grid = reference_grid(raster.path)
    is_stretched = not grid.is_geographic and _is_stretched(grid)
    pixels, areas = dict[int, int](), dict[int, float]()
    blocks = list(grid.blocks(_BLOCK))
    with open_stack([replace(raster, kind="categorical")], grid) as stack:
        for number, block in enumerate(blocks):
            values = stack.read(block)[0]
            known = np.isfinite(values)
            codes, which = np.unique(values[known], return_inverse=True)
            _check_codes(codes, len(pixels), raster)
            row_areas = cell_areas(grid, block, is_stretched)[np.nonzero(known)[0]]
            counts = np.bincount(which, minlength=len(codes))
            sums = np.bincount(which, row_areas, len(codes))
            for code, count, area in zip(codes.astype(np.int64).tolist(), counts.tolist(), sums.tolist()):
                pixels[code] = pixels.get(code, 0) + count
                areas[code] = areas.get(code, 0.0) + area
            report.progress((number + 1) / len(blocks))
    order = sorted(pixels)
    return ClassAreas({code: pixels[code] for code in order}, {code: areas[code] for code in order}, is_stretched)


def cell_areas(grid: Grid, block: Block, is_stretched: bool = False) -> Array:
    """Return the square metres of a pixel in each row of a block, (height,), in the block's middle column."""
    a, b, _, d, e, _ = grid.transform
    if not grid.is_geographic:
        metres = np.prod(grid.metres_per_cell()) / np.prod(grid.cell_size)
        planar = float(metres) * abs(a * e - b * d)
        return np.full(block.height, planar / (_areal_scale(grid, block) if is_stretched else 1.0))
    radians = 2 * np.pi / (grid.full_turn or 360.0)
    globe = grid.crs.get_geod() or pyproj.Geod(ellps="WGS84")
    rows = np.arange(block.row, block.row + block.height)
    _, latitudes = grid.xy(rows, np.full(block.height, block.col + block.width // 2))
    # The area of an ellipsoid by latitude and longitude (Snyder 1987, Map Projections, eq. 4-17 and 4-18).
    sine, cosine = np.sin(latitudes * radians), np.cos(latitudes * radians)
    dense = globe.a**2 * (1 - globe.es) * np.maximum(cosine, 0.0) / (1 - globe.es * sine**2) ** 2
    return np.asarray(dense * abs(a * e - b * d) * radians**2)


def _is_stretched(grid: Grid) -> bool:
    rows, cols = np.linspace(0, grid.height - 1, 3).round(), np.linspace(0, grid.width - 1, 3).round()
    places = [Block(int(row), int(col), 1, 1) for row in rows for col in cols]
    return any(abs(_areal_scale(grid, place) - 1) > _STRETCHED for place in places)


def _areal_scale(grid: Grid, block: Block) -> float:
    """Return by how much the projection enlarges areas in the middle of a block; 1 where it cannot tell."""
    try:
        projection = pyproj.Proj(grid.crs)
        x, y = grid.xy(block.row + block.height / 2 - 0.5, block.col + block.width / 2 - 0.5)
        longitude, latitude = projection(float(x), float(y), inverse=True)
        scale = float(projection.get_factors(longitude, latitude).areal_scale)
    except (pyproj.exceptions.ProjError, pyproj.exceptions.CRSError):
        return 1.0
    return scale if np.isfinite(scale) and 0 < scale < 1e6 else 1.0


def _check_codes(codes: Array, known: int, raster: Covariate) -> None:
    if (codes != np.rint(codes)).any():
        odd = float(codes[codes != np.rint(codes)][0])
        raise EngineError(
            tr(
                "{} holds {:g}, which is no code of a class. If it is a map of numbers, choose a field of"
                " measured numbers, or the target type 'continuous'."
            ).format(raster.path, odd)
        )
    if len(codes) > _MOST_CODES or known > _MOST_CODES:
        raise EngineError(
            tr(
                "{} has more than {} different values, too many for a map of classes. If it is a map of"
                " numbers, choose the target type 'continuous'."
            ).format(raster.path, _MOST_CODES)
        )
    if len(codes) and np.abs(codes).max() >= _LARGEST_CODE:
        raise EngineError(
            tr(
                "{} holds the code {:.0f}, but codes of classes must be below {}. Reclassify the map to smaller codes."
            ).format(raster.path, float(np.abs(codes).max()), str(_LARGEST_CODE))
        )
