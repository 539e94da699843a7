"""Full temporary folders: libraries report them in words that nobody understands."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..contract.language import tr

_LITTLE = 2**20  # bytes: less than a small GeoPackage and its journal take


def full_disk(folder: Path) -> str:
    """Return the message if hardly anything more can be written to the folder, else an empty text."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return ""
    return full_disk_sentence(str(folder)) if free < _LITTLE else ""


def full_disk_sentence(folder: str) -> str:
    return tr(
        "The disk of the temporary folder {} is full: layers are copied there for the engine. Free some"
        " space, or let the environment variable TMPDIR (on Windows TEMP) name another folder, and start"
        " QGIS again."
    ).format(folder)
