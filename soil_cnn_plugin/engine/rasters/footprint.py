"""The pixels of a raster that decide those of a grid, in any CRS, also where longitudes jump back by a full turn."""

from __future__ import annotations

import math

import numpy as np
import pyproj
from rasterio._err import CPLE_BaseError
from rasterio.errors import CRSError, RasterioError

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.crs import transform, without_jump
from soil_cnn_plugin.engine.rasters.grid import Block, Bounds, Grid, bounds_in_words

GDAL_ERRORS = (RasterioError, CRSError, CPLE_BaseError)
"""The errors that rasterio raises; the last one comes through where rasterio forgets to translate it."""
_LATTICE = 33
"""Points along each side of a rectangle that are transformed to find the part of the raster that it needs."""
_FINE_LATTICE = 257
"""The same where some of these points have no place: one for each pixel of a tile."""
_PLACES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25))
"""Shares of a grid's height and width where the sides of its pixels are compared with those of a raster."""


class Footprint:
    """The part of a raster that a grid needs.

    `own` is the raster's grid; `path` names the raster in messages; `has_grid_crs` is true where both share their CRS.
    """

    def __init__(self, own: Grid, grid: Grid, path: str) -> None:
        self.own, self.grid, self.path = own, grid, path
        self.has_grid_crs = grid.has_same_crs(own.crs_wkt)

    def check_overlap(self) -> None:
        """Raise EngineError when the raster lies beside the grid."""
        own = west, south, east, north = self.own.bounds
        x, y = self._in_own_crs(self.grid)
        for turn in (0.0, -self.own.full_turn, self.own.full_turn):
            if x.size and x.max() + turn > west and x.min() + turn < east and y.max() > south and y.min() < north:
                return
        reach: Bounds | None = (x.min(), y.min(), x.max(), y.max()) if x.size else None
        raise EngineError(
            tr(
                "{} does not overlap the grid of the map. It reaches over {} ({}), the grid over {}. Check the"
                " raster's CRS, or leave it out."
            ).format(
                self.path,
                bounds_in_words(own),
                self.own.crs_name,
                bounds_in_words(reach) if reach else tr("no part of that CRS"),
            )
        )

    def source(self, target: Grid) -> tuple[Block | None, float]:
        """Return the block of the raster's pixels that decides those of `target`, None where the raster has none there.

        Return with it what to add to longitudes to find them in the raster, which may count them beyond 180 degrees.
        The block reaches beyond the raster's left and right edges where the raster goes round the globe.
        """
        x, y = self._in_own_crs(target)
        if not x.size:
            return None, 0.0
        turn = self._turn_to_raster(x)
        rows, cols = self.own.rows_cols(x + turn, y)
        margin = 2 + math.ceil(2 * self.ratio(target))
        top, bottom = math.floor(max(rows.min(), -1e9)) - margin, math.ceil(min(rows.max(), 1e9)) + margin
        left, right = math.floor(max(cols.min(), -1e9)) - margin, math.ceil(min(cols.max(), 1e9)) + margin
        top, bottom = max(top, 0), min(bottom, self.own.height)
        if not 0 < self.own.columns_around <= self.own.width:
            left, right = max(left, 0), min(right, self.own.width)
        return (Block(top, left, bottom - top, right - left) if top < bottom and left < right else None), turn

    def is_whole(self, target: Grid) -> bool:
        """Check whether all of `target` has a place in the raster's CRS."""
        return self._lattice(target, _LATTICE)[0].size == _LATTICE * _LATTICE

    def ratio(self, target: Grid) -> float:
        """Return the side of a grid pixel in pixels of the raster, at the middle of `target`.

        Where the middle has no place or lies at a pole, it is taken between the middle and the corners. It is 1 where
        these have no place either.
        """
        found = []
        for down, across in _PLACES:
            pixel = target.at(Block(int(target.height * down), int(target.width * across), 1, 1))
            x, y = self._lattice(pixel, _LATTICE)
            if x.size < _LATTICE * _LATTICE:
                continue
            rows, cols = self.own.rows_cols(x, y)
            found.append(float(max(np.ptp(rows), np.ptp(cols))))
            if not self.own.full_turn or np.ptp(x) < self.own.full_turn / 64:
                return found[-1]
        return min(found, default=1.0)

    def _turn_to_raster(self, x: Array) -> float:
        """Return the full turns that bring longitudes nearest to the raster's middle."""
        west, _, east, _ = self.own.bounds
        turn = self.own.full_turn
        return turn * round(((west + east) - (x.min() + x.max())) / (2 * turn)) if turn else 0.0

    def _in_own_crs(self, target: Grid) -> tuple[Array, Array]:
        """Return a lattice of points over `target` in the raster's CRS, without those that have no place there.

        The lattice is finer where some have no place, because the last points that have one decide.
        """
        x, y = self._lattice(target, _LATTICE)
        return (x, y) if x.size == _LATTICE * _LATTICE else self._lattice(target, _FINE_LATTICE)

    def _lattice(self, target: Grid, count: int) -> tuple[Array, Array]:
        rows, cols = np.meshgrid(np.linspace(0, target.height, count), np.linspace(0, target.width, count))
        x, y = target.xy(rows.ravel() - 0.5, cols.ravel() - 0.5)
        if not self.has_grid_crs:
            try:
                x, y = transform(x, y, target.crs_wkt, self.own.crs_wkt)
            except pyproj.exceptions.ProjError as error:
                raise self.not_transformable() from error
        known = np.isfinite(x) & np.isfinite(y)
        return (x[known] if self.has_grid_crs else without_jump(x[known], self.own.full_turn)), y[known]

    def not_transformable(self) -> EngineError:
        own, grid = self.own.crs_name, self.grid.crs_name
        return EngineError(
            tr(
                "{} cannot be transformed from {} to {}, the CRS of the grid. Reproject it to {} in QGIS and"
                " use the result."
            ).format(self.path, own, grid, grid)
        )
