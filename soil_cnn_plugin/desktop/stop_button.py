"""The message in the message bar that lets a person end a training and keep what was learned."""

from __future__ import annotations

from typing import Any

from qgis.core import Qgis
from qgis.PyQt.QtCore import QObject
from qgis.PyQt.QtWidgets import QPushButton

from ..bridge.running import RUNNING
from ..contract.language import tr

STOP_TEXT = tr("Stop now and keep what was learned")


class StopButton(QObject):
    """Shows the message while a training runs that nobody has asked to stop."""

    def __init__(self, iface: Any) -> None:
        super().__init__()
        self._iface = iface
        self._message: Any = None
        RUNNING.changed.connect(self.follow)  # emitted by a run's thread; Qt calls this in the window's

    def follow(self) -> None:
        if RUNNING.count and self._message is None:
            bar = self._iface.messageBar()
            self._message = bar.createMessage("Soil CNN", tr("A network is being trained."))
            button = QPushButton(STOP_TEXT)
            button.setToolTip(
                tr("Ends the training, measures the error of what was learned, and makes the map. Cancel drops it all.")
            )
            button.clicked.connect(RUNNING.stop)
            self._message.layout().addWidget(button)
            bar.pushWidget(self._message, Qgis.MessageLevel.Info, 0)
        elif not RUNNING.count:
            self._drop()

    def end(self) -> None:
        RUNNING.changed.disconnect(self.follow)
        self._drop()

    def _drop(self) -> None:
        message, self._message = self._message, None
        if message is not None:
            self._iface.messageBar().popWidget(message)
