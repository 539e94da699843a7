"""The benchmarks run: what nobody runs for a while breaks unseen."""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import os
import sys
import tempfile
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Protocol

import numpy as np
import pytest
import torch

from soil_cnn_plugin.contract.jobs import PredictMap, TrainNetwork
from soil_cnn_plugin.engine.jobs import predict_map, train_network
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.predictor import Predictor

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
JOBS = {TrainNetwork: train_network.run, PredictMap: predict_map.run}
GPU_PARTS = ("comparison", "halving", "cancel")


class Measure(Protocol):
    """Runs a benchmark in this process, with the name of its script and its options."""

    def __call__(self, script: str, *options: str) -> None: ...


@pytest.fixture
def measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Measure:
    """Results and temporary files lie in tmp_path. To import PyTorch in a process of each takes seconds; those that a
    benchmark starts itself stay processes."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def run(script: str, *options: str) -> None:
        monkeypatch.setattr(sys, "argv", [f"{script}.py", "--output", str(tmp_path), *options])
        assert not importlib.import_module(script).main()

    return run


def test_dense_prediction_is_measured_and_equals_patches(tmp_path: Path, measure: Measure) -> None:
    measure("dense_prediction", "--quick")
    figures = json.loads((tmp_path / "dense_prediction.json").read_text(encoding="utf-8"))["figures"]
    median = {figure["name"]: figure["values"][0] for figure in figures}
    differences = [value for name, value in median.items() if "largest difference" in name]
    assert len(differences) == 3 and all(0 < value < 1e-4 for value in differences)
    speeds = [value for name, value in median.items() if "against naive patches" in name]
    assert len(speeds) == 3 and min(speeds) > 3
    table = (tmp_path / "dense_prediction.md").read_text(encoding="utf-8")
    assert "| padarian, 2 covariates, patches of 15 pixels: dense against the best way by patches |" in table


@pytest.mark.parametrize("stored", [[], ["--one-file", "--tile", "0", "--type", "int16"]])
def test_extraction_is_measured_and_gives_the_covariates_own_pixels(
    tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch, stored: list[str]
) -> None:
    extraction = importlib.import_module("extraction")
    if stored:  # ways in processes of their own have been measured with the other rasters
        monkeypatch.setattr(extraction, "measure_alone", lambda options, way: extraction.measure(options, way))
    measure("extraction", "--quick", "--folder", str(tmp_path), "--output", str(tmp_path / "results"), *stored)
    results = json.loads((tmp_path / "results" / "extraction.json").read_text(encoding="utf-8"))["results"]
    assert all(row["seconds"] > 0 and row["peak_bytes"] > 2**26 for row in results.values())
    assert results["extract"]["times_extraction"] == 1
    assert "| Extract patches, file written |" in (tmp_path / "results" / "extraction.md").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]


def test_designs_of_samples_are_measured(tmp_path: Path, measure: Measure) -> None:
    measure("sampling", "--quick")
    results = json.loads((tmp_path / "sampling.json").read_text(encoding="utf-8"))
    run = results["where_next"]["simulated"]
    assert run["repeats"] == 2 and run["random"][0] == run["where_next"][0] > run["where_next"][-1]
    assert results["inclusion"]["largest_difference"] < 0.15
    assert "| simulated | 2 |" in (tmp_path / "sampling.md").read_text(encoding="utf-8")


def test_all_benchmarks_come_into_one_table(tmp_path: Path, measure: Measure) -> None:
    tiny = ["--observations", "60", "--covariates", "1", "--members", "2", "--steps", "2", "--turns", "1"]
    measure("bench", "--quick", "--only", "training", *tiny)  # this one starts the other as a script
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert not found["failed"] and found["quick"]
    figures = {each["name"]: each for each in found["figures"]["training"]}
    assert len(figures) == 10 and all(each["values"][0] > 0 for each in figures.values())
    lines = (tmp_path / "bench.md").read_text(encoding="utf-8").splitlines()
    assert all(any(line.startswith(f"| {name} | ") for line in lines) for name in figures)


def test_the_whole_of_a_map_is_measured(tmp_path: Path, measure: Measure) -> None:
    tiny = ["--side", "200", "--covariates", "1", "--members", "1", "--observations", "50", "--trees-on", "32"]
    measure("map_prediction", "--quick", "--maps", "blend", "--large", "240", *tiny)
    found = figures_of(tmp_path / "map_prediction.json")
    shares = {name: values for name, values in found.items() if "% of processor time" in name}
    assert len(shares) == 5 and sum(value for (value,) in shares.values()) == pytest.approx(100)
    memory = [values[0] for name, values in found.items() if "peak memory" in name and "GiB" in name]
    assert len(memory) == 2 and all(0.1 < each < 2 for each in memory)
    assert not list(tmp_path.glob("soilcnn-*"))


def test_two_processes_make_what_one_makes(tmp_path: Path, measure: Measure, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one process makes alone, this one makes."""
    processes, worker = importlib.import_module("processes"), importlib.import_module("worker")

    def run_job(job: Any, *, launcher: tuple[str, ...] = (), environment: dict[str, str]) -> Any:
        if launcher:
            return worker.run_job(job, launcher=launcher, environment=environment)
        started = time.perf_counter()
        outputs = JOBS[type(job)](job, Report(lambda event: None))
        return worker.Run(time.perf_counter() - started, 0, {}, outputs, ())

    monkeypatch.setattr(processes, "run_job", run_job)
    tiny = ["--side", "120", "--covariates", "1", "--observations", "60", "--epochs", "1", "--bound"]
    measure("processes", "--quick", *tiny)
    assert all(values[0] > 0 for values in figures_of(tmp_path / "processes.json").values())
    assert not list(tmp_path.glob("soilcnn-*"))


