"""Measure how processor time and memory grow: of a training with its observations and covariates, of a map with its
pixels.

It runs the jobs as the plugin does, on simulated covariates, and fits exponents: 1 means that twice as much takes twice
as long. It writes `growth.md`, `growth.json` and the plot `growth.svg`, and is not part of `make bench`. A million
observations take hours: `benchmarks/growth.py --observations 150 1000 3000 10000 100000 1000000`.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from figures import Figure, options, parse, write
from landscape import CELL, NORTH, STANDARD, TARGET, WEST, make_network, write_covariates
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import FuncFormatter, NullFormatter
from worker import run_job

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, Job, PredictMap, TrainNetwork
from soil_cnn_plugin.engine.training.network_file import write_network

QUICK = {"observations": [100, 200], "covariates": [3, 5], "pixels": [10_000, 40_000], "side": 300}
LARGE = 3_000  # observations from which growth is judged: before, the start takes much of the time
MOST = 1.1  # the exponent wanted from there on
_FEW_COVARIATES, _FEW_OBSERVATIONS, _PATCH_SIZE, _SMALL_SIDE = 5, 1_000, 5, 300


@dataclass(frozen=True)
class Cost:
    """What a job of some `size` took: `seconds` of processors, and its peak of memory."""

    size: int
    seconds: float
    peak_bytes: int


def main() -> None:
    asked = read_options()
    with tempfile.TemporaryDirectory(prefix="soilcnn-bench-", dir=asked.folder) as name:
        folder = Path(name)
        few = write_covariates(folder, asked.side, _FEW_COVARIATES)
        many = write_covariates(folder, _SMALL_SIDE, max(asked.covariates))
        costs = {
            "observations": measured(
                asked.observations, lambda count: train_on(folder, few, asked.side, count, count, asked)
            ),
            "covariates": measured(
                asked.covariates,
                lambda count: train_on(folder, many[:count], _SMALL_SIDE, _FEW_OBSERVATIONS, count, asked),
            ),
            "pixels": measured(asked.pixels, lambda count: map_of(folder, count)),
        }
    asked.output.mkdir(parents=True, exist_ok=True)
    draw(costs, asked.output / "growth.svg")
    figures = [figure for what, found in costs.items() for figure in told(what, found)]
    write("growth", "How cost grows", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--observations", type=int, nargs="+", default=[150, 500, 1_500, 3_000, 10_000, 30_000])
    parser.add_argument("--covariates", type=int, nargs="+", default=[5, 20, 80, 300])
    parser.add_argument("--pixels", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--side", type=int, default=1_000, help="pixels per side of the covariates of trainings")
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=2, help="the same for all, so that steps grow with observations")
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--folder", help="folder for temporary files")
    return parse(parser, QUICK)


def measured(sizes: Sequence[int], cost: Callable[[int], Cost]) -> list[Cost]:
    found = []
    for size in sorted(set(sizes)):
        found.append(cost(size))
        print(f"{size:,}: {found[-1].seconds:.1f} s, {found[-1].peak_bytes / 2**30:.2f} GiB", flush=True)
    return found


def train_on(
    folder: Path, covariates: tuple[Covariate, ...], side: int, count: int, size: int, asked: argparse.Namespace
) -> Cost:
    """Train the network `ring`, with forests, Gaussian process, folds and report, on `count` observations that lie
    anywhere. The cost is told as that of `size`."""
    rng = np.random.default_rng(0)
    rows, cols = rng.integers(side // 8, side - 2, (2, count))
    signal = 0.2 * rng.normal(size=count)
    for scale, covariate in enumerate(covariates[:3], start=1):
        with rasterio.open(covariate.path) as raster:
            signal += 0.3 * np.sin(scale * raster.read(1)[rows, cols].astype(np.float64) / 100)
    points, patches = str(folder / "points.gpkg"), str(folder / "patches.h5")
    places = geopandas.points_from_xy(WEST + (cols + 0.5) * CELL, NORTH - (rows + 0.5) * CELL)
    geopandas.GeoDataFrame({TARGET.field: np.exp(3 + signal)}, geometry=places, crs="EPSG:32631").to_file(points)
    run_job(ExtractPatches(points, (TARGET,), covariates, patches, patch_size=_PATCH_SIZE))
    job = TrainNetwork(
        patches, str(folder / "network.safetensors"), str(folder / "report.html"), str(folder / "held_out.gpkg"),
        str(folder / "metrics.json"), architecture="ring", members=asked.members, epochs=asked.epochs,
        folds=asked.folds, repeats=1, device="cpu",
    )  # fmt: skip
    return cost_of(job, size)


def map_of(folder: Path, pixels: int) -> Cost:
    """Predict a square map with both limits by the default blend of networks, forest and Gaussian process."""
    side = round(pixels**0.5)
    covariates = write_covariates(folder, side, _FEW_COVARIATES)
    network = str(folder / "made.safetensors")
    write_network(network, make_network(covariates, STANDARD)[1])
    lower, upper = (str(folder / f"{name}.tif") for name in ("lower", "upper"))
    return cost_of(PredictMap(network, str(folder / "map.tif"), lower=lower, upper=upper, device="cpu"), side**2)


def cost_of(job: Job, size: int) -> Cost:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    peak = run_job(job).peak_bytes
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Cost(size, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak)


def exponent(sizes: Sequence[float], values: Sequence[float]) -> float:
    """The slope of the line that fits the logarithms best; not a number where there is one size."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0]) if len(sizes) > 1 else np.nan


