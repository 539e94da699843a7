"""Runs the commands of the set-up: with a log file, a cancel button that works, and no trace when QGIS dies."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Optional

from qgis.core import QgsApplication, QgsProcessingFeedback

from ..contract.language import tr
from .child import Child
from .environment import clean_variables
from .errors import Cancelled, WorkerFailed
from .pulse import Pulse

GUARD = Path(__file__).with_name("guard.py")
SHOWN_LINES = 25  # of a command's output, if it fails


SPEECH = {"PYTHONUTF8": "1", "LC_MESSAGES": "C"}
"""Lets Pythons write UTF-8 whatever Windows' code page is, and apt write the English that the log is in."""


def log_path() -> Path:
    """Return the file with all lines of the last set-up, in QGIS's profile: it outlives a set-up that fails."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "soil-cnn" / "set-up.log"


def start_log() -> Path:
    """Empty the log file, and return its path."""
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    except OSError as error:
        raise WorkerFailed(
            tr("The log file {} cannot be written: {}.").format(path, error.strerror or error)
        ) from error
    return path


@dataclass
class Ended:
    """How a command ended: its exit code (None if it had to be given up) and the last lines of its output."""

    code: Optional[int]
    lines: list[str]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def last_line(self) -> str:
        return self.lines[-1].strip() if self.lines else tr("exit code {}").format(str(self.code))


@dataclass
class Commands:
    """Runs commands that fill `folder`, which is removed if QGIS ends meanwhile."""

    folder: Path
    feedback: QgsProcessingFeedback
    pulse: Pulse
    variables: dict[str, str] = field(default_factory=dict)

    def run(
        self,
        command: list[str],
        python: Path,
        place: Optional[Path] = None,
        look: Callable[[Optional[str]], None] = lambda _line: None,
    ) -> Ended:
        """Run a command in `place` (the folder itself) and log its lines. May raise Cancelled.

        `python` runs the guard, and its libraries are those that the command finds. `look` is called again and again,
        with each line of the output, or None while there is none.
        """
        lines: list[str] = []
        guarded = [str(python), "-I", str(GUARD), str(self.folder), *command]
        variables = {**clean_variables(python, os.environ), **SPEECH, **self.variables}
        with log_path().open("a", encoding="utf-8") as log:
            with Child(guarded, variables, place or self.folder, subprocess.STDOUT, is_watching=True) as child:
                while not child.output_ended:
                    if self.feedback.isCanceled():
                        raise Cancelled
                    self.pulse.beat()
                    line = child.next_line()
                    look(line)
                    if line:
                        log.write(f"{line}\n")
                        log.flush()
                        lines = [*lines, line][-SHOWN_LINES:]
                return Ended(child.wait(30), lines)
