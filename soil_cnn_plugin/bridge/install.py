"""Builds the engine's Python environment when the user asks for it, or adopts the user's interpreter."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from qgis.core import QgsProcessingFeedback

from .base_python import BasePython
from .commands import Commands, start_log
from .download_progress import FIRST_PERCENT, LAST_PERCENT
from .environment import default_folder, is_complete, python_in, read_marker, remember, write_marker
from .errors import WorkerFailed
from .folder_limits import require_short_path, require_space
from .folder_swap import FolderSwap, restore
from .interpreters import examine, untested
from .network import network_variables
from .packages import Installation
from .pulse import Pulse
from .systems import System, this_system
from .torch_builds import Source, sources
from .wheels import Wheels, read_wheels


@dataclass(frozen=True)
class Wish:
    """What the user asks for. `folder` None: the default one; `base`: a Python to build the environment from;
    `wheels`: a folder of packages that are taken instead of those of the index."""

    folder: Optional[Path] = None
    build: str = "auto"
    base: Optional[Path] = None
    wheels: Optional[Path] = None


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


def build(wish: Wish, feedback: QgsProcessingFeedback) -> Path:
    """Build the environment unless it is complete; return its interpreter.

    Whether this machine is served, and whether there is room, is found out before anything is downloaded.
    """
    system, folder = this_system(), wish.folder or default_folder()
    wheels = read_wheels(wish.wheels) if wish.wheels else None
    source = _source(wish.build, wheels, system, feedback)
    restore(folder)
    if is_complete(folder) and read_marker(folder).get("build") == source.build and _works(folder, feedback):
        feedback.pushInfo(f"The compute environment in {folder} is complete, so nothing is installed.")
        remember(python_in(folder))
        return python_in(folder)
    require_short_path(folder)
    with FolderSwap(folder) as swap:
        require_space(folder.parent, source.build)
        _fill(swap.part, wish, source, system, wheels, feedback)
        write_marker(swap.part, source.build)
        swap.finish()
    remember(python_in(folder))
    feedback.pushInfo(f"The compute environment is ready in {folder}.")
    return python_in(folder)


def _source(build_name: str, wheels: Optional[Wheels], system: System, feedback: QgsProcessingFeedback) -> Source:
    if wheels is None:
        return sources(build_name, system, feedback)
    if build_name not in ("auto", wheels.build):
        raise WorkerFailed(f"{wheels.folder} holds the {wheels.build} build of PyTorch. Use BUILD=auto.")
    feedback.pushInfo(f"Packages are taken from {wheels.folder} (PyTorch {wheels.version}, {wheels.build}).")
    return Source(wheels.build, wheels.local_version)


def _fill(
    part: Path,
    wish: Wish,
    source: Source,
    system: System,
    wheels: Optional[Wheels],
    feedback: QgsProcessingFeedback,
) -> None:
    """Build a virtual environment with all packages, and examine it."""
    feedback.pushInfo(
        f"Looking for a Python to build the compute environment from. All lines of it go to {start_log()}."
    )
    pulse = Pulse(feedback)
    commands = Commands(part, feedback, pulse, network_variables(part, feedback))
    BasePython(commands, default_folder().parent, wish.base, wheels).build()
    pulse.percent = FIRST_PERCENT
    Installation(commands, system, wheels).install(source)
    shutil.rmtree(part / "tools", ignore_errors=True)
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
