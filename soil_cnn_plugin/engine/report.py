"""Tells what happens in a job: the only writer of events."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from soil_cnn_plugin.contract.events import Event, Info, Metric, Progress, Warning, to_line

Write = Callable[[Event], None]


class Report:
    """Sends events; `part` gives a step of a job its share of the progress bar.

    Progress is sent at most ten times a second, and never less than before; the time left is estimated from the share
    done so far.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._started = time.monotonic()
        self._low, self._high = 0.0, 100.0
        self._root = self
        self._last_sent = self._most = 0.0
        self._step = ""

    def part(self, start: float, end: float, step: str = "") -> Report:
        """A report whose 0 to 1 are `start` to `end` of this one (both 0 to 1). It announces a new `step`."""
        child = Report(self._write)
        child._root, child._step = self._root, step or self._step
        width = self._high - self._low
        child._low, child._high = self._low + start * width, self._low + end * width
        child.progress(0.0, force=bool(step))
        return child

    def progress(self, share: float, force: bool = False) -> None:
        """Report the `share` of this step that is done, 0 to 1."""
        now, root = time.monotonic(), self._root
        if not force and now - root._last_sent < 0.1:
            return
        root._last_sent = now
        root._most = percent = max(root._most, self._low + min(max(share, 0.0), 1.0) * (self._high - self._low))
        elapsed = now - root._started
        left = elapsed * (100 - percent) / percent if percent > 2 and elapsed > 3 else None
        self._write(Progress(round(percent, 2), self._step, left if left is None else round(left, 1)))

    @property
    def elapsed(self) -> float:
        """Seconds since this step, or the job, began."""
        return time.monotonic() - self._started

    def info(self, text: str) -> None:
        self._write(Info(text))

    def warning(self, text: str) -> None:
        self._write(Warning(text))

    def metric(self, name: str, value: float) -> None:
        self._write(Metric(name, float(value)))


class EventStream:
    """Writes events as lines to a file descriptor, whole lines only, from any thread.

    `reader_gone` is called when nobody reads any more; it must not return. Nothing is written after `close`.
    """

    def __init__(self, descriptor: int, reader_gone: Callable[[], None]) -> None:
        self._descriptor, self._reader_gone = descriptor, reader_gone
        self._lock = threading.Lock()
        self._last_progress = Progress(0.0)
        self._last_written = 0.0
        self._is_open = True

    def __call__(self, event: Event) -> None:
        self._send(event)

    def beat(self) -> None:
        """Repeats the last progress if nothing was written for almost a second."""
        if time.monotonic() - self._last_written > 0.9:
            self._send()

    def close(self) -> None:
        """Stop writing, without a lock: a thread that hangs in a full pipe must not keep the worker from ending."""
        self._is_open = False

    def _send(self, event: Event | None = None) -> None:
        """Write an event, or the last progress: not one from before another thread's, or the bar would go back."""
        try:
            with self._lock:
                if isinstance(event, Progress):
                    self._last_progress = event
                line = f"{to_line(event or self._last_progress)}\n".encode("ascii")
                while line and self._is_open:
                    line = line[os.write(self._descriptor, line) :]
                self._last_written = time.monotonic()
        except OSError:  # EPIPE; on Windows EINVAL
            self._reader_gone()


class Heartbeat(AbstractContextManager["Heartbeat"]):
    """Repeats the last progress each second, so that a worker whose reader is gone notices and ends."""

    def __init__(self, beat: Callable[[], None], seconds: float = 1.0) -> None:
        self._beat, self._seconds = beat, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._seconds):
            self._beat()
