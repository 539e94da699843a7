"""Runs a job in a worker process: relays its events, cancels it, explains a crash."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Optional, Union

from qgis.core import QgsProcessingFeedback

from ..contract import jobs
from ..contract.events import Done, Event, EventError, Failed, Info, Metric, Progress, Warning, from_line
from ..contract.language import LANGUAGE_VARIABLE, language, localized, tr, tr_n
from .environment import clean_variables, find_python
from .errors import Cancelled, WorkerFailed
from .pulse import Pulse
from .running import RUNNING
from .spare import SPARE
from .worker_process import Setting, WorkerProcess

KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
"""Settings for glibc, so that the memory of one block is kept for the next. To return it and get it again page by page
can take longer than the convolutions. Other systems ignore these variables."""

Outputs = dict[str, Union[str, float, int]]

LOG_LINES = 15  # of worker.log, shown when a worker has crashed
LOG_WIDTH = 300  # characters of each
SECONDS_BETWEEN_ESTIMATES = 10
SECONDS_TO_END = 5  # for a worker that has sent its last event


def run_job(job: jobs.Job, feedback: QgsProcessingFeedback, python: Path, is_followed: bool = False) -> Outputs:
    """Run the job and return its outputs. On failure or cancel, remove unfinished files and raise WorkerFailed.

    `is_followed`: another job comes soon, so a spare worker is made ready meanwhile.
    """
    setting, killed_before, is_done = _setting(python), _out_of_memory_kills(), False
    worker = SPARE.take(setting, job) or WorkerProcess(setting, job)
    RUNNING.begin(job, worker.stop_file)
    try:
        with worker:
            relay = Relay(feedback)
            while not worker.child.output_ended and relay.last is None:
                if feedback.isCanceled():
                    raise Cancelled
                relay.tell(worker.child.next_line())
                if is_followed and relay.has_news:
                    SPARE.prepare(setting)
                    is_followed = False
            code = worker.child.wait(SECONDS_TO_END if relay.last else 2)
            outputs = _outputs(relay.last, code, worker.log_file, killed_before)
        is_done = True
    finally:
        RUNNING.end(worker.stop_file)
        if not is_done:
            jobs.remove_parts(job, worker.run)
    return outputs


def prepare_worker() -> None:
    """Make a spare worker ready for the next job, in the compute environment of now; do nothing if there is none."""
    with suppress(WorkerFailed):
        SPARE.prepare(_setting(find_python()))


def _setting(python: Path) -> Setting:
    variables = {**clean_variables(python, os.environ), **KEEP_MEMORY, LANGUAGE_VARIABLE: language()}
    return Setting.of_now(python, variables)


def _outputs(last: Union[Done, Failed, None], code: Optional[int], log_file: Path, killed: Optional[int]) -> Outputs:
    """Return what the last event holds; raise WorkerFailed if the job failed, or the worker ended without it."""
    if isinstance(last, Failed):
        raise WorkerFailed(last.message)
    if isinstance(last, Done):
        return last.outputs
    raise WorkerFailed(_crash_in_words(code, log_file, killed))


class Relay:
    """Passes a worker's events on to Processing's feedback."""

    def __init__(self, feedback: QgsProcessingFeedback) -> None:
        self.last: Union[Done, Failed, None] = None
        self.has_news = False
        self._feedback = feedback
        self._pulse = Pulse(feedback)
        self._step = ""
        self._estimate = ""
        self._estimated = time.monotonic()

    def tell(self, line: Optional[str]) -> None:
        """Pass on the event in a line; `line` is None if none came."""
        if line:
            self.has_news = True
            try:
                self._tell(from_line(line))
            except EventError:
                self._feedback.pushDebugInfo(line[:500])
        self._pulse.beat()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Progress):
            self._pulse.percent = float(event.percent or 0)
            self._tell_step(event)
        elif isinstance(event, Info):
            self._feedback.pushInfo(event.text)
        elif isinstance(event, Warning):
            self._feedback.pushWarning(event.text)
        elif isinstance(event, Metric):
            value = tr("none") if event.value is None else localized(f"{event.value:.4g}")
            self._feedback.pushInfo(f"{event.name}: {value}")
        else:
            self.last = event

    def _tell_step(self, event: Progress) -> None:
        """Show the step, and now and then the time left. Each text becomes a line in the log, so there are few."""
        if event.step and event.step != self._step:
            self._step = event.step
            self._feedback.setProgressText(event.step)
        if event.seconds_left is None or time.monotonic() - self._estimated < SECONDS_BETWEEN_ESTIMATES:
            return
        estimate = time_in_words(event.seconds_left)
        if estimate != self._estimate:
            self._estimate, self._estimated = estimate, time.monotonic()
            self._feedback.setProgressText(tr("About {} left").format(estimate))


def time_in_words(seconds: float) -> str:
    """Return the time in words, as rough as the estimate is."""
    if seconds < 60:
        return tr("{:.0f} seconds").format(max(10, round(seconds, -1)))
    if seconds < 5400:
        minutes = round(seconds / 60)
        return tr_n("{} minute", "{} minutes", minutes).format(minutes)
    return tr("{:.1f} hours").format(seconds / 3600)


def _crash_in_words(code: Optional[int], log_file: Path, killed_before: Optional[int]) -> str:
    log = log_file.read_text(encoding="utf-8", errors="replace")
    # Python's own report of a crash ends with a line of all modules.
    lines = [line[:LOG_WIDTH] for line in log.splitlines() if not line.startswith("Extension modules:")]
    # The cause stands above the traces of all threads.
    fatal = [line for line in lines[:-LOG_LINES] if line.startswith("Fatal Python error")]
    log = "\n".join([tr("The end of its log:"), *fatal, *lines[-LOG_LINES:]]) if lines else tr("Its log is empty.")
    what = _code_in_words(code, killed_before, _out_of_memory_kills())
    return tr("The worker process ended before the job was done: {}\n{}").format(what, log)


_LESS = tr("close other programs, or reduce the block size, the number of members or the number of covariates.")
_KILLED = {
    True: tr("the system killed it (signal SIGKILL), most likely because memory ran out. To need less, {}").format(
        _LESS
    ),
    False: (
        tr(
            "it was killed (signal SIGKILL), but not by the system because memory ran out. A person did it, a"
            " batch system at one of its limits, or a program that watches memory, such as systemd-oomd or"
            " earlyoom. Run again, or ask whoever administers the computer. If memory was the cause, {}"
        ).format(_LESS)
    ),
    None: (
        tr(
            "it was killed (signal SIGKILL): by the system because memory ran out, or by a person or another"
            " program. If memory was the cause, {}"
        ).format(_LESS)
    ),
}
"""Whether the system has meanwhile counted a process that it killed because memory ran out (None: it does not count)
-> what happened."""


def _out_of_memory_kills() -> Optional[int]:
    """Return how many processes Linux has killed since it started because memory ran out; None on other systems."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), None)


def _code_in_words(code: Optional[int], killed_before: Optional[int], killed_now: Optional[int]) -> str:
    if code is None:
        return tr("it closed its output but did not end, so it was stopped.")
    if code == -getattr(signal, "SIGKILL", 9):
        return _KILLED[None if killed_before is None or killed_now is None else killed_now > killed_before]
    if code < 0:
        return tr("it crashed ({}).").format(_signal_name(-code))
    if 128 < code < 128 + signal.NSIG:  # as a shell reports it, and a worker that is asked to end
        return tr("it was told to end ({}).").format(_signal_name(code - 128))
    if code >= 0xC0000000:  # Windows reports a crash as an NTSTATUS value
        return tr("it crashed (code {:#x}).").format(code)
    return tr("exit code {}.").format(str(code))


def _signal_name(number: int) -> str:
    try:
        return tr("signal {}").format(signal.Signals(number).name)
    except ValueError:
        return tr("signal {}").format(number)
