"""The settings, and what algorithms make of them."""

from __future__ import annotations

import sys
from pathlib import Path

from qgis.core import QgsSettings

from soil_cnn_plugin.bridge import environment
from soil_cnn_plugin.desktop.settings_page import SettingsDialog, SettingsFactory, environment_state
from soil_cnn_plugin.processing.parameters import device
from soil_cnn_plugin.processing.settings import default_device, results_folder


def test_what_is_chosen_is_kept_and_shown_again(no_environment, tmp_path) -> None:
    dialog = SettingsDialog(None)
    dialog.page.python.setFilePath(sys.executable)
    dialog.page.device.setCurrentText("cpu")
    dialog.page.results.setFilePath(str(tmp_path))
    dialog.accept()
    assert environment.find_python() == Path(sys.executable)
    assert (default_device(), device().defaultValue(), results_folder()) == ("cpu", "cpu", str(tmp_path))
    page = SettingsFactory().createWidget(None)
    assert page.python.filePath() == sys.executable
    assert (page.device.currentText(), page.results.filePath()) == ("cpu", str(tmp_path))
    page.python.setFilePath("")
    page.apply()
    assert environment.problem()


def test_cancelling_keeps_nothing(no_environment, tmp_path) -> None:
    dialog = SettingsDialog(None)
    dialog.page.results.setFilePath(str(tmp_path))
    dialog.reject()
    assert results_folder() == ""


def test_a_device_that_does_not_exist_is_not_a_default() -> None:
    QgsSettings().setValue("soilcnn/device", "abacus")
    assert default_device() == "auto"


def test_the_state_of_the_environment_is_told(no_environment, tmp_path, monkeypatch) -> None:
    assert "Not set up yet" in environment_state("")
    assert "does not exist" in environment_state(str(tmp_path / "gone"))
    python = environment.python_in(environment.default_folder())
    python.parent.mkdir(parents=True)
    python.write_text("")
    environment.write_marker(environment.default_folder(), "cpu")
    assert environment_state("").startswith(f"Ready in {environment.default_folder()} (build of PyTorch: cpu)")
    monkeypatch.setenv("SOILCNN_PYTHON", "/env/bin/python")
    assert "SOILCNN_PYTHON names the interpreter: /env/bin/python" in environment_state("")
