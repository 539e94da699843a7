"""Rasters that hold codes of classes, recognized by their legend, their colour table, their values."""

from __future__ import annotations

from collections.abc import Collection

from qgis.core import Qgis, QgsPalettedRasterRenderer, QgsRasterLayer

from ..contract.language import tr

MOST_CODES = 25
"""Different whole numbers that a raster without legend may hold to be taken for one of classes."""
MOST_COLOURED = 60
"""The same for a raster with a colour table, which some rasters of percentages have, too."""
_SIDE = 256  # cells of the overview that is looked at
_SOFTWARE = "Soil CNN"


def why_categorical(layer: QgsRasterLayer) -> str:
    """Return why a raster of one band seems to hold codes of classes, in words; empty if it does not."""
    provider = layer.dataProvider()
    if layer.bandCount() != 1 or not layer.isValid():
        return ""
    renderer = layer.renderer()
    classes = renderer.classes() if isinstance(renderer, QgsPalettedRasterRenderer) else []
    labels = [item.label or "" for item in classes]
    if not all(map(_is_number, labels)):
        return tr("its legend names classes")
    if provider.colorTable(1) and few_codes(layer, MOST_COLOURED):
        return tr("it has a colour table")
    table = layer.attributeTable(1)
    if table is not None and table.isValid()[0] and table.type() == Qgis.RasterAttributeTableType.Thematic:
        return tr("it has an attribute table of classes")
    codes = few_codes(layer)
    return tr("it holds {} whole numbers").format(len(codes)) if len(codes) >= 3 else ""


def few_codes(layer: QgsRasterLayer, most: int = MOST_CODES) -> Collection[float]:
    """Return the different values of the first band if they are whole numbers and `most` at most, else nothing."""
    provider, extent = layer.dataProvider(), layer.extent()
    width, height = min(_SIDE, layer.width()), min(_SIDE, layer.height())
    if width <= 0 or height <= 0:
        return ()
    block = provider.block(1, extent, width, height)
    found: set[float] = set()
    for row in range(block.height()):
        for column in range(block.width()):
            if block.isNoData(row, column):
                continue
            value = block.value(row, column)
            if value != int(value):
                return ()
            found.add(value)
        if len(found) > most:
            return ()
    return found


def _is_number(text: str) -> bool:
    """Whether a legend says no more than the code itself, as QGIS makes it of a colour table."""
    return text.strip().removeprefix("-").replace(".", "", 1).isdecimal()


def is_candidate(layer: QgsRasterLayer) -> bool:
    """Whether a raster of the project may be a covariate: it lies in a file, and Soil CNN has not made it."""
    if not layer.isValid() or layer.providerType() != "gdal":
        return False
    is_remote = layer.source().lower().startswith(("http", "wms", "/vsicurl"))
    return not is_remote and _SOFTWARE not in layer.dataProvider().htmlMetadata()
