"""Results in the project: what a second run replaces is shown anew, and each run has a group of its own."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsExpression,
    QgsExpressionContext,
    QgsExpressionContextScope,
    QgsExpressionContextUtils,
    QgsGeometry,
    QgsLayerNotesUtils,
    QgsLayerTreeModel,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
)

from soil_cnn_plugin.processing import project_layers, styles
from soil_cnn_plugin.processing.interval_width import write_width
from soil_cnn_plugin.processing.not_applicable import write_not_applicable
from soil_cnn_plugin.processing.project_layers import reload_layers


def write(path: Path, value: float, size: int = 8, description: str = "zinc (mg/kg)") -> str:
    """A map of one value, which replaces another as the engine does: under its name at once, and without what GDAL
    keeps beside it (descriptions, too, since 3.10)."""
    half = f"{path}.half"
    dataset = gdal.GetDriverByName("GTiff").Create(half, size, size, 1, gdal.GDT_Float32)
    dataset.SetGeoTransform((0, 10, 0, 10 * size, 0, -10))
    band = dataset.GetRasterBand(1)
    band.WriteArray(value + np.arange(size * size, dtype="float32").reshape(size, size) / 1000)
    band.SetDescription(description)
    dataset = band = None
    os.replace(half, path)
    Path(f"{path}.aux.xml").unlink(missing_ok=True)
    return str(path)


def write_classes(path: str) -> None:
    """A map of two soil types with names, all of the first one."""
    dataset = gdal.GetDriverByName("GTiff").Create(path, 8, 8, 1, gdal.GDT_Byte)
    band = dataset.GetRasterBand(1)
    band.WriteArray(np.ones((8, 8), "uint8"))
    band.SetDescription("soil type")
    table = gdal.RasterAttributeTable()
    table.CreateColumn("Value", gdal.GFT_Integer, gdal.GFU_MinMax)
    table.CreateColumn("Class", gdal.GFT_String, gdal.GFU_Name)
    for row, name in enumerate(("gley", "podzol")):
        table.SetValueAsInt(row, 0, row + 1)
        table.SetValueAsString(row, 1, name)
    band.SetDefaultRAT(table)


@pytest.fixture(autouse=True)
def noon(monkeypatch):
    """Let all runs begin in one minute."""

    class Noon(datetime):
        @classmethod
        def now(cls, tz=None) -> datetime:
            return datetime(2026, 1, 2, 12, 0)

    monkeypatch.setattr(styles, "datetime", Noon)
    monkeypatch.setattr(project_layers, "_GIVEN", set())


def load(project: QgsProject, *runs: dict[str, str]) -> None:
    """Do what QGIS does when a run has ended in its dialog, or all runs of a batch, but for its layer tree's view, of
    which tests have none."""
    from processing.gui import Postprocessing

    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project)
    for results in runs:
        paths = {name: path for name, path in results.items() if isinstance(path, str)}
        for name, path in paths.items():
            context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project, name))
        styles.dress(results, context)
        styles.settle(list(paths.values()), context)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:predictmap")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Postprocessing, "iface", None)
        assert Postprocessing.handleAlgorithmResults(algorithm, context, feedback, {})


def groups(project: QgsProject) -> dict[str, list[str]]:
    found = {
        group.name(): [child.name() for child in group.children()] for group in project.layerTreeRoot().findGroups()
    }
    loose = [child.name() for child in project.layerTreeRoot().children() if child.name() not in found]
    return {**found, **({"": loose} if loose else {})}


def pixel(layer: QgsRasterLayer) -> int:
    return int(layer.dataProvider().sample(QgsPointXY(5, 5), 1)[0])


LOWER, PREDICTED = "Zinc (mg/kg), lower limit", "Zinc (mg/kg), predicted"
ZINC = "Soil map: zinc, 2026-01-02 12:00"


@pytest.fixture
def results(tmp_path: Path) -> dict[str, str]:
    return {"PREDICTION": str(tmp_path / "p.tif"), "LOWER": str(tmp_path / "l.tif")}


def test_a_second_run_to_the_same_files_shows_the_new_pixels_in_one_group(provider, project, results) -> None:
    for value, size in ((1, 8), (100, 16)):
        for path in results.values():
            write(Path(path), value, size)
        load(project, results)
    layers = list(project.mapLayers().values())
    assert [pixel(layer) for layer in layers] == [100, 100] and {layer.width() for layer in layers} == {16}
    assert {layer.extent().width() for layer in layers} == {160.0}
    assert groups(project) == {
        f"{ZINC} (2)": [PREDICTED, LOWER]
    }  # of the same minute; the first one has lost its layers
    limits = (layers[0].renderer().classificationMin(), layers[0].renderer().classificationMax())
    assert limits[0] >= 99.9


def test_runs_of_the_same_target_have_groups_of_their_own(provider, project, results, tmp_path) -> None:
    other = {name: str(tmp_path / f"other_{Path(path).name}") for name, path in results.items()}
    for files in (results, other):
        for path in files.values():
            write(Path(path), 1)
        load(project, files)
    assert groups(project) == {ZINC: [PREDICTED, LOWER], f"{ZINC} (2)": [PREDICTED, LOWER]}


def test_classes_of_a_run_stand_in_the_group_of_its_numbers(provider, project, tmp_path) -> None:
    for run in ("one", "two"):
        files = {name: str(tmp_path / f"{run}_{name}.tif") for name in ("PREDICTION", "CLASSES")}
        write(Path(files["PREDICTION"]), 1)
        write_classes(files["CLASSES"])
        load(project, files)
    runs = list(project.layerTreeRoot().children())
    assert [group.name() for group in runs] == [f"{ZINC} (2)", ZINC]
    for run in runs:
        assert [node.name() for node in run.findLayers()] == [PREDICTED, "Soil type, most probable class"]
        assert [group.name() for group in run.children()] == ["Zinc", "Soil type"]


def test_a_run_that_replaces_some_files_of_another_takes_them_to_its_own_group(provider, project, results) -> None:
    for path in results.values():
        write(Path(path), 1)
    load(project, results)
    write(Path(results["PREDICTION"]), 5, description="clay (%)")
    load(project, {"PREDICTION": results["PREDICTION"]})
    assert groups(project) == {"Soil map: clay, 2026-01-02 12:00": ["Clay (%), predicted"], ZINC: [LOWER]}
    write(Path(results["LOWER"]), 5, description="clay (%)")
    load(project, {"LOWER": results["LOWER"]})
    assert [name for name, layers in groups(project).items() if not layers] == []


def test_a_layer_that_the_user_has_moved_stays_there_and_no_empty_group_appears(provider, project, results) -> None:
    path = write(Path(results["PREDICTION"]), 1)
    load(project, {"PREDICTION": path})
    root = project.layerTreeRoot()
    node = root.findLayers()[0]
    mine = root.addGroup("Mine")
    mine.addChildNode(node.clone())
    node.parent().removeChildNode(node)
    root.removeChildNode(root.findGroup(ZINC))
    write(Path(path), 7)
    load(project, {"PREDICTION": path})
    assert groups(project) == {"Mine": [PREDICTED]} and pixel(next(iter(project.mapLayers().values()))) == 7


def test_other_layers_of_the_same_file_are_shown_anew_too_and_strangers_are_left_alone(
    qgis_app, project, tmp_path
) -> None:
    path, other = write(tmp_path / "p.tif", 1), write(tmp_path / "o.tif", 1)
    layers = [QgsRasterLayer(each, "x", "gdal") for each in (path, str(tmp_path / "." / "p.tif"), other)]
    project.addMapLayers(layers)
    assert [pixel(layer) for layer in layers] == [1, 1, 1]
    sources = [layer.source() for layer in layers]
    write(Path(path), 9)
    reload_layers(project, [path])
    assert [pixel(layer) for layer in layers] == [9, 9, 1] and [layer.source() for layer in layers] == sources


def write_bands(path: Path, descriptions: list[str], value: float) -> str:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 8, 8, len(descriptions), gdal.GDT_Float32)
    dataset.SetGeoTransform((0, 10, 0, 80, 0, -10))
    dataset.SetMetadataItem("HOW_MADE", "Predicted by convolutional networks.")
    for number, description in enumerate(descriptions, 1):
        band = dataset.GetRasterBand(number)
        band.WriteArray(value * number + np.arange(64, dtype="float32").reshape(8, 8))
        band.SetDescription(description)
        band.SetMetadataItem("ACCURACY", f"{description}: the map explains 60 % of the variation")
    return str(path)


@pytest.fixture
def depths(tmp_path: Path) -> dict[str, str | float]:
    """Results of zinc and of clay at two depths, with limits and dissimilarity; the deeper clay was named first."""
    targets = ["zinc (mg/kg)", "clay 5-15 cm (%)", "clay 0-5 cm (%)"]
    files = {
        "PREDICTION": write_bands(tmp_path / "p.tif", targets, 100),
        "LOWER": write_bands(tmp_path / "l.tif", [f"{each}, lower 90 % limit" for each in targets], 50),
        "UPPER": write_bands(tmp_path / "u.tif", [f"{each}, upper 90 % limit" for each in targets], 200),
        "DISSIMILARITY": write_bands(tmp_path / "d.tif", ["dissimilarity index"], 0),
    }
    return {**files, "DISSIMILARITY_THRESHOLD": 31.0}


def test_each_target_and_depth_is_a_layer_in_its_colours_and_its_place(provider, project, depths) -> None:
    load(project, depths)
    (run,) = project.layerTreeRoot().children()
    assert run.name() == "Soil map: zinc and clay, 2026-01-02 12:00"
    assert [node.name() for node in run.children()] == [
        "Not applicable (hatched)",
        "Zinc",
        "Clay",
        "Dissimilarity index, applicable up to 31",
    ]
    clay = run.findGroup("Clay")
    assert [node.name() for node in clay.children()] == [
        "width of the 90 % interval (pale where wide)",
        "predicted",
        "lower 90 % limit",
        "upper 90 % limit",
    ]
    predicted = [node.layer() for node in clay.findGroup("predicted").children()]
    assert [layer.name() for layer in predicted] == ["Clay 0-5 cm (%), predicted", "Clay 5-15 cm (%), predicted"]
    assert [layer.renderer().inputBand() for layer in predicted] == [3, 2]
    assert [layer.renderer().classificationMin() for layer in predicted] == [301, 201]  # 2 % of each band's own range
    shown = [node.name() for node in run.findLayers() if node.isVisible()]
    assert shown == ["Not applicable (hatched)", "Zinc (mg/kg), predicted"]


def test_depths_are_heights_that_the_elevation_controller_steps_through(provider, project, depths) -> None:
    load(project, depths)
    ranges = {
        layer.name(): layer.elevationProperties().fixedRange()
        for layer in project.mapLayers().values()
        if hasattr(layer.elevationProperties(), "fixedRange") and layer.elevationProperties().isEnabled()
    }
    assert len(ranges) == 2 * 4
    upper, lower = ranges["Clay 0-5 cm (%), predicted"], ranges["Clay 5-15 cm (%), predicted"]
    assert (upper.lower(), upper.upper(), lower.lower(), lower.upper()) == (-0.05, 0, -0.15, -0.05)
    assert not upper.overlaps(lower)
    whole = project.elevationProperties().elevationRange()
    assert (whole.lower(), whole.upper()) == (-0.15, 0)


def test_legends_have_no_line_of_the_band(provider, project, depths) -> None:
    model = QgsLayerTreeModel(project.layerTreeRoot())  # as the window has one while layers come
    load(project, depths)
    for node in project.layerTreeRoot().findLayers():
        if isinstance(node.layer(), QgsRasterLayer):
            texts = [str(item.data(0)) for item in model.layerLegendNodes(node)]
            assert texts and not [text for text in texts if "Band" in text], node.name()


def test_uncertain_pixels_are_pale_and_not_applicable_ones_hatched(provider, project, depths) -> None:
    load(project, depths)
    layers = {layer.name(): layer for layer in project.mapLayers().values()}
    pale = layers["Zinc (mg/kg), width of the 90 % interval (pale where wide)"]
    assert pale.dataProvider().sample(QgsPointXY(5, 75), 1) == (150.0, True)  # 200 - 50
    items = pale.renderer().shader().rasterShaderFunction().colorRampItemList()
    assert (items[0].color.alpha(), items[-1].color.alpha()) == (0, 215)
    hatched = layers["Not applicable (hatched)"]
    area = sum(feature.geometry().area() for feature in hatched.getFeatures())
    assert area == 32 * 100  # of 64 pixels of 10 x 10, those with an index of 32 to 63


def test_missing_limits_have_no_width(tmp_path, qgis_app) -> None:
    paths = []
    for name in ("l", "u"):
        paths.append(write_bands(tmp_path / f"{name}.tif", ["zinc, upper 90 % limit"], 5))
        dataset = gdal.OpenEx(paths[-1], gdal.OF_UPDATE)
        dataset.GetRasterBand(1).SetNoDataValue(-9999)
        dataset.GetRasterBand(1).WriteArray(np.full((4, 8), -9999, "float32"))
        dataset = None
    width = QgsRasterLayer(write_width(*paths), "w", "gdal")
    assert not width.dataProvider().sample(QgsPointXY(5, 75), 1)[1]
    assert write_width(paths[0], str(tmp_path / "none.tif")) == ""


def test_a_map_that_is_applicable_everywhere_is_not_hatched(depths) -> None:
    assert write_not_applicable(depths["DISSIMILARITY"], 64.0) == ""
    assert not [path for path in Path(depths["DISSIMILARITY"]).parent.iterdir() if path.suffix == ".gpkg"]


def test_layers_tell_how_they_were_made_and_how_good_they_are(provider, project, depths) -> None:
    load(project, depths)
    layer = next(each for each in project.mapLayers().values() if each.name() == "Clay 0-5 cm (%), predicted")
    sentence = "clay 0-5 cm (%): the map explains 60 % of the variation"
    metadata = layer.metadata()
    assert metadata.title() == layer.name() and sentence in metadata.abstract()
    assert metadata.history()[0] == "Predicted by convolutional networks." and "Choose one" in metadata.licenses()[0]
    assert sentence in QgsLayerNotesUtils.layerNotes(layer)
    tip = QgsExpression.replaceExpressionText(layer.mapTipTemplate(), context_at(layer, 5, 75))
    assert "300" in tip and sentence in tip


def context_at(layer: QgsRasterLayer, x: float, y: float) -> QgsExpressionContext:
    context = QgsExpressionContext(QgsExpressionContextUtils.globalProjectLayerScopes(layer))
    scope = QgsExpressionContextScope()
    scope.setVariable("layer_cursor_point", QgsGeometry.fromPointXY(QgsPointXY(x, y)))
    context.appendScope(scope)
    return context


def test_three_runs_of_a_batch_have_three_groups_and_all_are_visible(provider, project, tmp_path) -> None:
    runs = [
        {"PREDICTION": write(tmp_path / f"{name}.tif", 1), "LOWER": write(tmp_path / f"{name}l.tif", 1)}
        for name in "abc"
    ]
    load(project, *runs)
    names = {group.name(): group.isVisible() for group in project.layerTreeRoot().children()}
    assert names == {ZINC: True, f"{ZINC} (2)": True, f"{ZINC} (3)": True}
    for group in project.layerTreeRoot().children():
        assert [node.isVisible() for node in group.findLayers()] == [True, False]  # predicted, lower limit
