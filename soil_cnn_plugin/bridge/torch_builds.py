"""Chooses the build of PyTorch and its source from the user's choice, the system and the graphics driver."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass

from qgis.core import QgsProcessingFeedback

from .errors import WorkerFailed
from .network import proxy_address

BUILDS = ("auto", "cpu", "cuda")
TORCH_INDEX = "https://download.pytorch.org/whl"
"""PyTorch's own index; the default index has only one build per system (CUDA on Linux, CPU on Windows and macOS)."""
CUDA = "cu130"
CUDA_DRIVER = 580  # the first NVIDIA driver for CUDA 13
INDEX_SECONDS = 4


@dataclass(frozen=True)
class Source:
    """`build` is cpu or cuda. If `local_version` ("cpu", "cu130") is not empty, it is tried first, with the extra
    `index` if that is not empty."""

    build: str
    local_version: str = ""
    index: str = ""


def sources(build: str, feedback: QgsProcessingFeedback) -> Source:
    """Return the source of the chosen build; log what was found."""
    driver = nvidia_driver()
    if build == "auto":
        build = _choose(driver, feedback)
    elif build == "cuda":
        _refuse_without_driver(driver)
    default_build = "cuda" if sys.platform.startswith("linux") else "cpu"
    if build == default_build:
        return Source(build)
    local_version = CUDA if build == "cuda" else "cpu"
    index = f"{TORCH_INDEX}/{local_version}"
    if not answers(f"{index}/torch/"):
        feedback.pushInfo(
            f"PyTorch's own package index does not answer, so the default index is used for the {build} build."
        )
        index = ""
    return Source(build, local_version, index)


def nvidia_driver() -> tuple[str, int]:
    """Return the first graphics card's name and the main number of its driver; ("", 0) without an NVIDIA driver."""
    program = shutil.which("nvidia-smi")
    if not program:
        return "", 0
    try:
        result = subprocess.run(
            [program, "--query-gpu=name,driver_version", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.TimeoutExpired):
        return "", 0
    match = re.match(r"(?P<name>.+),\s*(?P<driver>\d+)", result.stdout.strip()) if result.returncode == 0 else None
    return (match["name"], int(match["driver"])) if match else ("", 0)


def answers(url: str) -> bool:
    """Whether an index has this page. A thread asks for it, because a name look-up has no time limit."""
    found: list[bool] = []
    proxy = proxy_address()
    thread = threading.Thread(target=lambda: found.append(_has_page(url, proxy)), daemon=True)
    thread.start()
    thread.join(INDEX_SECONDS + 1)
    return bool(found and found[0])


def _has_page(url: str, proxy: str = "") -> bool:
    request = urllib.request.Request(url, method="HEAD")
    handlers = [urllib.request.ProxyHandler({"http": proxy, "https": proxy})] if proxy else []
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=INDEX_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _choose(driver: tuple[str, int], feedback: QgsProcessingFeedback) -> str:
    name, number = driver
    if not name:
        feedback.pushInfo("No NVIDIA graphics driver was found, so the CPU build of PyTorch is installed.")
        return "cpu"
    if number < CUDA_DRIVER:
        feedback.pushWarning(
            f"{name} has driver {number}, but this PyTorch needs driver {CUDA_DRIVER} or later, so the CPU build is"
            " installed. Update the driver and run this again with BUILD=cuda."
        )
        return "cpu"
    feedback.pushInfo(f"{name} with driver {number} was found, so the CUDA build of PyTorch is installed.")
    return "cuda"


def _refuse_without_driver(driver: tuple[str, int]) -> None:
    if sys.platform == "darwin":
        raise WorkerFailed("There is no CUDA on macOS. Use BUILD=auto; it uses the graphics processor through Metal.")
    if driver[0] and driver[1] < CUDA_DRIVER:
        raise WorkerFailed(
            f"{driver[0]} has driver {driver[1]}, but this PyTorch needs driver {CUDA_DRIVER} or later. Update the"
            " driver or use BUILD=cpu."
        )
