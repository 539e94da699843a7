"""A window that shows the guide and the news: the pages that are installed with the plugin, without any network."""

from __future__ import annotations

import re
from typing import Any, Optional

from qgis.PyQt.QtCore import QSize, Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QImage
from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from ..paths import page
from ..processing.translation import tr

WIDTH = 760  # of pictures, in pixels
IMAGE = 2  # QTextDocument.ResourceType.ImageResource, which is a number here in Qt 5 and Qt 6 alike


_PAGE = QUrl("soilcnn:page.html")


class Browser(QTextBrowser):
    """Shows Markdown; a link to another page opens in place, one to the internet in the web browser."""

    def __init__(self) -> None:
        super().__init__()
        self._page = ""
        self.setOpenLinks(False)
        self.anchorClicked.connect(self._follow)

    def loadResource(self, kind: int, name: QUrl) -> Any:
        if name == _PAGE:
            return self._page
        found = super().loadResource(kind, name)
        if kind != IMAGE:
            return found
        image = QImage(self.source().resolved(name).toLocalFile())
        is_wide = image.width() > WIDTH
        return image.scaledToWidth(WIDTH, Qt.TransformationMode.SmoothTransformation) if is_wide else image

    def open_page(self, text: str) -> None:
        """Show HTML as a page that Back leaves."""
        self._page = text
        self.setSource(_PAGE)

    def _follow(self, address: QUrl) -> None:
        target = self.source().resolved(address)
        if target.isLocalFile() and target.toLocalFile().endswith(".md"):
            self.setSource(target)
        else:
            QDesktopServices.openUrl(target)


class Reader(QDialog):
    def __init__(self, title: str, parent: Optional[QWidget]) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.browser = Browser()
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        back = buttons.addButton(tr("Back"), QDialogButtonBox.ButtonRole.ActionRole)
        back.setEnabled(False)
        back.clicked.connect(self.browser.backward)
        self.browser.backwardAvailable.connect(back.setEnabled)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.addWidget(self.browser)
        layout.addWidget(buttons)
        self.resize(QSize(860, 640))


def guide(parent: Optional[QWidget], algorithm_page: str = "") -> Reader:
    """Return the guide, open at the page of an algorithm if its HTML is given; Back leads to the guide's first page."""
    reader = Reader(tr("Soil CNN: user guide"), parent)
    first = QUrl.fromLocalFile(str(page("docs", "guide.md")))
    reader.browser.setSource(first)
    if algorithm_page:
        link = f'<p><a href="{first.toString()}">{tr("User guide")}</a></p>'
        reader.browser.open_page(algorithm_page.replace("<h1>", f"{link}<h1>", 1))
    return reader


def news(parent: Optional[QWidget]) -> Reader:
    reader = Reader(tr("Soil CNN: what's new"), parent)
    reader.browser.setMarkdown(latest_changes(page("CHANGELOG.md").read_text(encoding="utf-8")))
    return reader


def latest_changes(changelog: str) -> str:
    """Return the first section of the changelog that lists anything."""
    sections = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)[1:]
    return next((section for section in sections if re.search(r"^- ", section, re.MULTILINE)), "")
