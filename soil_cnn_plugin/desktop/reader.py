"""A window that shows the guide and the news without any network: pages installed with the plugin, or made from it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Optional

from qgis.core import QgsApplication
from qgis.PyQt.QtCore import QSize, Qt, QUrl
from qgis.PyQt.QtGui import QDesktopServices, QImage, QTextCursor
from qgis.PyQt.QtWidgets import QDialog, QDialogButtonBox, QTextBrowser, QVBoxLayout, QWidget

from ..contract.language import tr
from ..paths import page
from ..processing import help_page

FIRST_PAGE = "index.md"
WIDTH = 760  # of pictures, in pixels
IMAGE = 2  # QTextDocument.ResourceType.ImageResource, which is a number here in Qt 5 and Qt 6 alike


class Browser(QTextBrowser):
    """Shows Markdown; a link to another page opens in place, one to the internet in the web browser."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)
        self.anchorClicked.connect(self._follow)
        self.sourceChanged.connect(self._show_section)

    def loadResource(self, kind: int, name: QUrl) -> Any:
        address = self.source().resolved(name)
        if kind == IMAGE:
            image = QImage(address.toLocalFile())
            is_wide = image.width() > WIDTH
            return image.scaledToWidth(WIDTH, Qt.TransformationMode.SmoothTransformation) if is_wide else image
        path = Path(address.toLocalFile())
        return generated_page(path.stem) if path.parent.name == "algorithms" else super().loadResource(kind, name)

    def showEvent(self, event: Any) -> None:
        """Scroll once the page has its height."""
        super().showEvent(event)
        self._show_section(self.source())

    def _follow(self, address: QUrl) -> None:
        target = self.source().resolved(address)
        if target.isLocalFile() and target.toLocalFile().endswith(".md"):
            self.setSource(target)
            self._show_section(target)
        else:
            QDesktopServices.openUrl(target)

    def _show_section(self, address: QUrl) -> None:
        """Scroll to the heading that the address names after its #, because Qt knows no anchors in Markdown."""
        block = self.document().begin() if address.fragment() else self.document().end()
        while block.isValid():
            if block.blockFormat().headingLevel() and anchor(block.text()) == address.fragment():
                self.setTextCursor(QTextCursor(block))
                self.verticalScrollBar().setValue(int(self.document().documentLayout().blockBoundingRect(block).top()))
                return
            block = block.next()


def anchor(heading: str) -> str:
    """Return the name that a heading has in links, as the web page of the guide has it."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower())


def generated_page(name: str) -> str:
    """Return the page of an algorithm, or that of all algorithms; they are made from the code."""
    registry = QgsApplication.processingRegistry()
    if name == "index":
        return help_page.overview(each for each in registry.providerById("soilcnn").algorithms() if has_page(each))
    algorithm = registry.algorithmById(f"soilcnn:{name}")
    return help_page.page(algorithm) if algorithm is not None else tr("There is no algorithm {}.").format(name)


def has_page(algorithm: Any) -> bool:
    """Whether the algorithm is one of the plugin's own; a model explains itself."""
    return hasattr(algorithm, "explanation")


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


def guide(parent: Optional[QWidget], name: str = FIRST_PAGE) -> Reader:
    """Return a window with a page of the guide, such as `depths.md#fields` or `algorithms/predictmap.md`."""
    reader = Reader(tr("Soil CNN: user guide"), parent)
    path, _, section = name.partition("#")
    address = QUrl.fromLocalFile(str(page("docs", path)))
    if section:
        address.setFragment(section)
    reader.browser.setSource(address)
    return reader


def news(parent: Optional[QWidget]) -> Reader:
    reader = Reader(tr("Soil CNN: what's new"), parent)
    reader.browser.setMarkdown(latest_changes(page("CHANGELOG.md").read_text(encoding="utf-8")))
    return reader


def latest_changes(changelog: str) -> str:
    """Return the first section of the changelog that lists anything."""
    sections = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)[1:]
    return next((section for section in sections if re.search(r"^- ", section, re.MULTILINE)), "")
