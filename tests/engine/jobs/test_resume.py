"""A worker that is killed in the middle of a training: the same job again ends as if nothing had happened."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from soil_cnn_plugin.contract.jobs import TrainNetwork, to_json
from soil_cnn_plugin.engine.jobs import train_network
from tests.engine.landscape import Log, extract, make_landscape

pytestmark = pytest.mark.usefixtures("quick_fits")

_WORKER = """
import sys
from soil_cnn_plugin.engine import __main__ as worker
from soil_cnn_plugin.engine.training import checkpoint, designs
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.kriging import kernels
checkpoint._SECONDS = 0.0  # every evaluation is written, not only one a minute
forest.TREES, kernels._STEPS, kernels._STEPS_ANEW = 10, 8, 2
designs._with_other_folds = lambda *_: ()  # as quick_fits do, with which this process trains
worker._end(worker.main([sys.argv[1]]))
"""


@pytest.mark.skipif(os.name != "posix", reason="no process can be killed like that")
def test_a_training_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    """The workers that are killed are processes; what trains to its end is this one."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the workers have: another number may add up otherwise
    job = TrainNetwork(
        extract(make_landscape(tmp_path)),
        str(tmp_path / "network.safetensors"),
        held_out=str(tmp_path / "held_out.gpkg"),
        members=2,
        folds=2,
        repeats=1,
        epochs=60,
        patience=100,
        device="cpu",
        validation="random",
        architecture="ring",
    )
    whole = replace(job, network=str(tmp_path / "whole.safetensors"), held_out=str(tmp_path / "whole.gpkg"))
    train_network.run(whole, Log())
    resumed = replace(job, resume=True)
    checkpoints, kills = Path(f"{job.network}.checkpoints"), 0
    for wanted in (1, 2):  # trainings that have begun when the worker is killed
        worker = start(resumed, tmp_path)
        while worker.poll() is None and len(list(checkpoints.rglob("*.safetensors"))) < wanted:
            time.sleep(0.01)
        worker.kill()
        kills += worker.wait() == -9
        assert not Path(job.network).exists()
    assert kills == 2
    train_network.run(resumed, log := Log())
    assert any("goes on from its checkpoint" in line for line in log.infos)
    assert not checkpoints.exists()
    expected, found = load_file(whole.network), load_file(job.network)
    assert expected.keys() == found.keys()
    assert all(np.array_equal(expected[name], found[name], equal_nan=True) for name in expected)
    assert geopandas.read_file(job.held_out).equals(geopandas.read_file(whole.held_out))
    torch.set_num_threads(threads)


def start(job: TrainNetwork, folder: Path) -> subprocess.Popen[str]:
    (folder / "worker.py").write_text(_WORKER)
    (folder / "job.json").write_text(to_json(job))
    root = str(Path(__file__).parents[3])
    environment = {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(folder / "worker.py"), str(folder / "job.json")]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=folder)
