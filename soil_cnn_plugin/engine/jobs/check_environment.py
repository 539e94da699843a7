"""Check the compute environment: versions, device, memory, and a small trial of what jobs rest on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from soil_cnn_plugin.contract.jobs import CheckEnvironment
from soil_cnn_plugin.contract.requirements import Requirement, numbers_in, read_requirements
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import gibibytes, read_memory
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.reports.environment_page import Library, Trial, write_environment_page
from soil_cnn_plugin.paths import REQUIREMENTS

if TYPE_CHECKING:
    import torch

_BROKEN_LIBRARY = (ImportError, OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError)
"""What a library raises that is missing, does not fit the others, or does not fit the computer."""


def run(job: CheckEnvironment, report: Report) -> dict[str, str | float | int]:
    """A broken environment is a finding, not a failure: it is reported, with warnings in the log.

    Raises:
        EngineError: a device was asked for by name that cannot be used.
    """
    libraries = [_library(item) for item in read_requirements(REQUIREMENTS.read_text(encoding="utf-8"))]
    for library in libraries:
        if not library.is_usable:
            report.warning(f"{library.name} {library.version or 'is missing'}: {library.remark}")
    report.progress(0.1)
    device, device_words = _choose_device(job.device, report)
    report.progress(0.3)
    computer = _computer(device)
    for name, value in computer.items():
        report.info(f"{name}: {value}")
    trials = _trials(device, report)
    if not all(trial.passed for trial in trials):
        report.warning("The compute environment does not work as it should. Run 'Set up the compute environment'.")
    outputs: dict[str, str | float | int] = {"device": device_words}
    if job.metrics:
        _write_metrics(job.metrics, device_words, computer, libraries, trials)
        outputs["metrics"] = job.metrics
    if job.report:
        write_environment_page(job.report, device_words, computer, libraries, trials)
        outputs["report"] = job.report
    return outputs


def _library(requirement: Requirement) -> Library:
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


def _choose_device(wanted: str, report: Report) -> tuple[torch.device | None, str]:
    try:
        from soil_cnn_plugin.engine.machine.device import choose_device, device_in_words
    except _BROKEN_LIBRARY as error:
        report.warning(f"PyTorch cannot be loaded: {error}")
        return None, "none: PyTorch cannot be loaded"
    device = choose_device(wanted, report)
    return device, device_in_words(device)


def _computer(device: torch.device | None) -> dict[str, str]:
    """What to know of this computer, in words."""
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


def _driver() -> str:
    """The NVIDIA driver's version; empty when it does not tell."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    query = [command, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip().splitlines()[0] if answer.returncode == 0 and answer.stdout.strip() else ""


def _trials(device: torch.device | None, report: Report) -> list[Trial]:
    from soil_cnn_plugin.engine.machine import trial

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
    trials = []
    for done, (name, attempt) in enumerate(names.items()):
        trials.append(_try(name, attempt))
        tell = report.info if trials[-1].passed else report.warning
        tell(f"{name}: {'passed' if trials[-1].passed else 'failed'}. {trials[-1].words}")
        report.progress(0.3 + 0.7 * (done + 1) / len(names))
    return trials


def _try(name: str, attempt: Callable[[], str]) -> Trial:
    began = time.perf_counter()
    try:
        passed, words = True, attempt()
    except (EngineError, *_BROKEN_LIBRARY) as error:
        passed, words = False, str(error) or type(error).__name__
    return Trial(name, passed, words, round(time.perf_counter() - began, 2))


def _write_metrics(
    path: str, device: str, computer: dict[str, str], libraries: list[Library], trials: list[Trial]
) -> None:
    content = {
        "passed": all(library.is_usable for library in libraries) and all(trial.passed for trial in trials),
        "device": device,
        "computer": computer,
        "libraries": [asdict(library) for library in libraries],
        "trials": [asdict(trial) for trial in trials],
    }
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False).encode())
