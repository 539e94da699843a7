"""The worker process of one job, in a temporary folder of its own; a spare one is started before there is a job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Optional

from ..contract.events import EventError, Progress, from_line
from ..contract.jobs import Job, to_json
from ..contract.language import tr
from ..contract.parts import RUN_VARIABLE, new_run
from ..contract.stop_file import STOP_VARIABLE
from ..paths import PACKAGE, WORKER
from .child import Child
from .environment import MARKER
from .errors import WorkerFailed
from .run_folder import RunFolder

STOP_FILE = "stop"
IDLE_SECONDS = 300
"""A spare worker that has waited so long for a job ends: it holds memory."""
_MARGIN_SECONDS = 10  # so that no job is given to a worker that is about to end


@dataclass(frozen=True)
class Setting:
    """What a worker is started with: a spare one serves a job only if that wants the same."""

    python: Path
    variables: Mapping[str, str]
    written: tuple[int, ...]
    """When the compute environment and each file of the plugin's code were written, in nanoseconds: a spare worker has
    loaded the code as it was when it started."""

    @classmethod
    def of_now(cls, python: Path, variables: Mapping[str, str]) -> Setting:
        files = (python, python.parent.parent / MARKER, *sorted(PACKAGE.rglob("*.py")))
        return cls(python, variables, tuple(map(_written, files)))


class WorkerProcess(AbstractContextManager["WorkerProcess"]):
    """Starts a worker; leaving the context stops it and removes its folder. Raises WorkerFailed if it cannot start.

    Without a job it is a spare one. Its run, its folder and the file that asks it to stop are settled all the same.
    """

    def __init__(self, setting: Setting, job: Optional[Job] = None) -> None:
        self.setting, self.run = setting, new_run()
        self._started, self._is_ready = time.monotonic(), False
        with ExitStack() as ends:
            folder = ends.enter_context(RunFolder("soilcnn-job-"))
            self.stop_file, self.log_file = folder / STOP_FILE, folder / "worker.log"
            self._job_file = folder / "job.json"
            if job is not None:
                self._write(job)
            command = [str(setting.python), "-X", "utf8", "-u", str(WORKER), str(self._job_file)]
            if job is None:
                command += ["--spare", str(IDLE_SECONDS + _MARGIN_SECONDS)]
            variables = {**setting.variables, RUN_VARIABLE: self.run, STOP_VARIABLE: str(self.stop_file)}
            with self.log_file.open("wb") as log:
                self.child = ends.enter_context(_start(command, variables, folder, log, job is None))
            self._ends = ends.pop_all()

    @property
    def is_ready(self) -> bool:
        """Whether a spare worker has loaded its libraries: it then tells that it made no progress yet."""
        while not self._is_ready and (line := self.child.next_line(0)) is not None:
            with suppress(EventError):  # what the user's Python prints by itself
                self._is_ready = isinstance(from_line(line), Progress)
        return self._is_ready

    def serves(self, setting: Setting) -> bool:
        """Whether this spare worker still waits, and would have been started in the same way now."""
        is_young = time.monotonic() - self._started < IDLE_SECONDS
        return is_young and self.setting == setting and self.child.wait(0) is None

    def begin(self, job: Job) -> bool:
        """Give its job to a spare worker; return whether it got it."""
        try:
            self._write(job)
        except OSError:
            return False
        return self.child.wake()

    def close(self) -> None:
        self._ends.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _write(self, job: Job) -> None:
        self._job_file.write_text(to_json(job), encoding="utf-8")


def _written(file: Path) -> int:
    """When a file was written, 0 where there is none, because an editor or an update replaces it just now."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _start(command: list[str], variables: dict[str, str], folder: Path, log: IO[bytes], is_spare: bool) -> Child:
    try:
        return Child(command, variables, folder, log, is_waiting=is_spare)
    except OSError as error:
        raise WorkerFailed(tr("{} cannot be started: {}.").format(command[0], error.strerror or error)) from error
