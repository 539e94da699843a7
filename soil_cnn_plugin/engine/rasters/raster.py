"""One covariate's raster, read block by block on a grid: NaN where it has no data, warped by GDAL where needed."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import rasterio
import rasterio.warp
from rasterio.enums import MaskFlags, Resampling
from rasterio.windows import Window

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Flags, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.class_names import read_class_names
from soil_cnn_plugin.engine.rasters.footprint import GDAL_ERRORS, Footprint
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.opening import grid_of, open_raster, said

_TILE = 256
"""Side of the squares that are warped at once, in grid pixels."""
_SOURCE_SIDE = 2048
"""Side of the largest square that is read from a raster for one of them, in the raster's own pixels."""
_PLAIN = {"uint8", "int8", "int16", "uint16", "float32"}
"""Types whose values float32 holds without loss: they are read as float32, without a copy in between."""
_MOST_TILES = 1024
_MOST_BYTES = 64_000_000
"""Tiles that are kept for the next blocks, in bytes: three rows of them across 20,000 pixels."""


@dataclass(frozen=True)
class _Tile:
    row: int
    col: int


class CovariateRaster:
    """An open raster. `resampling` is None when its pixels coincide with the grid's; it is then read as it is.

    The file's nodata value, masks and alpha, the user's ranges, NaN and infinities count as missing. They are taken out
    before resampling, so that no value is mixed with them. The band's scale and offset are applied.
    """

    def __init__(
        self,
        covariate: Covariate,
        grid: Grid,
        dataset: rasterio.DatasetReader | None = None,
    ) -> None:
        """Open the raster, or take `dataset`, its file, when that is open already for another of its bands."""
        self.covariate, self.grid = covariate, grid
        self._dataset = dataset or open_raster(covariate.path)
        try:
            self.own_grid = grid_of(self._dataset, covariate.path)
            self._check_band()
            self._offset = grid.offset_of(self.own_grid)
            self._footprint = Footprint(self.own_grid, grid, covariate.path)
            self.resampling = None if self._offset is not None else self._choose_resampling()
            self._footprint.check_overlap()
        except BaseException:
            self._dataset.close()
            raise
        self._tiles: OrderedDict[_Tile, Singles] = OrderedDict()
        self._side = self._tile_side()
        self._anchor = self._lattice_origin()
        self._kept_tiles = 0
        self.keep(_MOST_BYTES)

    def keep(self, most_bytes: int) -> None:
        """Keep warped tiles for the next blocks, in at most so many bytes."""
        self._kept_tiles = min(_MOST_TILES, min(most_bytes, _MOST_BYTES) // (4 * self._side**2))

    def kept_width(self, height: int) -> float:
        """Return how many pixels side by side have all their warped tiles kept while blocks of that height are read.

        The number is infinite where nothing is warped.
        """
        if self.resampling is None:
            return math.inf
        rows = (height - 2) // self._side + 2  # rows of tiles, wherever they begin
        return max(0, self._kept_tiles // rows - 1) * self._side

    def close(self) -> None:
        self._tiles.clear()
        self._dataset.close()

    def read(self, block: Block, out: Singles) -> None:
        """Fill `out` (height, width); the block may reach beyond the grid and beyond the raster."""
        if self._offset is not None:
            row, col = self._offset
            self._read_own(Block(block.row - row, block.col - col, block.height, block.width), out)
            return
        side, (top, left) = self._side, self._anchor
        rows = range((block.row - top) // side, (block.row + block.height - 1 - top) // side + 1)
        cols = range((block.col - left) // side, (block.col + block.width - 1 - left) // side + 1)
        self._kept_tiles = max(self._kept_tiles, len(rows) * len(cols))
        for row in rows:
            for col in cols:
                place = Block(top + row * side, left + col * side, side, side)
                from_tile, to_out = _common(place, block)
                out[to_out] = self._warped_tile(_Tile(row, col), place)[from_tile]

    @property
    def dataset(self) -> rasterio.DatasetReader:
        return self._dataset

    @property
    def stored(self) -> Block:
        """The first of the blocks of the grid that are unpacked or warped at once; the others lie side by side."""
        if self._offset is None:
            return Block(*self._anchor, self._side, self._side)
        return Block(*self._offset, *self._dataset.block_shapes[self.covariate.band - 1])

    @property
    def itemsize(self) -> int:
        """Bytes of a number as it is stored, and as GDAL keeps it when it is unpacked."""
        return int(np.dtype(self._dataset.dtypes[self.covariate.band - 1]).itemsize)

    def class_names(self) -> dict[int, str]:
        """Return code -> name, as the user or else the file gives them; empty when neither does."""
        return read_class_names(self._dataset, self.covariate.band) | dict(self.covariate.labels)

    def _read_own(self, block: Block, out: Singles) -> None:
        """Fill `out` from a block of the raster's own pixels, with NaN beyond the raster.

        A raster that goes round the globe has no end in the east and west.
        """
        out.fill(np.nan)
        around = self.own_grid.columns_around
        for shift in (-around, around, 0) if around else (0,):
            self._read_part(Block(block.row, block.col + shift, block.height, block.width), out)

    def _read_part(self, block: Block, out: Singles) -> None:
        """Fill `out` from a block of the raster's own pixels; beyond the raster it stays as it is."""
        dataset, covariate = self._dataset, self.covariate
        top, left = max(block.row, 0), max(block.col, 0)
        bottom, right = min(block.row + block.height, dataset.height), min(block.col + block.width, dataset.width)
        if top >= bottom or left >= right:
            return
        window = Window(left, top, right - left, bottom - top)
        part = out[top - block.row : bottom - block.row, left - block.col : right - block.col]
        scale, offset = dataset.scales[covariate.band - 1], dataset.offsets[covariate.band - 1]
        is_plain = dataset.dtypes[covariate.band - 1] in _PLAIN and (scale, offset) == (1, 0) and not covariate.nodata
        try:
            values = dataset.read(covariate.band, window=window, out=part if is_plain else None)
            gaps = self._gaps(part if is_plain else None, window)
        except GDAL_ERRORS as error:
            raise _unreadable(covariate.path, error) from error
        if scale != 1 or offset != 0:
            values = values.astype(np.float64) * scale + offset
        if not is_plain:
            with np.errstate(over="ignore"):
                part[...] = values
                for lowest, highest in covariate.nodata:
                    part[(values >= lowest) & (values <= highest)] = np.nan
        if gaps is not None:
            np.copyto(part, np.nan, where=gaps)
        np.copyto(part, np.nan, where=~np.isfinite(part))

    def _gaps(self, plain: Singles | None, window: Window) -> Flags | None:
        """Return True where the file says that there is no data; None where there is some everywhere.

        `plain` are the numbers as they are stored, where these are known.
        """
        dataset, number = self._dataset, self.covariate.band - 1
        flags = dataset.mask_flag_enums[number]
        if MaskFlags.all_valid in flags or (MaskFlags.nodata in flags and not self.covariate.use_file_nodata):
            return None
        if plain is not None and flags == [MaskFlags.nodata]:
            gaps = equal_to(plain, dataset.nodatavals[number], dataset.dtypes[number])
            if gaps is not None:
                return gaps
        return np.asarray(dataset.read_masks(number + 1, window=window) == 0)

    def _warped_tile(self, tile: _Tile, place: Block) -> Singles:
        """Return a warped tile of the grid's lattice; the last ones are kept, because blocks with a halo share them.

        GDAL's warping depends slightly on the rectangle that is warped at once. As the tiles never move, a pixel's
        value does not depend on the block it is read with, nor on how the grid was clipped.
        """
        if tile in self._tiles:
            self._tiles.move_to_end(tile)
            return self._tiles[tile]
        warped = self._warp(place)
        self._tiles[tile] = warped
        if len(self._tiles) > self._kept_tiles:
            self._tiles.popitem(last=False)
        return warped

    def _warp(self, place: Block) -> Singles:
        target = self.grid.at(place)
        warped = np.full((place.height, place.width), np.nan, np.float32)
        block, turn = self._footprint.source(target)
        if block is None:
            return warped
        source = np.empty((block.height, block.width), np.float32)
        self._read_own(block, source)
        self._reproject(source, self.own_grid.at(block), turn, target, warped, self.resampling)
        if self.resampling is Resampling.average and np.isnan(warped).any() and not self._footprint.is_whole(target):
            # A mean needs all corners of a pixel, but at the outline of a projection some have no place.
            middles = np.full_like(warped, np.nan)
            self._reproject(source, self.own_grid.at(block), turn, target, middles, Resampling.bilinear)
            np.copyto(warped, middles, where=np.isnan(warped))
        return warped

    def _reproject(
        self, source: Singles, own: Grid, turn: float, target: Grid, out: Singles, resampling: Resampling | None
    ) -> None:
        a, b, c, d, e, f = own.transform
        try:
            rasterio.warp.reproject(
                source,
                out,
                src_transform=rasterio.Affine(a, b, c - turn, d, e, f),
                src_crs=own.crs_wkt,
                src_nodata=np.nan,
                dst_transform=rasterio.Affine(*target.transform),
                dst_crs=target.crs_wkt,
                dst_nodata=np.nan,
                resampling=resampling,
            )
        except GDAL_ERRORS as error:
            raise self._footprint.not_transformable() from error

    def _choose_resampling(self) -> Resampling:
        """Choose how to resample; codes and compass values are never mixed: 359 and 1 degree do not average to 180."""
        if self.covariate.kind != "continuous":
            return Resampling.nearest
        return Resampling.average if self._footprint.ratio(self.grid) >= 1.5 else Resampling.bilinear

    def _tile_side(self) -> int:
        side = _TILE
        ratio = 1.0 if self._offset is not None else self._footprint.ratio(self.grid)
        while side > 1 and side * ratio > _SOURCE_SIDE:
            side //= 2
        return side

    def _lattice_origin(self) -> tuple[int, int]:
        """Return row and column of the corner that tiles count from, fixed to the CRS so that clipping keeps it."""
        row, col = self.grid.rows_cols(0.0, 0.0)
        return int(math.floor(float(row) + 0.25)) % self._side, int(math.floor(float(col) + 0.25)) % self._side

    def _check_band(self) -> None:
        path, band, count = self.covariate.path, self.covariate.band, self._dataset.count
        if not 1 <= band <= count:
            bands = tr("one band") if count == 1 else tr("{} bands").format(count)
            raise EngineError(
                tr("{} has {}, but band {} is asked for. Choose a band that exists.").format(path, bands, band)
            )
        kind = self._dataset.dtypes[band - 1]
        if "complex" in kind:
            raise EngineError(
                tr("{} holds complex numbers ({}) in band {}. Choose a raster of real numbers.").format(
                    path, kind, band
                )
            )


def equal_to(values: Singles, nodata: float | None, dtype: str) -> Flags | None:
    """Return True where GDAL takes numbers of a type that float32 holds for `nodata`; None where only GDAL knows.

    GDAL's own mask would read everything once more. GDAL takes floats that differ in their last bits for equal.
    """
    if nodata is None or dtype not in _PLAIN:
        return None
    if dtype == "float32" and math.isnan(nodata):
        return np.isnan(values)
    with np.errstate(over="ignore"):
        missing, low, high = np.array([nodata, nodata - 1e-5 * abs(nodata), nodata + 1e-5 * abs(nodata)]).astype("f4")
    if missing != nodata:
        return None
    found: Flags = values == missing
    if dtype == "float32" and np.count_nonzero((values >= low) & (values <= high)) > np.count_nonzero(found):
        return None
    return found


def _common(place: Block, block: Block) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the pixels that two blocks share, as slices of the first and of the second."""
    top, left = max(place.row, block.row), max(place.col, block.col)
    bottom = min(place.row + place.height, block.row + block.height)
    right = min(place.col + place.width, block.col + block.width)

    def within(one: Block) -> tuple[slice, slice]:
        return slice(top - one.row, bottom - one.row), slice(left - one.col, right - one.col)

    return within(place), within(block)


def _unreadable(path: str, error: Exception) -> EngineError:
    return EngineError(
        tr(
            "{} cannot be read to its end: {}. The file is truncated or damaged, or its drive or server does"
            " not answer. Copy or export it again and run again."
        ).format(path, said(error))
    )
