"""Measures whether 90 % intervals hold where nobody measured, and which: under three designs, by thirds of their width.

`PYTHONPATH=. python benchmarks/interval_coverage.py --output FOLDER [--repeats 20] [--preset fast] [--quick]`

A landscape is simulated, in which a property follows covariates, a field of some hundred metres, one of some pixels, an
error that all observations of a group share (a laboratory, a day, a digger), and noise that differs from place to
place. Observations lie at random, one in each square of a grid, or in groups of 15 within 100 m, which share an error.
*Extract patches*, *Train network* and *Predict map* run with their defaults but for the preset. The truth is a new
observation at any pixel, by a group of its own: what a reader of a map takes the interval for. Its chance to lie inside
is known exactly at each pixel. Beside it stands what the training reports from its held-out folds. Each repeat is kept
in FOLDER when it ends, so that runs can share the work by `--first`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from context_landscape import CELL, NORTH, WEST, field, standardized
from numpy.typing import NDArray
from scipy.special import ndtr

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, PredictMap, TrainNetwork
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.jobs import extract_patches, predict_map, train_network
from soil_cnn_plugin.engine.report import Report

Image = NDArray[np.float64]
SIDE = 160  # pixels
GROUP, REACH = 15, 3.0  # observations of a group, and its standard deviation in pixels
SHARES = {"covariates": 0.4, "field": 0.1, "pixels": 0.1, "group": 0.2, "noise": 0.2}  # of the variance
DESIGNS = ("random", "stratified", "clustered")
CENTRE, SPREAD = 10.0, 3.0
QUIET = Report(lambda event: None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--designs", nargs="+", choices=DESIGNS, default=DESIGNS)
    parser.add_argument("--observations", type=int, nargs="+", default=[50, 150, 500])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--first", type=int, default=0, help="seed of the first repeat")
    parser.add_argument("--shared", type=float, default=SHARES["group"], help="share of the variance that groups share")
    parser.add_argument("--preset", choices=TrainNetwork.PRESETS, default="fast")
    parser.add_argument("--quick", action="store_true", help="one small repeat of few epochs, to see that it runs")
    asked = parser.parse_args()
    asked.output.mkdir(parents=True, exist_ok=True)
    if asked.quick:
        asked.observations, asked.repeats = [50], 1
    for seed in range(asked.first, asked.first + asked.repeats):
        for design, count in ((design, count) for count in asked.observations for design in asked.designs):
            kept = asked.output / f"{design}_{count}_{asked.shared:g}_{asked.preset}_{seed}.json"
            if not kept.exists():
                with tempfile.TemporaryDirectory() as folder:
                    found = run(Path(folder), design, count, seed, asked)
                kept.write_text(json.dumps(found), encoding="utf-8")
    text = "\n".join(table(asked.output))
    (asked.output / "interval_coverage.md").write_text(f"{text}\n", encoding="utf-8")
    sys.stdout.write(f"{text}\n")


def run(folder: Path, design: str, count: int, seed: int, asked: argparse.Namespace) -> dict[str, object]:
    """Train and map one simulated data set; coverage at all pixels, by thirds of the width, and as reported."""
    covariates, truth, noise = simulate(seed)
    noise = noise * SPREAD * np.sqrt(SHARES["noise"])
    shared = SPREAD * np.sqrt(asked.shared)
    rng = np.random.default_rng([seed, count])
    rows, cols, group = places(rng, design, count)
    values = truth[rows, cols] + shared * rng.normal(size=group.max() + 1)[group]
    values += noise[rows, cols] * rng.normal(size=len(rows))
    points, patches, network = (str(folder / name) for name in ("points.gpkg", "patches.h5", "network.safetensors"))
    xy = geopandas.points_from_xy(WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL, crs="EPSG:32631")
    geopandas.GeoDataFrame({"value": values}, geometry=xy).to_file(points)
    stack = tuple(Covariate(write(folder / f"{name}.tif", image), name) for name, image in covariates.items())
    extract_patches.run(ExtractPatches(points, (SoilProperty("value"),), stack, patches), QUIET)
    less: dict[str, int] = {"epochs": 2, "members": 2, "folds": 2} if asked.quick else {}
    job = TrainNetwork(patches, network, preset=asked.preset, device="cpu", seed=seed, **less)
    told = train_network.run(job, QUIET)
    limits = {name: str(folder / f"{name}.tif") for name in ("lower", "upper")}
    predict_map.run(PredictMap(network, str(folder / "map.tif"), **limits, device="cpu"), QUIET)
    lower, upper = (read(path) for path in limits.values())
    deviation = np.sqrt(noise**2 + shared**2)
    inside = ndtr((upper - truth) / deviation) - ndtr((lower - truth) / deviation)
    known = np.isfinite(inside)
    order = np.argsort((upper - lower)[known], kind="stable")
    thirds = [float(part.mean()) for part in np.array_split(inside[known][order], 3)]
    return {
        "design": design, "observations": len(rows), "asked": count, "shared": asked.shared, "preset": asked.preset,
        "coverage": float(inside[known].mean()), "thirds": thirds, "reported": float(told["picp"]),
        "width": float((upper - lower)[known].mean()),
    }  # fmt: skip


def simulate(seed: int) -> tuple[dict[str, Image], Image, Image]:
    """Covariates, the truth without group and noise, and the relative deviation of noise, (SIDE, SIDE) each."""
    rng = np.random.default_rng([seed, 1])
    waves = {"a": (1.5, 10), "b": (1.2, 8), "c": (0.8, 10), "d": (0.6, 8)}
    covariates = {name: field(rng, SIDE, *each) for name, each in waves.items()}
    a, b, c, _ = covariates.values()
    parts = {
        "covariates": standardized(0.7 * np.sin(1.5 * a) + 0.5 * b + 0.4 * a * c),
        "field": field(rng, SIDE, 1.0, 4),
        "pixels": field(rng, SIDE, 0.6, 1),
    }
    truth = CENTRE + SPREAD * sum(np.sqrt(SHARES[name]) * part for name, part in parts.items())
    noise = np.exp(0.5 * b)
    return covariates, truth, noise / np.sqrt((noise**2).mean())


def places(
    rng: np.random.Generator, design: str, count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of different pixels, and the group of each."""
    group = np.arange(count)
    if design == "clustered":
        group = group // GROUP
        middles = rng.uniform(8, SIDE - 8, (group.max() + 1, 2))
        pixels = np.rint(middles[group] + rng.normal(0, REACH, (count, 2)))
    elif design == "stratified":
        across = int(np.ceil(np.sqrt(count)))
        squares = np.stack(np.divmod(rng.permutation(across**2)[:count], across), axis=1)
        pixels = np.floor((squares + rng.random((count, 2))) * SIDE / across)
    else:
        pixels = rng.integers(0, SIDE, (count, 2))
    pixels = pixels.clip(0, SIDE - 1).astype(np.int64)
    first = np.sort(np.unique(pixels, axis=0, return_index=True)[1])
    return pixels[first, 0], pixels[first, 1], group[first]


