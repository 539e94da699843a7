"""Builds a folder under a temporary name beside its final place, and swaps it in when it is whole."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import AbstractContextManager, suppress
from pathlib import Path

from ..contract.language import tr
from ..contract.locks import try_lock
from .environment import MARKER, default_folder
from .errors import WorkerFailed

UNFINISHED = "soil-cnn-unfinished"
"""File in an environment that is being built; the QGIS that builds it holds its lock."""
PATIENCE_SECONDS = 10.0  # for a virus scanner that looks at what has just been written


class FolderSwap(AbstractContextManager["FolderSwap"]):
    """While it is open, `part` is built; `finish` makes it the folder. Without that, everything stays as it was.

    What stood there before is kept until then. Entering raises WorkerFailed if the folder cannot be replaced: because
    it holds something else, because it is in use, or because another QGIS builds it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.part, self._old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")

    def __enter__(self) -> FolderSwap:
        _refuse_foreign(self._folder)
        try:
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            if not os.access(self._folder.parent, os.W_OK):
                raise WorkerFailed(
                    tr("The folder {} is not writable. Choose another FOLDER.").format(self._folder.parent)
                )
            restore(self._folder)
            for leftover, sign in ((self.part, UNFINISHED), (self._old, MARKER)):
                if leftover.exists():
                    _remove_own(leftover, sign)
            self._refuse_in_use()
            self.part.mkdir()
            self._builder = (self.part / UNFINISHED).open("w", encoding="utf-8")
        except OSError as error:
            raise WorkerFailed(
                tr("The folder {} cannot be used: {}.").format(self._folder.parent, error.strerror or error)
            ) from error
        try_lock(self._builder.fileno())
        return self

    def finish(self) -> None:
        """Put the new folder into its place."""
        self._builder.close()
        try:
            (self.part / UNFINISHED).unlink()
            if self._folder.exists():
                _rename(self._folder, self._old)
            _rename(self.part, self._folder)
        except OSError as error:
            raise WorkerFailed(
                tr(
                    "The compute environment cannot be written to {}: {}. If a job of Soil CNN runs, wait until"
                    " it ends, and run this again."
                ).format(self._folder, error.strerror or error)
            ) from error

    def __exit__(self, *_: object) -> None:
        self._builder.close()
        restore(self._folder)
        for leftover in (self.part, self._old):
            shutil.rmtree(leftover, ignore_errors=True)

    def _refuse_in_use(self) -> None:
        """Find out before the download what Windows would say after it: it renames no folder with open files."""
        if not self._folder.exists():
            return
        try:
            self._folder.rename(self._old)
        except PermissionError as error:
            raise WorkerFailed(
                tr(
                    "The compute environment in {} is in use, so it cannot be replaced. Wait until the jobs of"
                    " Soil CNN have ended, in every QGIS, and run this again."
                ).format(self._folder)
            ) from error
        self._old.rename(self._folder)


def restore(folder: Path) -> None:
    """Put back what a swap that was broken off between its two steps had moved aside."""
    old = folder.with_name(folder.name + ".old")
    if not folder.exists() and (old / MARKER).is_file():
        with suppress(OSError):
            old.rename(folder)


def _rename(source: Path, target: Path) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            source.rename(target)
            return
        except PermissionError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that the set-up did not make, so that it is never replaced."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARKER).is_file())):
        raise WorkerFailed(
            tr(
                "{} exists and holds something other than a compute environment. Choose a FOLDER that does not"
                " exist yet; it will be created."
            ).format(folder)
        )


def _remove_own(leftover: Path, sign: str) -> None:
    """Remove what a killed set-up has left; raise WorkerFailed if the folder belongs to somebody else."""
    if not (leftover / sign).is_file():
        if leftover.parent == default_folder().parent:  # only this plugin uses it
            shutil.rmtree(leftover)
            return
        raise WorkerFailed(
            tr("{} is in the way, and the set-up did not make it. Move it or choose another FOLDER.").format(leftover)
        )
    with (leftover / sign).open("r+", encoding="utf-8") as file:
        if try_lock(file.fileno()) is False:
            raise WorkerFailed(
                tr("Another QGIS is building a compute environment in {}. Wait until it ends.").format(leftover)
            )
    shutil.rmtree(leftover)
