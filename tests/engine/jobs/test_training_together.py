"""Two processes under torchrun assess and fit as one does: a fit for each, and what is left over together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.kriging import kernels
from soil_cnn_plugin.engine.training import kept_forests
from tests.engine.landscape import extract, make_landscape
from tests.engine.machine.test_processes import launch, run_here

_TRAINING = """
import json
import sys
from pathlib import Path
import numpy as np
import torch
from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.training import kept_forests
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST
from soil_cnn_plugin.engine.training.cross_validation import fit_and_cross_validate
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.kriging import kernels
from soil_cnn_plugin.engine.training.plan import make_plans
from soil_cnn_plugin.engine.training.design import Design, encode_patches
from soil_cnn_plugin.engine.training.folds_of_file import inner_folds, kinds_on_scales
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.machine.torchrun import process_count, process_number

torch.set_num_threads(1)
forest.TREES, kernels._STEPS, kernels._STEPS_ANEW = 20, 8, 2
grown, fit_forests = [], kept_forests.fit_forests
kept_forests.fit_forests = lambda *arguments: grown.append(1) or fit_forests(*arguments)
folder, cpu = Path(sys.argv[1]), torch.device("cpu")
job = TrainNetwork(str(folder / "patches.h5"), "n.safetensors", architecture="ring", members=2, epochs=2)
with PatchFile(job.patches) as file:
    plans = make_plans(job, file.patch_size, file.count)
    design = Design(
        encode_patches(file, plans, cpu), file.measured, kinds_on_scales("auto", file), np.arange(file.count) % 2,
        inner_folds(file, "random"), plans, coverage=0.9, seed=0, device=cpu,
    )
    told = []
    result = fit_and_cross_validate([design], BLEND, Report(told.append))
found = {"forests": len(grown)}
if process_number() == 0:
    final, validations = result
    found["weights"] = final.weights(BLEND).tolist()
    found["curves"] = [curve.held_out for curve in validations[0].curves]
    found["folds"] = sum(getattr(each, "text", "").startswith("Fold ") for each in told)
    for method in (BLEND, FOREST):
        found[method] = np.concatenate([target[method].mean for target in validations[0].methods]).tolist()
(folder / f"{process_number()} of {process_count()}.json").write_text(json.dumps(found))
"""


def test_two_processes_assess_what_one_would_and_share_the_fits(tmp_path: Path) -> None:
    extract(make_landscape(tmp_path), count=48, patch_size=9)
    (script := tmp_path / "training.py").write_text(_TRAINING)
    changes = [(forest, "TREES"), (kernels, "_STEPS"), (kernels, "_STEPS_ANEW"), (kept_forests, "fit_forests")]
    run_here(script, tmp_path, *changes)
    done = launch(2, script, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "not writable" not in done.stderr
    alone, first, second = (read(tmp_path / f"{name}.json") for name in ("0 of 1", "0 of 2", "1 of 2"))
    fitted = alone.pop("forests"), first.pop("forests"), second.pop("forests")
    # One kind of forest for all observations, by the first process; two kinds without each of two folds, of which the
    # second process does the first, and both do the second.
    assert fitted == (5, 3, 4)
    assert second == {} and alone.keys() == first.keys()
    assert alone.pop("folds") == first.pop("folds") == 2
    assert alone["weights"] == first["weights"] and alone["curves"][0] == first["curves"][0]
    alone["curves"], first["curves"] = (each["curves"][1] for each in (alone, first))
    for name, values in alone.items():
        np.testing.assert_allclose(first[name], values, rtol=1e-3, atol=1e-3, err_msg=name)


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
