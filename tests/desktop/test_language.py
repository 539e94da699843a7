"""The plugin speaks the language of QGIS: it takes it before it imports a module with texts."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from qgis.core import QgsSettings

from soil_cnn_plugin import classFactory
from soil_cnn_plugin.contract import language


@pytest.fixture
def german_qgis(qgis_app) -> None:
    values = {"locale/overrideFlag": True, "locale/userLocale": "de_CH"}
    before = {name: QgsSettings().value(name) for name in values}
    for name, value in values.items():
        QgsSettings().setValue(name, value)
    yield
    language.use("en")
    for name, value in before.items():
        QgsSettings().remove(name) if value is None else QgsSettings().setValue(name, value)


def test_the_language_is_taken_before_texts_are_imported(german_qgis, monkeypatch) -> None:
    spoken: list[str] = []

    class Plugin(ModuleType):
        def __getattr__(self, name: str) -> object:
            if name == "SoilCnnPlugin":
                spoken.append(language.language())
                return lambda iface: "the plugin"
            raise AttributeError(name)

    monkeypatch.setitem(sys.modules, "soil_cnn_plugin.plugin", Plugin("soil_cnn_plugin.plugin"))
    assert classFactory(None) == "the plugin"
    assert spoken == ["de"]
