"""Puts results that would be temporary into the user's results folder, each run into a folder of its own."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    QgsProcessing,
    QgsProcessingDestinationParameter,
    QgsProcessingOutputLayerDefinition,
    QgsProperty,
)

from ..contract.jobs import JobError
from .settings import results_folder


class ResultsFolder:
    """The folder of one run below the user's results folder. It is made when the first result needs it."""

    def __init__(self, title: str) -> None:
        self._title = title
        self.path: Optional[Path] = None

    def place(self, value: Any, definition: QgsProcessingDestinationParameter) -> Any:
        """Return a destination's value, with a file in the folder instead of a temporary one if the user set one."""
        sink = value.sink.staticValue() if isinstance(value, QgsProcessingOutputLayerDefinition) else value
        if sink != QgsProcessing.TEMPORARY_OUTPUT or not results_folder():
            return value
        file = str(self._make() / f"{definition.name().lower()}.{definition.defaultFileExtension()}")
        if not isinstance(value, QgsProcessingOutputLayerDefinition):
            return file
        placed = QgsProcessingOutputLayerDefinition(value)
        placed.sink = QgsProperty.fromValue(file)
        return placed

    def drop_if_empty(self) -> None:
        """Remove the folder if the run wrote nothing into it."""
        if self.path is not None:
            with suppress(OSError):
                self.path.rmdir()

    def _make(self) -> Path:
        if self.path is None:
            name = f"{self._title} {datetime.now():%Y-%m-%d %H.%M.%S}"
            number, path = 1, Path(results_folder(), name)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                while os.path.lexists(path):  # rows of a batch begin in the same second
                    number += 1
                    path = path.with_name(f"{name} ({number})")
                path.mkdir()
            except OSError as error:
                raise JobError(
                    f"The results folder {results_folder()} cannot be used: {error.strerror or error}. Choose another"
                    " one in Plugins > Soil CNN > Settings."
                ) from error
            self.path = path
        return self.path
