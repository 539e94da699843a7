"""Builds the engine's Python environment when the user asks for it, or adopts the user's interpreter."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from qgis.core import QgsProcessingFeedback

from ..contract.language import tr
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
from .spare import SPARE
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
        raise WorkerFailed(
            tr("{} does not exist. Name a Python interpreter, for example /opt/env/bin/python.").format(python)
        )
    versions = examine(python)
    feedback.pushInfo(tr("{} has all packages of the engine.").format(python))
    for item, version in untested(versions):
        feedback.pushWarning(
            tr("{} is version {}; Soil CNN is tested with {}.").format(item.name, version, item.version)
        )
    remember(python)
    return python


def build(wish: Wish, feedback: QgsProcessingFeedback) -> Path:
    """Build the environment unless it is complete; return its interpreter.

    Whether this machine is served, and whether there is room, is found out before anything is downloaded.
    """
    SPARE.dismiss()  # Windows replaces no folder with a library in use
    system, folder = this_system(), wish.folder or default_folder()
    wheels = read_wheels(wish.wheels) if wish.wheels else None
    source = _source(wish.build, wheels, system, feedback)
    restore(folder)
    if is_complete(folder) and read_marker(folder).get("build") == source.build and _works(folder, feedback):
        feedback.pushInfo(tr("The compute environment in {} is complete, so nothing is installed.").format(folder))
        remember(python_in(folder))
        return python_in(folder)
    require_short_path(folder)
    with FolderSwap(folder) as swap:
        require_space(folder.parent, source.build)
        _fill(swap.part, wish, source, system, wheels, feedback)
        write_marker(swap.part, source.build)
        SPARE.dismiss()  # one that a dialog has started meanwhile
        swap.finish()
    remember(python_in(folder))
    feedback.pushInfo(tr("The compute environment is ready in {}.").format(folder))
    return python_in(folder)


def _source(build_name: str, wheels: Optional[Wheels], system: System, feedback: QgsProcessingFeedback) -> Source:
    if wheels is None:
        return sources(build_name, system, feedback)
    if build_name not in ("auto", wheels.build):
        raise WorkerFailed(tr("{} holds the {} build of PyTorch. Use BUILD=auto.").format(wheels.folder, wheels.build))
    feedback.pushInfo(
        tr("Packages are taken from {} (PyTorch {}, {}).").format(wheels.folder, wheels.version, wheels.build)
    )
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
        tr("Looking for a Python to build the compute environment from. All lines of it go to {}.").format(start_log())
    )
    pulse = Pulse(feedback)
    commands = Commands(part, feedback, pulse, network_variables(part, feedback))
    BasePython(commands, default_folder().parent, wish.base, wheels).build()
    pulse.percent = FIRST_PERCENT
    Installation(commands, system, wheels).install(source)
    shutil.rmtree(part / "tools", ignore_errors=True)
    pulse.percent = LAST_PERCENT
    pulse.beat()
    feedback.pushInfo(tr("Trying the packages out"))
    examine(python_in(part))


def _works(folder: Path, feedback: QgsProcessingFeedback) -> bool:
    try:
        examine(python_in(folder))
    except WorkerFailed as error:
        feedback.pushWarning(tr("{} The environment is built again.").format(error))
        return False
    return True
