"""Chooses the build of PyTorch and its source from the user's choice, the system and the graphics driver."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from qgis.core import QgsProcessingFeedback

from ..contract.language import tr
from .errors import WorkerFailed
from .network import own_certificates, proxy_address
from .process_tree import no_window
from .systems import System

BUILDS = ("auto", "cpu", "cuda")
TORCH_INDEX = "https://download.pytorch.org/whl"
"""PyTorch's own index; the default index has only one build per system (CUDA on Linux, CPU on Windows and macOS)."""
INDEX_SECONDS = 4


@dataclass(frozen=True)
class Cuda:
    """A build of this PyTorch for CUDA: the first driver for it, and the graphics cards that it has code for."""

    name: str
    driver: int
    lowest: float
    highest: float


CUDAS = (Cuda("cu130", 580, 7.5, 99), Cuda("cu126", 525, 5.0, 9.0))
"""In the order in which they are preferred. The first is the default build on Linux; cards older than Turing, and
drivers older than that of CUDA 13, are served by the second (compute capabilities as PyTorch builds them)."""


@dataclass(frozen=True)
class Source:
    """`build` is cpu or cuda. If `local_version` ("cpu", "cu130") is not empty, it is tried first, with the extra
    `index` if that is not empty."""

    build: str
    local_version: str = ""
    index: str = ""


@dataclass(frozen=True)
class Card:
    """The first NVIDIA graphics card: name, main number of its driver, compute capability (0 if it is not told)."""

    name: str = ""
    driver: int = 0
    capability: float = 0.0

    def cuda(self) -> Optional[Cuda]:
        """Return the preferred build that serves this card with its driver; None if none does."""
        return next((each for each in CUDAS if self._is_served_by(each)), None)

    def _is_served_by(self, cuda: Cuda) -> bool:
        return self.driver >= cuda.driver and (not self.capability or cuda.lowest <= self.capability <= cuda.highest)


def sources(build: str, system: System, feedback: QgsProcessingFeedback) -> Source:
    """Return the source of the chosen build; log what was found."""
    card = nvidia_card()
    if build == "auto":
        build = _choose(card, system, feedback)
    elif build == "cuda":
        _refuse_without_driver(card, system)
    default_build = "cuda" if system.kind == "linux" else "cpu"
    cuda = (card.cuda() or CUDAS[0]) if build == "cuda" else None
    if system.lock != "current.txt":
        if build != default_build:
            feedback.pushWarning(
                tr("For this older system PyTorch has one build only ({}); it is installed.").format(default_build)
            )
        return Source(default_build)
    if build == default_build and cuda in (None, CUDAS[0]):
        return Source(build)
    local_version = cuda.name if cuda else "cpu"
    index = f"{TORCH_INDEX}/{local_version}"
    if not answers(f"{index}/torch/"):
        feedback.pushInfo(
            tr("PyTorch's own package index does not answer, so the default index is used for the {} build.").format(
                build
            )
        )
        index = ""
    return Source(build, local_version, index)


def nvidia_card() -> Card:
    """Return the first graphics card; an empty one without an NVIDIA driver."""
    program = shutil.which("nvidia-smi")
    if not program:
        return Card()
    for query in ("name,driver_version,compute_cap", "name,driver_version"):  # old drivers do not know the last one
        match = re.match(
            r"(?P<name>.+?),\s*(?P<driver>\d+)[\d.]*(?:,\s*(?P<capability>\d+\.\d+))?", _ask(program, query)
        )
        if match:
            return Card(match["name"], int(match["driver"]), float(match["capability"] or 0))
    return Card()


def _ask(program: str, query: str) -> str:
    try:
        result = subprocess.run(
            [program, f"--query-gpu={query}", "--format=csv,noheader"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
            creationflags=no_window(),
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""


def has_amd_card() -> bool:
    """Whether Linux knows a graphics card of AMD."""
    cards = Path("/sys/class/drm").glob("card*/device/vendor")
    with suppress(OSError):
        return any(card.read_text(encoding="ascii").strip() == _AMD for card in cards)
    return False


def answers(url: str) -> bool:
    """Whether an index has this page. A thread asks for it, because a name look-up has no time limit."""
    found: list[bool] = []
    proxy, certificates = proxy_address(), own_certificates()
    thread = threading.Thread(target=lambda: found.append(_has_page(url, proxy, certificates)), daemon=True)
    thread.start()
    thread.join(INDEX_SECONDS + 1)
    return bool(found and found[0])


def _has_page(url: str, proxy: str = "", certificates: bytes = b"") -> bool:
    request = urllib.request.Request(url, method="HEAD")
    handlers: list[urllib.request.BaseHandler] = []
    if proxy:
        handlers.append(urllib.request.ProxyHandler({"http": proxy, "https": proxy}))
    try:
        if certificates:
            context = ssl.create_default_context(cadata=certificates.decode("ascii"))
            handlers.append(urllib.request.HTTPSHandler(context=context))
        with urllib.request.build_opener(*handlers).open(request, timeout=INDEX_SECONDS) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def _choose(card: Card, system: System, feedback: QgsProcessingFeedback) -> str:
    cuda = card.cuda()
    if cuda:
        feedback.pushInfo(
            tr("{} with driver {} was found, so PyTorch for CUDA ({}) is installed.").format(
                card.name, card.driver, cuda.name
            )
        )
        return "cuda"
    if card.name:
        feedback.pushWarning(tr("{} The CPU build is installed.").format(_why_no_cuda(card)))
    elif system.kind == "macos":
        feedback.pushInfo(tr("PyTorch for macOS is installed; it uses Apple's graphics processor through Metal."))
    elif system.kind == "linux" and has_amd_card():
        feedback.pushInfo(_ROCM)
    else:
        feedback.pushInfo(tr("No NVIDIA graphics driver was found, so the CPU build of PyTorch is installed."))
    return "cpu"


def _refuse_without_driver(card: Card, system: System) -> None:
    """A computer without a card may build for one with a card; a card that does not serve is an error."""
    if system.kind == "macos":
        raise WorkerFailed(
            tr("There is no CUDA on macOS. Use BUILD=auto; it uses the graphics processor through Metal.")
        )
    if card.name and not card.cuda():
        raise WorkerFailed(tr("{} Or use BUILD=cpu.").format(_why_no_cuda(card)))


def _why_no_cuda(card: Card) -> str:
    if card.capability and card.capability < CUDAS[-1].lowest:
        return tr("{} (compute capability {}) is too old for this PyTorch.").format(card.name, str(card.capability))
    needed = min(each.driver for each in CUDAS if not card.capability or card.capability <= each.highest)
    return tr("{} has driver {}, but this PyTorch needs driver {} or later. Update the driver.").format(
        card.name, card.driver, needed
    )


_AMD = "0x1002"  # the vendor's number on the PCI bus
_ROCM = tr(
    "A graphics card of AMD was found. This set-up has no build of PyTorch for it, so the CPU build is"
    " installed. To use the card, install PyTorch for ROCm and the packages of the plugin's"
    " engine/requirements.txt into an environment of your own, as pytorch.org describes, and name its"
    " interpreter in PYTHON."
)
