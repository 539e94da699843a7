"""The scenes of the guide's pictures, played inside QGIS: `qgis --code .ci/scenes.py`, started by screenshots.py.

A scene is a generator. It yields seconds to wait, or a function to wait for; meanwhile QGIS goes on.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Union

import processing
import qgis.utils
from osgeo import ogr, osr
from qgis.core import (
    QgsApplication,
    QgsProject,
    QgsSettings,
    QgsVectorLayer,
)
from qgis.PyQt.QtCore import QPoint, QRect, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QLineEdit, QToolBar, QWidget

HOME = Path(os.environ["GUIDE_HOME"])
RUNS = HOME / "runs"
PATIENCE = 3000  # seconds that a scene waits for one thing
Scene = Iterator[Union[float, Callable[[], bool]]]
iface = qgis.utils.iface


class Stage:
    """QGIS's window, and what a scene does in it."""

    def __init__(self) -> None:
        self.reports: dict[str, tuple[str, int]] = {}
        self.window = iface.mainWindow()
        self.menu = qgis.utils.plugins["soil_cnn_plugin"].menu

    def clear(self) -> None:
        """Show the layers and the map alone, in a window that fits a page."""
        RUNS.mkdir(exist_ok=True)
        self.window.showNormal()
        self.window.move(0, 0)
        self.window.resize(1120, 700)
        for dock in self.window.findChildren(QDockWidget):
            dock.setVisible(dock.objectName() == "Layers")
        for bar in self.window.findChildren(QToolBar):
            bar.setVisible(bar.objectName() in ("mFileToolBar", "mMapNavToolBar", "mAttributesToolBar"))
        iface.messageBar().clearWidgets()

    def shoot(self, name: str, widget: QWidget, area: QRect | None = None) -> None:
        picture = widget.grab() if area is None else widget.grab(area)
        picture.save(str(HOME / "pictures" / f"{name}.png"))

    def shoot_screen(self, name: str, area: QRect) -> None:
        """Take a part of the screen, with open menus."""
        screen = QApplication.primaryScreen()
        screen.grabWindow(0, area.x(), area.y(), area.width(), area.height()).save(
            str(HOME / "pictures" / f"{name}.png")
        )

    def shoot_map(self, name: str) -> Scene:
        """Take the layers and the map, with the uppermost groups open."""
        iface.messageBar().clearWidgets()
        iface.mapCanvas().zoomToFullExtent()
        yield 1
        yield lambda: not iface.mapCanvas().isDrawing()
        yield 1
        dock = next(each for each in self.window.findChildren(QDockWidget) if each.objectName() == "Layers")
        area = QRect(dock.mapTo(self.window, QPoint(0, 0)), dock.size())
        canvas = iface.mapCanvas()
        area = area.united(QRect(canvas.mapTo(self.window, QPoint(0, 0)), canvas.size()))
        self.shoot(name, self.window, area)

    def open_sample(self) -> Scene:
        """Open the sample project by its menu; the dialog that opens with it becomes `self.dialog`."""
        self.menu.open_sample()
        yield lambda: self.menu._dialog is not None and self.menu._dialog.isVisible()
        self.dialog = self.menu._dialog
        yield 1

    def open_dialog(self, algorithm: str, values: dict[str, Any], size: tuple[int, int] = (860, 640)) -> Scene:
        self.dialog = processing.createAlgorithmDialog(f"soilcnn:{algorithm}", values)
        self.dialog.resize(*size)
        self.dialog.show()
        yield 1.5

    def run(self, halfway: str = "") -> Scene:
        """Press Run and wait for the end; take the log under the name `halfway` while it runs."""
        ended: list[bool] = []
        self.dialog.algorithmFinished.connect(lambda is_good, _results: ended.append(is_good))
        self.dialog.runButton().click()
        if halfway:
            yield 25
            self.shoot(halfway, self.dialog)
        yield lambda: bool(ended)
        if not ended[0]:
            raise RuntimeError(self.log())
        yield 2

    def log(self) -> str:
        return "\n".join(each.toPlainText() for each in self.dialog.findChildren(QWidget, "txtLog"))

    def results(self) -> dict[str, Any]:
        return dict(self.dialog.results())

    def report(self, picture: str, height: int = 760) -> None:
        """Have the report of the run rendered when QGIS has ended."""
        self.reports[picture] = (self.results()["REPORT"], height)


