"""`tr`: a text in the user's language. A function, because `self.tr` files a base class's texts under a wrong class."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def tr(text: str) -> str:
    return QCoreApplication.translate("@default", text)
