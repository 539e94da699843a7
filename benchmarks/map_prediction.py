"""Measure all of Predict map against scikit-learn's forest and against its own computing, its parts and its memory.

Covariates are compressed rasters of random relief. The networks have the standard preset's members and compute in the
precision that they choose: half precision where it is faster and errs little. The engine's own job makes the maps in a
worker process, with mean and interval. Ways take turns, so that a busy machine slows all alike. `make bench` runs this
in the engine's Python.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import torch
from figures import Figure, devices, options, parse, ratios, take_turns, write
from landscape import CELL, NORTH, STANDARD, WEST, Observations, forest_of, make_network, write_covariates
from rasterio.windows import Window
from sklearn.ensemble import RandomForestRegressor
from worker import Run, run_job

from soil_cnn_plugin.contract.jobs import Covariate, PredictMap
from soil_cnn_plugin.engine.forests.forest import TREES
from soil_cnn_plugin.engine.forests.trees import in_squares
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, write_network
from soil_cnn_plugin.engine.training.plan import Shape

QUICK = {"side": 1024, "observations": [1000], "share": 1.0, "turns": 1, "large": 0, "trees_on": 256}
CHEAP = (Shape("ring", 31, 1),)  # for the memory of large maps: it does not depend on the members
WINDOW = 1000  # pixels per side that scikit-learn gets at once
NETWORKS, BLEND = "networks", "blend"
TITLES = {NETWORKS: "both ensembles", BLEND: "default blend (both ensembles, a forest, a Gaussian process)"}
GOALS = {NETWORKS: 1.0, BLEND: 1.5}
GIB = 2**30


@dataclass(frozen=True)
class Setting:
    """A raster stack, with the part of its rows on which slow ways are measured."""

    folder: Path
    covariates: tuple[Covariate, ...]
    side: int
    rows: range

    @property
    def scale(self) -> float:
        return self.side / len(self.rows)

    def job(self, network: str, device: str, in_part: bool = False) -> PredictMap:
        outputs = {name: str(self.folder / f"{name}.tif") for name in ("prediction", "lower", "upper")}
        north, south = NORTH - CELL * self.rows.start, NORTH - CELL * self.rows.stop
        extent = (WEST, south, WEST + CELL * self.side, north) if in_part else None
        return PredictMap(str(self.folder / f"{network}.safetensors"), **outputs, extent=extent, device=device)


def main() -> None:
    asked = read_options()
    with tempfile.TemporaryDirectory(prefix="soilcnn-bench-", dir=asked.folder) as folder:
        middle = asked.side // 2
        half = max(1, round(asked.share * asked.side / 2))
        rows = range(middle - half, min(middle + half, asked.side))
        say(f"writing {asked.covariates} covariates of {asked.side} x {asked.side} pixels")
        covariates = write_covariates(Path(folder), asked.side, asked.covariates)
        setting = Setting(Path(folder), covariates, asked.side, rows)
        shapes = tuple(Shape(shape.name, shape.patch_size, asked.members or shape.members) for shape in STANDARD)
        made = {count: make_network(covariates, shapes, count) for count in asked.observations}
        for name, trained in zip(TITLES, made[asked.observations[0]]):
            write_network(str(setting.folder / f"{name}.safetensors"), trained)
        figures = compare_maps(setting, rivals_of({count: seen for count, (*_, seen, _) in made.items()}), asked)
        figures += [compare_forests(setting, blended, own, asked) for _, blended, _, own in made.values()]
        if asked.large:
            figures += compare_memory(setting, asked)
    write("map_prediction", "Predict map, with mean and interval", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--side", type=int, default=5000, help="pixels per side of the covariates")
    parser.add_argument("--covariates", type=int, default=10)
    parser.add_argument("--members", type=int, help="members of each ensemble; empty: the standard preset's")
    parser.add_argument(
        "--observations", type=int, nargs="+", default=[1000, 10_000],
        help="numbers of observations to grow forests on; more make larger trees; the first is for the maps",
    )  # fmt: skip
    parser.add_argument("--share", type=float, default=0.2, help="share of rows for computing alone and scikit-learn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--large", type=int, default=10_000, help="pixels per side of the memory map; 0 skips it")
    parser.add_argument("--maps", nargs="+", choices=TITLES, default=list(TITLES), help="maps to make, by predictor")
    parser.add_argument("--trees-on", type=int, default=512, help="pixels per side for the blend's forest")
    parser.add_argument("--folder", help="folder for temporary files: about 700 MB, and 3 GB with --large 10000")
    return parse(parser, QUICK)


def rivals_of(made: Mapping[int, Observations]) -> dict[str, RandomForestRegressor]:
    """Grow scikit-learn's forests on the covariates at the point: with the settings of our own forests, and one with
    scikit-learn's, whose trees are larger."""
    grown = {f"{count:,} observations": forest_of(seen.point, seen.target) for count, seen in made.items()}
    count, seen = next(iter(made.items()))
    by_default = RandomForestRegressor(TREES, n_jobs=usable_cores(), random_state=0)
    grown[f"{count:,} observations with its default settings"] = by_default.fit(seen.point, seen.target)
    return grown