def menu(stage: Stage) -> Scene:
    """Show the plugin's menu as it opens from that of all plugins."""
    plugins = iface.pluginMenu()
    plugins.popup(stage.window.menuBar().mapToGlobal(QPoint(220, 24)))
    yield 1
    plugins.setActiveAction(stage.menu.menuAction())
    yield 1
    stage.shoot_screen("first_map__menu", plugins.geometry().united(stage.menu.geometry()).adjusted(-1, -1, 1, 1))


def first_map(stage: Stage) -> Scene:
    """Show the tutorial: the sample project, its dialog, the run and the map."""
    yield from stage.open_sample()
    stage.dialog.resize(860, 640)
    yield 1
    stage.shoot("algorithms__mapsoilproperties_dialog", stage.dialog)
    yield from stage.run(halfway="first_map__log")
    stage.report("first_map__report", 1000)
    stage.dialog.close()
    yield from stage.shoot_map("algorithms__mapsoilproperties_result")


def offer(stage: Stage) -> Scene:
    """Show what a QGIS without the compute environment offers."""
    from soil_cnn_plugin.desktop import offer as offers

    QgsSettings().remove(offers.OFFERED)
    offers.offer_set_up(iface, stage.menu.open_set_up)
    yield 1
    bar = iface.messageBar()
    stage.shoot("install__offer", stage.window, QRect(bar.mapTo(stage.window, QPoint(0, 0)), bar.size()))


def toolbox(stage: Stage) -> Scene:
    """Show the plugin's algorithms in the toolbox."""
    dock = next(each for each in stage.window.findChildren(QDockWidget) if each.objectName() == "ProcessingToolbox")
    dock.show()
    dock.setFloating(True)
    dock.resize(420, 520)
    dock.findChild(QLineEdit).setText("soilcnn")
    yield 1.5
    stage.shoot("first_map__toolbox", dock)
    dock.setFloating(False)


def settings(stage: Stage) -> Scene:
    """Show the settings."""
    from soil_cnn_plugin.desktop.settings_page import SettingsDialog

    dialog = SettingsDialog(stage.window)
    dialog.show()
    yield 1
    stage.shoot("install__settings", dialog)
    dialog.close()


# One scene per algorithm: its dialog, and what comes out


def checkobservations(stage: Stage) -> Scene:
    yield from open_project(stage)
    values = {"OBSERVATIONS": layer("Observations (zinc, mg/kg)"), "COVARIATES": covariates()}
    yield from play(stage, "checkobservations", values)
    stage.report("algorithms__checkobservations_result")


def standardizedepths(stage: Stage) -> Scene:
    horizons = QgsVectorLayer(write_horizons(), "Horizons (simulated)", "ogr")
    QgsProject.instance().addMapLayer(horizons)
    fields = {"PROFILE": "profile", "UPPER": "top", "LOWER": "bottom", "VALUES": ["clay"]}
    values = {"HORIZONS": horizons.id(), **fields, "OUTPUT": str(RUNS / "profiles.gpkg")}
    yield from play(stage, "standardizedepths", values)
    profiles = next(each for each in QgsProject.instance().mapLayers().values() if each is not horizons)
    table = iface.showAttributeTable(profiles)
    table.window().resize(1000, 380)
    yield 1.5
    stage.shoot("algorithms__standardizedepths_result", table)
    table.close()


def extractpatches(stage: Stage) -> Scene:
    yield from open_project(stage)
    observations = part_of_observations("Two thirds of the observations", "FID % 3 <> 0")
    values = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], **stacks()}
    yield from play(stage, "extractpatches", {**values, "PATCHES": str(RUNS / "patches.h5")})
    stage.shoot("algorithms__extractpatches_result", stage.dialog)


def trainnetwork(stage: Stage) -> Scene:
    values = {"PATCHES": str(RUNS / "patches.h5"), "PRESET": "fast", "NETWORK": str(RUNS / "network.safetensors")}
    yield from play(stage, "trainnetwork", {**values, "HELD_OUT": str(RUNS / "held_out.gpkg")})
    stage.report("algorithms__trainnetwork_result")


