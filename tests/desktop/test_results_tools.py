"""What the window offers for results: stopping a training, a page to print, depths, and a click that explains."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from osgeo import gdal, osr
from qgis.core import (
    QgsLayoutItemLabel,
    QgsLayoutItemLegend,
    QgsLayoutItemMap,
    QgsLayoutItemScaleBar,
    QgsProject,
    QgsSettings,
)
from qgis.PyQt.QtWidgets import QPushButton

from soil_cnn_plugin.bridge.running import RUNNING
from soil_cnn_plugin.contract.jobs import DescribeNetwork, TrainNetwork
from soil_cnn_plugin.desktop.map_layout import make_layout
from soil_cnn_plugin.desktop.menu import SoilCnnMenu
from soil_cnn_plugin.desktop.network_of_layer import network_of
from soil_cnn_plugin.desktop.pixel_page import pixel_html
from soil_cnn_plugin.desktop.stop_button import STOP_TEXT, StopButton
from soil_cnn_plugin.processing.recent_runs import SETTING, Run
from soil_cnn_plugin.processing.styles import show_results


def write(path: Path, description: str) -> str:
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 8, 8, 1, gdal.GDT_Float32)
    dataset.SetGeoTransform((0, 10, 0, 80, 0, -10))
    system = osr.SpatialReference()
    system.ImportFromEPSG(28992)
    dataset.SetProjection(system.ExportToWkt())
    dataset.SetMetadata({"NETWORK": "n.safetensors", "HOW_MADE": "Predicted by networks.", "CITATION": "Soil CNN 1."})
    band = dataset.GetRasterBand(1)
    band.WriteArray(np.arange(64, dtype="float32").reshape(8, 8))
    band.SetDescription(description)
    band.SetMetadataItem("ACCURACY", "zinc: the map explains 62 % of the variation.")
    return str(path)


@pytest.fixture
def results(tmp_path: Path, qgis_app) -> dict[str, object]:
    """A run's results, shown in the project."""
    files = {
        "PREDICTION": write(tmp_path / "p.tif", "zinc (mg/kg)"),
        "LOWER": write(tmp_path / "l.tif", "zinc (mg/kg), lower 90 % limit"),
        "UPPER": write(tmp_path / "u.tif", "zinc (mg/kg), upper 90 % limit"),
        "DISSIMILARITY": write(tmp_path / "d.tif", "dissimilarity index"),
        "DISSIMILARITY_THRESHOLD": 31.0,
    }
    show_results(files, "Soil map: zinc", QgsProject.instance())
    return files


def layer(title: str):
    return QgsProject.instance().mapLayersByName(title)[0]


def test_a_click_prints_map_limits_legend_scale_bar_accuracy_and_citation(results) -> None:
    layout, problem = make_layout(QgsProject.instance(), None)  # nothing is selected: the map that is shown
    assert problem == "" and QgsProject.instance().layoutManager().layouts() == [layout]
    maps = [item for item in layout.items() if isinstance(item, QgsLayoutItemMap)]
    shown = {tuple(each.name() for each in item.layers()) for item in maps}
    assert shown == {
        ("Not applicable (hatched)", "Zinc (mg/kg), predicted"),
        ("Zinc (mg/kg), lower 90 % limit",),
        ("Zinc (mg/kg), upper 90 % limit",),
    }
    text = "\n".join(item.text() for item in layout.items() if isinstance(item, QgsLayoutItemLabel))
    assert "Zinc: the map explains 62 % of the variation." in text and "Soil CNN 1." in text
    assert "Predicted by networks." in text and "EPSG:28992" in text
    assert [item for item in layout.items() if isinstance(item, QgsLayoutItemScaleBar)]
    (legend,) = [item for item in layout.items() if isinstance(item, QgsLayoutItemLegend)]
    nodes = legend.model().rootGroup().findLayers()
    lines = [str(line.data(0)) for node in nodes for line in legend.model().layerLegendNodes(node)]
    assert lines and not [line for line in lines if "Band" in line]


def test_without_a_map_there_is_nothing_to_print(qgis_app) -> None:
    layout, problem = make_layout(QgsProject.instance(), None)
    assert layout is None and "No map of Soil CNN is shown" in problem


