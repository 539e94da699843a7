"""The width of the prediction interval as a raster of its own: a small text file (.vrt) over both limits."""

from __future__ import annotations

import os
from html import escape
from pathlib import Path

from osgeo import gdal
from qgis.core import (
    Qgis,
    QgsColorRampLegendNodeSettings,
    QgsColorRampShader,
    QgsGradientColorRamp,
    QgsRasterLayer,
    QgsSingleBandPseudoColorRenderer,
)
from qgis.PyQt.QtGui import QColor

from ..contract.language import tr
from .layer_words import open_raster

_NODATA = 0.0
"""A width that no interval has. The difference of two missing values is 0, too."""
_MOST_COVER = 215
"""How much white, of 255, lies over the pixels that are least certain: some of their colour must stay."""


def write_width(lower: str, upper: str) -> str:
    """Write the width of the interval beside the raster of upper limits; return its path, empty if that fails."""
    low, high = open_raster(lower), open_raster(upper)
    if low is None or high is None or _shape(low) != _shape(high):
        return ""
    path = str(Path(upper).with_name(f"{Path(upper).stem}_minus_{Path(lower).stem}.vrt"))
    half = f"{path}.part"
    try:
        Path(half).write_text(_text(high, upper, lower), encoding="utf-8")
        os.replace(half, path)
    except OSError:
        return ""  # the folder takes no further file; the limits themselves are there
    return path


def colour_pale(layer: QgsRasterLayer, band: int, limits: tuple[float, float], unit: str) -> None:
    """Cover what lies below with white: not at all where the interval is narrow, almost whole where it is wide."""
    clear, white = QColor(255, 255, 255, 0), QColor(255, 255, 255, _MOST_COVER)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), band)
    renderer.setClassificationMin(limits[0])
    renderer.setClassificationMax(limits[1])
    linear, steady = Qgis.ShaderInterpolationMethod.Linear, QgsColorRampShader.ClassificationMode.Continuous
    renderer.createShader(QgsGradientColorRamp(clear, white), linear, steady)
    function = renderer.shader().rasterShaderFunction()
    settings = QgsColorRampLegendNodeSettings(function.legendSettings())
    settings.setMinimumLabel(tr("{:g} {} wide: colour").format(limits[0], unit).replace("  ", " "))
    settings.setMaximumLabel(tr("{:g} {} wide: pale").format(limits[1], unit).replace("  ", " "))
    function.setLegendSettings(settings)
    layer.setRenderer(renderer)


def _shape(dataset: gdal.Dataset) -> tuple[int, int, int, tuple[float, ...]]:
    return dataset.RasterXSize, dataset.RasterYSize, dataset.RasterCount, tuple(dataset.GetGeoTransform())


def _text(high: gdal.Dataset, upper: str, lower: str) -> str:
    """Return a description of the upper limits' raster in which each band is a difference."""
    numbers = range(1, high.RasterCount + 1)
    bands = "".join(_band(number, high.GetRasterBand(number), upper, lower) for number in numbers)
    return f"{frame_of(high)}{bands}</VRTDataset>\n"


def frame_of(dataset: gdal.Dataset) -> str:
    """Return the beginning of a .vrt with the size and the place of a raster, up to its first band."""
    text = gdal.GetDriverByName("VRT").CreateCopy("", dataset).GetMetadata("xml:VRT")[0]
    return str(text[: text.index("<VRTRasterBand")])


def _band(number: int, band: gdal.Band, upper: str, lower: str) -> str:
    sources = "".join(
        f"<SimpleSource>{_file(path, upper)}<SourceBand>{number}</SourceBand></SimpleSource>\n"
        for path in (upper, lower)
    )
    name = band.GetDescription().replace(", upper ", ", width of the ").replace(" limit", " interval")
    return (
        f'<VRTRasterBand dataType="Float32" band="{number}" subClass="VRTDerivedRasterBand">\n'
        f"<Description>{escape(name, quote=False)}</Description><NoDataValue>{_NODATA:g}</NoDataValue>\n"
        f"<PixelFunctionType>diff</PixelFunctionType>\n{sources}</VRTRasterBand>\n"
    )


def _file(path: str, upper: str) -> str:
    """Return the element that names a file: relative to the .vrt where both lie in one folder, so that it can move."""
    if Path(path).parent == Path(upper).parent:
        return f'<SourceFilename relativeToVRT="1">{escape(Path(path).name, quote=False)}</SourceFilename>'
    return f'<SourceFilename relativeToVRT="0">{escape(path, quote=False)}</SourceFilename>'
