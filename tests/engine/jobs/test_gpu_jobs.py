"""Whole jobs on a GPU, a pretended one where there is no real one: trained, mapped, explained; cancelled, resumed."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from soil_cnn_plugin.contract.jobs import ExplainNetwork, PredictMap, TrainNetwork
from soil_cnn_plugin.engine.explaining import network_use
from soil_cnn_plugin.engine.explaining.attribution import Attribution
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import explain_network, predict_map, train_network
from soil_cnn_plugin.engine.machine import device as device_module
from soil_cnn_plugin.engine.machine import full_gpu
from soil_cnn_plugin.engine.machine.full_gpu import full_in_words
from soil_cnn_plugin.engine.machine.gpu import GpuMemory
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.targets.kinds import LearnedAs
from soil_cnn_plugin.engine.training import checkpoint, designs
from soil_cnn_plugin.engine.training.network_file import read_network
from tests.engine import pretended_gpu
from tests.engine.jobs.test_predict_map import read
from tests.engine.landscape import CELL, NORTH, WEST, Log, extract, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures")
CPU = torch.device("cpu")
device = pretended_gpu.device
PIECE = (WEST + 12 * CELL, NORTH - 18 * CELL, WEST + 18 * CELL, NORTH - 12 * CELL)


class Cancelled(Exception):
    pass


class Impatient(Log):
    """Cancels when a step of the job has come so far."""

    def __init__(self, at: float) -> None:
        super().__init__()
        write = self._write

        def write_or_leave(event: object) -> None:
            write(event)
            if getattr(event, "percent", 0.0) >= at:
                raise Cancelled

        self._write = write_or_leave


@pytest.fixture(scope="module")
def training(device: torch.device, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainNetwork, Log]:
    """A blend of both architectures that learns a little, on the GPU; cancelled once, it has gone on. What the
    pretended GPU takes for it depends on the steps alone, so that there are few."""
    folder = tmp_path_factory.mktemp("training")
    job = TrainNetwork(
        extract(make_landscape(folder), count=36, patch_size=11),
        str(folder / "network.safetensors"),
        held_out=str(folder / "held_out.gpkg"),
        metrics=str(folder / "metrics.json"),
        report=str(folder / "report.html"),
        preset="best",  # trains both architectures
        members=2,
        epochs=2,
        folds=2,
        repeats=1,
        validation="random",
        device="cuda",
        resume=True,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 10)
        patch.setattr(designs, "_with_other_folds", lambda *_: ())  # nothing of their own happens on the GPU
        patch.setattr(checkpoint, "_SECONDS", 0.0)
        with pytest.raises(Cancelled):
            train_network.run(job, Impatient(40.0))
        assert not any(os.path.exists(path) for path in job.output_paths().values())
        log = Log()
        train_network.run(job, log)
    return job, log


def test_a_cancelled_training_goes_on_and_measures_its_error(training: tuple[TrainNetwork, Log]) -> None:
    job, log = training
    assert all(os.path.exists(path) for path in job.output_paths().values())
    assert any("goes on from its checkpoint" in line for line in log.infos)
    metrics = json.loads(Path(job.metrics).read_text(encoding="utf-8"))
    for target in metrics["targets"].values():
        scores = target["methods"]["blend"]
        assert np.isfinite([scores["rmse"], scores["picp"]]).all()


def test_its_map_is_that_of_the_processor_with_limits_and_dissimilarity(
    training: tuple[TrainNetwork, Log], tmp_path: Path
) -> None:
    maps = {}
    for name in ("cpu", "cuda"):
        (folder := tmp_path / name).mkdir()
        paths = {each: str(folder / f"{each}.tif") for each in ("prediction", "lower", "upper", "dissimilarity")}
        job = PredictMap(training[0].network, **paths, dissimilarity_space="embedding", device=name)
        predict_map.run(job, Log())
        maps[name] = {each: read(path) for each, path in paths.items()}
    for each, found in maps["cuda"].items():
        wanted = maps["cpu"][each]
        assert (np.isfinite(found) == np.isfinite(wanted)).all() and np.nanstd(wanted) > 0
        error = np.abs(found - wanted)[np.isfinite(wanted)]
        # A last bit may take a pixel over the threshold of a tree.
        assert (error > 2e-3 * np.nanstd(wanted)).mean() < 0.01, each


def test_contributions_are_those_of_the_processor(
    training: tuple[TrainNetwork, Log], device: torch.device, tmp_path: Path
) -> None:
    found = []
    for place in (CPU, device):
        trained = read_network(training[0].network, place)
        with PatchFile(training[0].patches) as file:
            views = see(trained, encode(trained, file.read(0, 12), file.coordinates[:12]))
        attribution = Attribution(trained, views.take(np.arange(4)), LearnedAs("none", np.ones(1), 0.0), slice(1, 2))
        found.append(attribution.contributions(views.take(np.arange(4, 12))))
    assert found[0].std() > 0
    assert np.abs(found[1] - found[0]).max() < 0.01 * np.abs(found[0]).max()


def test_what_covariates_and_surroundings_are_worth_is_measured_on_it(
    training: tuple[TrainNetwork, Log], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_use, "_MOST_REPEATS", 2)
    job = ExplainNetwork(
        training[0].network,
        training[0].patches,
        report=str(tmp_path / "r.html"),
        metrics=str(tmp_path / "r.json"),
        device="cuda",
    )
    explain_network.run(job, Log())
    metrics = json.loads(Path(job.metrics).read_text(encoding="utf-8"))
    for target in metrics["targets"].values():
        assert all(np.isfinite(each["mean"]) for each in target["importance"].values())


def test_a_gpu_whose_memory_runs_out_leaves_the_run_to_the_processor(
    training: tuple[TrainNetwork, Log], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []
    plan = predict_map.plan_map

    def plan_and_fail_on_a_gpu(job: PredictMap, trained: object, device: torch.device, report: Log) -> object:
        tried.append(device.type)
        if device.type != "cpu":
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore lines.")
        return plan(job, trained, device, report)

    monkeypatch.setattr(predict_map, "plan_map", plan_and_fail_on_a_gpu)
    job = PredictMap(training[0].network, prediction=str(tmp_path / "map.tif"), device="auto", extent=PIECE)
    predict_map.run(job, log := Log())
    assert len(tried) == 2 and tried[1] == "cpu" and np.isfinite(read(job.prediction)).any()
    assert [line for line in log.warnings if "begins anew on the processor" in line]
    for unwilling in (replace(job, device="cuda"), replace(job, full_gpu="wait")):
        if unwilling.device == "auto" and torch.cuda.is_available():
            continue  # a real GPU has memory, which other programs may hold
        with pytest.raises(RuntimeError, match="out of memory"):
            predict_map.run(unwilling, Log())


@pytest.mark.skipif(torch.cuda.is_available(), reason="a real GPU has memory, which other programs may hold")
def test_a_gpu_that_is_full_at_the_start_is_waited_for_or_left_as_the_job_says(
    training: tuple[TrainNetwork, Log], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = GpuMemory(total=8 * 2**30, free=2**29, others=7 * 2**30)
    trouble = device_module._Trouble(full_in_words("a pretended GPU", memory), memory)
    job = PredictMap(training[0].network, prediction=str(tmp_path / "map.tif"), extent=PIECE)
    for choice, looks, told, device in (
        (
            "wait",
            [trouble, trouble, trouble],
            "The run waits for the GPU, because the memory of a pretended GPU",
            "a pr",
        ),
        ("processor", [trouble], "The GPU is not used, because the memory of a pretended GPU is full: 512 MiB", "CPU,"),
    ):
        monkeypatch.setattr(device_module, "_trouble_with_cuda", lambda _, looks=looks: looks.pop() if looks else None)
        monkeypatch.setattr(full_gpu.time, "sleep", lambda _: None)
        predict_map.run(replace(job, full_gpu=choice), log := Log())
        assert [line for line in log.warnings if line.startswith(told)]
        assert [line for line in log.infos if line.startswith(f"Device: {device}")]
        assert np.isfinite(read(job.prediction)).any() and not looks
