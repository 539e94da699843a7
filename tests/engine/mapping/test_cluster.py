"""A map predicted on a Dask cluster is that of one process, also when a worker dies."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from distributed import Client, LocalCluster

from soil_cnn_plugin.contract.jobs import PredictMap, Threshold
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.predict_map import run
from soil_cnn_plugin.engine.mapping import cluster as on_cluster
from soil_cnn_plugin.engine.mapping import half_precision
from soil_cnn_plugin.engine.mapping.blocks import read_block
from soil_cnn_plugin.engine.mapping.cluster import (
    MapTask,
    _finish,
    _open,
    _result,
    finish_blocks_on_cluster,
    finish_on_worker,
)
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.training.network_file import read_description, write_network
from tests.engine.landscape import NORTH, WEST, Landscape, Log, make_landscape, random_network


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    with LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None, env=environment) as cluster:
        yield cluster


@pytest.fixture
def job(tmp_path: Path) -> PredictMap:
    landscape: Landscape = make_landscape(tmp_path)
    network = str(tmp_path / "n.safetensors")
    write_network(network, random_network(landscape))
    return PredictMap(network, str(tmp_path / "map.tif"), upper=str(tmp_path / "upper.tif"), block_size=16)


def read(path: str) -> np.ndarray:
    with rasterio.open(path) as raster:
        return raster.read(masked=True).filled(np.nan)


def test_a_cluster_makes_the_maps_that_one_process_makes(
    job: PredictMap, cluster: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, count = [], Client.nthreads
    monkeypatch.setattr(Client, "nthreads", lambda client: asked.append(1) or count(client))
    for name in ("_SECONDS_A_COUNT", "_SECONDS_A_LOOK"):
        monkeypatch.setattr(on_cluster, name, 600)
    job = replace(
        job,
        standard_deviation=str(tmp_path / "deviation.tif"),
        exceedance=(Threshold("clay", 20.0),),
        exceedance_probability=str(tmp_path / "exceedance.tif"),
        extent=(WEST, NORTH - 300, WEST + 350, NORTH),
    )
    run(job, Log())
    alone = [read(path) for path in job.output_paths().values()]
    log = Log()
    run(replace(job, cluster=cluster.scheduler_address), log)
    for one, two in zip(alone, map(read, job.output_paths().values())):
        np.testing.assert_array_equal(one, two)
    assert len(alone) == 4 and all(np.isfinite(values).any() for values in alone)
    assert len(asked) == 2  # for the log, and once for all blocks
    assert any("Dask cluster" in line and "2 workers" in line for line in log.infos)


def test_a_worker_that_is_killed_costs_only_time(
    job: PredictMap, cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(job, Log())
    alone = read(job.prediction)
    log, killed = Log(), []

    def progress(share: float, force: bool = False) -> None:
        if share > 0.3 and not killed:
            killed.append(next(iter(cluster.workers.values())).pid)
            os.kill(killed[0], signal.SIGKILL)
            time.sleep(0.2)

    monkeypatch.setattr(log, "progress", progress)
    run(replace(job, cluster=cluster.scheduler_address), log)
    assert killed
    np.testing.assert_array_equal(read(job.prediction), alone)


def test_workers_that_live_on_open_what_has_changed_since(
    job: PredictMap, cluster: LocalCluster, tmp_path: Path
) -> None:
    on_cluster = replace(job, cluster=cluster.scheduler_address)
    run(on_cluster, Log())
    before = read(job.prediction)
    write_network(job.network, random_network(make_landscape(tmp_path), seed=4))
    run(job, Log())
    alone = read(job.prediction)
    run(on_cluster, Log())
    assert not np.array_equal(before, alone, equal_nan=True)
    np.testing.assert_array_equal(read(job.prediction), alone)


def task(job: PredictMap, dtype: str = "float32") -> MapTask:
    description = read_description(job.network)
    return MapTask(job, tuple(summary.covariate for summary in description.covariates), description.grid, dtype)


@pytest.mark.parametrize(("gain", "dtype"), [(1.5, torch.float16), (0.01, torch.float32)])
def test_a_worker_that_is_slow_in_half_precision_keeps_to_float32(
    job: PredictMap, monkeypatch: pytest.MonkeyPatch, gain: float, dtype: torch.dtype
) -> None:
    monkeypatch.setattr(half_precision, "_gain", lambda *_: gain)
    assert _open(task(replace(job, device="cpu"), "float16")).predictor.dtype == dtype


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs workers without Apple's GPU")
def test_a_worker_without_the_device_that_is_asked_for_tells_it(job: PredictMap, cluster: LocalCluster) -> None:
    blocks = finish_blocks_on_cluster(cluster.scheduler_address, task(replace(job, device="mps")), 16, Log())
    with pytest.raises(EngineError, match="A worker of the Dask cluster .* failed on .+: The device mps .* was asked"):
        next(blocks)


def test_a_cluster_whose_workers_are_all_gone_is_given_up(job: PredictMap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soil_cnn_plugin.engine.mapping.cluster._SECONDS_A_LOOK", 0.2)
    monkeypatch.setattr("soil_cnn_plugin.engine.mapping.cluster._LOOKS", 3)
    with LocalCluster(1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster:
        log = Log()
        monkeypatch.setattr(log, "progress", lambda share, force=False: cluster.scale(0))
        with pytest.raises(EngineError, match="has had no worker for 1 seconds. Nothing is written"):
            run(replace(job, cluster=cluster.scheduler_address), log)
    assert any("has no worker" in line for line in log.warnings)
    assert not Path(job.prediction).exists() and not list(Path(job.prediction).parent.glob("*.part*"))


def test_a_cluster_that_does_not_answer_is_told_and_leaves_nothing(
    job: PredictMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soil_cnn_plugin.engine.mapping.cluster._SECONDS_TO_CONNECT", 1)
    with pytest.raises(EngineError, match="No Dask scheduler answers at 'tcp://127.0.0.1:1'"):
        run(replace(job, cluster="tcp://127.0.0.1:1"), Log())
    with pytest.raises(EngineError, match="No Dask scheduler answers at 'nonsense'"):
        run(replace(job, cluster="nonsense"), Log())
    assert not Path(job.prediction).exists() and not list(Path(job.prediction).parent.glob("*.part*"))


def test_a_map_begun_with_other_versions_is_refused_before_its_task_is_opened() -> None:
    with pytest.raises(EngineError, match=r"it has Soil CNN .* and torch .* begun with Soil CNN 9\.9 and torch 2\.0\."):
        finish_on_worker({"Soil CNN": "9.9", "torch": "2.0"}, b"nothing that opens", (0, 0, 8, 8))
    with pytest.raises(EngineError, match="begun with an older version"):
        finish_on_worker({}, b"nothing that opens", (0, 0, 8, 8))


def test_on_a_gpu_two_blocks_are_computed_while_a_third_one_is_read(
    job: PredictMap, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = _open(task(replace(job, device="cpu")))
    on_gpu = replace(opened, predictor=replace(opened.predictor, device=torch.device("cuda")))
    monkeypatch.setattr("soil_cnn_plugin.engine.mapping.cluster._open", lambda task: on_gpu)
    third_is_read, under_way, most, waited = threading.Event(), [], [], []
    blocks = [Block(12, col, 8, 8) for col in (0, 8, 16)]

    def read(stack: CovariateStack, block: Block, *more: Any) -> Any:
        found = read_block(stack, block, *more)
        if block == blocks[2]:
            third_is_read.set()
        return found

    def predict(self: BlockPredictor, block: Block, *values: Any) -> PredictedBlock:
        under_way.append(block)
        most.append(len(under_way))
        waited.append(third_is_read.wait(20))
        time.sleep(0.1)
        under_way.remove(block)
        return BlockPredictor._at_once(opened.predictor, block, *values, torch.float32)

    monkeypatch.setattr("soil_cnn_plugin.engine.mapping.cluster.read_block", read)
    monkeypatch.setattr(BlockPredictor, "predict", predict)
    with ThreadPoolExecutor(3) as pool:
        finished = list(pool.map(_finish, [task(job)] * 3, blocks))
    assert [each.block for each in finished] == blocks
    assert all(waited) and max(most) == 2


class SlowFuture:
    """A block that is finished in the moment after the waiting time is over."""

    def result(self, timeout: float | None = None) -> str:
        if timeout is not None:
            raise TimeoutError(f"timed out after {timeout} s.")
        return "the block"

    def done(self) -> bool:
        return True


def test_a_block_that_ends_just_after_a_look_is_taken() -> None:
    assert _result(SlowFuture(), None, "tcp://node1:8786", Log()) == "the block"  # type: ignore[arg-type, comparison-overlap]