def test_a_training_with_many_observations_is_measured(tmp_path: Path, measure: Measure) -> None:
    measure("large_training", "--quick", "--observations", "60", "--covariates", "1", "--side", "100")
    found = figures_of(tmp_path / "large_training.json")
    assert 0.1 < found["training: peak memory, GiB"][0] < 2 and found["size of network.safetensors, MiB"][0] > 0
    assert not list(tmp_path.glob("soilcnn-*"))


def test_the_power_of_the_verdict_is_measured(tmp_path: Path, measure: Measure) -> None:
    measure("verdict_power", "--quick", "--data-sets", "2")
    found = json.loads((tmp_path / "verdict_power.json").read_text(encoding="utf-8"))["results"]
    assert [(each["folds"], each["percent"]) for each in found] == [
        (kind, percent) for kind in ("random", "spatial_blocks") for percent in (0.0, 20.0)
    ]
    assert all(0 <= each["folds, 3 x"] <= 1 and 2 < each["detectable"] < 200 for each in found)
    assert "| spatial_blocks | 60 | 20 % |" in (tmp_path / "verdict_power.md").read_text(encoding="utf-8")


def test_a_gpu_is_checked_part_by_part_and_what_was_not_run_is_told(tmp_path: Path, measure: Measure) -> None:
    measure("gpu_check", "--device", "cpu", "--small", "--minutes", "30", "--only", *GPU_PARTS)
    found = json.loads((tmp_path / "gpu_check.json").read_text(encoding="utf-8"))
    words = {part["name"]: part["words"] for part in found["parts"]}
    assert words == {"comparison": "done", "halving": "not run: it needs a CUDA GPU", "cancel": "done"}
    median = {each["name"]: each["values"][0] for part in found["parts"] for each in part["figures"]}
    exact = [value for name, value in median.items() if "largest difference but for" in name]
    assert exact == [0.0, 0.0] and median["held-out RMSE against that of the processor"] == 1.0
    assert median["two trainings with one seed: largest difference of held-out predictions"] == 0.0
    assert 0 < median["map in float16 against float32 on the processor: error"] < 1
    left = [value for name, value in median.items() if name.startswith("a training that is") and "files" in name]
    assert left == [0, 0]
    table = (tmp_path / "gpu_check.md").read_text(encoding="utf-8")
    assert "| a map with too little memory | not run: it needs a CUDA GPU |" in table


def test_the_parts_that_need_a_gpu_measure_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the processor, with what only a GPU has replaced: memory that is short above some size, and a profile."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    blocks, comparison, asked = map(importlib.import_module, ("gpu_blocks", "gpu_comparison", "gpu_asked"))
    predict = Predictor.predict_block

    def predict_if_small(predictor: Predictor, channels: Channels, wanted: np.ndarray, *options: Any) -> Any:
        if wanted.size > 100**2:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return predict(predictor, channels, wanted, *options)

    @contextmanager
    def short_of_memory(device: torch.device, share: float) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Predictor, "predict_block", predict_if_small)
            yield

    monkeypatch.setattr(blocks, "needs_gpu", lambda asked: None)
    monkeypatch.setattr(comparison, "reset_peak", lambda device: None)
    monkeypatch.setattr(comparison, "short_of_memory", short_of_memory)
    given = asked.Asked("cpu", True, str(tmp_path), 60.0)
    told, apart = blocks.measure_halving(given)
    assert told.values == (2,) and apart.values[0] < 1e-4  # 150 x 150 pixels are halved twice
    faster, overlapped = blocks.measure_streams(given)
    assert faster.values[0] > 0 and overlapped.values == (0.0,)  # nothing is copied to a processor
    assert blocks.covered([(0, 10), (20, 30)], [(5, 12), (11, 25)]) == 0.5


