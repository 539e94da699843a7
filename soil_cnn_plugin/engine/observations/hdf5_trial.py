"""A trial reading of an HDF5 file in a process of its own: on a damaged file the library may spin for ever, or crash.

While it spins, Python cannot run, so that no signal is noticed. Run as a script, this file reads the file that its
argument names, and needs nothing but h5py; imported, it starts that script.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
from contextlib import suppress
from typing import Any

import h5py

SECONDS = 60.0
"""The time that reading may take; large files may take longer."""
_BYTES_A_SECOND = 5e6  # read from slow drives
_MOST_BYTES = 64_000_000  # values that are read on trial
_BROKEN = (OSError, KeyError, TypeError, ValueError, RuntimeError, OverflowError, AttributeError, MemoryError)

_known: set[tuple[str, int, int]] = set()


def trust(path: str) -> None:
    """Trust that the file, as it is now, can be read: this process has written or tried it."""
    _known.add(_state(path))


def why_unreadable(path: str) -> str:
    """Return what happens when the file is read, where that ends neither well nor with an error; else empty."""
    state = _state(path)
    if state in _known:
        return ""
    limit = SECONDS + os.path.getsize(path) / _BYTES_A_SECOND
    command = [sys.executable, "-P", os.path.realpath(__file__), path, str(limit)]
    flags = getattr(subprocess, "CREATE_NO_WINDOW", 0)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, creationflags=flags
    ) as child:
        try:
            status = child.wait(limit + SECONDS)
        except BaseException as error:
            child.kill()
            if isinstance(error, subprocess.TimeoutExpired):
                return _ENDLESS
            raise
    if status == 0:
        _known.add(state)
        return ""
    return _ENDLESS if status == 1 else f"reading it crashes (exit status {status})"


_ENDLESS = "reading it does not come to an end"


def _state(path: str) -> tuple[str, int, int]:
    found = os.stat(path)
    return os.path.realpath(path), found.st_mtime_ns, found.st_size


def _read_all(path: str) -> None:
    """Read whatever a reader may touch; leave what raises an error to the reader."""
    with suppress(*_BROKEN), h5py.File(path, "r", locking=False) as file:
        _read_group(file, set())


def _read_group(group: h5py.Group, seen: set[Any]) -> None:
    with suppress(*_BROKEN):
        place = h5py.h5o.get_info(group.id).addr
        if place in seen:
            return
        seen.add(place)
    _read_attributes(group)
    names: list[str] = []
    with suppress(*_BROKEN):
        names = list(group)
    for name in names:
        with suppress(*_BROKEN):
            if isinstance(group.get(name, getlink=True), h5py.HardLink):
                member = group[name]
                if isinstance(member, h5py.Group):
                    _read_group(member, seen)
                elif isinstance(member, h5py.Dataset):
                    _read_dataset(member)


def _read_attributes(member: h5py.Group | h5py.Dataset) -> None:
    names: list[str] = []
    with suppress(*_BROKEN):
        names = list(member.attrs)
    for name in names:
        with suppress(*_BROKEN):
            attribute = h5py.h5a.open(member.id, name.encode())
            if attribute.get_storage_size() <= _MOST_BYTES:
                member.attrs[name]


def _read_dataset(data: h5py.Dataset) -> None:
    _read_attributes(data)
    stored = data.id.get_storage_size()
    if data.chunks:
        data.id.get_num_chunks()
    if data.is_virtual or data.id.get_create_plist().get_external_count() or not data.shape:
        return
    if max(data.nbytes, stored) <= _MOST_BYTES:
        data[()]
    elif stored and data.nbytes / data.shape[0] <= _MOST_BYTES:
        data[0], data[-1]


if __name__ == "__main__":
    faulthandler.dump_traceback_later(float(sys.argv[2]), exit=True)  # with exit status 1, whatever the library does
    _read_all(sys.argv[1])
    os._exit(0)