def compare_maps(
    setting: Setting, forests: Mapping[str, RandomForestRegressor], asked: argparse.Namespace
) -> list[Figure]:
    """Measure in turns whole maps, their computing alone, and scikit-learn's forests of some observations."""
    ways = [(network, device) for network in asked.maps for device in devices()]
    whole: dict[tuple[str, str], list[Run]] = {way: [] for way in ways}
    alone: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    by_forest: dict[str, list[float]] = {name: [] for name in forests}
    for turn in range(asked.turns):
        for name, forest in forests.items():
            by_forest[name].append(setting.scale * predict_by_forest(setting, forest))
            say(f"turn {turn + 1}, forest of {name}: {by_forest[name][-1]:.1f} s for the whole map")
        for way in ways:
            whole[way].append(run_job(setting.job(*way), timed=True))
            run = run_job(setting.job(*way, in_part=True), compute_only=True)
            alone[way].append(setting.scale * run.times["phases"]["blocks"]["seconds"])
            say(f"turn {turn + 1}, {way}: {whole[way][-1].seconds:.1f} s, computing alone {alone[way][-1]:.1f} s")
    return [figure for way in ways for figure in tell_map(*way, setting, whole[way], alone[way], by_forest)]


def tell_map(
    network: str,
    device: str,
    setting: Setting,
    whole: Sequence[Run],
    alone: Sequence[float],
    by_forest: Mapping[str, Sequence[float]],
) -> list[Figure]:
    seconds = [run.seconds for run in whole]
    title = f"{TITLES[network]}{', GPU' if device == 'cuda' else ''}"
    middle = statistics.median(seconds)
    speed = setting.side**2 / middle
    half = [
        kind for kind in ("float16", "bfloat16") if any(f"half precision ({kind})" in line for line in whole[0].log)
    ]
    times = f"{middle:,.0f} s ({speed:,.0f} pixels/s, {half[0] if half else 'float32'}) against"
    busy = ", ".join(
        f"{part} {statistics.median(run.times['parts'][part]['seconds'] for run in whole):,.1f} s"
        for part in whole[0].times["parts"]
    )
    figures = [
        Figure(
            f"{title}: whole map against scikit-learn's forest of {name}, its mean alone",
            ratios(forest, seconds), goal=GOALS[network],
            detail=f"{times} {statistics.median(forest):,.0f} s",
        )
        for name, forest in by_forest.items()
    ] + [
        Figure(
            f"{title}: computing alone, share of the whole map's time",
            tuple(100 * share for share in ratios(alone, seconds)), "%", 80,
            detail=f"{statistics.median(alone):,.0f} of {middle:,.0f} s; busy in overlapping threads: {busy}",
        ),
    ]  # fmt: skip
    parts = [processor_time(run) for run in whole]
    for part in parts[0]:
        shares = tuple(100 * each[part] / sum(each.values()) for each in parts)
        figures.append(Figure(f"{title}: {part}", shares, "% of processor time"))
    peak = tuple(run.peak_bytes / GIB for run in whole)
    # On a GPU, CUDA itself takes most of it; the goal is for a processor.
    goal = 2 if device == "cpu" else None
    figures.append(Figure(f"{title}: peak memory of the worker", peak, "GiB", goal, True))
    return figures


def processor_time(run: Run) -> dict[str, float]:
    """Return the seconds of all cores together, by activity. Computing is the rest of the blocks' time, because it has
    its own threads, in which no clock runs."""
    phases, parts = run.times["phases"], run.times["parts"]
    writing = parts["writing"]["cpu"] + parts["checking ranges"]["cpu"]
    return {
        "start": phases["start"]["cpu"],
        "reading": parts["reading"]["cpu"],
        "computing": phases["blocks"]["cpu"] - parts["reading"]["cpu"] - writing,
        "writing": writing,
        "Cloud Optimized GeoTIFFs at the end": phases["end"]["cpu"],
    }


