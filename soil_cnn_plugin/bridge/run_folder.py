"""Temporary folders of runs. A run removes its own; a later run removes those of a QGIS that was killed."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from ..contract.language import tr
from ..contract.locks import try_lock
from .errors import WorkerFailed

PREFIXES = ("soilcnn-job-", "soilcnn-inputs-")
OWNER = "owner.lock"
SECONDS_UNSIGNED = 86_400
"""Age at which a folder without an owner's lock is removed; a younger one may be about to get its lock."""


class RunFolder(AbstractContextManager[Path]):
    """A new folder in the temporary one, as long as the context lasts; making it sweeps what former runs left."""

    def __init__(self, prefix: str) -> None:
        sweep()
        try:
            self.path = Path(tempfile.mkdtemp(prefix=prefix))
        except OSError as error:
            raise WorkerFailed(
                tr(
                    "The temporary folder {} cannot be used: {}. Free some space there, or let the environment"
                    " variable TMPDIR (on Windows TEMP) name another folder, and start QGIS again."
                ).format(tempfile.gettempdir(), error.strerror or error)
            ) from error
        self._descriptor = os.open(self.path / OWNER, os.O_RDWR | os.O_CREAT, 0o600)
        try_lock(self._descriptor)

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)  # before: Windows removes no open file
        shutil.rmtree(self.path, ignore_errors=True)


def sweep() -> None:
    """Remove folders of runs whose process is gone, but never those of other users or anything else."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).iterdir():
            if folder.name.startswith(PREFIXES):
                with suppress(OSError):
                    if _is_left_behind(folder):
                        shutil.rmtree(folder, ignore_errors=True)


def _is_left_behind(folder: Path) -> bool:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or (hasattr(os, "getuid") and found.st_uid != os.getuid()):
        return False
    try:
        descriptor = os.open(folder / OWNER, os.O_RDWR)
    except FileNotFoundError:
        return time.time() - found.st_mtime > SECONDS_UNSIGNED
    try:
        return try_lock(descriptor) is True
    finally:
        os.close(descriptor)
