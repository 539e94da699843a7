"""Builds the virtual environment of the engine from the first Python that serves, and tells of each that is tried."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from ..contract.language import any_of, tr
from .commands import Commands, log_path
from .environment import python_in
from .errors import Cancelled, WorkerFailed
from .interpreters import facts_of, why_not
from .managed_python import ToolBox
from .python_places import Computer, places
from .systems import this_system
from .wheels import Wheels

PREFERRED = 13
"""The Python 3.x that is fetched where it may be any."""


@dataclass
class BasePython:
    """Tries Pythons: the user's `own`, those that are found, and at last one that uv fetches into `tools_folder`.

    They fill the folder of `commands`; what lies there before stays when an attempt fails.
    """

    commands: Commands
    tools_folder: Path
    own: Optional[Path] = None
    wheels: Optional[Wheels] = None
    _seen: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)
    _refused: list[str] = field(default_factory=list)
    _kept: frozenset[str] = frozenset()

    def build(self) -> None:
        """Build the environment; raise WorkerFailed if no Python serves."""
        self._kept = frozenset(path.name for path in self.commands.folder.iterdir())
        own = [self.own] if self.own else []
        if any(self._serves(python) for python in (*own, *places(Computer()))):
            return
        self.commands.feedback.pushInfo(tr("No Python on this computer is suitable, so uv will provide one."))
        try:
            minors = self.wheels.minors if self.wheels else this_system().pythons
            python = self._tools().python(PREFERRED if PREFERRED in minors else max(minors))
        except Cancelled:
            raise
        except WorkerFailed as error:
            raise WorkerFailed(self._nothing_serves(str(error))) from error
        if not self._serves(python):
            shutil.rmtree(self.tools_folder / "python", ignore_errors=True)  # so that another run fetches it anew
            raise WorkerFailed(self._nothing_serves(tr("The one that uv fetched does not work either.")))

    def _serves(self, python: Path) -> bool:
        """Build the environment from this Python if it can, and say in a line what came of it."""
        problem = self._try(python)
        if problem:
            self._refused.append(f"{python}: {problem}")
            tell = self.commands.feedback.pushWarning if python == self.own else self.commands.feedback.pushInfo
            tell(tr("Tried {}: {}.").format(python, problem))
            return False
        self.commands.feedback.pushInfo(tr("Tried {}: it works. The environment is built from it.").format(python))
        return True

    def _try(self, python: Path) -> str:
        """Return why no environment could be built from this Python; empty if one was built and works."""
        if self.commands.feedback.isCanceled():
            raise Cancelled
        try:
            facts = facts_of(python)
        except WorkerFailed as error:
            return tr("it does not run ({})").format(_first_line(error).replace(str(python), tr("it")))
        self._seen.append((python, facts))
        problem = why_not(facts, self.wheels.minors if self.wheels else None) or self._make(python, facts)
        if problem:
            self._clear()
        return problem

    def _make(self, python: Path, facts: dict[str, Any]) -> str:
        """Build the environment, and try it out as the engine will run in it: without QGIS's folders on its paths."""
        folder, own_pip = self.commands.folder, facts["has_ensurepip"]
        options = [] if own_pip else ["--without-pip"]
        ended = self.commands.run([str(python), "-m", "venv", *options, str(folder)], python, folder.parent)
        if ended.code != 0:
            return tr("it cannot build virtual environments ({})").format(ended.last_line)
        try:
            if not own_pip:
                self._add_pip()
            built = facts_of(python_in(folder))
        except Cancelled:
            raise
        except WorkerFailed as error:
            return tr("the environment built from it does not work ({})").format(_first_line(error))
        missing = [f"{name} ({problem})" for name, problem in built["missing"].items()]
        if not built["pip"]:
            missing.append("pip")
        return tr("the environment built from it lacks {}").format("; ".join(missing)) if missing else ""

    def _add_pip(self) -> None:
        """Debian and Ubuntu leave pip out of Python unless python3-venv is installed."""
        python = python_in(self.commands.folder)
        wheel = self._tools().pip_wheel()
        self.commands.feedback.pushInfo(tr("This Python comes without pip, so it is taken from {}.").format(wheel.name))
        ended = self.commands.run(
            [str(python), f"{wheel}/pip", "install", "--no-index", "--no-deps", str(wheel)], python
        )
        if ended.code != 0:
            raise WorkerFailed(tr("pip could not be installed: {}").format(ended.last_line))

    def _tools(self) -> ToolBox:
        return ToolBox(self.commands, self.tools_folder, self._seen, self.wheels)

    def _clear(self) -> None:
        for path in self.commands.folder.iterdir():
            if path.name in self._kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

    def _nothing_serves(self, reason: str) -> str:
        tried = "".join(f"\n- {line}" for line in self._refused) or tr(" none")
        versions = [f"3.{minor}" for minor in self.wheels.minors] if self.wheels else ["3.12", "3.13"]
        return tr(
            "No Python was found that the compute environment can be built from. {}\nTried:{}\nInstall"
            " Python {} (from python.org on Windows and macOS; on Debian and Ubuntu, if they have it, with"
            ' "sudo apt install python3-venv"), name a Python in BASE, or name a folder that `make'
            " bundle` wrote for this system and Python in WHEELS, and run this again. All lines are in {}."
        ).format(reason, tried, any_of(versions), log_path())


def _first_line(error: WorkerFailed) -> str:
    text = str(error).strip()
    return text.splitlines()[-1 if "Traceback" in text else 0]
