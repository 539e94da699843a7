"""The writing of a map: block by block into a scratch GeoTIFF, then once into a Cloud Optimized GeoTIFF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from shutil import disk_usage

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.transform import Affine
from rasterio.windows import Window

from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import gibibytes
from soil_cnn_plugin.engine.outputs import appear, was_removed
from soil_cnn_plugin.engine.rasters.class_names import class_colormap, write_class_names
from soil_cnn_plugin.engine.rasters.footprint import GDAL_ERRORS
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

NODATA = -9999.0
"""The mark of missing data: a number, because some programs draw NaN as a value."""
NO_CLASS = 0


class RasterFile(AbstractContextManager["RasterFile"]):
    """A float32 raster with one band for each target; it appears under its name when `finish` has been called.

    `classes` are, for each band, the names of the classes that its values count from 1. With them, the raster is uint8
    and carries their names and colours.
    """

    def __init__(
        self,
        path: str,
        grid: Grid,
        bands: Sequence[str],
        units: Sequence[str],
        tags: Mapping[str, str],
        classes: Sequence[Sequence[str]] = (),
        band_tags: Sequence[Mapping[str, str]] = (),
    ) -> None:
        self._path, self._scratch = path, f"{part(path)}.tif"
        self._names = f"{part(path)}.aux.xml"
        self._classes = tuple(tuple(names) for names in classes)
        self.is_whole = False
        self._nodata: float = NO_CLASS if classes else NODATA
        self._statistics = [_Statistics() for _ in bands]
        self._counts = np.zeros((len(bands), max(map(len, classes), default=0) + 1), np.int64)
        self._prints = [_Fingerprint(self._nodata) for _ in bands]
        try:
            self._dataset = self._create(grid, len(bands))
        except RasterioError as error:
            raise EngineError(
                tr(
                    "{} cannot be made: {}. It would have {} x {} pixels; choose a smaller extent, or larger"
                    " cells when patches are extracted."
                ).format(path, error, grid.height, grid.width)
            ) from error
        self._dataset.descriptions = tuple(bands)
        self._dataset.units = tuple(units)
        self._dataset.update_tags(**tags)
        for number, own in enumerate(band_tags, start=1):
            self._dataset.update_tags(number, **own)
        if classes and len(bands) == 1:  # a TIFF has colours for one band only; attribute tables hold those of all
            self._dataset.write_colormap(1, class_colormap(len(classes[0])))

    def _create(self, grid: Grid, count: int) -> rasterio.io.DatasetWriter:
        return rasterio.open(
            self._scratch,
            "w",
            driver="GTiff",
            crs=rasterio.CRS.from_wkt(grid.crs_wkt),
            transform=Affine(*grid.transform),
            height=grid.height,
            width=grid.width,
            count=count,
            dtype="uint8" if self._classes else "float32",
            nodata=self._nodata,
            tiled=True,
            blockxsize=256,
            blockysize=256,
            compress="lzw",
            bigtiff="if_safer",
            sparse_ok=True,
            interleave="band",  # interleaved by pixel, bands would have 0 where only a part of a tile is ever written
        )

    def write(self, block: Block, values: NDArray[np.floating]) -> None:
        """Write `values` (bands, height, width) into a block, NaN where there is no prediction."""
        known = np.isfinite(values)
        stored = np.where(known, values, self._nodata).astype(np.uint8 if self._classes else np.float32)
        if self._classes:
            self._counts += [np.bincount(band.ravel(), minlength=self._counts.shape[1]) for band in stored]
        else:
            for statistics, band, mask in zip(self._statistics, values, known):
                statistics.add(band[mask].astype(np.float64))
        window = Window(block.col, block.row, block.width, block.height)
        for fingerprint, band in zip(self._prints, stored):
            fingerprint.add(band)
        self._dataset.write(stored, window=window)

    def complete(self) -> None:
        """Copy the scratch file into tiles with overviews; all that may fail is done before the raster gets its name.

        Raises:
            EngineError: the copy does not hold what was written.
        """
        for band, statistics in enumerate(self._statistics, start=1):
            if statistics.count:
                self._dataset.update_tags(band, **statistics.tags())
        self._dataset.close()
        try:
            rasterio.shutil.copy(
                self._scratch,
                part(self._path),
                driver="COG",
                compress="deflate",
                predictor="no" if self._classes else "yes",
                overview_resampling="mode" if self._classes else "average",
                bigtiff="if_safer",
                num_threads="all_cpus",
                sparse_ok="true",  # tiles without any value take neither time nor room
            )
        except GDAL_ERRORS:
            self._check_is_there(self._scratch)
            raise
        self._check_copy()
        if self._classes:
            write_class_names(self._names, self._classes, self._counts[:, 1:].tolist())
        self.is_whole = True

    def finish(self) -> None:
        """Give the raster its name."""
        finish_together([self])

    @property
    def finished(self) -> list[tuple[str, str]]:
        """Where each of the raster's files is, and where it belongs."""
        names = [(self._names, self._beside)] if self._classes else []
        return [(part(self._path), self._path), *names]

    def drop_former(self) -> None:
        """Remove the file beside a raster that had this name before: its statistics would show."""
        if not self._classes:
            Path(self._beside).unlink(missing_ok=True)

    @property
    def _beside(self) -> str:
        return f"{self._path}.aux.xml"

    def _check_copy(self) -> None:
        """Check that the copy has its end: GDAL 3.10 says nothing when the disk gets full while it copies."""
        try:
            with rasterio.open(part(self._path)) as copy:
                found = [_Fingerprint(self._nodata) for _ in self._prints]
                for _, window in copy.block_windows(1):
                    for fingerprint, band in zip(found, copy.read(window=window)):
                        fingerprint.add(band)
        except RasterioError:
            found = []
        if found != self._prints:
            self._check_is_there(part(self._path))
            folder = Path(self._path).parent
            raise EngineError(
                tr(
                    "{} could not be written to its end; {} has {} left. Free some space or choose another"
                    " folder. Where there is room enough it is a fault of the plugin: please report it with"
                    " this log."
                ).format(self._path, folder, gibibytes(disk_usage(folder).free))
            )

    def _check_is_there(self, half_written: str) -> None:
        if not Path(half_written).is_file():
            raise EngineError(was_removed(self._path, half_written))

    def __exit__(self, *_: object) -> None:
        self._dataset.close()
        for leftover in (self._scratch, part(self._path), self._names):
            Path(leftover).unlink(missing_ok=True)


