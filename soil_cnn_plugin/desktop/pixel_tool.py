"""The map tool that explains the pixel under a click, and the panel that shows the answer."""

from __future__ import annotations

import html
import json
import tempfile
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    QgsApplication,
    QgsPointXY,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProject,
)
from qgis.gui import QgsDockWidget, QgsMapMouseEvent, QgsMapToolEmitPoint, QgsVertexMarker
from qgis.PyQt.QtCore import QObject, Qt
from qgis.PyQt.QtGui import QAction, QIcon
from qgis.PyQt.QtWidgets import QFileDialog, QTextBrowser

from ..contract.language import tr
from ..paths import resource
from .network_of_layer import network_of
from .pixel_page import pixel_html


class PixelTool(QObject):
    """The action in menu and toolbar, the tool that it sets, and the panel. One pixel is explained at a time."""

    def __init__(self, iface: Any) -> None:
        super().__init__()
        self._iface = iface
        self.action = QAction(QIcon(str(resource("icon.svg"))), tr("Explain a pixel"), iface.mainWindow())
        self.action.setCheckable(True)
        self.action.setToolTip(tr("Soil CNN: click on a map to see what is predicted there, and why"))
        self.action.triggered.connect(self.start)
        self._tool: Optional[_ClickTool] = None
        self.panel: Optional[QgsDockWidget] = None
        self._browser: Optional[QTextBrowser] = None
        self._task: Optional[QgsProcessingAlgRunnerTask] = None
        self._kept: tuple[Any, ...] = ()  # what the task needs as long as it runs
        self._chosen = ""

    def start(self) -> None:
        """Let the next clicks on the map be explained."""
        canvas = self._iface.mapCanvas()
        if self._tool is None:
            self._tool = _ClickTool(canvas, self.explain)
            self._tool.setAction(self.action)
        canvas.setMapTool(self._tool)
        self._show(tr("<p>Click on a map that Soil CNN has made. The active layer tells which network is asked.</p>"))

    def explain(self, point: QgsPointXY) -> None:
        """Run Explain pixel in the background; a click while one runs is left out."""
        if self._task is not None:
            return
        network, patches = network_of(self._iface.activeLayer())
        network = network or self._chosen or self._ask_for_network()
        if not network:
            return
        folder = tempfile.TemporaryDirectory(prefix="soilcnn-pixel-")
        crs = self._iface.mapCanvas().mapSettings().destinationCrs().authid()
        metrics = str(Path(folder.name) / "pixel.json")
        values = {
            "NETWORK": network,
            "PATCHES": patches,
            "POINT": f"{point.x():.12g},{point.y():.12g} [{crs}]",
            "METRICS": metrics,
        }
        context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
        context.setProject(QgsProject.instance())
        algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:explainpixel")
        self._task = QgsProcessingAlgRunnerTask(algorithm, values, context, feedback)
        self._kept = (algorithm, context, feedback, folder, metrics)
        self._task.executed.connect(self._answer)
        self._show(tr("<p>Explaining {}, {} …</p>").format(f"{point.x():.8g}", f"{point.y():.8g}"))
        QgsApplication.taskManager().addTask(self._task)

    def _answer(self, is_done: bool, _results: dict[str, Any]) -> None:
        _, _, feedback, folder, metrics = self._kept
        self._task, self._kept = None, ()
        if is_done:
            self._show(pixel_html(json.loads(Path(metrics).read_text(encoding="utf-8"))))
        else:
            self._show(f"<p>{html.escape(feedback.textLog().strip()).replace(chr(10), '<br>')}</p>")
        folder.cleanup()

    def _ask_for_network(self) -> str:
        title = tr("The network of the map (the active layer does not tell it)")
        networks = tr("Trained networks (*.safetensors)")
        self._chosen, _ = QFileDialog.getOpenFileName(self._iface.mainWindow(), title, "", networks)
        return self._chosen

    def _show(self, text: str) -> None:
        if self.panel is None:
            self.panel = QgsDockWidget(tr("Soil CNN: this pixel"), self._iface.mainWindow())
            self._browser = QTextBrowser()
            self.panel.setWidget(self._browser)
            self._iface.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, self.panel)
        self.panel.show()
        if self._browser is not None:
            self._browser.setHtml(text)

    def end(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._tool is not None:
            self._iface.mapCanvas().unsetMapTool(self._tool)
            self._tool.drop_marker()
        if self.panel is not None:
            self._iface.removeDockWidget(self.panel)
            self.panel.deleteLater()


class _ClickTool(QgsMapToolEmitPoint):
    """Marks the place of a click and tells it."""

    def __init__(self, canvas: Any, tell: Any) -> None:
        super().__init__(canvas)
        self._tell = tell
        self._marker: Optional[QgsVertexMarker] = None

    def canvasReleaseEvent(self, event: QgsMapMouseEvent) -> None:  # type: ignore[override]
        if self._marker is None:
            self._marker = QgsVertexMarker(self.canvas())
            self._marker.setIconType(QgsVertexMarker.IconType.ICON_CROSS)
            self._marker.setPenWidth(2)
        self._marker.setCenter(event.mapPoint())
        self._tell(event.mapPoint())

    def deactivate(self) -> None:
        self.drop_marker()
        super().deactivate()

    def drop_marker(self) -> None:
        if self._marker is not None:
            self.canvas().scene().removeItem(self._marker)
            self._marker = None
