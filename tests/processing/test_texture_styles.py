"""Styles of texture class maps: names in the legend, for one depth and for several."""

from __future__ import annotations

from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import QgsPalettedRasterRenderer, QgsProcessingContext, QgsRasterLayer

from soil_cnn_plugin.processing import styles

CLASSES = {"sand": (221, 204, 119), "loamy sand": (51, 34, 136), "clay": (17, 119, 51)}


def write_texture(path: Path, depths: list[str]) -> str:
    """Write a texture map as the engine does: a TIFF has colours for one band only, attribute tables for all bands."""
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 6, 6, len(depths), gdal.GDT_Byte)
    for number, depth in enumerate(depths, 1):
        band = dataset.GetRasterBand(number)
        band.SetDescription(f"texture class {depth} (USDA)".replace("  ", " "))
        band.SetNoDataValue(0)
        band.Fill(number)
        if len(depths) == 1:
            colours = gdal.ColorTable()
            for value, colour in enumerate(CLASSES.values(), 1):
                colours.SetColorEntry(value, colour)
            band.SetColorTable(colours)
        band.SetCategoryNames(["", *CLASSES])
        table = gdal.RasterAttributeTable()
        columns = [("Value", gdal.GFT_Integer, gdal.GFU_MinMax), ("Class", gdal.GFT_String, gdal.GFU_Name)]
        columns += [
            (name, gdal.GFT_Integer, usage)
            for name, usage in (("Red", gdal.GFU_Red), ("Green", gdal.GFU_Green), ("Blue", gdal.GFU_Blue))
        ]
        for column in columns:
            table.CreateColumn(*column)
        for row, (name, colour) in enumerate(CLASSES.items()):
            table.SetValueAsInt(row, 0, row + 1)
            table.SetValueAsString(row, 1, name)
            for column, value in enumerate(colour, 2):
                table.SetValueAsInt(row, column, value)
        band.SetDefaultRAT(table)
    return str(path)


@pytest.mark.parametrize(
    ("depths", "title"),
    [
        ([""], "Texture class (USDA)"),
        (["0-30 cm"], "Texture class 0-30 cm (USDA)"),
        (["0-5 cm", "5-15 cm"], "Texture class 0-5 cm (USDA)"),
    ],
    ids=str,
)
def test_the_legend_has_the_names_of_the_classes(depths: list[str], title: str, tmp_path: Path, project) -> None:
    path = write_texture(tmp_path / "texture.tif", depths)
    context = QgsProcessingContext()
    context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails("TEXTURE_CLASSES", project, "x"))
    styles.dress({"TEXTURE_CLASSES": path}, context)
    assert context.layerToLoadOnCompletionDetails(path).name == title
    layer = QgsRasterLayer(path, "x")  # with the style file beside it
    renderer = layer.renderer()
    assert isinstance(renderer, QgsPalettedRasterRenderer)
    found = [(item.value, item.label, item.color.getRgb()[:3]) for item in renderer.classes()]
    assert found == [(value, name, colour) for value, (name, colour) in enumerate(CLASSES.items(), 1)]
