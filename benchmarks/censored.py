"""Coverage of values below detection limits: what a training reports beside what is true, on simulated landscapes.

`python benchmarks/censored.py FOLDER` simulates metals in a small landscape, replaces the lowest ones by limits, trains
with the defaults, and compares each held-out interval with the value that was simulated and not reported. Runs in the
engine's Python.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.jobs import extract_patches, train_network
from soil_cnn_plugin.engine.report import Report

SIDE, CELL, CRS = 120, 20.0, "EPSG:28992"
WIDTHS = (3, 6, 10, 15)  # of the hills of each covariate, in pixels
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One simulation: shares of observations inside their 90 % intervals. `reported` is what the training says,
    `reported_measured` the same for measured values alone; the `true` ones compare with what was simulated."""

    censored: float
    limits: int
    seed: int
    reported: float
    reported_measured: float
    true: float
    true_measured: float
    true_censored: float
    below: float  # of the censored, true values under the interval
    above: float


def main() -> None:
    options = read_options()
    rows = []
    for share in options.shares:
        for limits in options.limits if share > 0 else (1,):
            for seed in range(options.seeds):
                folder = options.folder / f"{share:g}_{limits}_{seed}"
                folder.mkdir(parents=True, exist_ok=True)
                rows.append(simulate(folder, share, limits, seed, options.count, options.architecture))
                print(in_words(rows[-1]), flush=True)
    (options.folder / "censored.json").write_text(json.dumps([asdict(row) for row in rows], indent=1))
    print(f"\n| {' | '.join(field.name for field in fields(Row))} |\n|{'---|' * len(fields(Row))}")
    for share, limits in dict.fromkeys((row.censored, row.limits) for row in rows):
        own = [row for row in rows if (row.censored, row.limits) == (share, limits)]
        means = {field.name: float(np.nanmean([getattr(row, field.name) for row in own])) for field in fields(Row)[3:]}
        print(in_words(replace(own[0], seed=len(own), **means)))


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.3, 0.6], help="shares of censored values")
    parser.add_argument("--limits", type=int, nargs="+", default=[1, 2], help="numbers of different limits")
    parser.add_argument("--seeds", type=int, default=5, help="simulations of each")
    parser.add_argument("--count", type=int, default=200, help="observations")
    parser.add_argument("--architecture", default="both")
    return parser.parse_args()


def in_words(row: Row) -> str:
    return "| " + " | ".join(f"{value:.3g}" for value in asdict(row).values()) + " |"


def simulate(folder: Path, share: float, limits: int, seed: int, count: int, architecture: str) -> Row:
    """Train on a landscape of its own, and score the intervals of held-out observations."""
    rng = np.random.default_rng(seed)
    layers = [gaussian_filter(rng.normal(size=(SIDE, SIDE)), width) * width * 3.5 for width in WIDTHS]
    signal = 0.5 * layers[0] + 0.6 * layers[1] + 0.4 * np.maximum(layers[2], 0) * layers[1]
    row, column = (rng.choice(SIDE, count) for _ in range(2))
    truth = np.exp(3 + signal[row, column] + 0.4 * rng.normal(size=count))
    levels = np.quantile(truth, share + 0.15 * np.linspace(-1, 1, limits) * (limits > 1)) if share else np.zeros(1)
    limit = rng.choice(levels, count)
    reported = [f"<{at:.6g}" if value < at else f"{value:.6g}" for value, at in zip(truth, limit)]
    is_censored = truth < limit
    points = geopandas.points_from_xy((column + 0.5) * CELL, (SIDE - row - 0.5) * CELL)
    geopandas.GeoDataFrame({"metal": reported}, geometry=points, crs=CRS).to_file(folder / "points.gpkg")
    covariates = tuple(
        Covariate(write_raster(folder / f"{name}.tif", values), name) for name, values in zip("abcd", layers)
    )
    silent, patches = Report(lambda event: None), str(folder / "patches.h5")
    target = (SoilProperty("metal", "mg/kg"),)
    extract_patches.run(ExtractPatches(str(folder / "points.gpkg"), target, covariates, patches), silent)
    training = TrainNetwork(
        *(patches, str(folder / "network.safetensors")),
        held_out=str(folder / "held_out.gpkg"),
        metrics=str(folder / "metrics.json"),
        architecture=architecture,
        transform="log",
        validation="random",
        device="cpu",
        seed=seed,
    )
    train_network.run(training, silent)
    metrics = json.loads(Path(training.metrics).read_text(encoding="utf-8"))["targets"]["metal"]
    layer = geopandas.read_file(training.held_out).sort_values("observation")
    lower, upper = layer["metal_lower"].to_numpy(), layer["metal_upper"].to_numpy()
    inside = (truth >= lower) & (truth <= upper)
    return Row(
        censored=share,
        limits=limits,
        seed=seed,
        reported=metrics["methods"]["blend"]["picp"],
        reported_measured=(metrics["methods"]["blend"]["measured_coverage"] or {"picp": float("nan")})["picp"],
        true=float(inside.mean()),
        true_measured=share_of(inside, ~is_censored),
        true_censored=share_of(inside, is_censored),
        below=share_of(truth < lower, is_censored),
        above=share_of(truth > upper, is_censored),
    )


def share_of(found: NDArray[np.bool_], own: NDArray[np.bool_]) -> float:
    return float(found[own].mean()) if own.any() else float("nan")


def write_raster(path: Path, values: Floats) -> str:
    transform = rasterio.Affine(CELL, 0, 0, 0, -CELL, SIDE * CELL)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=SIDE, width=SIDE, dtype="float32", crs=CRS, transform=transform
    ) as raster:
        raster.write(values.astype(np.float32), 1)
    return str(path)


if __name__ == "__main__":
    main()