def finish_together(rasters: Iterable[RasterFile]) -> None:
    """Give rasters their names when all of them are complete: all of them or none."""
    rasters = list(rasters)
    for raster in rasters:
        if not raster.is_whole:
            raster.complete()
    appear([pair for raster in rasters for pair in raster.finished])
    for raster in rasters:
        raster.drop_former()


@dataclass
class _Fingerprint:
    """The number of values and the sum of their bits, which tell whether two bands hold the same values.

    The order in which the blocks come does not matter.
    """

    nodata: float
    count: int = 0
    bits: int = 0

    def add(self, stored: Singles | NDArray[np.uint8]) -> None:
        values = stored[stored != stored.dtype.type(self.nodata)]
        self.count += len(values)
        self.bits += int(values.view(f"u{values.itemsize}").sum(dtype=np.uint64))


class _Statistics:
    """A band's count, extremes, mean and deviation, added up block by block (Chan et al. 1983, 10.2307/2683386)."""

    def __init__(self) -> None:
        self.count, self._mean, self._squares = 0, 0.0, 0.0
        self._lowest, self._highest = np.inf, -np.inf

    def add(self, values: Array) -> None:
        if not len(values):
            return
        count, mean = len(values), float(values.mean())
        total, step = self.count + count, mean - self._mean
        self._squares += float(((values - mean) ** 2).sum()) + step**2 * self.count * count / total
        self._mean += step * count / total
        self.count = total
        self._lowest = min(self._lowest, float(values.min()))
        self._highest = max(self._highest, float(values.max()))

    def tags(self) -> dict[str, str]:
        """Return the statistics under the names that GDAL and QGIS look for."""
        values = {
            "MINIMUM": self._lowest,
            "MAXIMUM": self._highest,
            "MEAN": self._mean,
            "STDDEV": (self._squares / self.count) ** 0.5,
        }
        return {f"STATISTICS_{name}": f"{value:.9g}" for name, value in values.items()}
