"""Offers the set-up where a user meets a missing environment, and answers links: to the set-up and to the guide."""

from __future__ import annotations

from typing import Any, Callable

from qgis.core import Qgis, QgsSettings
from qgis.PyQt.QtCore import QObject, QTimer, QUrl, pyqtSlot
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QApplication, QPushButton

from ..bridge import environment
from ..contract.language import tr
from ..processing.links import GUIDE_ADDRESS, SCHEME, SET_UP_ADDRESS

OFFERED = "soilcnn/set_up_offered"
"""Setting: the environment that the message bar has offered to build; each is offered once."""


def offer_set_up(iface: Any, open_set_up: Callable[[], None]) -> None:
    """Show a message with a button if no environment is there and none was offered before."""
    wanted = environment.requirements_hash()
    if not environment.problem() or QgsSettings().value(OFFERED, "", type=str) == wanted:
        return
    QgsSettings().setValue(OFFERED, wanted)
    bar = iface.messageBar()
    message = bar.createMessage("Soil CNN", tr("Before the first map, PyTorch is installed once, outside QGIS."))
    button = QPushButton(tr("Set up the compute environment"))

    def accept() -> None:
        bar.popWidget(message)
        open_set_up()

    button.clicked.connect(accept)
    message.layout().addWidget(button)
    bar.pushWidget(message, Qgis.MessageLevel.Info, 0)


class LinkAnswer(QObject):
    """Opens the set-up or a page of the guide when a user follows a link in a message or presses *Help*."""

    def __init__(self, open_set_up: Callable[[], None], open_guide: Callable[[str], None]) -> None:
        super().__init__()
        self._open_set_up = open_set_up
        self._open_guide = open_guide
        QDesktopServices.setUrlHandler(SCHEME, self, "follow")

    @pyqtSlot(QUrl)  # type: ignore[untyped-decorator]
    def follow(self, address: QUrl) -> None:
        text = address.toString()
        if text == SET_UP_ADDRESS:
            message = QApplication.activeModalWidget()
            if message is not None:
                message.close()
            QTimer.singleShot(0, self._open_set_up)
        elif text.startswith(GUIDE_ADDRESS):
            self._open_guide(text[len(GUIDE_ADDRESS) :])

    def end(self) -> None:
        QDesktopServices.unsetUrlHandler(SCHEME)
