"""The user's settings of Soil CNN that algorithms follow: the default device and the default results folder."""

from __future__ import annotations

from pathlib import Path

import qgis.utils
from qgis.core import QgsSettings
from qgis.PyQt.QtCore import QStandardPaths

from ..contract.jobs import DEVICES

DEVICE = "soilcnn/device"
RESULTS = "soilcnn/results_folder"


def default_device() -> str:
    device = QgsSettings().value(DEVICE, DEVICES[0], type=str)
    return device if device in DEVICES else DEVICES[0]


def results_folder() -> str:
    """Return the folder that the user set for results without a file name; empty if there is none."""
    return str(QgsSettings().value(RESULTS, "", type=str))


def proposed_folder() -> str:
    """Return the folder for results if the user set none: among the documents, because QGIS empties its own."""
    documents = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.DocumentsLocation)
    return str(Path(documents or Path.home()) / "Soil CNN")


def place_for_results() -> str:
    """Return the folder for results without a file name; empty: QGIS's temporary folder, for scripts without a set
    folder."""
    return results_folder() or ("" if qgis.utils.iface is None else proposed_folder())