def predictmap(stage: Stage) -> Scene:
    yield from open_project(stage, is_shown=False)
    files = {name: str(RUNS / f"{name.lower()}.tif") for name in ("PREDICTION", "LOWER", "UPPER", "DISSIMILARITY")}
    files["EXCEEDANCE_PROBABILITY"] = str(RUNS / "exceedance.tif")
    values = {"NETWORK": str(RUNS / "network.safetensors"), "EXCEEDANCE": "zinc > 300", **files}
    yield from play(stage, "predictmap", values)
    stage.dialog.close()
    yield from stage.shoot_map("algorithms__predictmap_result")
    show_alone("exceedance.tif")
    yield from stage.shoot_map("metals__exceedance")


def assessmap(stage: Stage) -> Scene:
    yield from open_project(stage)
    observations = part_of_observations("The other third", "FID % 3 = 0")
    values = {"OBSERVATIONS": observations, "TARGET": "zinc"}
    rasters = {"MAP": "prediction.tif", "LOWER": "lower.tif", "UPPER": "upper.tif"}
    values.update({name: str(RUNS / file) for name, file in rasters.items()})
    yield from play(stage, "assessmap", values)
    stage.report("algorithms__assessmap_result")


def comparepatchsizes(stage: Stage) -> Scene:
    yield from play(stage, "comparepatchsizes", {"PATCHES": str(RUNS / "patches.h5")})
    stage.report("algorithms__comparepatchsizes_result")


def explainnetwork(stage: Stage) -> Scene:
    yield from open_project(stage, is_shown=False)
    files = {"NETWORK": str(RUNS / "network.safetensors"), "PATCHES": str(RUNS / "patches.h5")}
    yield from play(stage, "explainnetwork", {**files, "ATTRIBUTION": str(RUNS / "contributions.tif")})
    stage.report("algorithms__explainnetwork_result")


def explainpixel(stage: Stage) -> Scene:
    values = {"NETWORK": str(RUNS / "network.safetensors"), "PATCHES": str(RUNS / "patches.h5")}
    yield from play(stage, "explainpixel", {**values, "POINT": "180300,331500 [EPSG:28992]"})
    stage.report("algorithms__explainpixel_result")


def describenetwork(stage: Stage) -> Scene:
    yield from play(stage, "describenetwork", {"NETWORK": str(RUNS / "network.safetensors")})
    stage.report("algorithms__describenetwork_result")


def checkenvironment(stage: Stage) -> Scene:
    yield from play(stage, "checkenvironment", {})
    stage.report("algorithms__checkenvironment_result")


def play(stage: Stage, algorithm: str, values: dict[str, Any]) -> Scene:
    """Open the dialog, take it, and run it."""
    parameters = QgsApplication.processingRegistry().algorithmById(f"soilcnn:{algorithm}")
    if parameters.parameterDefinition("REPORT") is not None:
        values = {"REPORT": str(RUNS / f"{algorithm}.html"), **values}
    yield from stage.open_dialog(algorithm, values)
    stage.shoot(f"algorithms__{algorithm}_dialog", stage.dialog)
    yield from stage.run()


def dialog_alone(algorithm: str) -> Callable[[Stage], Scene]:
    def scene(stage: Stage) -> Scene:
        yield from stage.open_dialog(algorithm, {})
        stage.shoot(f"algorithms__{algorithm}_dialog", stage.dialog)

    return scene


SCENES = (menu, first_map, offer, toolbox, settings, checkobservations, standardizedepths, extractpatches, trainnetwork)
SCENES += (predictmap, assessmap, comparepatchsizes, explainnetwork, explainpixel, describenetwork, checkenvironment)


def all_scenes() -> dict[str, Callable[[Stage], Scene]]:
    """Return the scenes by name. An algorithm without a scene of its own shows its dialog."""
    scenes = {scene.__name__: scene for scene in SCENES}
    for algorithm in QgsApplication.processingRegistry().providerById("soilcnn").algorithms():
        if hasattr(algorithm, "explanation") and algorithm.name() != "mapsoilproperties":  # that of first_map
            scenes.setdefault(algorithm.name(), dialog_alone(algorithm.name()))
    return scenes


# Data


