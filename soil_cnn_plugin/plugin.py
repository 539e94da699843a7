"""Adds the provider and the menu to QGIS and removes them again."""

from __future__ import annotations

from typing import Any, Optional

import qgis.utils
from qgis.core import QgsApplication
from qgis.PyQt.QtGui import QAction, QIcon

from .paths import resource
from .processing.provider import SoilCnnProvider
from .processing.translation import tr

MENU = "Soil CNN"


class SoilCnnPlugin:
    """The object that QGIS holds while the plugin is enabled. qgis_process calls only `initProcessing`."""

    def __init__(self, iface: Any) -> None:
        self.iface = iface
        self.provider: Optional[SoilCnnProvider] = None
        self.actions: list[QAction] = []

    def initProcessing(self) -> None:
        self.provider = SoilCnnProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)
        # While a provider loads for the first time, a model's children are not in the registry, and without them the
        # model has no outputs. So load once more.
        self.provider.refreshAlgorithms()

    def initGui(self) -> None:
        self.initProcessing()
        for text, algorithm_id in (
            (tr("Map soil properties…"), "soilcnn:mapsoilproperties"),
            (tr("Set up the compute environment…"), "soilcnn:setupenvironment"),
        ):
            action = QAction(QIcon(str(resource("icon.svg"))), text, self.iface.mainWindow())
            action.triggered.connect(lambda _checked=False, name=algorithm_id: self._open_dialog(name))
            self.iface.addPluginToMenu(MENU, action)
            self.actions.append(action)

    def unload(self) -> None:
        for action in self.actions:
            self.iface.removePluginMenu(MENU, action)
        self.actions = []
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None

    def _open_dialog(self, algorithm_id: str) -> None:
        qgis.utils.plugins["processing"].executeAlgorithm(algorithm_id, self.iface.mainWindow())