def predict_by_forest(setting: Setting, forest: RandomForestRegressor) -> float:
    """Return the seconds for the part of the rows, with scikit-learn's own threads, reading by windows."""
    started = time.perf_counter()
    files = [rasterio.open(covariate.path) for covariate in setting.covariates]
    for top in range(setting.rows.start, setting.rows.stop, WINDOW):
        for left in range(0, setting.side, WINDOW):
            height, width = min(WINDOW, setting.rows.stop - top), min(WINDOW, setting.side - left)
            window = Window(left, top, width, height)
            layers = np.stack([file.read(1, window=window) for file in files]).reshape(len(files), -1)
            known = (layers != files[0].nodata).all(0)
            if known.any():
                forest.predict(np.ascontiguousarray(layers[:, known].T))
    for file in files:
        file.close()
    return time.perf_counter() - started


def compare_forests(
    setting: Setting, blended: TrainedNetwork, forest: RandomForestRegressor, asked: argparse.Namespace
) -> Figure:
    """Compare the blend's trees with scikit-learn: the same forest, the same pixels, side by side as in a map."""
    size, side = blended.predictor.patch_size, asked.trees_on
    middle = (setting.side - side) // 2
    with open_stack(setting.covariates, blended.description.grid) as stack:
        raw = stack.read(Block(middle, middle, side, side).with_halo(size // 2))
    with torch.inference_mode():
        features = context_features(blended.encoder(torch.from_numpy(raw[None])), size)
    columns = features[0].flatten(1).numpy()  # (F, n)
    rows = np.ascontiguousarray(columns.T)
    (trees,) = blended.predictor.forests

    def by_trees() -> np.ndarray:
        """Predict square by square, as the blend does."""
        order = in_squares(np.ones((side, side), np.bool_))
        means = np.empty(len(order))
        means[order] = trees.mean_and_spread(columns[:, order].T)[0][:, 0]
        return means

    found: dict[str, np.ndarray] = {}

    def keep(name: str, predict: Callable[[], np.ndarray]) -> Callable[[], None]:
        return lambda: found.update({name: predict()})

    ways = {
        "ours": keep("ours", by_trees),
        "scikit-learn": keep("scikit-learn", lambda: forest.predict(rows)),
    }
    seconds = take_turns(ways, max(3, asked.turns))
    difference = float(np.abs(found["ours"] - found["scikit-learn"]).max())
    speeds = [len(rows) / statistics.median(each) for each in seconds.values()]
    return Figure(
        f"the blend's forest of {blended.description.observation_count:,} observations against scikit-learn's"
        " prediction of the same",
        ratios(seconds["scikit-learn"], seconds["ours"]), goal=3.0,
        detail=f"{speeds[0]:,.0f} against {speeds[1]:,.0f} pixels/s, {rows.shape[1]} features; ours also gives the"
        f" spread of the trees; largest difference {difference:.1e}",
    )  # fmt: skip


def compare_memory(setting: Setting, asked: argparse.Namespace) -> list[Figure]:
    """Compare the memory of a map and a larger one, with the same network of one ring member, to end in minutes."""
    write_network(str(setting.folder / "cheap.safetensors"), make_network(setting.covariates, CHEAP, 100)[0])
    small = run_job(setting.job("cheap", "cpu"))
    say(f"peak memory at {setting.side}: {small.peak_bytes / GIB:.2f} GiB; writing covariates of {asked.large} pixels")
    for covariate in setting.covariates:
        Path(covariate.path).unlink()
    covariates = write_covariates(setting.folder, asked.large, asked.covariates)
    large = Setting(setting.folder, covariates, asked.large, range(1))
    write_network(str(setting.folder / "cheap.safetensors"), make_network(covariates, CHEAP, 100)[0])
    run = run_job(large.job("cheap", "cpu"))
    sizes = f"{asked.large:,} x {asked.large:,}"
    growth = run.peak_bytes / max(small.peak_bytes, 1)
    return [
        Figure(
            f"peak memory at {sizes} pixels, one member of ring", (run.peak_bytes / GIB,), "GiB", 2, True,
            detail=f"{run.seconds:,.0f} s",
        ),
        Figure(
            f"peak memory at {sizes} pixels against {setting.side:,} x {setting.side:,}", (growth,), "x", 1.1, True,
            detail=f"{run.peak_bytes / GIB:.2f} against {small.peak_bytes / GIB:.2f} GiB",
        ),
    ]  # fmt: skip


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
