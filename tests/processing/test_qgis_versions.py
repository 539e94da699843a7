"""The same code runs in QGIS 3 and 4: it uses no name that the running QGIS, Qt 6 or QGIS 4 lacks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from qgis.core import Qgis

from tests.processing.names_of_qgis import doubts

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "soil_cnn_plugin"
ELSEWHERE = ("engine", "contract")
"""What runs in other Pythons, too, so that it imports nothing of QGIS: tests/test_rooms.py sees to that."""
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] not in ELSEWHERE)
SPOILED = {
    "from qgis.PyQt.QtCore import Qt\nQt.AlignLeft": "Qt.AlignLeft is reached without its enum",
    "from qgis.core import QgsFeatureSink\nQgsFeatureSink.FastInsert": "QgsFeatureSink.FastInsert is reached without",
    "from qgis.core import QgsMapLayer\n\nQgsMapLayer.NoSuchThing": "QgsMapLayer.NoSuchThing does not exist",
    "from qgis.core import QgsNoSuchClass": "qgis.core has no QgsNoSuchClass",
    "from qgis.PyQt.QtCore import QRegExp": "QRegExp is gone",
    "view.header().setClickable_(True)\ndialog.exec_()": "exec_ is gone",
    "import PyQt5.QtCore": "PyQt5.QtCore is imported directly: qgis.PyQt",
    "from PyQt5.QtGui import QColor": "PyQt5.QtGui is imported directly: qgis.PyQt",
}
SOUND = """
from qgis.core import Qgis, QgsProcessing, QgsProcessingParameterNumber
from qgis.PyQt.QtCore import Qt
from qgis.PyQt.QtGui import QAction
Qt.AlignmentFlag.AlignLeft, Qgis.MessageLevel.Info, QgsProcessingParameterNumber.Type.Integer
Qgis.MessageLevel.Info.value, QgsProcessing.TEMPORARY_OUTPUT
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_uses_no_name_that_qt_6_or_qgis_4_lacks(path: Path) -> None:
    assert doubts(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("source", "doubt"), SPOILED.items(), ids=SPOILED.values())
def test_what_qt_6_or_qgis_4_lacks_is_found(source: str, doubt: str) -> None:
    (found,) = doubts(source)
    assert found.startswith(f"{len(source.splitlines())}: {doubt}")


def test_what_both_have_is_not_doubted() -> None:
    assert doubts(SOUND) == []


def test_this_qgis_lies_between_the_versions_that_are_claimed() -> None:
    metadata = (ROOT / "metadata.txt").read_text(encoding="utf-8")
    claimed = {
        name: tuple(map(int, value.split(".")))
        for name, value in re.findall(r"^qgis(\w+)Version=([\d.]+)$", metadata, re.M)
    }
    own = tuple(map(int, Qgis.version().split("-")[0].split(".")[:2]))
    assert claimed["Minimum"] <= own <= claimed["Maximum"]
