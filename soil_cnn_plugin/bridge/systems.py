"""The systems that PyTorch and the other packages are published for, and the lock file that serves each."""

from __future__ import annotations

import platform
import subprocess
import sys
from dataclasses import dataclass
from typing import Optional

from ..contract.language import tr
from .errors import WorkerFailed

Machine = tuple[str, str, tuple[int, ...]]
"""Kind of the system, processor, and release of glibc or macOS."""


@dataclass(frozen=True)
class System:
    """A system for which all packages are published: its least release and the Pythons 3.x that they exist for.

    `release` is that of glibc on Linux, of macOS on a Mac, and of no matter on Windows. `lock` is the name of a file in
    engine/locks/, and `target` is what uv calls the system.
    """

    kind: str
    machine: str
    release: tuple[int, ...]
    pythons: tuple[int, ...]
    lock: str
    target: str


CURRENT = (11, 12, 13, 14)
SYSTEMS = (
    System("linux", "x86_64", (2, 28), CURRENT, "current.txt", "x86_64-manylinux_2_28"),
    System("linux", "aarch64", (2, 28), CURRENT, "current.txt", "aarch64-manylinux_2_28"),
    System("windows", "x86_64", (), CURRENT, "current.txt", "x86_64-pc-windows-msvc"),
    System("macos", "arm64", (14, 0), CURRENT, "current.txt", "aarch64-apple-darwin"),
    # An older PyTorch serves older systems; for these Pythons all packages have a wheel.
    System("macos", "arm64", (12, 0), (11, 12), "macos-12.txt", "aarch64-apple-darwin"),
    System("linux", "x86_64", (2, 17), (11, 12, 13), "glibc-2.17.txt", "x86_64-manylinux_2_17"),
)
"""In the order in which they are tried."""


def system_of(kind: str, machine: str, release: tuple[int, ...]) -> Optional[System]:
    """Return the first system that serves; None if PyTorch is published for no such machine."""
    return next(
        (each for each in SYSTEMS if (each.kind, each.machine) == (kind, machine) and release >= each.release), None
    )


def kind_and_machine(platform_name: str, machine: str) -> tuple[str, str]:
    """Return the words of `SYSTEMS` for `sys.platform` and `platform.machine()`."""
    kind = {"win32": "windows", "darwin": "macos"}.get(platform_name, platform_name)
    alike = {"amd64": "x86_64", "x64": "x86_64", "arm64": "arm64" if kind == "macos" else "aarch64"}
    return kind, alike.get(machine.lower(), machine.lower())


def this_system() -> System:
    """Return the system that this machine is; raise WorkerFailed if PyTorch is published for no such machine."""
    return served(this_machine())


def served(machine: Machine) -> System:
    """Return the system whose packages a machine can run; raise WorkerFailed with what its user can do instead."""
    kind, processor, release = machine
    if kind == "windows" and processor == "aarch64":
        processor = "x86_64"  # Windows on ARM runs such programs, QGIS among them
    system = system_of(kind, processor, release)
    if system is None:
        raise WorkerFailed(tr("{} Nothing was downloaded. {}").format(_why(kind, processor, release), _INSTEAD))
    return system


def this_machine() -> Machine:
    """Return what this machine is, whatever QGIS itself was built for."""
    kind, machine = kind_and_machine(sys.platform, platform.machine())
    release: tuple[int, ...] = ()
    if kind == "macos":
        if machine == "x86_64" and _is_apple_silicon():  # QGIS for Intel runs on it, translated by Rosetta
            machine = "arm64"
        release = numbers(platform.mac_ver()[0])
    elif kind == "linux":
        release = glibc()
    return kind, machine, release


def glibc() -> tuple[int, ...]:
    """Return, for example, (2, 36); empty for a Linux with another C library."""
    name, version = platform.libc_ver()
    return numbers(version) if name == "glibc" else ()


def numbers(version: str) -> tuple[int, ...]:
    """Return the first two numbers of a version."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


def _is_apple_silicon() -> bool:
    command = ["/usr/sbin/sysctl", "-n", "hw.optional.arm64"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() == "1"
    except OSError:
        return False


def _why(kind: str, machine: str, release: tuple[int, ...]) -> str:
    version = ".".join(map(str, release))
    least = min((each.release for each in SYSTEMS if (each.kind, each.machine) == (kind, machine)), default=())
    needed = ".".join(map(str, least))
    if kind == "macos" and machine == "x86_64":
        return tr("This Mac has an Intel processor, and PyTorch is no longer published for it.")
    if kind == "macos" and least:
        return tr("This is macOS {}, and PyTorch needs macOS {} or later. Update macOS, or go another way.").format(
            version, needed
        )
    if kind == "linux" and least and not release:
        return tr("This Linux has a C library other than glibc (Alpine's musl, for example), and PyTorch needs glibc.")
    if kind == "linux" and least:
        return tr("This Linux has glibc {}, and PyTorch needs glibc {} or later.").format(version, needed)
    return tr("PyTorch is not published for this machine ({}, {}).").format(kind, machine)


_INSTEAD = tr(
    "What you can do: (1) If conda-forge has PyTorch for this machine, build an environment with the"
    " packages of the plugin's engine/requirements.txt from it, and name its interpreter in PYTHON. (2) On"
    " Windows, install a 64-bit Linux in WSL, and QGIS in it. (3) Work on another computer, or give your"
    " jobs to one: the page on large maps of the guide says how (docs/large.md)."
)
