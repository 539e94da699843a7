"""Names of an output until it is complete. They carry the run, so that no run touches another's or a user's files."""

from __future__ import annotations

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from .job import Job

RUN_VARIABLE = "SOILCNN_RUN"
"""Environment variable that gives a worker its run, so that whoever started it can remove what it leaves behind."""
_RUN = re.compile(r"[0-9a-f]{8}")


def new_run() -> str:
    return secrets.token_hex(4)


def is_run(text: str) -> bool:
    return _RUN.fullmatch(text) is not None


RUN = os.environ[RUN_VARIABLE] if is_run(os.environ.get(RUN_VARIABLE, "")) else new_run()
"""The run of this process."""


def part(path: str, run: str = RUN) -> str:
    """Return the path at which a run writes an output until it is complete; it owns longer names that start so."""
    return f"{path}.{run}.part"


def aside(path: str, run: str = RUN) -> str:
    """Return the path at which a run keeps the file that an output replaces, for the moment of replacing it."""
    return f"{path}.{run}.old"


def claim(path: str) -> str:
    """Return the path of the file that names the run which writes an output now."""
    return f"{path}.soilcnn-run"


def remove_parts(job: Job, run: str = RUN) -> None:
    """Delete half-written files that an ended run has left behind, and bring back what it had put aside."""
    for text in job.output_paths().values():
        remove_parts_of(text, run)


def remove_parts_of(path: str, run: str) -> None:
    """Do for one output what `remove_parts` does for all."""
    folder, name = Path(path).parent, Path(path).name
    if os.path.lexists(aside(path, run)):
        if os.path.lexists(path):
            os.unlink(aside(path, run))
        else:
            os.rename(aside(path, run), path)
    if folder.is_dir():
        for leftover in folder.iterdir():
            if leftover.name.startswith(part(name, run)):
                leftover.unlink(missing_ok=True)
    with suppress(OSError, UnicodeDecodeError):
        if Path(claim(path)).read_text(encoding="ascii") == run:
            os.unlink(claim(path))
