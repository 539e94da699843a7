"""The spare worker: at most one process that has loaded its libraries, so that the next job starts at once."""

from __future__ import annotations

import atexit
import threading
from contextlib import suppress
from typing import Optional

from ..contract.jobs import Job
from .errors import WorkerFailed
from .worker_process import Setting, WorkerProcess


class Spare:
    """Holds the spare worker, for all threads. Each serves one job only, so that no job finds another's state."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._worker: Optional[WorkerProcess] = None

    def prepare(self, setting: Setting) -> None:
        """Start a spare worker, unless one with this setting waits already. If none can start, the job will tell."""
        with self._lock:
            self._drop_useless(setting)
            if self._worker is None:
                with suppress(OSError, WorkerFailed):
                    self._worker = WorkerProcess(setting)

    def take(self, setting: Setting, job: Job) -> Optional[WorkerProcess]:
        """Give the job to the spare worker, and return it; None if there is none with this setting that is ready.

        One that still loads is left to the next job: not every job needs all that it loads.
        """
        with self._lock:
            self._drop_useless(setting)
            worker = self._worker
            if worker is None or not worker.is_ready:
                return None
            self._worker = None
        if worker.begin(job):
            return worker
        worker.close()
        return None

    def dismiss(self) -> None:
        """End the spare worker: before its environment is replaced, and when QGIS or the plugin ends."""
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None

    def _drop_useless(self, setting: Setting) -> None:
        if self._worker is not None and not self._worker.serves(setting):
            self._worker.close()
            self._worker = None


SPARE = Spare()
atexit.register(SPARE.dismiss)
