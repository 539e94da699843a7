"""The user's settings of Soil CNN that algorithms follow: the default device and the default results folder."""

from __future__ import annotations

from qgis.core import QgsSettings

from ..contract.jobs import DEVICES

DEVICE = "soilcnn/device"
RESULTS = "soilcnn/results_folder"


def default_device() -> str:
    device = QgsSettings().value(DEVICE, DEVICES[0], type=str)
    return device if device in DEVICES else DEVICES[0]


def results_folder() -> str:
    """Return the folder for results without a file name; empty: QGIS's temporary folder."""
    return str(QgsSettings().value(RESULTS, "", type=str))
