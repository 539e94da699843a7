"""Scheduler and workers of a Dask cluster as processes of their own, started as docs/large.md tells."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from distributed import Client
from rasterio import open as open_raster

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.predict_map import run
from soil_cnn_plugin.engine.mapping.cluster import MapTask, finish_blocks_on_cluster
from soil_cnn_plugin.engine.training.network_file import read_description, write_network
from tests.engine.landscape import Log, make_landscape, random_network

ROOT = Path(__file__).resolve().parents[3]
SECONDS = 60  # a worker imports PyTorch before it answers
SCHEDULER, WORKER = re.findall(r"^(.*distributed\.cli\.dask_.*)$", (ROOT / "docs/large.md").read_text("utf-8"), re.M)
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the documented lines are those of a POSIX shell")


@dataclass
class Processes:
    """The documented lines, started in another folder; the scheduler takes a free port instead of its usual one."""

    folder: Path
    started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    address: str = ""

    def scheduler(self) -> subprocess.Popen[bytes]:
        process = self._start(SCHEDULER.replace("8786", "0"))
        self.address = self.wait(lambda: re.search(r"tcp://\S+", self._log(process)))[0]
        return process

    def worker(self, plugins: str = str(ROOT), threads: int = 1) -> subprocess.Popen[bytes]:
        line = WORKER.replace("tcp://node1:8786", self.address).replace("/shared/plugins", plugins)
        process = self._start(re.sub(r"--nthreads \d+", f"--nthreads {threads}", line))
        self.wait(lambda: "Starting established connection" in self._log(process))
        return process

    def _start(self, line: str) -> subprocess.Popen[bytes]:
        *variables, python = shlex.split(line.partition("<python>")[0]) + [sys.executable]
        clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        own = dict(variable.split("=", 1) for variable in variables)
        with open(self.folder / f"{len(self.started)}.log", "wb") as log:
            self.started.append(
                subprocess.Popen(
                    [python, *shlex.split(line.partition("<python>")[2])],
                    env={**clean, "OMP_NUM_THREADS": "1", **own},
                    cwd=self.folder,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        return self.started[-1]

    def _log(self, process: subprocess.Popen[bytes]) -> str:
        return (self.folder / f"{self.started.index(process)}.log").read_text(errors="replace")

    def wait(self, look: Callable[[], re.Match[str] | bool | None]) -> re.Match[str]:
        end = time.monotonic() + SECONDS
        while not (found := look()):
            if time.monotonic() > end:
                raise TimeoutError("\n".join(self._log(process) for process in self.started))
            time.sleep(0.1)
        return found


def kill(process: subprocess.Popen[bytes]) -> None:
    """With the processes that it has started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    (tmp_path / "elsewhere").mkdir()
    processes = Processes(tmp_path / "elsewhere")
    yield processes
    for process in processes.started:
        if process.returncode is None:
            kill(process)


@pytest.fixture
def job(tmp_path: Path) -> PredictMap:
    network = str(tmp_path / "n.safetensors")
    write_network(network, random_network(make_landscape(tmp_path)))
    return PredictMap(network, str(tmp_path / "map.tif"), upper=str(tmp_path / "upper.tif"), block_size=16)


def task(job: PredictMap) -> MapTask:
    description = read_description(job.network)
    return MapTask(job, tuple(summary.covariate for summary in description.covariates), description.grid)


def read(job: PredictMap) -> list[np.ndarray]:
    maps = []
    for path in job.output_paths().values():
        with open_raster(path) as raster:
            maps.append(raster.read(masked=True).filled(np.nan))
    return maps


