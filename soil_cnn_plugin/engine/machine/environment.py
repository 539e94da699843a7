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

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.requirements import Requirement, numbers_in, read_requirements
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import gibibytes, read_memory
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.paths import REQUIREMENTS

if TYPE_CHECKING:
    import torch


from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

_BROKEN_LIBRARY = (ImportError, OSError, RuntimeError, ValueError, TypeError, AttributeError, LookupError)
"""Errors that a library raises when it is missing, does not fit the others, or does not fit the computer."""
_STEPS = 60
_SIDE, _RECEPTIVE_FIELD = 20, 5  # pixels


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
            named = f"{library.name} {library.version}" if library.version else tr("{} is missing").format(library.name)
            report.warning(f"{named}: {library.remark}")
    return libraries


def find_device(wanted: str, report: Report) -> tuple[torch.device | None, str]:
    """The device that jobs would compute on, and its name; None where PyTorch cannot be loaded.

    Raises:
        EngineError: a device was asked for by name that cannot be used.
    """
    try:
        from soil_cnn_plugin.engine.machine.device import choose_device, device_in_words
    except _BROKEN_LIBRARY as error:
        report.warning(tr("PyTorch cannot be loaded: {}").format(error))
        return None, tr("none: PyTorch cannot be loaded")
    device = choose_device(wanted, report)
    return device, device_in_words(device)


def describe_computer(device: torch.device | None) -> dict[str, str]:
    """Facts about this computer, in words."""
    memory, folder = read_memory(), tempfile.gettempdir()
    total = tr("unknown") if memory.total is None else gibibytes(memory.total)
    free = "" if memory.free is None else tr(", {} free").format(gibibytes(memory.free))
    rows = {
        tr("Operating system"): platform.platform(),
        "Python": f"{platform.python_version()} ({sys.executable})",
        tr("Processor"): tr("{}, {} cores").format(platform.machine(), os.cpu_count()),
        tr("Memory"): total + free,
        tr("Temporary folder"): tr("{}, {} free").format(folder, gibibytes(shutil.disk_usage(folder).free)),
    }
    if device is not None and device.type == "cuda":
        import torch

        free_bytes, total_bytes = torch.cuda.mem_get_info(device)
        rows[tr("GPU memory")] = tr("{}, {} free").format(gibibytes(total_bytes), gibibytes(free_bytes))
        rows[tr("GPU driver")] = _driver() or tr("unknown")
    return rows


def run_trials(device: torch.device | None, more: dict[str, Callable[[], str]], report: Report) -> tuple[Trial, ...]:
    """Try one after the other what jobs rest on, `more` among it, and tell how each went."""
    from soil_cnn_plugin.engine.machine import environment as trial  # needs numpy, which may be the broken library

    def try_network() -> str:
        if device is None:
            raise EngineError(tr("PyTorch cannot be loaded."))
        return trial.try_network(device)

    names: dict[str, Callable[[], str]] = {
        tr("Train and evaluate a network"): try_network,
        **more,
        tr("Warp a raster"): trial.try_warping,
        tr("Write and read files"): trial.try_files,
    }
    trials: list[Trial] = []
    for done, (name, attempt) in enumerate(names.items()):
        trials.append(_try(name, attempt))
        tell = report.info if trials[-1].passed else report.warning
        text = tr("{}: passed. {}") if trials[-1].passed else tr("{}: failed. {}")
        tell(text.format(name, trials[-1].words))
        report.progress((done + 1) / len(names))
    return tuple(trials)


def _check_library(requirement: Requirement) -> Library:
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return Library(requirement.name, "", requirement.version, False, tr("It must be installed."))
    if not requirement.is_met_by(found):
        remark = tr("Too old: at least {} is needed.").format(requirement.lowest)
        return Library(requirement.name, found, requirement.version, False, remark)
    is_tested = numbers_in(found) == numbers_in(requirement.version)
    remark = "" if is_tested else tr("Another version than the tested one; it may work.")
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


