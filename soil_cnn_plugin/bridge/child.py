"""A child process: read its output without blocking, and stop it together with all its children."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import IO, Any, Optional, Union

from .process_tree import ProcessTree, no_window

GRACE_SECONDS = 0.4  # between asking a process to end and killing it; a cancel takes effect within a second


class Child(AbstractContextManager["Child"]):
    """Runs `command` without a window and without input; leaving the context stops it.

    A thread reads the lines of stdout, so that the caller can meanwhile watch for a cancel. `stderr` is either an open
    file or `subprocess.STDOUT`. With `is_watching` or `is_waiting`, its input stays empty and ends when QGIS ends; the
    former outlives QGIS for a moment to clear up, the latter waits for `wake`.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: dict[str, str],
        folder: Path,
        stderr: Union[int, IO[Any]],
        is_watching: bool = False,
        is_waiting: bool = False,
    ) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.PIPE if is_watching or is_waiting else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=environment,
            cwd=str(folder),
            encoding="utf-8",
            errors="replace",
            start_new_session=os.name != "nt",
            creationflags=no_window(),
        )
        self._tree = ProcessTree(self._process, outlives=is_watching)
        self._lines: queue.Queue[Optional[str]] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.output_ended = False

    def next_line(self, seconds: float = 0.1) -> Optional[str]:
        """Return the next line without its line break; None if none came in time or the output has ended."""
        if self.output_ended:
            return None
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            return None
        self.output_ended = line is None
        return line

    def wake(self) -> bool:
        """Send a line, then the end of the input; return whether the process was there to get it."""
        try:
            self._process.stdin.write("\n")
            self._process.stdin.close()
        except OSError:
            return False
        return True

    def wait(self, seconds: float) -> Optional[int]:
        """Return the exit code, or None if the process still runs after these seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stop(self) -> None:
        """Stop the process and its children: ask first, then kill."""
        if self._process.poll() is None:
            self._tree.ask_to_end()
            if self.wait(GRACE_SECONDS) is None:
                self._tree.kill()
                self.wait(GRACE_SECONDS)

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._tree.close()
        if self._process.stdin is not None:
            with suppress(OSError):  # a line that the process did not live to read
                self._process.stdin.close()
        self._reader.join(1)
        if not self._reader.is_alive():  # else a grandchild holds the pipe, and closing it here would block
            self._process.stdout.close()

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\r\n"))
        self._lines.put(None)
