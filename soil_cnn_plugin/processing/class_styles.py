"""Styles of results for soil classes: the map with a legend of names, and points with correct and wrong classes."""

from __future__ import annotations

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsMarkerSymbol,
    QgsPalettedRasterRenderer,
    QgsRasterLayer,
    QgsRendererCategory,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from ..contract.language import tr

_RIGHT, _WRONG = "ffffff", "b3480a"  # white, which no class has, and dark orange


def has_classes(layer: QgsRasterLayer) -> bool:
    """Whether a raster's values are classes with names."""
    return layer.dataProvider().dataType(1) == Qgis.DataType.Byte and bool(_named(layer, 1))


def colour_classes(layer: QgsRasterLayer, band: int = 1) -> None:
    """Give the layer a legend with the names and colours in the file, without values that have no name."""
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), band, _named(layer, band)))


def class_names(layer: QgsRasterLayer, band: int = 1) -> dict[int, str]:
    return {int(item.value): item.label or "" for item in _named(layer, band)}


def texture_title(layer: QgsRasterLayer, band: int = 1) -> str:
    """Return `Texture class 0-30 cm (USDA)`."""
    return tr("Texture class {}").format(layer.dataProvider().bandDescription(band).partition("texture class ")[2])


def colour_right_and_wrong(layer: QgsVectorLayer, field: str) -> None:
    """Show in white where a class is right, and in dark orange where it is wrong."""
    categories = [
        QgsRendererCategory(False, _symbol(_WRONG, "2.4"), tr("wrong class")),
        QgsRendererCategory(True, _symbol(_RIGHT, "2.0"), tr("right class")),
    ]
    layer.setRenderer(QgsCategorizedSymbolRenderer(field, categories))


def _named(layer: QgsRasterLayer, band: int) -> list[QgsPalettedRasterRenderer.Class]:
    """Return the values that have a name. A TIFF has 256 colours; unused ones are black and labelled with their number.
    A raster of several bands has no colours, but its attribute table holds them."""
    provider = layer.dataProvider()
    named = [
        QgsPalettedRasterRenderer.Class(item.value, item.color, item.label)
        for item in provider.colorTable(band)
        if item.value > 0 and item.color != QColor("black")
    ]
    table = provider.attributeTable(band)
    return named if named or table is None else table.createRenderer(provider, band).classes()


def _symbol(colour: str, size: str) -> QgsMarkerSymbol:
    return QgsMarkerSymbol.createSimple(  # type: ignore[return-value]  # None only of properties that make no symbol
        {"name": "circle", "color": f"#{colour}", "size": size, "outline_color": "#404040", "outline_width": "0.1"}
    )