def try_network(device: torch.device) -> str:
    """Train a tiny network and evaluate it at once on a block and patch by patch: both must agree."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(0)
    block = torch.randn(1, 3, _SIDE, _SIDE, generator=generator).to(device)
    patches = nn.functional.unfold(block, _RECEPTIVE_FIELD)  # (1, 3, H, W) -> (1, 3 * 25, 256)
    patches = patches[0].T.reshape(-1, 3, _RECEPTIVE_FIELD, _RECEPTIVE_FIELD)  # -> (256, 3, 5, 5)
    target = patches[:, 0].mean(dim=(1, 2)) + patches[:, 1, 2, 2]  # (256, 3, 5, 5) -> (256,)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 1, 3)).to(device)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02)
    losses = []
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        for _ in range(_STEPS):
            loss = nn.functional.mse_loss(network(patches).flatten(), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        with torch.no_grad():
            difference = float((network(block).flatten() - network(patches).flatten()).abs().max())
    if not losses[-1] < 0.3 * losses[0]:
        raise EngineError(
            tr("The loss went from {:.3f} to {:.3f} only: training does not work.").format(losses[0], losses[-1])
        )
    if not difference < 1e-4:
        raise EngineError(tr("A block and its patches differ by {:.1e}; below 1e-04 is right.").format(difference))
    return tr(
        "The loss fell from {:.3f} to {:.3f} in {} steps; a block evaluated at once differs from its"
        " patches by {:.0e} at most."
    ).format(losses[0], losses[-1], _STEPS, difference)


def try_warping() -> str:
    """Warp a raster in memory between two coordinate systems: GDAL, PROJ and its database must work."""
    from rasterio.crs import CRS
    from rasterio.errors import RasterioError
    from rasterio.transform import from_origin
    from rasterio.warp import Resampling, reproject, transform

    # Amersfoort, the origin of the Dutch grid, lies at x 155000, y 463000; https://epsg.io/28992
    dutch, geographic = CRS.from_epsg(28992), CRS.from_epsg(4326)
    (longitude,), (latitude,) = transform(dutch, geographic, [155000.0], [463000.0])
    if abs(longitude - 5.3872) > 0.002 or abs(latitude - 52.1552) > 0.002:
        raise EngineError(
            tr("PROJ puts Amersfoort at {:.4f}, {:.4f}; 5.3872, 52.1552 is right.").format(longitude, latitude)
        )
    source = np.tile(np.arange(40, dtype=np.float32), (40, 1))  # rises by 1 a column of 100 m
    warped = np.full((10, 10), np.nan, dtype=np.float32)
    try:
        reproject(
            source,
            warped,
            src_transform=from_origin(153000, 465000, 100, 100),
            src_crs=dutch,
            dst_transform=from_origin(longitude - 0.005, latitude + 0.005, 0.001, 0.001),
            dst_crs=geographic,
            resampling=Resampling.bilinear,
        )
    except RasterioError as error:
        raise EngineError(tr("A raster cannot be warped: {}").format(error)) from error
    middle = float(warped[4:6, 4:6].mean())
    if not abs(middle - 19.5) < 0.2:  # the origin lies on the edge of columns 19 and 20
        raise EngineError(tr("A warped raster holds {:.2f} where 19.50 is right.").format(middle))
    return tr("A raster was warped from EPSG:28992 to EPSG:4326, and its middle lies where it should.")


def try_files() -> str:
    """Write and read each kind of file in which jobs keep data."""
    import geopandas
    import h5py
    import safetensors.numpy

    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    with tempfile.TemporaryDirectory(prefix="soil-cnn-") as folder:
        with h5py.File(Path(folder) / "patches.h5", "w") as file:
            file["values"] = values
        with h5py.File(Path(folder) / "patches.h5") as file:
            from_hdf5 = file["values"][...]
        safetensors.numpy.save_file({"values": values}, Path(folder) / "network.safetensors")
        from_network = safetensors.numpy.load_file(Path(folder) / "network.safetensors")["values"]
        points = geopandas.GeoDataFrame(
            {"name": ["Löss"]}, geometry=geopandas.points_from_xy([155000], [463000]), crs="EPSG:28992"
        )
        points.to_file(Path(folder) / "observations.gpkg")
        from_layer = geopandas.read_file(Path(folder) / "observations.gpkg")
    if not (np.array_equal(from_hdf5, values) and np.array_equal(from_network, values)):
        raise EngineError(tr("HDF5 or safetensors files do not give back what was written."))
    if from_layer.crs is None or from_layer["name"][0] != "Löss":
        raise EngineError(tr("A GeoPackage does not give back its attributes or its coordinate reference system."))
    return tr("HDF5, safetensors and GeoPackage files give back what was written.")
