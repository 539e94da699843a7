"""Where a map is not applicable, as polygons that are hatched over the prediction."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from pathlib import Path

from osgeo import gdal, ogr, osr
from qgis.core import (
    QgsFillSymbol,
    QgsLinePatternFillSymbolLayer,
    QgsLineSymbol,
    QgsSingleSymbolRenderer,
    QgsVectorLayer,
)

from ..contract.language import tr
from .interval_width import frame_of
from .layer_words import open_raster

TITLE = tr("Not applicable (hatched)")
MOST_PIXELS = 1_000_000
"""Pixels of the raster that polygons are drawn from; of a larger raster every second, third ... pixel is taken."""
_LUT = "-1e38:0,{threshold:.17g}:0,{above:.17g}:1,1e38:1"


def write_not_applicable(dissimilarity: str, threshold: float) -> str:
    """Write polygons of the pixels above the threshold beside the raster; return their path, empty where none are."""
    source = open_raster(dissimilarity)
    if source is None:
        return ""
    path = str(Path(dissimilarity).with_name(f"{Path(dissimilarity).stem}_not_applicable.gpkg"))
    half = f"{path}.part.gpkg"
    flags = f"/vsimem/soilcnn/{os.getpid()}_{id(source)}.vrt"
    try:
        _write_flags(source, threshold, flags)
        count = _write_polygons(flags, half)
        if not count:
            return ""
        os.replace(half, path)
    except (OSError, RuntimeError):  # GDAL may or may not raise; the raster itself shows the same
        return ""
    finally:
        for name in (flags, f"{flags}.coarse.vrt"):
            gdal.Unlink(name)
        with suppress(OSError):
            os.unlink(half)
    return path


def hatch(layer: QgsVectorLayer) -> None:
    """Hatch polygons with dark lines on lighter ones, which show on dark and on light colours."""
    symbol = QgsFillSymbol()
    symbol.deleteSymbolLayer(0)
    for colour, width in (("#ffffff", 0.6), ("#22262b", 0.2)):
        lines = QgsLinePatternFillSymbolLayer()
        lines.setLineAngle(45)
        lines.setDistance(1.8)
        lines.setSubSymbol(QgsLineSymbol.createSimple({"color": colour, "width": str(width)}))
        symbol.appendSymbolLayer(lines)
    renderer = QgsSingleSymbolRenderer(symbol)
    renderer.setLegendSymbolItem("0", symbol.clone())
    layer.setRenderer(renderer)
    layer.setMapTipTemplate(tr("Not applicable: the observations do not cover the conditions here."))


def _write_flags(source: gdal.Dataset, threshold: float, flags: str) -> None:
    """Write a raster of 1 above the threshold and 0 elsewhere, as a description of how to get it from the source."""
    step = max(1, math.ceil(math.sqrt(source.RasterXSize * source.RasterYSize / MOST_PIXELS)))
    size = {"width": math.ceil(source.RasterXSize / step), "height": math.ceil(source.RasterYSize / step)}
    coarse = gdal.Translate(f"{flags}.coarse.vrt", source, format="VRT", resampleAlg="nearest", **size)
    above = max(threshold * (1 + 1e-6), threshold + 1e-9)
    lut = _LUT.format(threshold=threshold, above=above)
    nodata = coarse.GetRasterBand(1).GetNoDataValue()
    missing = "" if nodata is None else f"<NODATA>{nodata:.17g}</NODATA>"
    text = (
        f'{frame_of(coarse)}<VRTRasterBand dataType="Byte" band="1"><ComplexSource><SourceFilename relativeToVRT="0">'
        f"{flags}.coarse.vrt</SourceFilename><SourceBand>1</SourceBand>{missing}<LUT>{lut}</LUT></ComplexSource>"
        "</VRTRasterBand></VRTDataset>"
    )
    coarse = None
    gdal.FileFromMemBuffer(flags, text.encode())


def _write_polygons(flags: str, path: str) -> int:
    """Return the number of polygons."""
    raster = gdal.OpenEx(flags, gdal.OF_RASTER)
    written = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    wkt = gdal.OpenEx(f"{flags}.coarse.vrt", gdal.OF_RASTER).GetProjection()
    crs = osr.SpatialReference(wkt) if wkt else None
    layer = written.CreateLayer("not_applicable", crs, ogr.wkbPolygon)
    layer.CreateField(ogr.FieldDefn("not_applicable", ogr.OFTInteger))
    band = raster.GetRasterBand(1)
    gdal.Polygonize(band, band, layer, 0, ["8CONNECTED=8"])
    count = layer.GetFeatureCount()
    layer = written = None
    return int(count)