def told(what: str, costs: Sequence[Cost]) -> list[Figure]:
    """Time and memory at each size, and the exponents over all sizes and over large ones."""
    found = [
        Figure(f"{each.size:,} {what}", (each.seconds,), "s", detail=f"at most {each.peak_bytes / 2**30:.2f} GiB")
        for each in costs
    ]
    large = [each for each in costs if each.size >= LARGE]
    for words, some in ((f"all {what}", costs), (f"{LARGE:,} {what} and more", large)):
        if len(some) < 2 or (some is large and len(large) == len(costs)):
            continue
        sizes = [each.size for each in some]
        goal = MOST if min(sizes) >= LARGE else None
        for name, values in (("time", [each.seconds for each in some]), ("memory", [each.peak_bytes for each in some])):
            found.append(Figure(f"exponent of {name}, {words}", (exponent(sizes, values),), "", goal, is_limit=True))
    if what == "pixels" and len(costs) > 1:
        seconds = extrapolated(costs, 10**9)
        found.append(Figure("1,000,000,000 pixels, extrapolated", (seconds / 3600,), "h of one core"))
    return found


def extrapolated(costs: Sequence[Cost], size: float) -> float:
    """Seconds at a `size` beyond those measured, from what the last step between sizes took a unit."""
    last, before = costs[-1], costs[-2]
    return last.seconds + (last.seconds - before.seconds) / (last.size - before.size) * (size - last.size)


def draw(costs: dict[str, list[Cost]], path: Path) -> None:
    """Draw time above and memory below, on logarithmic axes, with the exponent of the large sizes."""
    plot = Plot(figsize=(11, 6), layout="constrained")
    axes = plot.subplots(2, len(costs), sharex="col")
    for column, (what, found) in enumerate(costs.items()):
        sizes = np.array([each.size for each in found], float)
        large = sizes >= LARGE if (sizes >= LARGE).sum() > 1 else sizes > 0
        rows = {
            "seconds of a core": [each.seconds for each in found],
            "GiB": [each.peak_bytes / 2**30 for each in found],
        }
        for axis, (name, values) in zip(axes[:, column], rows.items()):
            axis.loglog(sizes, values, "o-", color="#1f5f8b")
            for size, value in zip(sizes, values):
                words = f"{float(f'{value:.3g}'):,g}"
                axis.annotate(words, (size, value), (0, 6), textcoords="offset points", ha="center", fontsize=8)
            slope = exponent(sizes[large], np.array(values)[large])
            first = float(f"{sizes[large][0]:.2g}")
            axis.set_title(f"{what}$^{{{slope:.2f}}}$ from {first:,.0f} on", fontsize=10)
            axis.margins(x=0.12)
            for scale in (axis.xaxis, axis.yaxis):
                scale.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.15g}"))
                scale.set_minor_formatter(NullFormatter())
            axis.set_ylabel(name)
            axis.set_ylim(min(values) / 2, max(values) * 2.5)
            axis.grid(alpha=0.3)
        axes[1, column].set_xlabel(what)
    plot.savefig(path)


if __name__ == "__main__":
    main()
