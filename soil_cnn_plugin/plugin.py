"""Adds the provider, the menu and the settings to QGIS and removes them again."""

from __future__ import annotations

from typing import Any, Optional

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QTimer

from .processing.dialogs import use_dialog
from .processing.provider import SoilCnnProvider


class SoilCnnPlugin:
    """The object that QGIS holds while the plugin is enabled. qgis_process calls only `initProcessing`."""

    def __init__(self, iface: Any) -> None:
        self.iface = iface
        self.provider: Optional[SoilCnnProvider] = None
        self.menu: Any = None
        self.settings: Any = None
        self.links: Any = None
        self.stop_button: Any = None
        self.pixel_tool: Any = None

    def initProcessing(self) -> None:
        self.provider = SoilCnnProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)
        # While a provider loads for the first time, a model's children are not in the registry, and without them the
        # model has no outputs. So load once more.
        self.provider.refreshAlgorithms()

    def initGui(self) -> None:
        from .desktop.dialog import make_dialog  # here, because qgis_process has no window
        from .desktop.menu import SoilCnnMenu
        from .desktop.offer import LinkAnswer
        from .desktop.pixel_tool import PixelTool
        from .desktop.settings_page import SettingsFactory
        from .desktop.stop_button import StopButton

        self.initProcessing()
        self.pixel_tool = PixelTool(self.iface)
        self.iface.addToolBarIcon(self.pixel_tool.action)
        self.menu = SoilCnnMenu(self.iface, self.pixel_tool.action)
        self.iface.pluginMenu().addMenu(self.menu)
        self.settings = SettingsFactory()
        self.iface.registerOptionsWidgetFactory(self.settings)
        self.links = LinkAnswer(self.menu.open_set_up, self.menu.open_guide)
        self.stop_button = StopButton(self.iface)
        use_dialog(make_dialog)
        QTimer.singleShot(0, self._offer_set_up)  # when the window is there

    def _offer_set_up(self) -> None:
        if self.menu is not None:  # the plugin may have been disabled meanwhile
            from .desktop.offer import offer_set_up

            offer_set_up(self.iface, self.menu.open_set_up)

    def unload(self) -> None:
        if self.menu is not None:
            self.links.end()
            use_dialog(None)
            self.stop_button.end()
            self.pixel_tool.end()
            self.iface.removeToolBarIcon(self.pixel_tool.action)
            self.iface.unregisterOptionsWidgetFactory(self.settings)
            self.iface.pluginMenu().removeAction(self.menu.menuAction())
            self.menu.deleteLater()
            self.menu = self.settings = self.links = self.stop_button = self.pixel_tool = None
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
