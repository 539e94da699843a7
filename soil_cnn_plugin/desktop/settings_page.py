"""The settings of Soil CNN: a page among QGIS's options, and the same in a small dialog."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Optional

from qgis.core import QgsSettings
from qgis.gui import QgsFileWidget, QgsOptionsPageWidget, QgsOptionsWidgetFactory
from qgis.PyQt.QtGui import QIcon
from qgis.PyQt.QtWidgets import QComboBox, QDialog, QDialogButtonBox, QFormLayout, QLabel, QVBoxLayout, QWidget

from ..bridge import environment
from ..bridge.commands import log_path
from ..contract.jobs import DEVICES
from ..contract.language import tr
from ..paths import resource
from ..processing.settings import DEVICE, RESULTS, default_device, proposed_folder, results_folder

TITLE = "Soil CNN"


class SettingsPage(QgsOptionsPageWidget):
    """Shows the settings; `apply` stores them."""

    def __init__(self, parent: Optional[QWidget]) -> None:
        super().__init__(parent)
        self.python = QgsFileWidget()
        self.python.setDialogTitle(tr("Python interpreter of the compute environment"))
        self.python.setFilePath(QgsSettings().value(environment.SETTING, "", type=str))
        self.python.lineEdit().setPlaceholderText(str(environment.default_folder()))
        self.state = QLabel()
        self.state.setWordWrap(True)
        self.device = QComboBox()
        self.device.addItems(DEVICES)
        self.device.setCurrentText(default_device())
        self.results = QgsFileWidget()
        self.results.setStorageMode(QgsFileWidget.StorageMode.GetDirectory)
        self.results.setDialogTitle(tr("Folder for results"))
        self.results.setFilePath(results_folder())
        self.results.lineEdit().setPlaceholderText(proposed_folder())
        form = QFormLayout(self)
        form.addRow(tr("Interpreter of the compute environment"), self.python)
        form.addRow("", self.state)
        form.addRow(tr("Default computing device"), self.device)
        form.addRow("", _note(tr("auto uses a graphics card if there is one that works, else the processor.")))
        form.addRow(tr("Results folder"), self.results)
        form.addRow("", _note(tr("Results without a file name go there, each run into a folder of its own.")))
        self.python.fileChanged.connect(self._show_state)
        self._show_state()

    def apply(self) -> None:
        python = self.python.filePath().strip()
        if python != QgsSettings().value(environment.SETTING, "", type=str):
            environment.remember(Path(python)) if python else QgsSettings().setValue(environment.SETTING, "")
        QgsSettings().setValue(DEVICE, self.device.currentText())
        QgsSettings().setValue(RESULTS, self.results.filePath().strip())

    def _show_state(self) -> None:
        self.state.setText(environment_state(self.python.filePath().strip()))


def environment_state(chosen: str) -> str:
    """Say which interpreter is used, or what is missing, if the setting is `chosen`."""
    if os.environ.get(environment.VARIABLE):
        return tr("The environment variable {} names the interpreter: {}").format(
            environment.VARIABLE, os.environ[environment.VARIABLE]
        )
    if chosen:
        if not Path(chosen).is_file():
            return tr("This file does not exist. Choose a Python interpreter, or leave this empty.")
        return tr("Check the compute environment tells whether this interpreter has all packages.")
    folder = environment.default_folder()
    if not environment.is_complete(folder):
        return tr("Not set up yet: run Set up the compute environment.")
    build = environment.read_marker(folder).get("build", "")
    return tr("Ready in {} (build of PyTorch: {}). Log of the set-up: {}").format(folder, build, log_path())


class SettingsFactory(QgsOptionsWidgetFactory):
    """Adds the page to Settings > Options."""

    def __init__(self) -> None:
        super().__init__()
        self.setTitle(TITLE)

    def icon(self) -> QIcon:
        return QIcon(str(resource("icon.svg")))

    def createWidget(self, parent: Any = None) -> QgsOptionsPageWidget:
        return SettingsPage(parent)


class SettingsDialog(QDialog):
    def __init__(self, parent: Optional[QWidget]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Soil CNN: settings"))
        self.page = SettingsPage(self)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Ok | QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.page)
        layout.addWidget(buttons)
        self.resize(720, self.sizeHint().height())

    def accept(self) -> None:
        self.page.apply()
        super().accept()


def _note(text: str) -> QLabel:
    label = QLabel(text)
    label.setWordWrap(True)
    return label
