"""One covariate's raster, read block by block on a grid: NaN where it has no data, warped by GDAL where needed."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import rasterio
import rasterio.warp
from numpy.typing import NDArray
from rasterio.enums import MaskFlags, Resampling, WktVersion
from rasterio.errors import CRSError, RasterioError
from rasterio.windows import Window

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.errors import EngineError

from .class_names import read_class_names
from .grid import Block, Bounds, Grid, in_words

Floats = NDArray[np.float32]

_TILE = 256
"""Side of the squares that are warped at once, in pixels of the grid."""
_SOURCE_SIDE = 2048
"""Side of the largest square that is read from a raster for one of them, in its own pixels."""
_KEPT_TILES = 64
_LATTICE = 33
"""Points along each side of a tile that are transformed to find the part of the raster to read."""


@dataclass(frozen=True)
class _Tile:
    row: int
    col: int


class CovariateRaster:
    """An open raster. `resampling` is None when its pixels coincide with the grid's, and it is then read as it is.

    Missing are: the file's nodata value, masks and alpha, the user's ranges, NaN and infinities. They are taken out
    before resampling, so that no value is mixed with them. Scale and offset of the band are applied.
    """

    def __init__(self, covariate: Covariate, grid: Grid) -> None:
        self.covariate, self.grid = covariate, grid
        self._dataset = open_raster(covariate.path)
        try:
            self.own_grid = grid_of(self._dataset, covariate.path)
            self._check_band()
            self._offset = grid.offset_of(self.own_grid)
            self._has_grid_crs = grid.has_same_crs(self.own_grid.crs_wkt)
            self.resampling = None if self._offset is not None else self._choose_resampling()
            self._check_overlap()
        except BaseException:
            self._dataset.close()
            raise
        self._tiles: OrderedDict[_Tile, Floats] = OrderedDict()
        self._side = self._tile_side()
        self._anchor = self._lattice_origin()

    def close(self) -> None:
        self._tiles.clear()
        self._dataset.close()

    def read(self, block: Block, out: Floats) -> None:
        """Fill `out` (height, width); the block may reach beyond the grid and beyond the raster."""
        if self._offset is not None:
            row, col = self._offset
            self._read_own(Block(block.row - row, block.col - col, block.height, block.width), out)
            return
        side, (top, left) = self._side, self._anchor
        for row in range((block.row - top) // side, (block.row + block.height - 1 - top) // side + 1):
            for col in range((block.col - left) // side, (block.col + block.width - 1 - left) // side + 1):
                place = Block(top + row * side, left + col * side, side, side)
                from_tile, to_out = _common(place, block)
                out[to_out] = self._warped_tile(_Tile(row, col), place)[from_tile]

    def class_names(self) -> dict[int, str]:
        """Code -> name, as the file tells them; empty when it does not."""
        return read_class_names(self._dataset, self.covariate.band)

    def _read_own(self, block: Block, out: Floats) -> None:
        """Fill `out` from a block of the raster's own pixels; NaN beyond it."""
        dataset, covariate = self._dataset, self.covariate
        out.fill(np.nan)
        top, left = max(block.row, 0), max(block.col, 0)
        bottom, right = min(block.row + block.height, dataset.height), min(block.col + block.width, dataset.width)
        if top >= bottom or left >= right:
            return
        window = Window(left, top, right - left, bottom - top)
        try:
            values = dataset.read(covariate.band, window=window)
            mask = dataset.read_masks(covariate.band, window=window) if self._has_mask() else None
        except RasterioError as error:
            raise _unreadable(covariate.path, error) from error
        scale, offset = dataset.scales[covariate.band - 1], dataset.offsets[covariate.band - 1]
        if scale != 1 or offset != 0:
            values = values.astype(np.float64) * scale + offset
        with np.errstate(over="ignore"):
            cleaned = values.astype(np.float32)
            for lowest, highest in covariate.nodata:
                cleaned[(values >= lowest) & (values <= highest)] = np.nan
        if mask is not None:
            cleaned[mask == 0] = np.nan
        cleaned[~np.isfinite(cleaned)] = np.nan
        out[top - block.row : bottom - block.row, left - block.col : right - block.col] = cleaned

    def _has_mask(self) -> bool:
        flags = self._dataset.mask_flag_enums[self.covariate.band - 1]
        if MaskFlags.nodata in flags:
            return self.covariate.use_file_nodata
        return MaskFlags.all_valid not in flags

    def _warped_tile(self, tile: _Tile, place: Block) -> Floats:
        """A tile of the grid's lattice; the last ones are kept, because blocks with a halo share them.

        GDAL's warping depends slightly on the rectangle that is warped at once. Tiles that never move make a pixel's
        value independent of the block it is read with, and of how the grid was clipped.
        """
        if tile in self._tiles:
            self._tiles.move_to_end(tile)
            return self._tiles[tile]
        warped = self._warp(place)
        self._tiles[tile] = warped
        if len(self._tiles) > _KEPT_TILES:
            self._tiles.popitem(last=False)
        return warped

    def _warp(self, place: Block) -> Floats:
        target = self.grid.at(place)
        warped = np.full((place.height, place.width), np.nan, np.float32)
        source_block, turn = self._source_block(target)
        if source_block is None:
            return warped
        source = np.empty((source_block.height, source_block.width), np.float32)
        self._read_own(source_block, source)
        a, b, c, d, e, f = self.own_grid.at(source_block).transform
        try:
            rasterio.warp.reproject(
                source,
                warped,
                src_transform=rasterio.Affine(a, b, c - turn, d, e, f),
                src_crs=self._dataset.crs,
                src_nodata=np.nan,
                dst_transform=rasterio.Affine(*target.transform),
                dst_crs=target.crs_wkt,
                dst_nodata=np.nan,
                resampling=self.resampling,
            )
        except (RasterioError, CRSError) as error:
            raise _not_transformable(self.covariate.path, self.own_grid, self.grid) from error
        return warped

    def _source_block(self, target: Grid) -> tuple[Block | None, float]:
        """The raster's pixels that decide those of `target`, None when it has none there; and 360 where the raster
        counts its longitudes beyond 180 degrees."""
        x, y, turn = self._in_own_crs(target)
        rows, cols = self.own_grid.rows_cols(x, y)
        if not rows.size:
            return None, 0.0
        margin = 2 + math.ceil(2 * self._ratio(target))
        top, bottom = math.floor(max(rows.min(), -1e9)) - margin, math.ceil(min(rows.max(), 1e9)) + margin
        left, right = math.floor(max(cols.min(), -1e9)) - margin, math.ceil(min(cols.max(), 1e9)) + margin
        top, left = max(top, 0), max(left, 0)
        bottom, right = min(bottom, self.own_grid.height), min(right, self.own_grid.width)
        return (Block(top, left, bottom - top, right - left) if top < bottom and left < right else None), turn

    def _in_own_crs(self, target: Grid) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
        """A lattice of points over `target` in the raster's CRS, those that have no place there left out."""
        rows, cols = np.meshgrid(np.linspace(0, target.height, _LATTICE), np.linspace(0, target.width, _LATTICE))
        x, y = target.xy(rows.ravel() - 0.5, cols.ravel() - 0.5)
        if not self._has_grid_crs:
            try:
                x, y = map(np.array, rasterio.warp.transform(target.crs_wkt, self._dataset.crs, x, y))
            except (RasterioError, CRSError) as error:
                raise _not_transformable(self.covariate.path, self.own_grid, self.grid) from error
        known = np.isfinite(x) & np.isfinite(y)
        x, y = x[known], y[known]
        east = self.own_grid.bounds[2]
        beyond = self.own_grid.is_geographic and east > 180.0 and x.size and x.max() < 0
        return (x + 360.0, y, 360.0) if beyond else (x, y, 0.0)

    def _ratio(self, target: Grid) -> float:
        """Side of a pixel of the grid in pixels of the raster, at the middle of `target`; 1 where there is no place."""
        row, col = target.height / 2, target.width / 2
        middle = Grid(target.crs_wkt, target.transform, 1, 1).at(Block(int(row), int(col), 1, 1))
        x, y, _ = self._in_own_crs(middle)
        if x.size < _LATTICE * _LATTICE:
            return 1.0
        rows, cols = self.own_grid.rows_cols(x, y)
        return float(max(np.ptp(rows), np.ptp(cols)))

    def _choose_resampling(self) -> Resampling:
        """Codes and compass values are never mixed: the mean of 359 and 1 degree is not 180."""
        if self.covariate.kind != "continuous":
            return Resampling.nearest
        return Resampling.average if self._ratio(self.grid) >= 1.5 else Resampling.bilinear

    def _tile_side(self) -> int:
        side = _TILE
        ratio = 1.0 if self._offset is not None else self._ratio(self.grid)
        while side > 1 and side * ratio > _SOURCE_SIDE:
            side //= 2
        return side

    def _lattice_origin(self) -> tuple[int, int]:
        """Row and column of the corner that tiles are counted from: fixed to the CRS, so that clipping keeps it."""
        row, col = self.grid.rows_cols(0.0, 0.0)
        return int(math.floor(float(row) + 0.25)) % self._side, int(math.floor(float(col) + 0.25)) % self._side

    def _check_band(self) -> None:
        path, band, count = self.covariate.path, self.covariate.band, self._dataset.count
        if not 1 <= band <= count:
            bands = "one band" if count == 1 else f"{count} bands"
            raise EngineError(f"{path} has {bands}, but band {band} is asked for. Choose a band that exists.")
        kind = self._dataset.dtypes[band - 1]
        if "complex" in kind:
            raise EngineError(f"{path} holds complex numbers ({kind}) in band {band}. Choose a raster of real numbers.")

    def _check_overlap(self) -> None:
        x, y, _ = self._in_own_crs(self.grid)
        own = west, south, east, north = self.own_grid.bounds
        if x.size and x.max() > west and x.min() < east and y.max() > south and y.min() < north:
            return
        reach: Bounds | None = (x.min(), y.min(), x.max(), y.max()) if x.size else None
        raise EngineError(
            f"{self.covariate.path} does not overlap the grid of the map. It reaches over {in_words(own)}"
            f" ({self.own_grid.crs_name}), the grid over {in_words(reach) if reach else 'no part of that CRS'}."
            " Check the raster's CRS, or leave it out."
        )


