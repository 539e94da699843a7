"""Two processes under torchrun train the same network as one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch

_TRAINING = """
import sys
import numpy as np
import torch
from soil_cnn_plugin.engine.data.covariates import CovariateSummary
from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks import fit as training
from soil_cnn_plugin.engine.networks.fit import FitSettings, fit
from soil_cnn_plugin.engine.networks.input_rows import InputRows
from soil_cnn_plugin.engine.networks.learned import Learned
from soil_cnn_plugin.engine.networks.plan import Shape, build_network
from soil_cnn_plugin.engine.networks.processes import joined
from soil_cnn_plugin.engine.torchrun import process_number

torch.set_num_threads(1)
training._ROWS_AT_ONCE = 5  # so that both processes predict what the shorter of two lists repeats
rng = np.random.default_rng(0)
N, cpu = 41, torch.device("cpu")
encoder = Encoder([CovariateSummary(Covariate("/a.tif", "a"), tuple(np.linspace(-3, 3, 129).tolist()), (), ())])
results = {}
with joined(cpu):
    for name in ("ring", "padarian"):
        network = build_network(Shape(name, 11, 2), encoder, 2, 0.3)
        channels = encoder(torch.from_numpy(rng.normal(size=(N, 1, 11, 11)).astype(np.float32)))
        values = channels.values[:, 0, 5, 5].double().numpy()[:, None] * [1, -1]
        values[::3, 1] = np.nan
        nothing = np.zeros_like(values)
        learned = Learned(values, nothing.astype(bool), nothing, rng.uniform(0.5, 1.5, N), values)
        held_out = (np.arange(N) % 3 == 0) == np.array([[True], [False]])
        settings = FitSettings(15, 3e-3, 0.01, steps=8, evaluate_every=4, patience=9, seed=1)
        rows = InputRows(network.inputs(channels), cpu)
        found, _ = fit(network, rows, learned.lesson(cpu), held_out, settings, lambda s: None, lambda t: None)
        results |= {f"{name}.{key}": value.detach() for key, value in network.named_parameters()}
        results[f"{name}.location"] = found.location.nan_to_num()
if process_number() == 0:
    torch.save(results, sys.argv[1])
"""


def train(folder: Path, processes: int) -> dict[str, torch.Tensor]:
    script, result = folder / "training.py", folder / f"{processes}.pt"
    script.write_text(_TRAINING)
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *launcher, str(script), str(result)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(result, weights_only=True)


def test_two_processes_train_the_network_that_one_would(tmp_path: Path) -> None:
    one, two = train(tmp_path, 1), train(tmp_path, 2)
    assert one.keys() == two.keys()
    for name, values in one.items():
        torch.testing.assert_close(
            two[name], values, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )
