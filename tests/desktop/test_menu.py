"""The menu of the plugin, the offer of the set-up, and the pages that the menu opens."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import pytest
from osgeo import gdal
from qgis.core import QgsProject, QgsSettings
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QPushButton

from soil_cnn_plugin.desktop import menu as menu_module
from soil_cnn_plugin.desktop import offer, reader
from soil_cnn_plugin.desktop.menu import SoilCnnMenu
from soil_cnn_plugin.paths import page
from soil_cnn_plugin.plugin import SoilCnnPlugin
from soil_cnn_plugin.processing.links import GUIDE_ADDRESS, SET_UP_ADDRESS, set_up_message
from soil_cnn_plugin.processing.recent_runs import SETTING, Run, recent_runs


def entries(menu) -> list[str]:
    return [action.text() for action in menu.actions() if not action.isSeparator()]


def test_the_menu_offers_the_set_up_until_there_is_an_environment(iface, no_environment, monkeypatch) -> None:
    menu = SoilCnnMenu(iface)
    others = [
        "Print layout of this map…",
        "Step through depths",
        "Sample project",
        "Recent runs",
        "Settings…",
        "User guide",
        "What's new",
    ]
    assert entries(menu) == ["Map soil properties…", "Set up the compute environment…", *others]
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    menu.aboutToShow.emit()
    assert entries(menu) == ["Map soil properties…", "Check the compute environment…", *others]


def test_the_message_bar_offers_the_set_up_once(iface, no_environment, monkeypatch) -> None:
    shown, opened = [], []
    bar = iface.messageBar()
    monkeypatch.setattr(bar, "pushWidget", lambda widget, *_: shown.append(widget))
    monkeypatch.setattr(bar, "popWidget", lambda widget: shown.remove(widget))
    offer.offer_set_up(iface, lambda: opened.append(True))
    offer.offer_set_up(iface, lambda: opened.append(True))
    assert len(shown) == 1
    button = shown[0].findChild(QPushButton)
    assert button.text() == "Set up the compute environment"
    button.click()
    assert opened == [True] and shown == []


def test_no_message_is_shown_where_an_environment_is(iface, monkeypatch) -> None:
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    monkeypatch.setattr(iface.messageBar(), "pushWidget", lambda *_: pytest.fail("a message was shown"))
    offer.offer_set_up(iface, lambda: None)
    assert QgsSettings().value(offer.OFFERED) is None


def test_the_link_in_a_message_opens_the_set_up(qgis_app, wait_for) -> None:
    opened = []
    assert SET_UP_ADDRESS in set_up_message("There is none.") and set_up_message("") == ""
    links = offer.LinkAnswer(lambda: opened.append("set-up"), opened.append)
    QDesktopServices.openUrl(QUrl(SET_UP_ADDRESS))
    wait_for(lambda: opened)
    QDesktopServices.openUrl(QUrl(f"{GUIDE_ADDRESS}predictmap"))
    links.end()
    assert opened[::-1] == ["predictmap", "set-up"]


@pytest.fixture
def wait_for(qgis_app):
    def wait(is_true) -> None:
        for _ in range(100):
            qgis_app.processEvents()
            if is_true():
                return
        pytest.fail("waited in vain")

    return wait


def write_runs(*runs: Run) -> None:
    QgsSettings().setValue(SETTING, json.dumps([asdict(run) for run in runs]))


def test_recent_runs_whose_files_are_gone_are_greyed_out(iface, tmp_path, monkeypatch) -> None:
    report = tmp_path / "report.html"
    report.write_text("<p>")
    results = {"PREDICTION": str(tmp_path / "gone.tif"), "DISSIMILARITY_THRESHOLD": 0.3}
    here = Run("Map soil properties", "2026-01-02 10:00", str(report), "Soil map: zinc", results)
    gone = Run("Predict map", "2026-01-01 10:00", "", "Soil map: copper", results)
    write_runs(here, gone)
    menu = SoilCnnMenu(iface)
    runs = next(action.menu() for action in menu.actions() if action.text() == "Recent runs")
    assert [(action.text(), action.isEnabled()) for action in runs.actions()] == [
        ("2026-01-02 10:00  Map soil properties: Soil map: zinc", True),
        ("2026-01-01 10:00  Predict map: Soil map: copper", False),
    ]
    commands = runs.actions()[0].menu().actions()
    assert [(action.text(), action.isEnabled()) for action in commands] == [
        ("Open report", True),
        ("Load maps", False),
    ]
    asked = []
    monkeypatch.setattr(menu_module.QDesktopServices, "openUrl", asked.append)
    commands[0].trigger()
    assert [address.toLocalFile() for address in asked] == [str(report)]


def test_maps_of_a_recent_run_are_loaded_as_they_were_shown_after_it(iface, tmp_path) -> None:
    results = {}
    for name, description in (("LOWER", "zinc (mg/kg), lower 90 % limit"), ("PREDICTION", "zinc (mg/kg)")):
        results[name] = str(tmp_path / f"{name}.tif")
        dataset = gdal.GetDriverByName("GTiff").Create(results[name], 2, 2, 1)
        dataset.GetRasterBand(1).SetDescription(description)
        dataset = None
    write_runs(Run("Map soil properties", "2026-01-02 10:00", "", "Soil map: zinc", results))
    SoilCnnMenu(iface)._load(recent_runs()[0])
    group = QgsProject.instance().layerTreeRoot().findGroup("Soil map: zinc, 2026-01-02 10:00")
    names = [(node.name(), node.isVisible()) for node in group.children()]
    assert names == [("Zinc (mg/kg), predicted", True), ("Zinc (mg/kg), lower 90 % limit", False)]


def test_settings_that_nobody_wrote_are_no_runs() -> None:
    for text in ("", "nonsense", '{"a": 1}', '[{"title": "x"}]'):
        QgsSettings().setValue(SETTING, text)
        assert recent_runs() == []


def test_the_guide_and_the_news_are_there_and_so_are_the_pages_they_name(qgis_app) -> None:
    guide = reader.guide(None)
    assert guide.browser.source().toLocalFile() == str(page("docs", "guide.md"))
    assert "Map soil properties" in guide.browser.toPlainText()
    news = reader.news(None)
    assert "Added" in news.browser.toPlainText()


def test_the_news_are_the_first_section_that_lists_anything() -> None:
    changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.1.0]\n\n### Added\n\n- New.\n\n## [1.0.0]\n\n- Old.\n"
    assert reader.latest_changes(changelog) == "## [1.1.0]\n\n### Added\n\n- New.\n\n"


def test_the_plugin_adds_its_menu_and_takes_it_away(iface, monkeypatch) -> None:
    monkeypatch.setattr(SoilCnnPlugin, "initProcessing", lambda _self: None)
    plugin = SoilCnnPlugin(iface)
    plugin.initGui()
    assert entries(iface.pluginMenu()) == ["Soil CNN"]
    plugin.unload()
    assert entries(iface.pluginMenu()) == []
