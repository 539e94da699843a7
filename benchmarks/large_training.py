"""Measure a whole training with many observations: time, memory and size of the network file. It runs `Train network`
as the plugin does, on simulated covariates and a target that follows them.

Members and epochs are few, so that the figures show the rest: reading, folds, forests, scores, report and files. It is
not part of `make bench`, because it takes a quarter of an hour. Run it in the engine's Python:
`benchmarks/large_training.py --help`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from figures import Figure, options, parse, write
from landscape import CELL, NORTH, TARGET, WEST, write_covariates
from worker import run_job

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, TrainNetwork

QUICK = {"observations": 300, "side": 300}


def main() -> None:
    asked = read_options()
    with tempfile.TemporaryDirectory(prefix="soilcnn-bench-", dir=asked.folder) as name:
        folder = Path(name)
        covariates = write_covariates(folder, asked.side, asked.covariates)
        points, patches = write_observations(folder, covariates, asked), str(folder / "patches.h5")
        extraction = run_job(ExtractPatches(points, (TARGET,), covariates, patches, patch_size=asked.patch_size))
        job = TrainNetwork(
            patches, str(folder / "network.safetensors"), str(folder / "report.html"), str(folder / "held_out.gpkg"),
            str(folder / "metrics.json"), architecture="ring", members=asked.members, epochs=asked.epochs,
            folds=asked.folds, repeats=1, device="cpu",
        )  # fmt: skip
        training = run_job(job)
        sizes = {path: Path(path).stat().st_size / 2**20 for path in (job.network, job.report, job.held_out)}
    print("\n".join(training.log))
    figures = [
        Figure("extraction", (extraction.seconds,), "s"),
        Figure("training", (training.seconds,), "s"),
        Figure("peak memory of training", (training.peak_bytes / 2**30,), "GiB"),
        *(Figure(f"size of {Path(path).name}", (size,), "MiB") for path, size in sizes.items()),
    ]
    write("large_training", "Training with many observations", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--observations", type=int, default=100_000)
    parser.add_argument("--covariates", type=int, default=3)
    parser.add_argument("--side", type=int, default=2000, help="pixels per side of the covariates")
    parser.add_argument("--patch-size", type=int, default=5)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--folder", help="folder for temporary files")
    return parse(parser, QUICK)


def write_observations(folder: Path, covariates: tuple[Covariate, ...], asked: argparse.Namespace) -> str:
    """Write observations that lie anywhere, with a target that follows the first covariates, plus noise."""
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(0, asked.side, (2, asked.observations))
    signal = 0.2 * rng.normal(size=asked.observations)
    for number, covariate in enumerate(covariates[:3]):
        with rasterio.open(covariate.path) as raster:
            signal += 0.3 * np.sin((number + 1) * raster.read(1)[rows, cols].astype(np.float64) / 100)
    path = str(folder / "points.gpkg")
    geometry = geopandas.points_from_xy(WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL)
    geopandas.GeoDataFrame({TARGET.field: np.exp(3 + signal)}, geometry=geometry, crs="EPSG:32631").to_file(path)
    return path


if __name__ == "__main__":
    main()
