"""QGIS's window as the stage of a scene, and the manager that plays one and ends QGIS.

A scene is a generator. It yields seconds to wait, or a function to wait for; meanwhile QGIS goes on.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Union

import processing
import qgis.utils
from qgis.core import QgsApplication, QgsProject
from qgis.PyQt.QtCore import QPoint, QRect, Qt, QTimer
from qgis.PyQt.QtWidgets import QApplication, QDockWidget, QToolBar, QWidget

HOME = Path(os.environ["GUIDE_HOME"])
RUNS = HOME / "runs"
LAYERS = 500  # pixels, the width of the panel of layers
PATIENCE = 3000  # seconds that a scene waits for one thing
Scene = Iterator[Union[float, Callable[[], bool]]]
iface = qgis.utils.iface


class Stage:
    """QGIS's window, and what a scene does in it."""

    def __init__(self) -> None:
        self.reports: dict[str, tuple[str, int]] = {}
        self.window = iface.mainWindow()
        self.menu = qgis.utils.plugins["soil_cnn_plugin"].menu

    def clear(self) -> None:
        """Show the layers and the map alone, in a window that fits a page."""
        RUNS.mkdir(exist_ok=True)
        self.window.showNormal()
        self.window.move(0, 0)
        self.window.resize(1120, 700)
        for dock in self.window.findChildren(QDockWidget):
            dock.setVisible(dock.objectName() == "Layers")
        for bar in self.window.findChildren(QToolBar):
            bar.setVisible(bar.objectName() in ("mFileToolBar", "mMapNavToolBar", "mAttributesToolBar"))
        iface.messageBar().clearWidgets()

    def shoot(self, name: str, widget: QWidget, area: QRect | None = None) -> None:
        picture = widget.grab() if area is None else widget.grab(area)
        picture.save(str(HOME / "pictures" / f"{name}.png"))

    def shoot_screen(self, name: str, area: QRect) -> None:
        """Take a part of the screen, with open menus."""
        screen = QApplication.primaryScreen()
        screen.grabWindow(0, area.x(), area.y(), area.width(), area.height()).save(
            str(HOME / "pictures" / f"{name}.png")
        )

    def shoot_map(self, name: str) -> Scene:
        """Take the layers, wide enough for their names, and the map."""
        iface.messageBar().clearWidgets()
        for each in self.window.findChildren(QDockWidget):
            each.setVisible(each.objectName() == "Layers")
        dock = next(each for each in self.window.findChildren(QDockWidget) if each.objectName() == "Layers")
        self.window.resizeDocks([dock], [LAYERS], Qt.Orientation.Horizontal)
        yield 1
        iface.mapCanvas().zoomToFullExtent()
        yield 1
        yield lambda: not iface.mapCanvas().isDrawing()
        yield 1
        area = QRect(dock.mapTo(self.window, QPoint(0, 0)), dock.size())
        canvas = iface.mapCanvas()
        area = area.united(QRect(canvas.mapTo(self.window, QPoint(0, 0)), canvas.size()))
        self.shoot(name, self.window, area)

    def open_sample(self) -> Scene:
        """Open the sample project by its menu; the dialog that opens with it becomes `self.dialog`."""
        self.menu.open_sample()
        yield lambda: self.menu._dialog is not None and self.menu._dialog.isVisible()
        self.dialog = self.menu._dialog
        yield 1

    def open_dialog(self, algorithm: str, values: dict[str, Any], size: tuple[int, int] = (860, 640)) -> Scene:
        self.dialog = processing.createAlgorithmDialog(f"soilcnn:{algorithm}", values)
        self.dialog.resize(*size)
        self.dialog.show()
        yield 1.5

    def run(self, halfway: str = "") -> Scene:
        """Press Run and wait for the end; take the log under the name `halfway` while it runs."""
        ended: list[bool] = []
        self.dialog.algorithmFinished.connect(lambda is_good, _results: ended.append(is_good))
        self.dialog.runButton().click()
        if halfway:
            yield 25
            self.shoot(halfway, self.dialog)
        yield lambda: bool(ended)
        if not ended[0]:
            raise RuntimeError(self.log())
        yield 2

    def log(self) -> str:
        return "\n".join(each.toPlainText() for each in self.dialog.findChildren(QWidget, "txtLog"))

    def results(self) -> dict[str, Any]:
        return dict(self.dialog.results())

    def report(self, picture: str, height: int = 760) -> None:
        """Have the report of the run rendered when QGIS has ended."""
        self.reports[picture] = (self.results()["REPORT"], height)


def play(stage: Stage, algorithm: str, values: dict[str, Any]) -> Scene:
    """Open the dialog, take it, and run it."""
    parameters = QgsApplication.processingRegistry().algorithmById(f"soilcnn:{algorithm}")
    if parameters.parameterDefinition("REPORT") is not None:
        values = {"REPORT": str(RUNS / f"{algorithm}.html"), **values}
    yield from stage.open_dialog(algorithm, values)
    stage.shoot(f"algorithms__{algorithm}_dialog", stage.dialog)
    yield from stage.run()


def follow(stage: Stage, scene: Scene) -> None:
    """Go on with the scene until it waits, and come back when it need not wait any more."""
    try:
        waiting = next(scene, None)
    except Exception:  # noqa: BLE001  # whatever went wrong is told, and QGIS ends
        end(stage, traceback.format_exc())
        return
    if waiting is None:
        end(stage, "")
    elif callable(waiting):
        watch(stage, scene, waiting, time.monotonic() + PATIENCE)
    else:
        QTimer.singleShot(int(1000 * waiting), lambda: follow(stage, scene))


def watch(stage: Stage, scene: Scene, is_there: Callable[[], bool], until: float) -> None:
    if is_there():
        follow(stage, scene)
    elif time.monotonic() > until:
        end(stage, f"Waited {PATIENCE} s in vain. {stage.log() if hasattr(stage, 'dialog') else ''}")
    else:
        QTimer.singleShot(200, lambda: watch(stage, scene, is_there, until))


def end(stage: Stage, problem: str) -> None:
    text = json.dumps({"problem": problem, "reports": stage.reports})
    (HOME / "end.json").write_text(text, encoding="utf-8")
    QgsProject.instance().setDirty(False)
    sys.stdout.flush()
    QTimer.singleShot(0, lambda: os._exit(0))
