"""A GPU whose memory other programs hold: whether it is full, in words, and waiting until it is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import PurePath

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.machine.gpu import GpuMemory
from soil_cnn_plugin.engine.machine.memory import gibibytes
from soil_cnn_plugin.engine.report import Report

LEAST_FREE = 2**30
"""Bytes that must be free before a run begins: the layers of two blocks of a map take as much at any block size."""
_SECONDS = 10.0  # between two looks while the run waits
_FIRST_NEWS = 5.0  # minutes; the next come after twice as many
_PROGRAMS = 3  # to name
_QUERY = ("--query-compute-apps=pid,process_name,used_memory", "--format=csv,noheader,nounits")


def is_full(memory: GpuMemory) -> bool:
    return memory.free < LEAST_FREE


def is_worth_waiting(memory: GpuMemory) -> bool:
    """Whether other programs hold so much that the run would have room without them."""
    return memory.free + memory.others >= 2 * LEAST_FREE and memory.others >= memory.total / 10


def full_in_words(name: str, memory: GpuMemory) -> str:
    """Say how full the GPU is and who holds its memory, as a part of a sentence."""
    return tr("the memory of {} is full: {} of {} are free, other programs hold {}{}").format(
        name, gibibytes(memory.free), gibibytes(memory.total), gibibytes(memory.others), programs_in_words()
    )


def programs_in_words() -> str:
    """Name the programs that compute on the NVIDIA GPUs of this machine, ` (python, 12.0 GiB, process 4711)`, but this
    one; empty where the driver does not tell."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run([program, *_QUERY], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    rows = [[part.strip() for part in line.split(",")] for line in done.stdout.splitlines()]
    others = [row for row in rows if len(row) == 3 and row[0] != str(os.getpid())]
    others.sort(key=lambda row: -float(row[2]) if row[2].isdigit() else 0.0)
    named = [_program_in_words(*row) for row in others[:_PROGRAMS]]
    more = [tr("{} more").format(len(others) - _PROGRAMS)] if len(others) > _PROGRAMS else []
    return f" ({'; '.join(named + more)})" if named else ""


def _program_in_words(number: str, path: str, mebibytes: str) -> str:
    name = PurePath(path.replace("\\", "/")).name or tr("a program")
    size = f", {gibibytes(int(mebibytes) * 2**20)}" if mebibytes.isdigit() else ""  # Windows does not tell it
    return tr("{}{}, process {}").format(name, size, number)


def wait_for_gpu(has_room: Callable[[], bool], why: str, report: Report) -> None:
    """Wait until the GPU `has_room`; the log says `why`, now and then that the run still waits, and how long it did."""
    report.warning(
        tr(
            "The run waits for the GPU, because {}. It goes on when these programs give memory back. To wait no"
            " longer, cancel the run and set the choice for a full GPU to processor."
        ).format(why)
    )
    started, news = time.monotonic(), _FIRST_NEWS
    while not has_room():
        time.sleep(_SECONDS)
        if _minutes_since(started) >= news:
            report.info(tr("The run still waits for the GPU, after {:.0f} minutes.").format(_minutes_since(started)))
            news *= 2
    report.info(tr("The GPU has room again, after {:.0f} minutes of waiting.").format(_minutes_since(started)))


def _minutes_since(started: float) -> float:
    return (time.monotonic() - started) / 60
