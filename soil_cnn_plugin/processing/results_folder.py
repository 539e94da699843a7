"""Puts results without a file name into the results folder, each run into a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Collection
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
from ..contract.language import tr
from .settings import place_for_results

SKIP = "skip"
"""Value of an output that is not wanted, although a results folder would get it."""


def is_empty(value: Any) -> bool:
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        return value.sink.asExpression() in ("", "''")
    return isinstance(value, str) and not value


class ResultsFolder:
    """The folder of one run below the results folder. It is made when the first result needs it.

    `chosen` is the results folder of this run, empty: that of the settings. If one is chosen, outputs among `defaults`
    that have no value are made, too.
    """

    def __init__(self, title: str, chosen: str = "", defaults: Collection[str] = ()) -> None:
        self._title, self._folder = title, chosen or place_for_results()
        self._defaults = frozenset(defaults) if chosen else frozenset()
        self.path: Optional[Path] = None
        self.unnamed: set[str] = set()
        """Names of outputs that got no file name from the user."""
        self.files: list[str] = []
        self.temporary: list[str] = []
        """Labels of outputs that lie in QGIS's temporary folder."""

    def place(self, value: Any, definition: QgsProcessingDestinationParameter) -> Any:
        """Return a destination's value, with a file in the folder if it has no file name."""
        name = definition.name()
        sink = value.sink.staticValue() if isinstance(value, QgsProcessingOutputLayerDefinition) else value
        is_open = value is None or is_empty(value)  # in batch mode, an empty cell
        is_wanted = sink == QgsProcessing.TEMPORARY_OUTPUT or (is_open and name in self._defaults)
        if not is_wanted:
            return value
        self.unnamed.add(name)
        if not self._folder:
            self.temporary.append(definition.description())
            return value
        file = str(self._make() / f"{name.lower()}.{definition.defaultFileExtension()}")
        self.files.append(file)
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
            number, path = 1, Path(self._folder).absolute() / name
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                while os.path.lexists(path):  # rows of a batch begin in the same second
                    number += 1
                    path = path.with_name(f"{name} ({number})")
                path.mkdir()
            except OSError as error:
                raise JobError(
                    tr(
                        "The results folder {} cannot be used: {}. Choose another one, for all runs in Plugins"
                        " > Soil CNN > Settings."
                    ).format(self._folder, error.strerror or error)
                ) from error
            self.path = path
        return self.path
