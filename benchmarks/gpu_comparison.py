"""Compare what a GPU computes with what the processor does: maps in each precision, held-out errors, seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import torch
from figures import Figure
from landscape import TARGET

from soil_cnn_plugin.contract.jobs import Covariate, PredictMap, TrainNetwork
from soil_cnn_plugin.engine.jobs import predict_map, train_network
from soil_cnn_plugin.engine.mapping.blocks import predict_blocks
from soil_cnn_plugin.engine.mapping.half_precision import LARGEST_ERROR, half_in_words
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, read_network, write_network

CPU = torch.device("cpu")
EXACT = 1e-3  # largest difference in float32, in standard deviations
_BLOCK = 256  # pixels a side


@dataclass(frozen=True)
class NetworkOnDevices:
    """A trained network in a file, as a job reads it to the processor and to a GPU."""

    path: str
    here: TrainedNetwork
    there: TrainedNetwork
    device: torch.device

    @classmethod
    def of(cls, trained: TrainedNetwork, path: Path, device: torch.device) -> NetworkOnDevices:
        write_network(str(path), trained)
        return cls(str(path), read_network(str(path), CPU), read_network(str(path), device), device)


def compare_maps(network: NetworkOnDevices, covariates: Sequence[Covariate]) -> list[Figure]:
    """Compare location and scale in each precision, and the limits of intervals as a map file holds them."""
    exact, _ = predicted(network.here, covariates, CPU, torch.float32)
    figures = []
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        found, _ = predicted(network.there, covariates, network.device, dtype)
        name = f"map in {half_in_words(dtype)} against float32 on the processor"
        location, scale = (np.abs(one - other) for one, other in zip(found, exact))
        if dtype == torch.float32:
            # A last bit may take a pixel over the threshold of a tree: all but one pixel in a thousand must agree.
            most = float(np.nanquantile(location, 0.999))
            figures.append(Figure(f"{name}: largest difference but for 0.1 % of pixels", (most,), "sd", EXACT, True))
        else:
            error = float(np.sqrt(np.nanmean(location**2)))
            figures.append(Figure(f"{name}: error", (100 * error,), "% of the sd", 100 * LARGEST_ERROR, True))
        relative = float(np.sqrt(np.nanmean((scale / exact[1]) ** 2)))
        figures.append(Figure(f"{name}: error of the spread", (100 * relative,), "%", 1.0, True))
    return figures + compare_intervals(network)


def predicted(
    trained: TrainedNetwork, covariates: Sequence[Covariate], device: torch.device, dtype: torch.dtype
) -> tuple[np.ndarray, list[str]]:
    """Return location and scale (2, T, h, w) of the map, and what was told meanwhile."""
    told: list[str] = []
    with open_stack(tuple(covariates), trained.description.grid) as stack:
        grid = stack.grid
        maps = np.full((2, len(trained.description.targets), grid.height, grid.width), np.nan)
        predictor = BlockPredictor(trained, grid, device, None, dtype, told.append)
        for piece in predict_blocks(predictor, stack, _BLOCK):
            if isinstance(piece, PredictedBlock):
                maps[(slice(None), slice(None), *piece.block.slices)] = piece.location, piece.scale
    return maps, told


def compare_intervals(network: NetworkOnDevices) -> list[Figure]:
    """Compare mean and limits of two map files, in units of the property."""
    maps: dict[str, list[np.ndarray]] = {}
    for device in ("cpu", network.device.type):
        paths = {each: f"{network.path}.{device}.{each}.tif" for each in ("prediction", "lower", "upper")}
        job = PredictMap(network.path, **paths, precision="float32", device=device)
        predict_map.run(job, Report(lambda event: None))
        maps[device] = []
        for path in paths.values():
            with rasterio.open(path) as raster:
                maps[device].append(raster.read(1, masked=True).filled(np.nan))
    here, there = np.stack(maps["cpu"]), np.stack(maps[network.device.type])
    apart = np.abs(there - here) / np.nanstd(here[0])
    most = float(np.nanquantile(apart, 0.999))
    name = "files of mean and limits against the processor: largest difference but for 0.1 % of pixels"
    return [Figure(name, (most,), "sd", EXACT, True)]


def compare_trainings(job: TrainNetwork) -> list[Figure]:
    """Compare held-out errors of a training on a GPU with those on the processor, and two runs with one seed."""
    runs = {
        "cpu": held_out(replace(job, device="cpu")),
        "gpu": held_out(job),
        "again": held_out(job),
        "other": held_out(replace(job, seed=job.seed + 1)),
    }
    errors = {name: float(np.sqrt(((rows[1] - rows[0]) ** 2).mean())) for name, rows in runs.items()}
    width = float(np.std(runs["cpu"][0]))
    apart = {name: float(np.abs(runs[name][1] - runs["gpu"][1]).max()) / width for name in ("again", "other")}
    inside = {name: float(((rows[2] <= rows[0]) & (rows[0] <= rows[3])).mean()) for name, rows in runs.items()}
    return [
        Figure(
            "held-out RMSE against that of the processor", (errors["gpu"] / errors["cpu"],), "x", 1.1, True,
            f"{errors['gpu']:.4g} against {errors['cpu']:.4g}, another seed {errors['other']:.4g}",
        ),
        Figure(
            "held-out coverage minus that of the processor", (100 * (inside["gpu"] - inside["cpu"]),), "points",
            detail=f"{100 * inside['gpu']:.1f} against {100 * inside['cpu']:.1f} %",
        ),
        Figure(
            "two trainings with one seed: largest difference of held-out predictions", (apart["again"],), "sd",
            detail=f"another seed differs by {apart['other']:.3g} sd",
        ),
    ]  # fmt: skip


def held_out(job: TrainNetwork) -> np.ndarray:
    """Return observed and predicted values, lower and upper limits (4, N) of the held-out observations."""
    path = f"{job.network}.gpkg"
    train_network.run(replace(job, held_out=path), Report(lambda event: None))
    layer = geopandas.read_file(path)
    return np.stack(
        [layer[f"{TARGET.field}_{name}"].to_numpy(float) for name in ("observed", "predicted", "lower", "upper")]
    )


def map_in_halves(network: NetworkOnDevices, covariates: Sequence[Covariate]) -> list[Figure]:
    """Compare a map with the same made in half of the memory that it took."""
    reset_peak(network.device)
    whole, told = predicted(network.there, covariates, network.device, torch.float32)
    if told:
        raise RuntimeError(f"Memory was short from the start: {told[0]}")
    with short_of_memory(network.device, 0.5):
        halves, told = predicted(network.there, covariates, network.device, torch.float32)
    apart = float(np.nanmax(np.abs(halves - whole)))
    return [
        Figure("map in half of its memory: sentences that tell of parts", (len(told),), "", 1),
        Figure("map in half of its memory: largest difference", (apart,), "sd", EXACT, True),
    ]


def reset_peak(device: torch.device) -> None:
    torch.cuda.reset_peak_memory_stats(device)


@contextmanager
def short_of_memory(device: torch.device, share: float) -> Iterator[None]:
    """The GPU gives only a share of what the largest block so far took besides the networks."""
    torch.cuda.empty_cache()
    kept, most = torch.cuda.memory_allocated(device), torch.cuda.max_memory_allocated(device)
    # A new thread multiplies with working memory of its own, which its library keeps.
    allowed = kept + 2**26 + share * (most - kept)
    torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.get_device_properties(device).total_memory, device)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, device)
        torch.cuda.empty_cache()
