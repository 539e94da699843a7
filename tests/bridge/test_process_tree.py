"""Ending a process with all that it started: really on Linux, and by what Windows is asked for there."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import time
from pathlib import Path

import pytest

from soil_cnn_plugin.bridge.process_tree import JobObject, ProcessTree


class Kernel:
    """What Windows' kernel32 is asked for; `refusing` names the function that fails."""

    def __init__(self, refusing: str = "") -> None:
        self.asked: list[str] = []
        self.flags = 0
        for name in ("CreateJobObjectW", "AssignProcessToJobObject", "TerminateJobObject", "CloseHandle"):
            setattr(self, name, self._function(name, refusing))

    def SetInformationJobObject(self, _job: object, kind: int, limits: ctypes.Array, size: int) -> int:
        self.asked.append("SetInformationJobObject")
        assert (kind, len(limits.raw)) == (9, size)
        self.flags = int.from_bytes(limits.raw[16:20], "little")
        return 1

    def _function(self, name: str, refusing: str):
        def function(*_: object) -> int:
            self.asked.append(name)
            return 0 if name == refusing else 77

        return function


class Started:
    """A process as Windows' Popen knows it."""

    _handle = 5


def test_windows_ends_the_tree_of_a_worker_with_qgis() -> None:
    kernel = Kernel()
    job = JobObject.around(Started(), kernel)
    assert kernel.flags == 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    job.terminate()
    job.close()
    assert kernel.asked == [
        "CreateJobObjectW",
        "SetInformationJobObject",
        "AssignProcessToJobObject",
        "TerminateJobObject",
        "CloseHandle",
    ]


@pytest.mark.parametrize("refusing", ["CreateJobObjectW", "AssignProcessToJobObject"])
def test_where_windows_refuses_a_job_object_taskkill_is_left(refusing) -> None:
    kernel = Kernel(refusing)
    assert JobObject.around(Started(), kernel) is None
    assert ("CloseHandle" in kernel.asked) == (refusing != "CreateJobObjectW")


def test_there_are_no_job_objects_elsewhere() -> None:
    assert JobObject.around(Started()) is None


def test_a_grandchild_ends_with_its_tree(tmp_path) -> None:
    grandchild = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)"
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"
    process = subprocess.Popen([sys.executable, "-c", child, grandchild, tmp_path / "pid"], start_new_session=True)
    tree, end = ProcessTree(process), time.monotonic() + 20
    while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()):
        assert time.monotonic() < end
        time.sleep(0.02)
    tree.kill()
    process.wait(10)
    while is_running(int((tmp_path / "pid").read_text())):
        assert time.monotonic() < end
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """A process that has ended may still wait for its parent to note it, as a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
