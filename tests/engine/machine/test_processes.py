"""Two processes under torchrun train the same network as one."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.training import fit

_TRAINING = """
import sys
from pathlib import Path
import numpy as np
import torch
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.training import fit as training
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.kept_forests import fit_or_read_forests
from soil_cnn_plugin.engine.training.fit import FitSettings, fit
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.targets.learned import Learned, number_columns
from soil_cnn_plugin.engine.training.plan import Shape, build_network
from soil_cnn_plugin.engine.machine.processes import joined
from soil_cnn_plugin.engine.machine.torchrun import process_number

torch.set_num_threads(1)
training._ROWS_AT_ONCE = 5  # so that both processes predict what the shorter of two lists repeats
rng = np.random.default_rng(0)
N, cpu = 41, torch.device("cpu")
encoder = Encoder([CovariateSummary(Covariate("/a.tif", "a"), tuple(np.linspace(-3, 3, 129).tolist()), (), ())])
results = {}
with joined(cpu):
    for name in ("ring", "padarian"):
        network = build_network(Shape(name, 11, 2), encoder, number_columns(2), 0.3)
        channels = encoder(torch.from_numpy(rng.normal(size=(N, 1, 11, 11)).astype(np.float32)))
        values = channels.values[:, 0, 5, 5].double().numpy()[:, None] * [1, -1]
        values[::3, 1] = np.nan
        nothing = np.zeros_like(values)
        learned = Learned(values, nothing.astype(bool), nothing, rng.uniform(0.5, 1.5, N), values, number_columns(2))
        held_out = (np.arange(N) % 3 == 0) == np.array([[True], [False]])
        settings = FitSettings(15, 3e-2, 0.01, steps=60, evaluate_every=2, patience=3, seed=1)
        rows = InputRows(network.inputs(channels), cpu)
        found, curve = fit(network, rows, learned.lesson(cpu), held_out, settings, lambda s: None, lambda t: None)
        results |= {f"{name}.{key}": value.detach() for key, value in network.named_parameters()}
        results[f"{name}.location"] = found.location.nan_to_num()
        results[f"{name}.step"] = torch.tensor(curve.kept_step)
    forest.TREES, shares = 15, []  # three without each inner fold: the processes grow one and two of them
    features = channels.values[:, 0, 5, 4:6].numpy()  # a forest of one feature would be compiled anew
    grown = forest.fit_forests(features, learned, np.arange(N) % 5, 0, shares.append)
    assert max(shares) == 1.0, shares
    folder = CheckpointFolder(Path(sys.argv[1]).with_suffix(f".{process_number()}"), sys.exit)
    for _ in range(2):  # the first process alone finds its file, and grows again because the other must
        kept = fit_or_read_forests(folder, features, learned, np.arange(N) % 5, 0)
        assert np.array_equal(kept[0].trees.threshold, grown[0].trees.threshold)
    for number, each in enumerate(grown):
        results[f"forest {number}"] = torch.from_numpy(each.trees.threshold)
        results[f"forest {number}.roots"] = torch.from_numpy(each.trees.roots)
        results[f"forest {number}.location"] = torch.from_numpy(each.location).nan_to_num()
if process_number() == 0:
    torch.save(results, sys.argv[1])
"""


def train(folder: Path, processes: int) -> dict[str, torch.Tensor]:
    script, result = folder / "training.py", folder / f"{processes}.pt"
    script.write_text(_TRAINING)
    if processes == 1:
        run_here(script, result, (forest, "TREES"), (fit, "_ROWS_AT_ONCE"))
    else:
        done = launch(processes, script, result)
        assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(result, weights_only=True)


_CHECKPOINT = """
import sys
from pathlib import Path
import numpy as np
import torch
from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.training.checkpoint import Checkpoint, CheckpointFolder
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.training.fit import FitSettings, fit
from soil_cnn_plugin.engine.training.input_rows import InputRows
from soil_cnn_plugin.engine.targets.learned import Learned, number_columns
from soil_cnn_plugin.engine.training.ensemble import cross_fit
from soil_cnn_plugin.engine.training.plan import Plan, Shape, build_network
from soil_cnn_plugin.engine.machine.processes import joined
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.errors import EngineError