def open_project(stage: Stage, is_shown: bool = True) -> Scene:
    """Open the sample project without its dialog."""
    yield from stage.open_sample()
    stage.dialog.close()
    root = QgsProject.instance().layerTreeRoot()
    for node in root.findLayers():
        node.setItemVisibilityChecked(is_shown and node.itemVisibilityChecked())
    for group in root.findGroups():
        group.setExpanded(False)


def layer(name: str) -> str:
    return str(QgsProject.instance().mapLayersByName(name)[0].id())


def covariates(group: str = "Covariates") -> list[str]:
    nodes = QgsProject.instance().layerTreeRoot().findGroup(group).findLayers()
    return [node.layerId() for node in nodes]


def stacks() -> dict[str, list[str]]:
    return {"COVARIATES": covariates(), "CATEGORICAL_COVARIATES": covariates("Categorical covariates")}


def part_of_observations(name: str, condition: str) -> str:
    """Add a part of the sample's observations as a layer of its own. Their order in the file is none in space."""
    source = QgsProject.instance().mapLayersByName("Observations (zinc, mg/kg)")[0]
    part = QgsVectorLayer(source.source(), name, "ogr")
    part.setSubsetString(condition)
    return str(QgsProject.instance().addMapLayer(part).id())


def show_alone(file: str) -> None:
    """Show one of the run's layers, by its file."""
    for node in QgsProject.instance().layerTreeRoot().findLayers():
        node.setItemVisibilityChecked(file in node.layer().source())


def write_horizons() -> str:
    """Write simulated horizons: clay that grows with depth, in profiles of unlike horizons."""
    path = RUNS / "horizons.gpkg"
    path.unlink(missing_ok=True)
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(28992)
    table = dataset.CreateLayer("horizons", crs, ogr.wkbPoint)
    table.CreateField(ogr.FieldDefn("profile", ogr.OFTString))
    for name in ("top", "bottom", "clay"):
        table.CreateField(ogr.FieldDefn(name, ogr.OFTReal))
    for number in range(24):
        depths = (0, 12 + number % 9, 38 + 3 * (number % 5), 75 + 2 * (number % 11), 110 + 10 * (number % 7))
        for index, (top, bottom) in enumerate(zip(depths, depths[1:])):
            row = ogr.Feature(table.GetLayerDefn())
            place = (180000 + 137 * (number % 6), 331000 + 211 * (number // 6))
            row.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({place[0]} {place[1]})"))
            row.SetField("profile", f"P{number + 1:02}")
            row.SetField("top", top)
            row.SetField("bottom", bottom)
            row.SetField("clay", 14 + 6 * index + (number * 7 + index * 3) % 5)
            table.CreateFeature(row)
    return str(path)


# The stage manager


def begin() -> None:
    name = os.environ["GUIDE_SCENE"]
    scenes = all_scenes()
    (HOME / "scenes.json").write_text(json.dumps(list(scenes)), encoding="utf-8")
    stage = Stage()
    stage.clear()
    follow(stage, scenes[name](stage) if name else iter(()))


def follow(stage: Stage, scene: Scene) -> None:
    """Go on with the scene until it waits, and come back when it need not wait any more."""
    try:
        waiting = next(scene, None)
    except Exception:  # noqa: BLE001  # whatever went wrong is told, and QGIS ends
        end(stage, traceback.format_exc())
        return
    if waiting is None:
        end(stage, "")
    elif callable(waiting):
        watch(stage, scene, waiting, time.monotonic() + PATIENCE)
    else:
        QTimer.singleShot(int(1000 * waiting), lambda: follow(stage, scene))


def watch(stage: Stage, scene: Scene, is_there: Callable[[], bool], until: float) -> None:
    if is_there():
        follow(stage, scene)
    elif time.monotonic() > until:
        end(stage, f"Waited {PATIENCE} s in vain. {stage.log() if hasattr(stage, 'dialog') else ''}")
    else:
        QTimer.singleShot(200, lambda: watch(stage, scene, is_there, until))


def end(stage: Stage, problem: str) -> None:
    text = json.dumps({"problem": problem, "reports": stage.reports})
    (HOME / "end.json").write_text(text, encoding="utf-8")
    QgsProject.instance().setDirty(False)
    sys.stdout.flush()
    QTimer.singleShot(0, lambda: os._exit(0))


QTimer.singleShot(3000, begin)
