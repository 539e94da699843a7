"""Builds the engine's Python environment when the user asks for it, or adopts the user's interpreter."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO, Optional

from qgis.core import QgsProcessingFeedback

from ..contract.locks import try_lock
from ..paths import REQUIREMENTS
from .download_progress import FIRST_PERCENT, LAST_PERCENT
from .environment import (
    MARKER,
    default_folder,
    is_complete,
    python_in,
    read_marker,
    remember,
    write_marker,
)
from .errors import WorkerFailed
from .interpreters import examine, find_base_python, untested
from .packages import Installation, start_log
from .pulse import Pulse
from .torch_builds import Source, sources

UNFINISHED = "soil-cnn-unfinished"
"""File in an environment that is being built; the QGIS that builds it holds its lock."""
GIGABYTE = 1 << 30
NEEDED_GIGABYTES = {"cpu": 3, "cuda": 10}


def adopt(python: Path, feedback: QgsProcessingFeedback) -> Path:
    """Check the packages of the user's interpreter and let it run the engine."""
    if not python.is_file():
        raise WorkerFailed(f"{python} does not exist. Name a Python interpreter, for example /opt/env/bin/python.")
    versions = examine(python)
    feedback.pushInfo(f"{python} has all packages of the engine.")
    for item, version in untested(versions):
        feedback.pushWarning(f"{item.name} is version {version}; Soil CNN is tested with {item.version}.")
    remember(python)
    return python


def build(folder: Optional[Path], build_name: str, feedback: QgsProcessingFeedback) -> Path:
    """Build the environment in `folder` (None: the default one) unless it is complete; return its interpreter.

    It is built under a temporary name beside its final place and moved there when it is complete.
    """
    folder = folder or default_folder()
    source = sources(build_name, feedback)
    if is_complete(folder) and read_marker(folder).get("build") == source.build and _works(folder, feedback):
        feedback.pushInfo(f"The compute environment in {folder} is complete, so nothing is installed.")
        remember(python_in(folder))
        return python_in(folder)
    _refuse_foreign(folder)
    part, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    builder, is_done = _prepare(folder, part, old, source.build), False
    try:
        _fill(part, source, feedback)
        write_marker(part, source.build)
        builder.close()
        (part / UNFINISHED).unlink()
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        is_done = True
    except OSError as error:
        raise WorkerFailed(
            f"The compute environment cannot be written to {folder}: {error.strerror or error}."
        ) from error
    finally:
        builder.close()
        if not is_done and old.is_dir() and not folder.exists():
            old.rename(folder)
        for leftover in (part, old):
            shutil.rmtree(leftover, ignore_errors=True)
    remember(python_in(folder))
    feedback.pushInfo(f"The compute environment is ready in {folder}.")
    return python_in(folder)


def _fill(part: Path, source: Source, feedback: QgsProcessingFeedback) -> None:
    """Build a virtual environment with all packages, and examine it."""
    base = find_base_python()
    feedback.pushInfo(f"Building a virtual environment with {base}. All lines of pip go to {start_log()}.")
    pulse = Pulse(feedback)
    run = Installation(part, source.build, feedback, pulse)
    run.make_venv(base)
    pulse.percent = FIRST_PERCENT
    run.install_packages(source, REQUIREMENTS)
    pulse.percent = LAST_PERCENT
    pulse.beat()
    feedback.pushInfo("Trying the packages out")
    examine(python_in(part))


def _works(folder: Path, feedback: QgsProcessingFeedback) -> bool:
    try:
        examine(python_in(folder))
    except WorkerFailed as error:
        feedback.pushWarning(f"{error} The environment is built again.")
        return False
    return True


def _refuse_foreign(folder: Path) -> None:
    """Refuse a folder that the set-up did not make, so that it is never replaced."""
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARKER).is_file())):
        raise WorkerFailed(
            f"{folder} exists and holds something other than a compute environment. Choose a FOLDER that does not exist"
            " yet; it will be created."
        )


def _prepare(folder: Path, part: Path, old: Path, build_name: str) -> IO[str]:
    """Make the folder to build in; return the open file in it that tells others that somebody builds."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover, sign in ((part, UNFINISHED), (old, MARKER)):
            if leftover.exists():
                _remove_own(leftover, sign)
        free = shutil.disk_usage(folder.parent).free / GIGABYTE
    except OSError as error:
        raise WorkerFailed(f"The folder {folder.parent} cannot be used: {error.strerror or error}.") from error
    if not os.access(folder.parent, os.W_OK):
        raise WorkerFailed(f"The folder {folder.parent} is not writable. Choose another FOLDER.")
    needed = NEEDED_GIGABYTES[build_name]
    if free < needed:
        raise WorkerFailed(
            f"The compute environment needs about {needed} GB, but {folder.parent} has {free:.1f} GB left. Free some"
            " space or choose another FOLDER."
        )
    part.mkdir()
    builder = (part / UNFINISHED).open("w", encoding="utf-8")
    try_lock(builder.fileno())
    return builder


def _remove_own(leftover: Path, sign: str) -> None:
    """Remove what a killed set-up has left; raise WorkerFailed if the folder belongs to somebody else."""
    if not (leftover / sign).is_file():
        if leftover.parent == default_folder().parent:  # only this plugin uses it
            shutil.rmtree(leftover)
            return
        raise WorkerFailed(
            f"{leftover} is in the way, and the set-up did not make it. Move it or choose another FOLDER."
        )
    with (leftover / sign).open("r+", encoding="utf-8") as file:
        if try_lock(file.fileno()) is False:
            raise WorkerFailed(f"Another QGIS is building a compute environment in {leftover}. Wait until it ends.")
    shutil.rmtree(leftover)
