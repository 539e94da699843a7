"""The benchmarks run: what nobody runs for a while breaks unseen."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_dense_prediction_is_measured_and_equals_patches() -> None:
    options = ["--covariates", "2", "--block", "16", "--patches", "8", "--repeats", "1"]
    found = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "dense_prediction.py", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    differences = [float(line.split()[2]) for line in found.stdout.splitlines() if "largest difference" in line]
    assert len(differences) == 3
    assert max(differences) < 1e-4