def test_the_documented_lines_make_the_map_of_one_process_when_a_worker_is_killed(
    job: PredictMap, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(job, Log())
    alone = read(job)
    processes.scheduler()
    first, _ = processes.worker(), processes.worker()
    log = Log()
    monkeypatch.setattr(log, "progress", lambda share, force=False: first.poll() is None and kill(first))
    run(replace(job, cluster=processes.address), log)
    assert first.returncode == -signal.SIGKILL
    for one, two in zip(alone, read(job)):
        np.testing.assert_array_equal(one, two)


def test_a_map_waits_for_its_first_worker_and_those_that_come_later_take_blocks(
    job: PredictMap, processes: Processes, monkeypatch: pytest.MonkeyPatch
) -> None:

    def under_way(dask_scheduler: object) -> int:
        return sum(key.startswith("pipe") for key in dask_scheduler.tasks)  # type: ignore[attr-defined]

    def blocks_done() -> int:
        from soil_cnn_plugin.engine.mapping.cluster import _open

        return _open.cache_info().hits + _open.cache_info().misses

    monkeypatch.setattr("soil_cnn_plugin.engine.mapping.cluster._SECONDS_A_LOOK", 0.5)
    processes.scheduler()
    log = Log()
    told = log.warning
    monkeypatch.setattr(log, "warning", lambda text: (told(text), processes.worker()))
    blocks = finish_blocks_on_cluster(processes.address, task(job), 8, log)
    found = [next(blocks)]
    (told_once,) = log.warnings
    assert "has no worker. The map waits" in told_once
    with Client(processes.address, set_as_default=False) as client:
        assert client.run_on_scheduler(under_way) <= 3
        processes.worker(threads=2)
        client.wait_for_workers(2, timeout=SECONDS)
        found += [next(blocks), next(blocks)]
        processes.wait(lambda: client.run_on_scheduler(under_way) >= 6)  # of 9, less what has been taken
        found += blocks
        assert all(count > 0 for count in client.run(blocks_done).values())
    assert len(found) == 25


@pytest.mark.parametrize(
    ("file", "text", "changed", "sentence"),
    [
        ("metadata.txt", "\nversion=", "\nversion=0.0.", r"failed on .+: it has Soil CNN 0\.0\.\d.* and torch .*begun"),
        (
            "soil_cnn_plugin/engine/mapping/cluster.py",
            "finish_on_worker",
            "on_worker",
            "has another version of Soil CNN than",
        ),
        ("soil_cnn_plugin/engine/mapping/cluster.py", "import torch\n", "import torsch\n", "No module named 'torsch'"),
    ],
)
def test_workers_with_another_plugin_are_refused(
    job: PredictMap, processes: Processes, tmp_path: Path, file: str, text: str, changed: str, sentence: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "soil_cnn_plugin", other / "soil_cnn_plugin", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "metadata.txt", other)
    before = (other / file).read_text("utf-8")
    (other / file).write_text(before.replace(text, changed), "utf-8")
    assert text in before
    processes.scheduler()
    processes.worker(plugins=str(other))
    with pytest.raises(EngineError, match=sentence):
        run(replace(job, cluster=processes.address), Log())
    assert not Path(job.prediction).exists()


def test_workers_that_do_not_find_the_plugin_are_told_what_to_do(job: PredictMap, processes: Processes) -> None:
    processes.scheduler()
    processes.worker(plugins="/nowhere")
    with pytest.raises(EngineError, match="cannot import what it needs .*'soil_cnn_plugin'.* in PYTHONPATH"):
        run(replace(job, cluster=processes.address), Log())


@pytest.mark.parametrize("seconds", [0, 2])
def test_a_scheduler_that_is_killed_half_way_is_told_in_one_sentence(
    job: PredictMap, processes: Processes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture, seconds: int
) -> None:
    """At once, or while the map waits for a worker."""
    monkeypatch.setattr("soil_cnn_plugin.engine.mapping.cluster._SECONDS_TO_CONNECT", 3)
    scheduler, worker = processes.scheduler(), processes.worker()
    log, ended = Log(), []

    def progress(share: float, force: bool = False) -> None:
        if not ended:
            ended.append(share)
            kill(worker)
            timer = threading.Timer(seconds, kill, [scheduler])
            timer.start()
            if not seconds:
                timer.join()

    monkeypatch.setattr(log, "progress", progress)
    lost = "was lost half-way, and nothing is written. Start it again and run again"
    with pytest.raises(EngineError, match=lost) as caught:
        run(replace(job, cluster=processes.address), log)
    assert "\n" not in str(caught.value)
    assert not list(Path(job.prediction).parent.glob("map*"))
    assert "Traceback" not in capfd.readouterr().err
