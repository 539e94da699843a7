"""Results in the project: what a second run replaces is shown anew, and each run has a group of its own."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal
from qgis.core import (
    QgsApplication,
    QgsPointXY,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
    QgsRasterLayer,
)

from soil_cnn_plugin.processing import styles
from soil_cnn_plugin.processing.project_layers import reload_layers


def write(path: Path, value: float, size: int = 8, description: str = "zinc (mg/kg)") -> str:
    """A map of one value, which replaces another as the engine does: under its name at once."""
    half = f"{path}.half"
    dataset = gdal.GetDriverByName("GTiff").Create(half, size, size, 1, gdal.GDT_Float32)
    dataset.SetGeoTransform((0, 10, 0, 10 * size, 0, -10))
    band = dataset.GetRasterBand(1)
    band.WriteArray(value + np.arange(size * size, dtype="float32").reshape(size, size) / 1000)
    band.SetDescription(description)
    dataset = band = None
    os.replace(half, path)
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


def load(project: QgsProject, results: dict[str, str]) -> None:
    """What QGIS does when a run has ended in its dialog, but for its layer tree's view, of which tests have none."""
    from processing.gui import Postprocessing

    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project)
    for name, path in results.items():
        context.addLayerToLoadOnCompletion(path, QgsProcessingContext.LayerDetails(name, project, name))
    styles.dress(results, context)
    styles.settle(list(results.values()), context)
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
    assert groups(project) == {"Soil map: zinc": [PREDICTED, LOWER]}
    limits = (layers[0].renderer().classificationMin(), layers[0].renderer().classificationMax())
    assert limits[0] >= 99.9


def test_runs_of_the_same_target_have_groups_of_their_own(provider, project, results, tmp_path) -> None:
    other = {name: str(tmp_path / f"other_{Path(path).name}") for name, path in results.items()}
    for files in (results, other):
        for path in files.values():
            write(Path(path), 1)
        load(project, files)
    assert groups(project) == {"Soil map: zinc": [PREDICTED, LOWER], "Soil map: zinc (2)": [PREDICTED, LOWER]}


def test_classes_of_a_run_stand_in_the_group_of_its_numbers(provider, project, tmp_path) -> None:
    for run in ("one", "two"):
        files = {name: str(tmp_path / f"{run}_{name}.tif") for name in ("PREDICTION", "CLASSES")}
        write(Path(files["PREDICTION"]), 1)
        write_classes(files["CLASSES"])
        load(project, files)
    layers = [PREDICTED, "Soil type, most probable class"]
    assert groups(project) == {"Soil map: zinc": layers, "Soil map: zinc (2)": layers}


def test_a_run_that_replaces_some_files_of_another_takes_them_to_its_own_group(provider, project, results) -> None:
    for path in results.values():
        write(Path(path), 1)
    load(project, results)
    write(Path(results["PREDICTION"]), 5, description="clay (%)")
    load(project, {"PREDICTION": results["PREDICTION"]})
    assert groups(project) == {"Soil map: clay": ["Clay (%), predicted"], "Soil map: zinc": [LOWER]}
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
    root.removeChildNode(root.findGroup("Soil map: zinc"))
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