def write(path: Path, image: Image) -> str:
    with rasterio.open(
        path, "w", driver="GTiff", height=len(image), width=len(image), count=1, dtype="float32", crs="EPSG:32631",
        transform=rasterio.Affine(CELL, 0, WEST, 0, -CELL, NORTH),
    ) as raster:  # fmt: skip
        raster.write(image.astype(np.float32), 1)
    return str(path)


def read(path: str) -> Image:
    with rasterio.open(path) as raster:
        values = raster.read(1).astype(np.float64)
        return np.where(values == raster.nodata, np.nan, values)


def table(folder: Path) -> list[str]:
    """Means over the repeats, with the standard error of the mean of coverage."""
    runs = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*_*.json"))]
    lines = [
        "| preset | shared | n | design | repeats | coverage | narrowest third | middle | widest | reported |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    keys = sorted({(each["preset"], each["shared"], each["asked"], each["design"]) for each in runs})
    for key in keys:
        own = [each for each in runs if (each["preset"], each["shared"], each["asked"], each["design"]) == key]
        numbers = np.array([[each["coverage"], *each["thirds"], each["reported"]] for each in own])
        errors = numbers.std(axis=0, ddof=min(1, len(own) - 1)) / np.sqrt(len(own))
        told = [f"{mean:.3f} ± {error:.3f}" for mean, error in zip(numbers.mean(axis=0), errors)]
        preset, shared, count, design = key
        lines.append(f"| {preset} | {shared:g} | {count} | {design} | {len(own)} | {' | '.join(told)} |")
    return lines


if __name__ == "__main__":
    main()
