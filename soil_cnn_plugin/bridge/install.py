"""Builds the engine's Python environment when the user asks for it, or adopts the user's interpreter."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from qgis.core import QgsProcessingFeedback

from ..contract.locks import try_lock
from ..paths import REQUIREMENTS
from .child import Child
from .environment import (
    MARKER,
    clean_variables,
    default_folder,
    is_complete,
    python_in,
    read_marker,
    remember,
    requirements,
    write_marker,
)
from .errors import Cancelled, WorkerFailed
from .interpreters import examine, find_base_python, untested
from .pulse import Pulse
from .torch_builds import Source, sources

GUARD = Path(__file__).with_name("guard.py")
UNFINISHED = "soil-cnn-unfinished"
"""File in an environment that is being built; the QGIS that builds it holds its lock."""
SHOWN_LINES = 25  # of the installer's output, if it fails
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
    feedback.pushInfo(f"Building a virtual environment with {base}")
    pulse = Pulse(feedback)
    _make_venv(base, part, feedback, pulse)
    run = Installation(part, feedback, pulse)
    pulse.percent = 5
    run.install_torch(source)
    pulse.percent = 70
    run.install(["-r", str(REQUIREMENTS)])
    pulse.percent = 90
    pulse.beat()
    examine(python_in(part))


@dataclass
class Installation:
    """Installs packages into the environment in `folder`: with uv if it exists, with pip if not or if uv fails."""

    folder: Path
    feedback: QgsProcessingFeedback
    pulse: Pulse

    def install_torch(self, source: Source) -> None:
        pin = next(f"{item.name}=={item.version}" for item in requirements() if item.name == "torch")
        if source.local_version:
            try:
                self.install([f"{pin}+{source.local_version}"], source.index)
                return
            except NotPublished:
                self.feedback.pushWarning(
                    f"The package index has no {source.build} build of PyTorch ({pin}+{source.local_version}). Its"
                    " default build is installed instead. It also works without a graphics card, but on Linux it is"
                    " several gigabytes larger."
                )
        self.install([pin])

    def install(self, what: Sequence[str], index: str = "") -> None:
        extra = ["--extra-index-url", index] if index else []
        uv = shutil.which("uv")
        if uv:
            best = ["--index-strategy", "unsafe-best-match"] if index else []
            try:
                self._run([uv, "pip", "install", "--python", str(python_in(self.folder)), *extra, *best, *what])
                return
            except InstallFailed as error:
                self.feedback.pushInfo(f"uv could not install: {error}\nTrying pip.")
        pip = [str(python_in(self.folder)), "-m", "pip", "install", "--no-input", "--progress-bar", "off"]
        self._run([*pip, *extra, *what])

    def _run(self, command: list[str]) -> None:
        code, lines = _stream(command, python_in(self.folder), self.folder, self.folder, self.feedback, self.pulse)
        if code != 0:
            text = "\n".join(lines)
            if "No space left" in text or "not enough space" in text:
                raise WorkerFailed(
                    f"The disk of {self.folder.parent} is full. Free some space or choose another FOLDER."
                )
            kind = NotPublished if "No matching distribution" in text or "no version of" in text else InstallFailed
            raise kind(f"Installing failed (exit code {code}). The installer's output ends with:\n{text}")


class InstallFailed(WorkerFailed):
    """pip or uv ended with an error."""


class NotPublished(InstallFailed):
    """The index does not have this version."""


def _make_venv(base: Path, part: Path, feedback: QgsProcessingFeedback, pulse: Pulse) -> None:
    code, lines = _stream([str(base), "-m", "venv", str(part)], base, part.parent, part, feedback, pulse)
    if code == 0:
        return
    text = "\n".join(lines)
    if "ensurepip" in text or "No module named venv" in text:
        raise WorkerFailed(
            f"{base} cannot build virtual environments. On Debian and Ubuntu they need a separate package. Install it"
            ' ("sudo apt install python3-venv") and run this again.'
        )
    raise WorkerFailed(f"{base} could not build a virtual environment (exit code {code}):\n{text}")


def _stream(
    command: list[str], python: Path, folder: Path, part: Path, feedback: QgsProcessingFeedback, pulse: Pulse
) -> tuple[Optional[int], list[str]]:
    """Run a command and show its lines as they come; return the exit code and the last lines. May raise Cancelled.

    `part` is the folder that the command builds; it is removed if QGIS ends meanwhile.
    """
    lines: list[str] = []
    guarded = [str(python), "-I", str(GUARD), str(part), *command]
    with Child(guarded, clean_variables(python, os.environ), folder, subprocess.STDOUT, is_watching=True) as child:
        while not child.output_ended:
            if feedback.isCanceled():
                raise Cancelled
            pulse.beat()
            line = child.next_line()
            if line:
                feedback.pushConsoleInfo(line)
                lines = [*lines, line][-SHOWN_LINES:]
        return child.wait(30), lines


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
