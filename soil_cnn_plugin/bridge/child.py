"""A child process whose output can be waited for without blocking, and which is stopped with all its children."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Optional

GRACE_SECONDS = 0.4  # between asking a process to end and killing it; a cancel is felt within a second


class Child(AbstractContextManager):
    """Runs `command` without a window and without an input; leaving the context ends it.

    Lines of stdout are read by a thread, so that the reader can watch for a cancel meanwhile. `stderr` is an open file
    or `subprocess.STDOUT`. One `is_watching` has an input in which nothing is written, and which ends with QGIS.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        folder: Path,
        stderr: object,
        is_watching: bool = False,
    ) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE if is_watching else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            cwd=str(folder),
            encoding="utf-8",
            errors="replace",
            start_new_session=os.name != "nt",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._lines: queue.Queue[Optional[str]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.output_ended = False

    def next_line(self, seconds: float = 0.1) -> Optional[str]:
        """The next line without its line break; None when none came in time or the output has ended."""
        if self.output_ended:
            return None
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        self.output_ended = line is None
        return line

    def wait(self, seconds: float) -> Optional[int]:
        """The exit code, or None when the process still runs after these seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """End the process and its children: politely, then by force."""
        if self._process.poll() is None:
            self._signal("SIGTERM")
            if self.wait(GRACE_SECONDS) is None:
                self._signal("SIGKILL")
                self.wait(GRACE_SECONDS)

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._reader.join(1)
        if not self._reader.is_alive():  # else a grandchild holds the pipe, and closing it here would block
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\r\n"))
        self._lines.put(None)

    def _signal(self, name: str) -> None:
        if os.name == "nt":
            command = ["taskkill", "/PID", str(self._process.pid), "/T", "/F"]
            subprocess.run(command, capture_output=True, check=False, creationflags=subprocess.CREATE_NO_WINDOW)
            return
        with suppress(ProcessLookupError):  # it may just have ended by itself
            os.killpg(self._process.pid, getattr(signal, name))  # it leads a group of its own
