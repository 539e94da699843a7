"""Run a job of the engine as the plugin does, in its own process, and watch its time and memory."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soil_cnn_plugin.contract.jobs import Job, to_json

ROOT = Path(__file__).resolve().parents[1]
TIMED = Path(__file__).with_name("timed_worker.py")
STAGED = Path(__file__).with_name("stage_clock.py")
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**32), "MALLOC_TRIM_THRESHOLD_": str(2**33)}
"""The values that bridge/worker.py sets, which only QGIS can import."""
_LOOK_EVERY = 0.05  # seconds


@dataclass(frozen=True)
class Run:
    """`peak_bytes` is the peak of resident memory, 0 if the system does not report it; `times` is what the timed worker
    wrote, `outputs` what the job returned, `log` what it said, `progress` (second, percent) what it told of itself,
    `busy` the seconds of processors that the process and its children took."""

    seconds: float
    peak_bytes: int
    times: dict[str, Any]
    outputs: dict[str, Any]
    log: tuple[str, ...]
    progress: tuple[tuple[float, float], ...] = ()
    busy: float = 0.0


class Unfinished(Exception):
    """A job that was ended at its limit of time, `percent` done; `seconds_left` is its own estimate, if it has one."""

    def __init__(self, seconds: float, percent: float, seconds_left: float | None) -> None:
        left = "" if seconds_left is None else f", about {seconds_left:,.0f} s before its end"
        super().__init__(f"ended after {seconds:.0f} s, {percent:.0f} % done{left}")


def run_job(
    job: Job,
    *,
    limit: float = math.inf,
    timed: bool = False,
    compute_only: bool = False,
    staged: bool = False,
    launcher: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
) -> Run:
    """Run a job. `timed` puts clocks around reading, computing and writing; `compute_only` leaves out reading and
    writing; `staged` tells the time of each stage of a training; `launcher` holds arguments of Python that start
    several processes. A job that fails ends the benchmark.

    Raises:
        Unfinished: the job has not ended after `limit` seconds.
    """
    with tempfile.TemporaryDirectory(prefix="soilcnn-bench-") as folder:
        job_file, times = Path(folder) / "job.json", Path(folder) / "times.json"
        job_file.write_text(to_json(job), encoding="utf-8")
        command, settings = worker_command(job_file, launcher)
        if timed or compute_only:
            command[-3:] = [str(TIMED), str(job_file), str(times), *(["--compute-only"] if compute_only else [])]
        elif staged:
            command[-3:] = [str(STAGED), str(job_file), str(times)]
        settings.update(environment or {})
        if launcher:  # torchrun leaves its folders behind
            settings["TMPDIR"] = folder
        run = _watch(command, settings, folder, limit)
        if times.is_file():
            run.times.update(json.loads(times.read_text(encoding="utf-8")))
    return run


def worker_command(job_file: Path, launcher: Sequence[str] = ()) -> tuple[list[str], dict[str, str]]:
    """Return the command of a worker and its environment variables."""
    command = [sys.executable, "-X", "utf8", "-u", *launcher, "-m", "soil_cnn_plugin.engine", str(job_file)]
    return command, {**os.environ, **KEEP_MEMORY, "PYTHONPATH": str(ROOT)}


def _watch(command: Sequence[str], environment: Mapping[str, str], folder: str, limit: float) -> Run:
    """Watch a process. Its events go to a file, so that nothing waits for a reader."""
    told, log = Path(folder) / "events", Path(folder) / "log"
    started, peak, progress, before = time.perf_counter(), 0, [], busy_of_children()
    with told.open("wb") as output, log.open("wb") as errors:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=errors, stdin=subprocess.DEVNULL)
        try:
            while process.poll() is None and time.perf_counter() - started < limit:
                peak = max(peak, peak_bytes(process.pid))
                percent = _last_percent(told)
                if percent is not None and (not progress or percent != progress[-1][1]):
                    progress.append((time.perf_counter() - started, percent))
                time.sleep(_LOOK_EVERY)
        finally:
            is_unfinished = process.poll() is None
            process.kill()
            process.wait()
    seconds, busy = time.perf_counter() - started, busy_of_children() - before
    events = events_of(told)
    if is_unfinished:
        progress = [event for event in events if event["event"] == "progress"] or [{"percent": 0.0}]
        raise Unfinished(seconds, progress[-1]["percent"], progress[-1].get("seconds_left"))
    if process.returncode:
        failed = [event for event in events if event.get("event") == "failed"]
        raise SystemExit(f"The job failed: {failed}\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
    outputs = next((event["outputs"] for event in events if event["event"] == "done"), {})
    return Run(seconds, peak, {}, outputs, tuple(event["text"] for event in events if event["event"] == "info"),
               tuple(progress), busy)  # fmt: skip


def busy_of_children() -> float:
    """Return the seconds of processors that all processes took which were started here and have ended."""
    times = os.times()
    return times.children_user + times.children_system


def _last_percent(path: Path) -> float | None:
    """The percent done that a worker told last."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 2000))
        lines = file.read().decode("ascii", errors="replace").splitlines(keepends=True)
    whole = [line for line in lines if line.startswith('{"event": "progress"') and line.endswith("\n")]
    return float(json.loads(whole[-1])["percent"]) if whole else None


def events_of(path: Path) -> list[dict[str, Any]]:
    """Read the whole events that a worker has written to a file so far."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def peak_bytes(process: int) -> int:
    """Return the peak of resident memory so far, of this process alone: a child's count starts from its parent's."""
    try:
        lines = Path(f"/proc/{process}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return max((1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM")), default=0)


@contextmanager
def one_core() -> Iterator[None]:
    """Run processes that start within this `with` on one core, if the system allows it."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
