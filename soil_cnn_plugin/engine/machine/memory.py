"""How much memory the computer has, and how much of it is free, read without any third-party library."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from soil_cnn_plugin.contract.language import tr

if sys.platform != "win32":
    import resource  # now: where memory has run out, no library can be loaded any more

_GPU_MEMORY_WORDS = re.compile(r"(CUDA|HIP|MPS).{0,40}out of memory|_STATUS_\w*ALLOC\w*_FAILED", re.I | re.S)
_PERHAPS_GPU_MEMORY = re.compile(r"unable to find an engine to execute|_STATUS_NOT_INITIALIZED", re.I)
"""Words of cuDNN, for which PyTorch tries way after way and hides why each failed, and of libraries that start."""

_SETTINGS = {-3: (5 * 2**20, 2**31 - 1), -1: (2**26, 2**31 - 1)}
"""Settings of glibc, by its numbers, for trainings and for maps: from how many bytes on an array gets memory of its own
(M_MMAP_THRESHOLD), and how many freed bytes are kept (M_TRIM_THRESHOLD)."""
_OF_GROUPS = (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes"))
"""Limit and use of a control group, in versions 2 and 1; many clusters have the latter."""
_OCTAL = re.compile(r"\\([0-7]{3})")  # how the list of mounted file systems writes a space


@dataclass(frozen=True)
class Memory:
    """Memory in bytes; None where this system does not tell."""

    total: int | None
    free: int | None


def read_memory() -> Memory:
    """Read total and free memory. Free is what a process can still get before the system swaps: it includes the disk
    cache."""
    if os.name == "nt":
        return _read_windows()
    if sys.platform == "darwin":
        return Memory(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), None)
    memory = _read_linux(Path("/proc/meminfo"))
    for folder in _control_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")):
        memory = _within_control_group(memory, folder)
    return _within_address_space(memory, Path("/proc/self/statm"))


def give_back() -> None:
    """Give freed memory back to the system where the C library does not do so by itself (glibc)."""
    if (library := _glibc()) is not None:
        library.malloc_trim(0)


@contextlib.contextmanager
def giving_back() -> Iterator[None]:
    """Within this `with`, give large arrays back to the system when they are freed (glibc). A training holds arrays of
    all sizes for all lengths of time: what the settings of maps, which come back afterwards, would keep between them is
    more than the arrays themselves."""
    _set_up(0)
    try:
        yield
    finally:
        _set_up(1)
        give_back()


def keep_freed() -> None:
    """Keep freed memory for the next block of a map (glibc). The bridge starts its workers so; Dask starts its own with
    the opposite setting, and to get memory again page by page takes longer than to predict a block."""
    _set_up(1)


def _set_up(column: int) -> None:
    if (library := _glibc()) is not None:
        for setting, values in _SETTINGS.items():
            library.mallopt(setting, values[column])


def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is one that keeps much of what is freed."""
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None


def address_limit() -> int | None:
    """The bytes that this process may have in all (`ulimit -v`), None where nothing limits them."""
    if sys.platform == "win32":
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def lies_in_memory(folder: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether files in this folder take memory instead of disk space, as far as the system tells."""
    if not mounts.is_file():
        return False
    kind, length, here = "", -1, folder.resolve()
    for line in mounts.read_text(errors="replace").splitlines():
        _, place, of_place, *_ = line.split(" ")
        parts = Path(_OCTAL.sub(lambda found: chr(int(found[1], 8)), place)).parts
        if here.parts[: len(parts)] == parts and len(parts) >= length:  # a later line is mounted over it
            kind, length = of_place, len(parts)
    return kind in ("tmpfs", "ramfs")


def is_memory_of_gpu(error: BaseException) -> bool:
    """Whether a GPU ran out of memory, or probably did; the backends raise errors of different kinds and words."""
    is_sure = type(error).__name__ == "OutOfMemoryError" or bool(_GPU_MEMORY_WORDS.search(str(error)))
    return is_sure or is_perhaps_memory_of_gpu(error)


def is_perhaps_memory_of_gpu(error: BaseException) -> bool:
    """Whether libraries of a GPU failed as they do when memory runs out, but also when they are broken."""
    return bool(_PERHAPS_GPU_MEMORY.search(str(error)))


def gibibytes(count: int) -> str:
    """Write a number of bytes as `1.5 GiB`, or as MiB below one GiB."""
    return tr("{:.1f} GiB").format(count / 2**30) if count >= 2**30 else tr("{:.0f} MiB").format(count / 2**20)


def _read_linux(path: Path) -> Memory:
    if not path.is_file():
        return Memory(None, None)
    lines = (line.split() for line in path.read_text().splitlines())
    sizes = {words[0]: int(words[1]) * 1024 for words in lines if len(words) == 3}
    return Memory(sizes.get("MemTotal:"), sizes.get("MemAvailable:"))


def _control_groups(path: Path, root: Path) -> list[Path]:
    """The folders of this process's control group and of the groups around it, whose limits hold, too."""
    lines = [line.split(":", 2) for line in path.read_text().splitlines()] if path.is_file() else []
    own = [root / place.lstrip("/") for _, kind, place in lines if kind == ""]  # version 2
    own += [root / "memory" / place.lstrip("/") for _, kinds, place in lines if "memory" in kinds.split(",")]
    around = [folder for each in own or [root] for folder in (each, *each.parents)]
    return [folder for folder in around if folder.is_relative_to(root)]


def _within_control_group(memory: Memory, folder: Path) -> Memory:
    """Lower the memory to what a container or a cluster's scheduler allows."""
    for limit, used in ((folder / limit, folder / used) for limit, used in _OF_GROUPS):
        if limit.is_file() and used.is_file() and (text := limit.read_text().strip()).isdigit():
            allowed, free = int(text), max(0, int(text) - int(used.read_text()) + _disk_cache(folder / "memory.stat"))
            free = min(free, allowed) if memory.free is None else min(free, allowed, memory.free)
            memory = Memory(min(memory.total or allowed, allowed), free)
    return memory


def _within_address_space(memory: Memory, path: Path) -> Memory:
    """Lower the memory to what the process may have in all (`ulimit -v`). Addresses count that hold nothing yet."""
    limit = address_limit()
    if limit is None or not path.is_file():
        return memory
    left = max(0, limit - int(path.read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE"))
    return Memory(min(memory.total or limit, limit), left if memory.free is None else min(memory.free, left))


def _disk_cache(path: Path) -> int:
    """Bytes that a control group uses for the disk cache, and gives back when it is asked for memory."""
    if not path.is_file():
        return 0
    lines = (line.split() for line in path.read_text().splitlines())
    return sum(int(size) for name, size in lines if name in ("active_file", "inactive_file"))


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows interface."""

    _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
        (name, ctypes.c_ulonglong)
        for name in ("total", "free", "total_page", "free_page", "total_virtual", "free_virtual", "extended")
    ]


def _read_windows() -> Memory:
    if sys.platform == "win32":
        status = _MemoryStatus()
        status.length = ctypes.sizeof(status)
        if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            return Memory(int(status.total), int(status.free))
    return Memory(None, None)


def usable_cores() -> int:
    """Number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
