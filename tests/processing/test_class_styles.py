"""Styles of results for soil classes: names in the legend, ramps of shares, points with correct and wrong classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr, osr
from qgis.core import (
    QgsCategorizedSymbolRenderer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsRasterLayer,
    QgsSingleBandPseudoColorRenderer,
    QgsVectorLayer,
)

from soil_cnn_plugin.processing import styles

NAMES = ["Braunerde, flach", 'Gley "nass"', "Moor<script>alert(1)</script>", "Böden & Co."]
COLOURS = ["#ddcc77", "#332288", "#117733", "#cc6677"]


@pytest.fixture
def class_map(tmp_path: Path, qgis_app) -> str:
    """Write a uint8 raster of classes from 1, with names and colours, as the engine does."""
    path = str(tmp_path / "classes.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 8, 8, 1, gdal.GDT_Byte)
    band = dataset.GetRasterBand(1)
    table = gdal.ColorTable()
    for value, colour in enumerate(COLOURS, 1):
        table.SetColorEntry(value, tuple(int(colour[place : place + 2], 16) for place in (1, 3, 5)))
    band.SetColorTable(table)
    band.SetNoDataValue(0)
    band.SetDescription("soil type")
    band.SetCategoryNames(["", *NAMES])
    band.WriteArray((np.arange(64).reshape(8, 8) % 4).astype("uint8"))  # class 4 does not occur
    return path


def write_shares(path: Path, descriptions: list[str]) -> str:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 8, 8, len(descriptions), gdal.GDT_Float32)
    for number, description in enumerate(descriptions, 1):
        dataset.GetRasterBand(number).WriteArray(np.linspace(0.2, 0.6, 64, dtype="float32").reshape(8, 8))
        dataset.GetRasterBand(number).SetDescription(description)
    return str(path)


def write_points(path: Path, field: str = "soil type_correct") -> str:
    reference = osr.SpatialReference()
    reference.ImportFromEPSG(32631)
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("held_out", reference, ogr.wkbPoint)
    definition = ogr.FieldDefn(field, ogr.OFTInteger)
    definition.SetSubType(ogr.OFSTBoolean)
    layer.CreateField(definition)
    for number in range(6):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField(0, number % 3 == 0)
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({600_000 + number} 5700000)"))
        layer.CreateFeature(feature)
    return str(path)


def test_the_legend_of_a_class_map_has_the_names_and_nothing_else(class_map) -> None:
    styles.dress({"PREDICTION": class_map}, QgsProcessingContext())
    assert Path(class_map).with_suffix(".qml").is_file()
    layer = QgsRasterLayer(class_map, "x")  # with the style file beside it; the layer owns its renderer
    renderer = layer.renderer()
    assert isinstance(renderer, QgsPalettedRasterRenderer)
    found = [(each.value, each.label, each.color.name()) for each in renderer.classes()]
    assert found == list(zip((1, 2, 3, 4), NAMES, COLOURS))


def test_probabilities_and_confusion_are_shown_from_0_to_1(class_map, tmp_path: Path) -> None:
    bands = [f"probability of {name}" for name in NAMES]
    results = {
        "PREDICTION": class_map,
        "PROBABILITIES": write_shares(tmp_path / "p.tif", bands),
        "CONFUSION_INDEX": write_shares(tmp_path / "c.tif", ["soil type, confusion index"]),
    }
    styles.dress(results, QgsProcessingContext())
    for name in ("PROBABILITIES", "CONFUSION_INDEX"):
        layer = QgsRasterLayer(results[name], "x")
        renderer = layer.renderer()
        assert isinstance(renderer, QgsSingleBandPseudoColorRenderer)
        assert (renderer.classificationMin(), renderer.classificationMax()) == (0.0, 1.0)


def test_held_out_points_are_right_or_wrong(tmp_path: Path, qgis_app) -> None:
    path = write_points(tmp_path / "held_out.gpkg")
    styles.dress({"HELD_OUT": path}, QgsProcessingContext())
    layer = QgsVectorLayer(path, "x", "ogr")
    renderer = layer.renderer()
    assert isinstance(renderer, QgsCategorizedSymbolRenderer)
    assert renderer.classAttribute() == "soil type_correct"
    labels = [
        renderer.categories()[renderer.categoryIndexForValue(feature[1])].label() for feature in layer.getFeatures()
    ]
    assert labels == ["right class", "wrong class", "wrong class"] * 2


def test_layers_of_classes_get_titles_and_a_group(class_map, project) -> None:
    context = QgsProcessingContext()
    details = QgsProcessingContext.LayerDetails("PREDICTION", project, "PREDICTION")
    context.addLayerToLoadOnCompletion(class_map, details)
    styles.dress({"PREDICTION": class_map}, context)
    found = context.layerToLoadOnCompletionDetails(class_map)
    assert found.name == "Soil type, most probable class"
    assert found.groupName.startswith("Soil map: soil type, 20")  # and the time of the run


def test_residuals_of_a_map_of_classes_are_right_or_wrong(qgis_app, tmp_path: Path) -> None:
    path = write_points(tmp_path / "residuals.gpkg", "correct")
    styles.dress({"RESIDUALS": path}, QgsProcessingContext())
    layer = QgsVectorLayer(path, "x", "ogr")
    layer.loadNamedStyle(str(Path(path).with_suffix(".qml")))
    renderer = layer.renderer()
    assert isinstance(renderer, QgsCategorizedSymbolRenderer) and renderer.classAttribute() == "correct"
