"""`tr` translates a text into the user's language: a function, because `self.tr` files texts under a wrong class."""

from __future__ import annotations

from qgis.PyQt.QtCore import QCoreApplication


def tr(text: str) -> str:
    return str(QCoreApplication.translate("@default", text))