def test_a_part_without_time_is_not_run_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    check = importlib.import_module("gpu_check")
    asked = argparse.Namespace(device="cpu", small=True, minutes=0.0, only=["dense", "map"])
    assert [(part.name, part.words) for part in check.run_parts(asked)] == [
        ("dense", "not run, no time left"),
        ("map", "not run, no time left"),
    ]


def test_the_clock_of_stages_keeps_nothing_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    clock = importlib.import_module("stage_clock").StageClock()

    def work() -> weakref.ref[np.ndarray]:
        values = np.zeros(3)
        clock.look()
        return weakref.ref(values)

    gc.disable()
    try:
        assert work()() is None
    finally:
        gc.enable()


def test_a_benchmark_keeps_memory_as_a_worker_does() -> None:
    """benchmarks/ cannot import bridge/worker.py, which needs QGIS."""
    texts = [
        (ROOT / path).read_text(encoding="utf-8")
        for path in ("benchmarks/worker.py", "soil_cnn_plugin/bridge/worker.py")
    ]
    kept = [next(line for line in text.splitlines() if line.startswith("KEEP_MEMORY = ")) for text in texts]
    assert kept[0] == kept[1]


_WORKER = """
import json, os, sys, time
if "--spare" in sys.argv:
    time.sleep(0.2)
    print(json.dumps({"event": "progress"}), flush=True)
    assert sys.stdin.readline()
job = json.load(open(sys.argv[1], encoding="utf-8"))
print(json.dumps({"event": "info", "text": "started"}), flush=True)
time.sleep(0.1)
with open(sys.argv[2], "a", encoding="utf-8") as asked:
    print(job["job"], os.environ.get("NUMBA_CACHE_DIR", "kept"), file=asked)
print(json.dumps({"event": "done"}))
"""


def test_the_start_of_a_worker_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a worker that does nothing, because networks to predict with would take long to make."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    landscape = SimpleNamespace(
        write_covariates=lambda folder, side, count: (), make_network=lambda covariates: ("alone", "blended")
    )
    monkeypatch.setitem(sys.modules, "landscape", landscape)
    start = importlib.import_module("start")
    asked, command = tmp_path / "asked", [sys.executable, "-S", "-c", _WORKER]
    monkeypatch.setattr(start, "worker_command", lambda job: ([*command, str(job), str(asked)], {**os.environ}))
    monkeypatch.setattr(start, "write_network", lambda path, trained: None)
    monkeypatch.setattr(sys, "argv", ["start.py", "--quick", "--output", str(tmp_path), "--folder", str(tmp_path)])
    start.main()
    found = figures_of(tmp_path / "start.json")
    (first, *maps, first_of_spare, networks_of_spare, blend_of_spare, bare) = found.values()
    assert len(first) == 2 and all(0 < one < whole[0] - 0.1 for one, whole in zip(first, maps))
    assert bare[0] > 0.1 and all("100 x 100" in name for name in list(found)[1:3])
    spares = zip(first_of_spare, (networks_of_spare, blend_of_spare))
    assert all(0 < one < 0.1 < whole[0] < maps[0][0] for one, whole in spares)  # what came before does not count
    jobs = [line.split() for line in asked.read_text(encoding="utf-8").splitlines()]
    assert [kind for kind, _ in jobs] == ["check_environment", *["predict_map"] * 5]
    assert [cache == "kept" for _, cache in jobs] == [*[True] * 5, False]
    command[-1] = "raise SystemExit('no memory')"
    with pytest.raises(SystemExit, match="no memory"):
        start.start(start.CheckEnvironment(), tmp_path)


def figures_of(path: Path) -> dict[str, list[float]]:
    """Name and unit -> values."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {f"{each['name']}, {each['unit']}": each["values"] for each in content["figures"]}


def test_rivals_learn_what_there_is_and_know_their_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import rivals

    rng = np.random.default_rng(0)
    places = rng.uniform(0, 1000, (200, 2))
    covariates = rng.normal(size=(200, 3))
    target = covariates[:, 0] + np.sin(places[:, 0] / 150) + 0.3 * rng.normal(size=200)
    data = rivals.Data(covariates, covariates, places, target)
    train, test = data.take(np.arange(140)), data.take(np.arange(140, 200))
    errors = {}
    for name in ("ordinary kriging", "Gaussian process of others", "gradient boosting"):
        mean, quantiles = rivals.RIVALS[name](train, test, 0)
        errors[name] = float(np.sqrt(np.mean((mean - test.target) ** 2)))
        assert (np.diff(quantiles) >= 0).all()
        assert 0.8 < ((quantiles[:, 4] <= test.target) & (test.target <= quantiles[:, 94])).mean() <= 1, name
    assert errors["Gaussian process of others"] < 0.45  # the noise is 0.3
    assert errors["ordinary kriging"] > 0.7  # it sees no covariates
