"""Styles of results for soil classes: the map with a legend of names, and points with correct and wrong classes."""

from __future__ import annotations

from pathlib import Path

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

from .translation import tr

_RIGHT, _WRONG = "ffffff", "b3480a"  # white, which no class has, and dark orange


def has_classes(layer: QgsRasterLayer) -> bool:
    """Whether a raster's values are classes with names."""
    return layer.dataProvider().dataType(1) == Qgis.DataType.Byte and bool(_named(layer))


def colour_classes(layer: QgsRasterLayer) -> None:
    """Give the layer a legend with the names and colours in the file, without values that have no name."""
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 1, _named(layer)))


def texture_title(layer: QgsRasterLayer) -> str:
    """Return `Texture class 0-30 cm (USDA)`, or `Texture classes (USDA)` for several depths."""
    bands = [layer.dataProvider().bandDescription(band + 1) for band in range(layer.bandCount())]
    title = tr("Texture class {}").format(bands[0].partition("texture class ")[2])
    return title if len(bands) == 1 else tr("Texture classes {}").format(f"({bands[0].rpartition('(')[2]}")


def write_right_and_wrong_style(path: str) -> str:
    """Write a .qml beside a point layer for its field of correct and wrong classes; return its path, else empty."""
    layer = QgsVectorLayer(path, "classes", "ogr")
    names = [field.name() for field in layer.fields().toList()]
    fields = [name for name in names if name == "correct" or name.endswith("_correct")]
    if not layer.isValid() or not fields:
        return ""
    categories = [
        QgsRendererCategory(False, _symbol(_WRONG, "2.4"), tr("wrong class")),
        QgsRendererCategory(True, _symbol(_RIGHT, "2.0"), tr("right class")),
    ]
    layer.setRenderer(QgsCategorizedSymbolRenderer(fields[0], categories))
    qml = str(Path(path).with_suffix(".qml"))
    layer.saveNamedStyle(qml)
    return qml


def _named(layer: QgsRasterLayer) -> list[QgsPalettedRasterRenderer.Class]:
    """Return the values that have a name. A TIFF has 256 colours; unused ones are black and labelled with their number.
    A raster of several bands has no colours, but its attribute table holds them."""
    provider = layer.dataProvider()
    named = [
        QgsPalettedRasterRenderer.Class(item.value, item.color, item.label)
        for item in provider.colorTable(1)
        if item.value > 0 and item.color != QColor("black")
    ]
    table = provider.attributeTable(1)
    return named if named or table is None else table.createRenderer(provider, 1).classes()


def _symbol(colour: str, size: str) -> QgsMarkerSymbol:
    return QgsMarkerSymbol.createSimple(  # type: ignore[return-value]  # None only of properties that make no symbol
        {"name": "circle", "color": f"#{colour}", "size": size, "outline_color": "#404040", "outline_width": "0.1"}
    )