def open_raster(path: str) -> rasterio.DatasetReader:
    """Raises EngineError when there is no such file or GDAL cannot open it."""
    try:
        return rasterio.open(path)
    except RasterioError as error:
        if os.path.isabs(path) and not path.startswith("/vsi") and not os.path.exists(path):
            raise EngineError(f"{path} does not exist. Check where the raster lies and run again.") from error
        raise EngineError(
            f"{path} cannot be opened as a raster: {_said(error)}. The file may be damaged or of another kind;"
            " open it in QGIS, export it as GeoTIFF and use that."
        ) from error


def grid_of(dataset: rasterio.DatasetReader, path: str) -> Grid:
    """The raster's own grid; raises EngineError when it does not say where it lies."""
    if dataset.crs is None:
        raise EngineError(
            f"{path} has no CRS. Set it in the layer's properties, or with the algorithm Assign projection, and run"
            " again."
        )
    if dataset.transform.is_identity:
        raise EngineError(f"{path} has no georeference: its pixels have no coordinates. Georeference it and run again.")
    a, b, c, d, e, f = dataset.transform[:6]
    try:
        return Grid(dataset.crs.to_wkt(version=WktVersion.WKT2_2019), (a, b, c, d, e, f), dataset.height, dataset.width)
    except (CRSError, ValueError) as error:
        raise EngineError(f"{path} has a CRS or georeference that cannot be used: {error}. Set it again.") from error


def _common(place: Block, block: Block) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The pixels that two blocks share, as slices of the first and of the second."""
    top, left = max(place.row, block.row), max(place.col, block.col)
    bottom = min(place.row + place.height, block.row + block.height)
    right = min(place.col + place.width, block.col + block.width)

    def within(one: Block) -> tuple[slice, slice]:
        return slice(top - one.row, bottom - one.row), slice(left - one.col, right - one.col)

    return within(place), within(block)


def _unreadable(path: str, error: Exception) -> EngineError:
    return EngineError(
        f"{path} cannot be read to its end: {_said(error)}. The file is truncated or damaged, or its drive or server"
        " does not answer. Copy or export it again and run again."
    )


def _not_transformable(path: str, own: Grid, grid: Grid) -> EngineError:
    return EngineError(
        f"{path} cannot be transformed from {own.crs_name} to {grid.crs_name}, the CRS of the grid."
        f" Reproject it to {grid.crs_name} in QGIS and use the result."
    )


def _said(error: BaseException) -> str:
    """What GDAL said, from the innermost error: rasterio's own text only points to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip(". ") or type(error).__name__
