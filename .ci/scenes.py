"""The scenes of the guide's pictures, played inside QGIS: `qgis --code .ci/scenes.py`, started by screenshots.py."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from qgis.core import QgsApplication, QgsProject, QgsSettings, QgsVectorLayer
from qgis.PyQt.QtCore import QPoint, QRect, QTimer
from qgis.PyQt.QtWidgets import QDockWidget, QLineEdit, QTableView
from scene_data import (
    covariates,
    interpolate,
    layer,
    open_project,
    part_of_observations,
    show_alone,
    stacks,
    write_horizons,
    write_quarters,
)
from stage import HOME, RUNS, Scene, Stage, follow, iface, play


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
    stage.report("first_map__report", 800)
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
    stage.report("algorithms__checkobservations_result", 1250)


def standardizedepths(stage: Stage) -> Scene:
    horizons = QgsVectorLayer(write_horizons(), "Horizons (simulated)", "ogr")
    QgsProject.instance().addMapLayer(horizons)
    fields = {"PROFILE": "profile", "UPPER": "top", "LOWER": "bottom", "VALUES": ["clay"]}
    values = {"HORIZONS": horizons.id(), **fields, "OUTPUT": str(RUNS / "profiles.gpkg")}
    yield from play(stage, "standardizedepths", values)
    profiles = next(each for each in QgsProject.instance().mapLayers().values() if each is not horizons)
    table = iface.showAttributeTable(profiles)
    table.window().resize(1160, 380)
    yield 1
    table.findChild(QTableView).resizeColumnsToContents()
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
    stage.report("algorithms__assessmap_result", 870)


def summarizeareas(stage: Stage) -> Scene:
    """Show the means of four quarters of the floodplain."""
    yield from open_project(stage, is_shown=False)
    quarters = QgsVectorLayer(write_quarters(), "Four quarters", "ogr")
    values = {"POLYGONS": QgsProject.instance().addMapLayer(quarters).id(), "NAME": "name", "EXCEEDANCE": "zinc > 300"}
    files = {"NETWORK": str(RUNS / "network.safetensors"), "AREAS": str(RUNS / "areas.gpkg")}
    yield from play(stage, "summarizeareas", {**values, **files})
    stage.report("algorithms__summarizeareas_result", 1195)


def plansampling(stage: Stage) -> Scene:
    """Show thirty points that cover the floodplain, above its soil types."""
    yield from open_project(stage)
    values = {"DESIGN": 0, "POINTS": 30, "COVARIATES": covariates()}
    yield from play(stage, "plansampling", {**values, "PLAN": str(RUNS / "plan.gpkg")})
    stage.report("plansampling__report", 870)
    stage.dialog.close()
    show_alone("plan.gpkg", "/soil.tif")
    yield from stage.shoot_map("algorithms__plansampling_result")


def comparemaps(stage: Stage) -> Scene:
    """Compare the network's map with one by inverse distances, from the same observations, at those of neither."""
    yield from open_project(stage)
    interpolated = interpolate(part_of_observations("Two thirds of the observations", "FID % 3 <> 0"))
    observations = part_of_observations("The other third", "FID % 3 = 0")
    maps = {"MAP": interpolated, "MAP_2": str(RUNS / "prediction.tif")}
    values = {"OBSERVATIONS": observations, "TARGET": "zinc", **maps, "DIFFERENCE": str(RUNS / "difference.tif")}
    yield from play(stage, "comparemaps", values)
    stage.report("algorithms__comparemaps_result", 1045)


def comparepatchsizes(stage: Stage) -> Scene:
    yield from play(stage, "comparepatchsizes", {"PATCHES": str(RUNS / "patches.h5")})
    stage.report("algorithms__comparepatchsizes_result", 1110)


def explainnetwork(stage: Stage) -> Scene:
    yield from open_project(stage, is_shown=False)
    files = {"NETWORK": str(RUNS / "network.safetensors"), "PATCHES": str(RUNS / "patches.h5")}
    yield from play(stage, "explainnetwork", {**files, "ATTRIBUTION": str(RUNS / "contributions.tif")})
    stage.report("algorithms__explainnetwork_result", 1325)


def explainpixel(stage: Stage) -> Scene:
    values = {"NETWORK": str(RUNS / "network.safetensors"), "PATCHES": str(RUNS / "patches.h5")}
    yield from play(stage, "explainpixel", {**values, "POINT": "180300,331500 [EPSG:28992]"})
    stage.report("algorithms__explainpixel_result", 900)


def describenetwork(stage: Stage) -> Scene:
    yield from play(stage, "describenetwork", {"NETWORK": str(RUNS / "network.safetensors")})
    stage.report("algorithms__describenetwork_result", 610)


def checkenvironment(stage: Stage) -> Scene:
    yield from play(stage, "checkenvironment", {})
    stage.report("algorithms__checkenvironment_result", 690)


def dialog_alone(algorithm: str) -> Callable[[Stage], Scene]:
    def scene(stage: Stage) -> Scene:
        yield from stage.open_dialog(algorithm, {})
        stage.shoot(f"algorithms__{algorithm}_dialog", stage.dialog)

    return scene


SCENES = (menu, first_map, offer, toolbox, settings, checkobservations, standardizedepths, extractpatches, trainnetwork)
SCENES += (
    predictmap,
    assessmap,
    summarizeareas,
    plansampling,
    comparemaps,
    comparepatchsizes,
    explainnetwork,
    explainpixel,
    describenetwork,
    checkenvironment,
)


def all_scenes() -> dict[str, Callable[[Stage], Scene]]:
    """Return the scenes by name. An algorithm without a scene of its own shows its dialog."""
    scenes = {scene.__name__: scene for scene in SCENES}
    for algorithm in QgsApplication.processingRegistry().providerById("soilcnn").algorithms():
        if hasattr(algorithm, "explanation") and algorithm.name() != "mapsoilproperties":  # that of first_map
            scenes.setdefault(algorithm.name(), dialog_alone(algorithm.name()))
    return scenes


def begin() -> None:
    name = os.environ["GUIDE_SCENE"]
    scenes = all_scenes()
    (HOME / "scenes.json").write_text(json.dumps(list(scenes)), encoding="utf-8")
    stage = Stage()
    stage.clear()
    follow(stage, scenes[name](stage) if name else iter(()))


QTimer.singleShot(3000, begin)
