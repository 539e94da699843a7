"""What the compute environment is and whether it works: libraries, device, computer, and a trial of each."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from soil_cnn_plugin.contract.requirements import Requirement, numbers_in, read_requirements
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import gibibytes, read_memory
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.paths import REQUIREMENTS

if TYPE_CHECKING:
    import torch

_BROKEN_LIBRARY = (ImportError, OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError)
"""Errors that a library raises when it is missing, does not fit the others, or does not fit the computer."""


@dataclass(frozen=True)
class Library:
    """One library. `version` is empty when it is not there; `remark` is empty when all is right."""

    name: str
    version: str
    tested: str
    is_usable: bool
    remark: str


@dataclass(frozen=True)
class Trial:
    name: str
    passed: bool
    words: str
    seconds: float


@dataclass(frozen=True)
class Environment:
    """All findings; `device` is in words, `computer` maps facts to their values in words."""

    device: str
    computer: dict[str, str]
    libraries: tuple[Library, ...]
    trials: tuple[Trial, ...]

    @property
    def passed(self) -> bool:
        return all(each.is_usable for each in self.libraries) and all(each.passed for each in self.trials)


def check_libraries(report: Report) -> tuple[Library, ...]:
    """Check the libraries that the engine requires; the log names those that cannot be used."""
    requirements = read_requirements(REQUIREMENTS.read_text(encoding="utf-8"))
    libraries = tuple(_check_library(item) for item in requirements)
    for library in libraries:
        if not library.is_usable:
            report.warning(f"{library.name} {library.version or 'is missing'}: {library.remark}")
    return libraries


def find_device(wanted: str, report: Report) -> tuple[torch.device | None, str]:
    """The device that jobs would compute on, and its name; None where PyTorch cannot be loaded.

    Raises:
        EngineError: a device was asked for by name that cannot be used.
    """
    try:
        from soil_cnn_plugin.engine.machine.device import choose_device, device_in_words
    except _BROKEN_LIBRARY as error:
        report.warning(f"PyTorch cannot be loaded: {error}")
        return None, "none: PyTorch cannot be loaded"
    device = choose_device(wanted, report)
    return device, device_in_words(device)


def describe_computer(device: torch.device | None) -> dict[str, str]:
    """Facts about this computer, in words."""
    memory, folder = read_memory(), tempfile.gettempdir()
    total = "unknown" if memory.total is None else gibibytes(memory.total)
    free = "" if memory.free is None else f", {gibibytes(memory.free)} free"
    rows = {
        "Operating system": platform.platform(),
        "Python": f"{platform.python_version()} ({sys.executable})",
        "Processor": f"{platform.machine()}, {os.cpu_count()} cores",
        "Memory": total + free,
        "Temporary folder": f"{folder}, {gibibytes(shutil.disk_usage(folder).free)} free",
    }
    if device is not None and device.type == "cuda":
        import torch

        free_bytes, total_bytes = torch.cuda.mem_get_info(device)
        rows["GPU memory"] = f"{gibibytes(total_bytes)}, {gibibytes(free_bytes)} free"
        rows["GPU driver"] = _driver() or "unknown"
    return rows


def run_trials(device: torch.device | None, report: Report) -> tuple[Trial, ...]:
    """Try one after the other what jobs rest on, and tell how each went."""
    from soil_cnn_plugin.engine.machine import trial  # needs numpy, which may be the broken library

    def try_network() -> str:
        if device is None:
            raise EngineError("PyTorch cannot be loaded.")
        return trial.try_network(device)

    names: dict[str, Callable[[], str]] = {
        "Train and evaluate a network": try_network,
        "Fit a random forest": trial.try_forest,
        "Warp a raster": trial.try_warping,
        "Write and read files": trial.try_files,
    }
    trials: list[Trial] = []
    for done, (name, attempt) in enumerate(names.items()):
        trials.append(_try(name, attempt))
        tell = report.info if trials[-1].passed else report.warning
        tell(f"{name}: {'passed' if trials[-1].passed else 'failed'}. {trials[-1].words}")
        report.progress((done + 1) / len(names))
    return tuple(trials)


def _check_library(requirement: Requirement) -> Library:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Library(requirement.name, "", requirement.version, False, "It must be installed.")
    if not requirement.is_met_by(found):
        remark = f"Too old: at least {requirement.lowest} is needed."
        return Library(requirement.name, found, requirement.version, False, remark)
    is_tested = numbers_in(found) == numbers_in(requirement.version)
    remark = "" if is_tested else "Another version than the tested one; it may work."
    return Library(requirement.name, found, requirement.version, True, remark)


def _driver() -> str:
    """The NVIDIA driver's version; empty when it cannot be read."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip().splitlines()[0] if answer.returncode == 0 and answer.stdout.strip() else ""


def _try(name: str, attempt: Callable[[], str]) -> Trial:
    began = time.perf_counter()
    try:
        passed, words = True, attempt()
    except (EngineError, *_BROKEN_LIBRARY) as error:
        passed, words = False, str(error) or type(error).__name__
    return Trial(name, passed, words, round(time.perf_counter() - began, 2))
