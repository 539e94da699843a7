"""A process and all that it starts, so that both end together: a group on Linux and macOS, a job object on Windows."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from contextlib import suppress
from typing import Any, Optional

KILL_ON_CLOSE = 0x2000  # JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
EXTENDED_LIMITS = 9  # JobObjectExtendedLimitInformation
LIMITS_SIZE, FLAGS_AT = (144, 16) if ctypes.sizeof(ctypes.c_void_p) == 8 else (112, 16)
"""Size of JOBOBJECT_EXTENDED_LIMIT_INFORMATION, and where its LimitFlags lie."""


class ProcessTree:
    """The tree below a process that was just started. On Windows it ends when this process ends, however that ends,
    unless it is to outlive it for a moment (`outlives`) to clear up."""

    def __init__(self, process: subprocess.Popen[Any], outlives: bool = False) -> None:
        self._process = process
        self._job = None if outlives else JobObject.around(process)

    def ask_to_end(self) -> None:
        """Let the processes end by themselves. Windows knows no such request, so there it kills them."""
        self._signal("SIGTERM")

    def kill(self) -> None:
        self._signal("SIGKILL")

    def close(self) -> None:
        if self._job is not None:
            self._job.close()

    def _signal(self, name: str) -> None:
        if self._job is not None:
            self._job.terminate()
        elif os.name == "nt":
            command = ["taskkill", "/PID", str(self._process.pid), "/T", "/F"]
            subprocess.run(command, capture_output=True, check=False, creationflags=no_window())
        else:
            with suppress(ProcessLookupError):  # it may have ended by itself just now
                os.killpg(self._process.pid, getattr(signal, name))  # it leads a group of its own


class JobObject:
    """Windows' container of processes. It holds also those whose parent has ended, which taskkill cannot find."""

    def __init__(self, kernel: Any, handle: int) -> None:
        self._kernel, self._handle = kernel, ctypes.c_void_p(handle)

    @classmethod
    def around(cls, process: subprocess.Popen[Any], kernel: Any = None) -> Optional[JobObject]:
        """Put a process into a job object that ends with this process; None where that is not possible."""
        kernel = kernel or _kernel()
        if kernel is None:
            return None
        kernel.CreateJobObjectW.restype = ctypes.c_void_p
        handle = kernel.CreateJobObjectW(None, None)
        if not handle:
            return None
        job = cls(kernel, handle)
        limits = ctypes.create_string_buffer(bytes(FLAGS_AT) + KILL_ON_CLOSE.to_bytes(4, "little"), LIMITS_SIZE)
        is_limited = kernel.SetInformationJobObject(job._handle, EXTENDED_LIMITS, limits, LIMITS_SIZE)
        started = ctypes.c_void_p(int(process._handle))  # type: ignore[attr-defined]  # of Windows' Popen
        if is_limited and kernel.AssignProcessToJobObject(job._handle, started):
            return job
        job.close()
        return None

    def terminate(self) -> None:
        self._kernel.TerminateJobObject(self._handle, 1)

    def close(self) -> None:
        self._kernel.CloseHandle(self._handle)


def no_window() -> int:
    """Return the flag that keeps Windows from opening a console; 0 elsewhere."""
    return getattr(subprocess, "CREATE_NO_WINDOW", 0)


def _kernel() -> Any:
    if sys.platform == "win32":
        return ctypes.WinDLL("kernel32", use_last_error=True)
    return None
