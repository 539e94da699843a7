"""The parts of gpu_check.py, each run by it in a process of its own: `gpu_parts.py NAME ASKED`."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import landscape
import rasterio
import torch
from figures import Figure
from gpu_asked import GIB, Asked, NotPossibleError, gpu_memory_watched, memory_figures
from gpu_blocks import measure_dense, measure_halving, measure_streams
from gpu_comparison import NetworkOnDevices, compare_maps, compare_trainings
from landscape import TARGET, make_network, write_covariates
from large_training import write_observations
from map_prediction import Setting
from worker import Unfinished, events_of, run_job

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, TrainNetwork, to_json
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.kriging import kernels
from soil_cnn_plugin.engine.machine.device import forbid_tf32
from soil_cnn_plugin.engine.machine.gpu import memory_of_gpu
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.network_file import write_network
from soil_cnn_plugin.engine.training.plan import Shape

NOT_POSSIBLE = 77  # exit status of a part that this machine cannot run; its last line says why
GPU_TESTS = (
    "tests/engine/test_gpu.py",
    "tests/engine/training/test_gpu_training.py",
    "tests/engine/jobs/test_gpu_jobs.py",
)
_WORKER_ENDS = 5.0  # seconds in which a worker must have ended


def compare_with_processor(asked: Asked) -> list[Figure]:
    """Compare maps in each precision, held-out errors and seeds."""
    if asked.small:
        forest.TREES, kernels._STEPS, landscape._STEPS = 10, 8, 10
    covariates = write_covariates(asked.path("."), 80 if asked.small else 400, 3, seed=50)
    shapes = (Shape("ring", 15, 2), Shape("padarian", 15, 2))
    alone, blend, *_ = make_network(covariates, shapes, 60 if asked.small else 1000)
    figures = compare_maps(NetworkOnDevices.of(blend, asked.path("compared.safetensors"), asked.on), covariates)
    patches = extracted(asked, "compared", covariates, 60 if asked.small else 400, 15)
    job = TrainNetwork(
        patches, str(asked.path("trained.safetensors")), validation="random", folds=2 if asked.small else 3,
        repeats=1, members=2 if asked.small else 3, epochs=1 if asked.small else 20, predictor="network",
        device=asked.device,
    )  # fmt: skip
    return figures + compare_trainings(job)


def run_tests(asked: Asked) -> list[Figure]:
    """Run the engine's own tests of GPUs, which take this card if there is one, or else the pretended one."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *GPU_TESTS[: 1 if asked.small else None]]
    if asked.small:
        command += ["-k", "half_precision"]
    root = Path(__file__).resolve().parents[1]
    with suppress(ImportError):
        import pytest  # noqa: F401

        done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=asked.seconds, check=False)
        print(done.stdout[-3000:])
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (passed|failed|error|skipped)", done.stdout)}
        if "passed" not in counts:
            raise RuntimeError(f"pytest ended with status {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
        return [
            Figure("tests that passed", (counts["passed"],), "tests"),
            Figure("tests that failed", (counts.get("failed", 0) + counts.get("error", 0),), "tests", 0, True),
        ]
    raise NotPossibleError("pytest is missing")


def measure_cancel(asked: Asked) -> list[Figure]:
    """Cancel a training, and kill one: each ends at once, gives the card's memory back and leaves no file."""
    covariates = write_covariates(asked.path("."), 150 if asked.small else 400, 3, seed=60)
    patches = extracted(asked, "cancelled", covariates, 100 if asked.small else 1000, 15)
    figures = []
    for number, way in ((signal.SIGTERM, "cancelled"), (signal.SIGKILL, "killed")):
        (results := asked.path(f"results {way}")).mkdir()
        before = memory_of_gpu(asked.on).others if asked.device == "cuda" else 0
        job = TrainNetwork(patches, str(results / "n.safetensors"), device=asked.device, validation="random")
        seconds = end_after_some_progress(job, number, asked)
        left = list(results.iterdir()) if way == "cancelled" else list(results.glob("n.safetensors"))
        kind = "files left" if way == "cancelled" else "files that look like results"
        figures.append(Figure(f"a training that is {way}: until it has ended", (seconds,), "s", 1.0, True))
        figures.append(Figure(f"a training that is {way}: {kind}", (len(left),), "files", 0, True))
        if asked.device == "cuda":
            time.sleep(0.5)
            kept = max(0, memory_of_gpu(asked.on).others - before) / GIB
            figures.append(
                Figure(f"a training that is {way}: memory of the card not given back", (kept,), "GiB", 0.1, True)
            )
    return figures


def end_after_some_progress(job: TrainNetwork, number: signal.Signals, asked: Asked) -> float:
    """Return how many seconds a worker needs to end when it gets a signal in the middle of its work."""
    job_file, told = asked.path("job.json"), asked.path("events")
    job_file.write_text(to_json(job), encoding="utf-8")
    with told.open("wb") as output:
        command = [sys.executable, "-u", "-m", "soil_cnn_plugin.engine", str(job_file)]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL)
    try:
        while not any(event.get("percent", 0.0) > 3.0 for event in events_of(told)):
            if process.poll() is not None:
                raise RuntimeError(f"The training ended before it was ended: {events_of(told)[-1]}")
            time.sleep(0.05)
        process.send_signal(number)
        started = time.perf_counter()
        process.wait(_WORKER_ENDS)
        return time.perf_counter() - started
    finally:
        process.kill()
        process.wait()


