"""The menu Plugins > Soil CNN. It is filled anew each time it opens, so that it shows how things are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Callable, Optional

import qgis.utils
from qgis.core import Qgis, QgsApplication, QgsProject
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QAction, QDesktopServices, QIcon
from qgis.PyQt.QtWidgets import QApplication, QDialog, QMenu

from ..bridge import environment
from ..bridge.running import RUNNING
from ..contract.language import tr
from ..paths import resource
from ..processing.project_layers import set_depth_range
from ..processing.recent_runs import Run, recent_runs
from ..processing.styles import show_results
from . import reader, sample
from .map_layout import make_layout
from .settings_page import SettingsDialog
from .stop_button import STOP_TEXT

TITLE = "Soil CNN"
ELEVATION_CONTROLLER = "mActionElevationController"
"""The name of QGIS's own action; there is no other way to it."""


class SoilCnnMenu(QMenu):
    def __init__(self, iface: Any, explain_pixel: Optional[QAction] = None) -> None:
        super().__init__(TITLE, iface.mainWindow())
        self.setIcon(QIcon(str(resource("icon.svg"))))
        self._iface = iface
        self._explain_pixel = explain_pixel
        self._task: Optional[sample.SampleTask] = None
        self._message: Any = None  # in the message bar while the task runs
        self._dialog: Optional[QDialog] = None  # Python must keep what is open
        self._guide: Optional[QDialog] = None  # beside a dialog whose Help button opened it
        self.aboutToShow.connect(self.fill)
        self.fill()

    def fill(self) -> None:
        self.clear()
        _add(self, tr("Map soil properties…"), self.open_mapping)
        if environment.problem():
            _add(self, tr("Set up the compute environment…"), self.open_set_up)
        else:
            _add(self, tr("Check the compute environment…"), lambda: self._open("soilcnn:checkenvironment"))
        if RUNNING.count:
            _add(self, STOP_TEXT, RUNNING.stop)
        self.addSeparator()
        if self._explain_pixel is not None:
            self.addAction(self._explain_pixel)
        _add(self, tr("Print layout of this map…"), self.open_layout)
        _add(self, tr("Step through depths"), self.open_depths)
        self.addSeparator()
        _add(self, tr("Sample project"), self.open_sample)
        self._add_runs()
        self.addSeparator()
        _add(self, tr("Settings…"), lambda: self._show(SettingsDialog(self._iface.mainWindow())))
        _add(self, tr("User guide"), self.open_guide)
        _add(self, tr("What's new"), lambda: self._show(reader.news(self._iface.mainWindow())))

    def open_mapping(self) -> None:
        self._open("soilcnn:mapsoilproperties")

    def open_set_up(self) -> None:
        self._open("soilcnn:setupenvironment")

    def open_guide(self, page: str = reader.FIRST_PAGE) -> None:
        """Show a page of the guide, in front of a dialog that lets nothing else be used."""
        parent = QApplication.activeModalWidget() or QApplication.activeWindow() or self._iface.mainWindow()
        self._guide = reader.guide(parent, page)
        self._guide.show()

    def open_sample(self) -> None:
        """Open the sample project. Its data is downloaded first if it is not there yet."""
        project = sample.sample_project()
        if environment.problem():
            self.open_set_up()
        if environment.problem() or self._task is not None:
            return
        if project.is_file():
            self._open_project(project)
            return
        self._task = sample.SampleTask(project, self._sample_is_ready)
        self._task.taskTerminated.connect(self._forget_task)
        QgsApplication.taskManager().addTask(self._task)
        text = tr("The sample data (2.5 MB) is being downloaded to {}").format(project.parent)
        self._message = self._iface.messageBar().createMessage(TITLE, text)
        self._iface.messageBar().pushWidget(self._message, Qgis.MessageLevel.Info, 0)

    def open_layout(self) -> None:
        """Make a print layout of the active map and open it."""
        layout, problem = make_layout(QgsProject.instance(), self._iface.activeLayer())
        if layout is None:
            self._iface.messageBar().pushMessage(TITLE, problem, Qgis.MessageLevel.Warning, 8)
        else:
            self._iface.openLayoutDesigner(layout)

    def open_depths(self) -> None:
        """Open QGIS's elevation controller, which shows one depth after the other."""
        set_depth_range(QgsProject.instance())
        controller = self._iface.mainWindow().findChild(QAction, ELEVATION_CONTROLLER)
        if controller is not None and not controller.isChecked():
            controller.trigger()

    def _sample_is_ready(self, problem: str) -> None:
        self._forget_task()
        if problem:
            text = tr("Sample project: {}").format(problem)
            self._iface.messageBar().pushMessage(TITLE, text, Qgis.MessageLevel.Warning, 0)
        else:
            self._open_project(sample.sample_project())

    def _forget_task(self) -> None:
        self._task = None
        if self._message is not None:
            self._iface.messageBar().popWidget(self._message)
            self._message = None

    def _open_project(self, path: Path) -> None:
        """Ask about unsaved changes, open the project, and then the dialog with its layers filled in."""
        if not self._iface.newProject(True) or not self._iface.addProject(str(path)):
            return
        self._iface.mapCanvas().zoomToFullExtent()
        values = sample.sample_values(QgsProject.instance())
        import processing

        self._show(processing.createAlgorithmDialog("soilcnn:mapsoilproperties", values))

    def _add_runs(self) -> None:
        menu = self.addMenu(tr("Recent runs"))
        runs = recent_runs()
        menu.setEnabled(bool(runs))
        for run in runs:
            entry = menu.addMenu(f"{run.time}  {run.title}: {run.subject}")
            has_layers = bool(run.present_results())
            _add(entry, tr("Open report"), partial(_open_report, run), run.has_report())
            _add(entry, tr("Load maps"), partial(self._load, run), has_layers)
            entry.setEnabled(run.has_report() or has_layers)

    def _load(self, run: Run) -> None:
        """Load the layers that still exist into a group of their own, as they looked after the run."""
        show_results(run.present_results(), f"{run.subject}, {run.time}", QgsProject.instance())

    def _open(self, algorithm_id: str) -> None:
        qgis.utils.plugins["processing"].executeAlgorithm(algorithm_id, self._iface.mainWindow())

    def _show(self, dialog: QDialog) -> None:
        self._dialog = dialog
        dialog.show()


def _add(menu: QMenu, text: str, answer: Callable[[], None], is_possible: bool = True) -> None:
    action = menu.addAction(text)
    action.triggered.connect(lambda _checked=False: answer())
    action.setEnabled(is_possible)


def _open_report(run: Run) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(run.report))