cpu, held_out = torch.device("cpu"), np.arange(20) % 2 == np.array([[0], [1]])
encoder = Encoder([CovariateSummary(Covariate("/a.tif", "a"), tuple(np.linspace(-3, 3, 129).tolist()), (), ())])
values = np.random.default_rng(0).normal(size=(20, 1))
learned = Learned(values, np.zeros((20, 1), bool), np.zeros((20, 1)), np.ones(20), values, number_columns(1))
settings = FitSettings(8, 3e-3, 0.01, steps=4, evaluate_every=4, patience=9, seed=1)
with joined(cpu):
    network = build_network(Shape("ring", 3, 2), encoder, number_columns(1), 0.3)
    rows = InputRows(torch.zeros(20, network.input_weight.shape[1]), cpu)
    plan = Plan(Shape("ring", 3, 2), 0.3, 8, 3e-3, 0.01, 4, 9, None)
    folds = lambda count, seed: np.roll(np.arange(20) % 2, process_number())
    try:
        cross_fit([plan], encoder, [rows], learned, folds, 1, lambda name, s: None, lambda t: None)
    except EngineError as error:
        sys.stderr.write(f"{error}\\n")
    folder = CheckpointFolder(Path(sys.argv[1]) / str(process_number()), sys.exit)
    checkpoint = Checkpoint.of(folder, network, settings, learned, held_out)
    fit(network, rows, learned.lesson(cpu), held_out, settings, lambda s: None, lambda t: None, checkpoint)
"""


def launch(processes: int, script: Path, argument: Path) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    return subprocess.run(
        [sys.executable, *launcher, str(script), str(argument)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_here(script: Path, argument: Path, *changes: tuple[ModuleType, str]) -> None:
    """Run a script in this process, because another one needs seconds to load PyTorch, and undo what it changes."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        for module, name in changes:
            patch.setattr(module, name, getattr(module, name))
        patch.setattr(sys, "argv", [str(script), str(argument)])
        runpy.run_path(str(script), run_name="__main__")
    torch.set_num_threads(threads)


def test_processes_that_would_do_different_things_do_not_wait_for_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They deal folds differently; then the first one finds a finished training in its folder, the second nothing."""
    (script := tmp_path / "training.py").write_text(_CHECKPOINT)
    run_here(script, tmp_path)
    assert list((tmp_path / "0").iterdir()) and "different folds" not in capsys.readouterr().err
    both = launch(2, script, tmp_path)
    assert both.returncode != 0 and "do not find the same checkpoints" in both.stderr
    assert "deal the observations to different folds" in both.stderr


_DEVICES = """
import sys
import torch
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.processes import joined
from soil_cnn_plugin.engine.machine.torchrun import process_number

try:
    with joined(torch.device("cuda" if process_number() else "cpu")):
        pass
except EngineError as error:
    sys.stderr.write(f"Process {process_number()}: {error}\\n")
"""


def test_processes_with_and_without_a_gpu_do_not_wait_for_each_other(tmp_path: Path) -> None:
    (script := tmp_path / "training.py").write_text(_DEVICES)
    both = launch(2, script, tmp_path)
    for number in (0, 1):
        assert f"Process {number}: Some of the 2 processes that train together found a GPU and oth" in both.stderr


def test_two_processes_train_the_network_and_grow_the_forests_that_one_would(tmp_path: Path) -> None:
    """Also by early stopping at the same step; each grows a part of the trees."""
    one, two = train(tmp_path, 1), train(tmp_path, 2)
    assert one.keys() == two.keys()
    assert any(int(one[f"{name}.step"]) < 54 for name in ("ring", "padarian"))  # of 60: it has stopped by itself
    for name, values in one.items():
        near = {"rtol": 0.0, "atol": 0.0} if "forest" in name else {"rtol": 1e-3, "atol": 1e-4}
        torch.testing.assert_close(two[name], values, **near, msg=lambda text, name=name: f"{name}: {text}")