def measure_map(asked: Asked) -> list[Figure]:
    """Measure a whole map of 10,000 x 10,000 pixels and ten covariates, in half precision."""
    side, count = (200, 2) if asked.small else (10_000, 10)
    started = time.perf_counter()
    covariates = write_covariates(asked.path("."), side, count)
    shapes = (Shape("ring", 15, 2), Shape("padarian", 15, 2)) if asked.small else (Shape("padarian", 31, 5),)
    alone, *_ = make_network(covariates, shapes, 100)
    write_network(str(asked.path("map.safetensors")), alone)
    prepared = time.perf_counter() - started
    job = Setting(asked.path("."), covariates, side, range(1)).job("map", asked.device)
    with gpu_memory_watched(asked) as most:
        run = run_job(replace(job, precision="half"), timed=True, limit=asked.seconds - prepared)
    reading, blocks = run.times["parts"]["reading"]["seconds"], run.times["phases"]["blocks"]["seconds"]
    name = f"map of {side:,} x {side:,} pixels, {count} covariates"
    return [
        Figure(f"{name}: whole", (run.seconds,), "s", detail=f"{side * side / run.seconds:,.0f} pixels/s"),
        Figure(f"{name}: blocks alone", (blocks,), "s", detail=f"{side * side / blocks:,.0f} pixels/s"),
        Figure(f"{name}: reading, share of the blocks' time", (100 * reading / blocks,), "%", 80, True),
        Figure(f"{name}: peak memory of the worker", (run.peak_bytes / GIB,), "GiB"),
        *memory_figures(name, most),
    ]


def measure_training(asked: Asked, observations: int) -> list[Figure]:
    """Measure a whole training as Train network does it by default, on covariates of 2,000 x 2,000 pixels."""
    side = 200 if asked.small else 2000
    count = observations // 50 if asked.small else observations
    started = time.perf_counter()
    covariates = write_covariates(asked.path("."), side, 2 if asked.small else 10, seed=80)
    patches = extracted(asked, f"{observations}", covariates, count, 15)
    prepared = time.perf_counter() - started
    network = str(asked.path(f"{observations}.safetensors"))
    tiny: dict[str, Any] = {"members": 2, "epochs": 1, "folds": 2, "repeats": 1} if asked.small else {}
    job = TrainNetwork(patches, network, metrics=network + ".json", validation="random", device=asked.device, **tiny)
    name = f"training of {count:,} observations"
    with gpu_memory_watched(asked) as most:
        try:
            run = run_job(job, limit=asked.seconds - prepared)
        except Unfinished as unfinished:
            print(unfinished)
            reached = Figure(f"{name}: not finished", (unfinished.percent,), "%", 100, detail=str(unfinished))
            return [reached, *memory_figures(name, most)]
    figures = [
        Figure(f"{name}: whole", (run.seconds,), "s", 600, True, f"held-out RMSE {run.outputs['rmse']:.4g}"),
        Figure(f"{name}: peak memory of the worker", (run.peak_bytes / GIB,), "GiB"),
    ]
    return figures + memory_figures(name, most)


def extracted(asked: Asked, name: str, covariates: tuple[Covariate, ...], count: int, patch_size: int) -> str:
    """Return a patch file of simulated observations."""
    (folder := asked.path(name)).mkdir()
    points, patches = str(folder / "points.gpkg"), str(folder / "patches.h5")
    asked_for = argparse.Namespace(side=width_of(covariates[0]), observations=count)
    write_observations(points, covariates, asked_for)
    job = ExtractPatches(points, (TARGET,), covariates, patches, patch_size=patch_size)
    extract_patches.run(job, Report(lambda event: None))
    return patches


def width_of(covariate: Covariate) -> int:
    with rasterio.open(covariate.path) as raster:
        return int(raster.width)


@dataclass(frozen=True)
class Part:
    """A part: what it is, its share of the time in seconds, and how it is measured."""

    what: str
    seconds: float
    measure: Callable[[Asked], list[Figure]]


PARTS = {
    "comparison": Part("maps, held-out errors and seeds against the processor", 70, compare_with_processor),
    "tests": Part("tests of the engine on the card", 80, run_tests),
    "dense": Part("dense prediction against the card's peak and naive patches", 50, measure_dense),
    "streams": Part("two queues that overlap", 25, measure_streams),
    "halving": Part("a map with too little memory", 25, measure_halving),
    "cancel": Part("trainings that are cancelled and killed", 40, measure_cancel),
    "map": Part("a whole map", 90, measure_map),
    "training": Part("a training of 3,000 observations", 60, lambda asked: measure_training(asked, 3000)),
    "large": Part("a training of 100,000 observations", 120, lambda asked: measure_training(asked, 100_000)),
}


def main() -> int:
    name, asked = sys.argv[1], Asked(**json.loads(sys.argv[2]))
    if asked.device == "cuda" and not torch.cuda.is_available():
        print(f"PyTorch {torch.__version__} finds no CUDA GPU")
        return NOT_POSSIBLE
    forbid_tf32()
    try:
        figures = PARTS[name].measure(asked)
    except NotPossibleError as error:
        print(error)
        return NOT_POSSIBLE
    content = {"figures": [asdict(each) for each in figures]}
    asked.path(f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads of a part must not outlive its time
