"""Fixtures: settings that are empty before and after a test, and a window with menus as QGIS has one."""

from __future__ import annotations

import pytest
from qgis.core import QgsProject, QgsSettings
from qgis.PyQt.QtWidgets import QMenu

from soil_cnn_plugin.bridge import environment


@pytest.fixture(autouse=True)
def no_settings(qgis_app):
    """Remove all settings of Soil CNN before and after a test."""
    QgsSettings().remove("soilcnn")
    yield
    QgsSettings().remove("soilcnn")
    QgsProject.instance().clear()


@pytest.fixture
def no_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SOILCNN_PYTHON", raising=False)
    monkeypatch.setattr(environment, "default_folder", lambda: tmp_path / "environment")


@pytest.fixture
def iface(qgis_iface, monkeypatch):
    """Return QGIS's stand-in with a plugin menu, and a list of the projects that were opened."""
    menu, opened = QMenu(), []

    def open_project(path: str) -> bool:
        opened.append(path)
        return QgsProject.instance().read(path)

    monkeypatch.setattr(qgis_iface, "pluginMenu", lambda: menu, raising=False)
    for name in ("addToolBarIcon", "removeToolBarIcon", "addDockWidget", "removeDockWidget"):
        monkeypatch.setattr(qgis_iface, name, lambda *_: None, raising=False)
    monkeypatch.setattr(qgis_iface, "registerOptionsWidgetFactory", lambda _factory: None, raising=False)
    monkeypatch.setattr(qgis_iface, "unregisterOptionsWidgetFactory", lambda _factory: None, raising=False)
    monkeypatch.setattr(qgis_iface, "newProject", lambda is_asking: is_asking, raising=False)
    monkeypatch.setattr(qgis_iface, "addProject", open_project, raising=False)
    monkeypatch.setattr(qgis_iface, "opened", opened, raising=False)
    return qgis_iface
