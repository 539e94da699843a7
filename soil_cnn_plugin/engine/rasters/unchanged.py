"""Whether files stayed as they were while they were read: of some formats GDAL reads zeros where the end is gone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from soil_cnn_plugin.engine.errors import EngineError


@dataclass(frozen=True)
class FileStates:
    """Path -> size and time of the last change; None of what is no local file."""

    states: dict[str, tuple[int, int] | None]

    @classmethod
    def of(cls, paths: Iterable[str]) -> FileStates:
        return cls({path: _state(path) for path in paths})

    def check(self) -> None:
        """Raises EngineError when one has changed since, or is gone."""
        for path, before in self.states.items():
            now = _state(path)
            if before is not None and now is None:
                raise EngineError(
                    f"{path} was removed while it was read, or its drive does not answer, so that what was read of it"
                    " may be wrong. Nothing is written. Put it back and run again."
                )
            if before is not None and now != before:
                raise EngineError(
                    f"{path} was changed while it was read, so that what was read of it may be wrong. Nothing is"
                    " written. See to it that no other program writes the file, and run again."
                )


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # an address, or a file in an archive
        return None
    return found.st_size, found.st_mtime_ns
