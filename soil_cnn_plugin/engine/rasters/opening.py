"""The opening of files: what is wrong with a raster, where its pixels lie, and paths as vector readers take them."""

from __future__ import annotations

import errno
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyproj
import rasterio
from rasterio.enums import WktVersion
from rasterio.errors import CRSError

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.footprint import GDAL_ERRORS
from soil_cnn_plugin.engine.rasters.grid import Grid

_AFAR = re.compile(r"^https?://|/vsi(curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)")
_OTHERS = 200  # further open files: outputs, libraries, threads
_MISREAD = re.compile(r"[!\t\r\n]|^[ \x00-\x1f]|[ \x00-\x1f]$")


def open_raster(path: str) -> rasterio.DatasetReader:
    """Open a raster; raise EngineError when there is no such file, GDAL cannot open it, or it holds several rasters."""
    try:
        dataset = rasterio.open(path)
    except GDAL_ERRORS as error:
        if os.path.isabs(path) and not path.startswith("/vsi") and not os.path.exists(path):
            raise EngineError(
                tr("{} does not exist. Check where the raster lies and run again.").format(path)
            ) from error
        what = said(error)
        if os.strerror(errno.EMFILE) in what:
            raise EngineError(
                tr(
                    "{} cannot be opened, because the system lets the engine open no more files. Use fewer"
                    " covariates, put several of them into one file as its bands, or raise the limit (ulimit"
                    " -n)."
                ).format(path)
            ) from error
        remedy = (
            tr("Check the address, and whether its server can be reached")
            if _AFAR.search(path)
            else tr("The file may be damaged or of another kind; open it in QGIS, export it as GeoTIFF and use that")
        )
        raise EngineError(tr("{} cannot be opened as a raster: {}. {}.").format(path, what, remedy)) from error
    if dataset.count:
        return dataset
    parts = dataset.subdatasets
    dataset.close()
    if parts:
        raise EngineError(
            tr("{} holds {} rasters. Choose one of them as the covariate: {}.").format(
                path, len(parts), ", ".join(parts[:20])
            )
        )
    raise EngineError(tr("{} holds no raster with data. Choose another file.").format(path))


def grid_of(dataset: rasterio.DatasetReader, path: str) -> Grid:
    """Return the raster's own grid; raise EngineError when it does not say where it lies."""
    if dataset.crs is None:
        raise EngineError(
            tr(
                "{} has no CRS. Set it in the layer's properties, or with the algorithm Assign projection, and"
                " run again."
            ).format(path)
        )
    if dataset.transform.is_identity:
        raise EngineError(
            tr("{} has no georeference: its pixels have no coordinates. Georeference it and run again.").format(path)
        )
    a, b, c, d, e, f = dataset.transform[:6]
    try:
        wkt = _horizontal(dataset.crs.to_wkt(version=WktVersion.WKT2_2019))
        return Grid(wkt, (a, b, c, d, e, f), dataset.height, dataset.width)
    except (CRSError, pyproj.exceptions.CRSError, ValueError) as error:
        raise EngineError(
            tr("{} has a CRS or georeference that cannot be used: {}. Set it again.").format(path, error)
        ) from error


def said(error: BaseException) -> str:
    """Return what GDAL said, from the innermost error: rasterio's own text only points to it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).rstrip(". ") or type(error).__name__


def _horizontal(crs_wkt: str) -> str:
    """Return the CRS without heights, for which no raster has a place."""
    crs = pyproj.CRS.from_wkt(crs_wkt)
    return str(crs.to_2d().to_wkt()) if len(crs.axis_info) > 2 and not crs.is_geocentric else crs_wkt


def layer_name(path: str) -> str:
    source, _, layer = path.partition("|layername=")
    return layer or Path(source).stem


def is_undefined(crs: str) -> bool:
    """Check whether a CRS, given by its name or WKT, is GeoPackage's placeholder for an unknown one."""
    return "Undefined" in crs[:40]


def allow_open_files(count: int) -> None:
    """Allow `count` files and some more to be open, as far as the system permits; macOS allows 256 until asked."""
    if sys.platform == "win32":  # GDAL's files have no such limit there
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + _OTHERS if hard == resource.RLIM_INFINITY else min(count + _OTHERS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextmanager
def as_pyogrio_reads(path: str) -> Iterator[str]:
    """Yield the path; where it would be misread, yield a link to the file, which lasts as long as the context."""
    file = Path(path)
    if sys.platform == "win32" or not _MISREAD.search(path) or not file.is_file():
        yield path
        return
    safe = None if not _MISREAD.search(tempfile.gettempdir()) else Path.home()
    with tempfile.TemporaryDirectory(prefix="soilcnn-link-", dir=safe) as folder:
        for each in file.parent.iterdir():  # a shapefile has parts, and a GeoPackage may have a log
            if each.name.startswith(file.stem):
                os.symlink(each.resolve(), Path(folder, f"layer{each.name[len(file.stem) :]}"))
        yield str(Path(folder, f"layer{file.suffix}"))