def test_a_second_layout_gets_a_name_of_its_own(results) -> None:
    names = [make_layout(QgsProject.instance(), layer("Zinc (mg/kg), predicted"))[0].name() for _ in range(2)]
    assert names == ["Zinc (mg/kg), predicted", "Zinc (mg/kg), predicted (2)"]


def test_the_network_of_a_map_lies_beside_it_or_is_told_by_a_recent_run(results, tmp_path: Path) -> None:
    chosen = layer("Zinc (mg/kg), predicted")
    assert network_of(chosen) == ("", "") == network_of(None)
    beside = tmp_path / "n.safetensors"
    beside.write_bytes(b"")
    assert network_of(chosen) == (str(beside), "")
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    for name in ("n2.safetensors", "p.h5"):
        (elsewhere / name).write_bytes(b"")
    files = {"PREDICTION": results["PREDICTION"], "NETWORK": str(elsewhere / "n2.safetensors")}
    run = Run("Map soil properties", "2026-01-02 10:00", "", "x", {**files, "PATCHES": str(elsewhere / "p.h5")})
    QgsSettings().setValue(SETTING, json.dumps([asdict(run)]))
    assert network_of(chosen) == (str(elsewhere / "n2.safetensors"), str(elsewhere / "p.h5"))


def test_the_panel_shows_the_prediction_its_reasons_and_the_neighbours() -> None:
    target = {
        "label": "zinc <mg/kg>",
        "text": "Zinc: 226 mg/kg",
        "contributions": {"dist": -0.5, "dem": 0.1},
        "contribution_texts": {"dist": "× 0.61", "dem": "× 1.11"},
        "meaning": "Each covariate multiplies.",
    }
    neighbour = {"distance": 120.4, "direction": "NE", "observed": {"zinc": "310"}}
    page = pixel_html(
        {
            "x": 1.0,
            "y": 2.0,
            "crs": "EPSG:28992",
            "covariates": {"dist": 0.25, "dem": None},
            "applicable": "The map is applicable here.",
            "targets": {"zinc": target},
            "neighbours": [neighbour],
        }
    )
    assert "Zinc: 226 mg/kg" in page and "dist (0.25)" in page and "× 0.61" in page
    assert "zinc &lt;mg/kg&gt;" in page and "120 m NE" in page and "310" in page
    assert page.index('bgcolor="#004e92" width="120"') < page.index('bgcolor="#803100" width="24"')


def test_a_training_can_be_stopped_from_the_message_bar_and_the_menu(iface, tmp_path: Path, monkeypatch) -> None:
    shown: list = []
    monkeypatch.setattr(iface.messageBar(), "pushWidget", lambda widget, *_: shown.append(widget))
    monkeypatch.setattr(iface.messageBar(), "popWidget", lambda widget: shown.remove(widget))
    button = StopButton(iface)
    RUNNING.begin(DescribeNetwork("n.safetensors", "r.html"), tmp_path / "other")
    assert shown == [] and RUNNING.count == 0
    RUNNING.begin(TrainNetwork("p.h5", "n.safetensors"), tmp_path / "stop")
    assert len(shown) == 1
    menu = SoilCnnMenu(iface)
    assert STOP_TEXT in [action.text() for action in menu.actions()]
    shown[0].findChild(QPushButton).click()
    assert (tmp_path / "stop").exists() and shown == []  # asked once
    menu.fill()
    assert STOP_TEXT not in [action.text() for action in menu.actions()]
    RUNNING.end(tmp_path / "stop")
    button.end()


def test_a_run_in_another_thread_shows_the_message_in_the_windows_thread(
    iface, qgis_app, tmp_path: Path, monkeypatch
) -> None:
    shown: list = []
    monkeypatch.setattr(iface.messageBar(), "pushWidget", lambda widget, *_: shown.append(widget))
    monkeypatch.setattr(iface.messageBar(), "popWidget", lambda widget: shown.remove(widget))
    button = StopButton(iface)
    thread = Thread(target=RUNNING.begin, args=(TrainNetwork("p.h5", "n.safetensors"), tmp_path / "stop"))
    thread.start()
    thread.join()
    assert shown == []  # no widget is made by a run's thread
    qgis_app.processEvents()
    assert len(shown) == 1
    RUNNING.end(tmp_path / "stop")
    assert shown == []
    button.end()
