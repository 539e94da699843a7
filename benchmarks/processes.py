"""Measure two processes against one: training with torchrun, and a map on a local Dask cluster of two workers.

The one process has one core, and each of the two has one. A third way is one process that may use all cores; it trains
and predicts several things side by side, so it needs no help on one machine. With `--bound`, two of the one-core jobs
also run at once and share nothing but the machine: cores share memory and heat, so that two gain less than twice. Ways
take turns, and their results are compared. Processor time is told beside the time that passes, which other programs
lengthen. `make bench` runs this in the engine's Python.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import dask
import geopandas
import numpy as np
import rasterio
import torch
from distributed import Client, LocalCluster
from figures import Figure, options, parse, ratios, spread, write
from landscape import CELL, NORTH, STANDARD, TARGET, WEST, make_network, write_covariates
from worker import KEEP_MEMORY, ROOT, Run, busy_of_children, one_core, run_job

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, Job, PredictMap, TrainNetwork
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_file import read_network, write_network
from soil_cnn_plugin.engine.training.plan import Shape

QUICK = {"side": 400, "covariates": 3, "members": 2, "observations": 200, "epochs": 2, "turns": 1}
PATCH_SIZE = 15
ONE, TWO, ALL, BOTH = "one core", "two processes", "all cores", "two jobs at once"
ON_ONE = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
ON_ALL = {**ON_ONE, **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), str(usable_cores()))}
"""Dask leaves one thread in the environment when it starts workers."""
QUIET = {"distributed.admin.tick.interval": "1s", "distributed.worker.profile.enabled": False}
"""As docs/large.md starts scheduler and workers: Dask does not look at itself."""
CLOSE = 0.01  # share of a held-out error by which trainings that round differently may differ


def main() -> None:
    asked = read_options()
    with tempfile.TemporaryDirectory(prefix="soilcnn-bench-", dir=asked.folder) as name:
        folder = Path(name)
        covariates = write_covariates(folder, asked.side, asked.covariates)
        figures = compare_trainings(folder, covariates, asked) if asked.only != "map" else []
        figures += compare_maps(folder, covariates, asked) if asked.only != "training" else []
    write("processes", "Two processes against one", vars(asked), figures, asked.output)


def read_options() -> argparse.Namespace:
    parser = options(__doc__, QUICK)
    parser.add_argument("--side", type=int, default=2000, help="pixels per side of the covariates")
    parser.add_argument("--covariates", type=int, default=10)
    parser.add_argument("--members", type=int, help="members of each ensemble; empty: the standard preset's")
    parser.add_argument("--observations", type=int, default=2000)
    parser.add_argument("--epochs", type=int, default=30, help="epochs of each training; 0: the preset's")
    parser.add_argument("--predictor", choices=TrainNetwork.PREDICTORS, default="network")
    parser.add_argument("--preset", choices=TrainNetwork.PRESETS, default="standard")
    parser.add_argument("--only", choices=("training", "map"), help="leave the other one out")
    parser.add_argument("--skip-all", action="store_true", help="leave out the one process on all cores")
    parser.add_argument("--bound", action="store_true", help="also run two jobs at once that share nothing")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--folder", help="folder for temporary files")
    return parse(parser, QUICK)


def compare_trainings(folder: Path, covariates: tuple[Covariate, ...], asked: argparse.Namespace) -> list[Figure]:
    patches = extract(folder, covariates, asked)
    job = TrainNetwork(
        patches, str(folder / "network.safetensors"), predictor=asked.predictor, preset=asked.preset,
        members=asked.members, epochs=asked.epochs or None, validation="random", folds=2, repeats=1, device="cpu",
    )  # fmt: skip
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    ways: dict[str, Callable[[], Run]] = {
        ONE: lambda: on_one_core(lambda: run_job(job, environment=ON_ONE)),
        TWO: lambda: run_job(job, launcher=torchrun, environment=ON_ONE),
    }
    if not asked.skip_all:
        ways[ALL] = lambda: run_job(job, environment=ON_ALL)
    if asked.bound:
        ways[BOTH] = lambda: at_once(job, replace(job, network=str(folder / "second.safetensors")))
    if torch.cuda.device_count() > 1:
        on_gpu = replace(job, device="cuda")
        ways |= {"one GPU": lambda: run_job(on_gpu), "two GPUs": lambda: run_job(on_gpu, launcher=torchrun)}
    weights: dict[str, np.ndarray] = {}

    def keep(name: str, run: Run) -> None:
        trained = read_network(job.network, torch.device("cpu"))
        parameters = (values for network in trained.predictor.networks for values in network.parameters())
        weights[name] = torch.cat([values.detach().flatten() for values in parameters]).numpy()

    runs = take_turns("training", ways, asked.turns, keep)
    errors = {name: found[-1].outputs["rmse"] for name, found in runs.items()}
    difference = float(np.abs(weights[ONE] - weights[TWO]).max() / weights[ONE].std())
    if abs(errors[ONE] - errors[TWO]) > CLOSE * errors[ONE]:
        raise SystemExit(f"Two processes train a different network than one: held-out RMSE {errors}.")
    agreement = f"weights differ by at most {difference:.1e} of their spread, held-out RMSE"
    agreement += f" {errors[ONE]:.5g} and {errors[TWO]:.5g}"
    figures = tell("training, whole job", runs, agreement)
    if "one GPU" in runs:
        values = ratios(*([run.seconds for run in runs[name]] for name in ("one GPU", "two GPUs")))
        figures.append(Figure("training, whole job: two GPUs against one", values))
    return figures


def extract(folder: Path, covariates: tuple[Covariate, ...], asked: argparse.Namespace) -> str:
    """Extract a patch file of observations that lie anywhere."""
    rng = np.random.default_rng(0)
    places = rng.uniform(0.15, 0.9, (asked.observations, 2)) * asked.side * CELL
    columns = {TARGET.field: rng.uniform(5, 60, len(places))}
    points, patches = str(folder / "points.gpkg"), str(folder / "patches.h5")
    geometry = geopandas.points_from_xy(WEST + places[:, 0], NORTH - places[:, 1])
    geopandas.GeoDataFrame(columns, geometry=geometry, crs="EPSG:32631").to_file(points)
    job = ExtractPatches(points, (TARGET,), covariates, patches, patch_size=PATCH_SIZE)
    extract_patches.run(job, Report(lambda event: None))
    return patches


def compare_maps(folder: Path, covariates: tuple[Covariate, ...], asked: argparse.Namespace) -> list[Figure]:
    network, output = str(folder / "made.safetensors"), str(folder / "map.tif")
    shapes = tuple(Shape(shape.name, PATCH_SIZE, asked.members or shape.members) for shape in STANDARD)
    write_network(network, make_network(covariates, shapes)[1])
    job = PredictMap(
        network, output, upper=str(folder / "upper.tif"), device="cpu", block_size=min(256, asked.side // 2)
    )
    environment = {**KEEP_MEMORY, **ON_ONE, "PYTHONPATH": str(ROOT)}
    maps: dict[str, np.ndarray] = {}

    def keep(name: str, run: Run) -> None:
        with rasterio.open(output) as raster:
            maps[name] = raster.read(masked=True).filled(np.nan)

    with dask.config.set(QUIET), LocalCluster(
        2, threads_per_worker=1, processes=True, dashboard_address=None, env=environment,
        local_directory=str(folder / "dask"),
    ) as cluster:  # fmt: skip
        on_cluster = replace(job, cluster=cluster.scheduler_address)
        corner = (WEST, NORTH - CELL * asked.side, WEST + CELL * asked.side, NORTH - CELL * asked.side * 0.9)
        run_job(replace(on_cluster, extent=corner), environment=ON_ONE)  # workers import what they need
        ways: dict[str, Callable[[], Run]] = {
            ONE: lambda: on_one_core(lambda: run_job(job, environment=ON_ONE)),
            TWO: lambda: with_workers(lambda: run_job(on_cluster, environment=ON_ONE), cluster),
        }
        if not asked.skip_all:
            ways[ALL] = lambda: run_job(job, environment=ON_ALL)
        if asked.bound:
            second = replace(job, prediction=str(folder / "second.tif"), upper=str(folder / "second_upper.tif"))
            ways[BOTH] = lambda: at_once(job, second)
        runs = take_turns("map", ways, asked.turns, keep)
    difference = float(np.nanmax(np.abs(maps[ONE] - maps[TWO])) / np.nanstd(maps[ONE]))
    if difference > 1e-4 or (np.isnan(maps[ONE]) != np.isnan(maps[TWO])).any():
        raise SystemExit(f"A Dask cluster makes a different map than one process: they differ by {difference:.1e}.")
    return tell("map, whole job", runs, f"maps differ by at most {difference:.1e} of their spread")


def take_turns(
    what: str, ways: Mapping[str, Callable[[], Run]], turns: int, keep: Callable[[str, Run], None]
) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in ways}
    for turn in range(turns):
        for name, run in ways.items():
            runs[name].append(run())
            keep(name, runs[name][-1])
            told = f"{runs[name][-1].seconds:.1f} s, {runs[name][-1].busy:.1f} s of a core"
            print(f"turn {turn + 1}, {what}, {name}: {told}", file=sys.stderr, flush=True)
    return runs


def tell(title: str, runs: Mapping[str, list[Run]], agreement: str) -> list[Figure]:
    seconds = {name: [run.seconds for run in found] for name, found in runs.items()}
    busy = {name: statistics.median(run.busy for run in found) for name, found in runs.items()}
    one, two = (f"{statistics.median(seconds[name]):,.1f} s ({busy[name]:,.1f} of a core)" for name in (ONE, TWO))
    figures = [
        Figure(
            f"{title}: two processes on a core each against one on one core", ratios(seconds[ONE], seconds[TWO]),
            detail=f"{two} against {one}; {agreement}",
        )
    ]  # fmt: skip
    if ALL in runs:
        figures.append(
            Figure(
                f"{title}: two processes against one on all cores", ratios(seconds[ALL], seconds[TWO]),
                detail=f"{two} against {spread(seconds[ALL], 's')}",
            )
        )  # fmt: skip
    if BOTH in runs:
        figures.append(
            Figure(
                f"{title}: two such jobs at once, a core each, against one after the other",
                ratios([2 * each for each in seconds[ONE]], seconds[BOTH]),
                detail=f"{spread(seconds[BOTH], 's')} ({busy[BOTH]:,.1f} of a core); what two cores gain at best",
            )
        )  # fmt: skip
    return figures


def with_workers(run: Callable[[], Run], cluster: LocalCluster) -> Run:
    """Run a job, and count what the cluster's workers took of processors for it."""

    def busy() -> float:
        with Client(cluster) as client:
            return sum(sum(times[:2]) for times in client.run(os.times).values())

    before = busy()
    found = run()
    return replace(found, busy=found.busy + busy() - before)


def at_once(*jobs: Job) -> Run:
    """Run jobs that share nothing, each on a core of its own; the slowest."""
    before = busy_of_children()

    def on_core(core: int, job: Job) -> Run:
        os.sched_setaffinity(0, {core})  # of this thread, and of what it starts
        return run_job(job, environment=ON_ONE)

    with ThreadPoolExecutor(len(jobs)) as threads:
        slowest = max(threads.map(on_core, sorted(os.sched_getaffinity(0)), jobs), key=lambda run: run.seconds)
    return replace(slowest, busy=busy_of_children() - before)


def on_one_core(run: Callable[[], Run]) -> Run:
    with one_core():
        return run()


if __name__ == "__main__":
    main()
