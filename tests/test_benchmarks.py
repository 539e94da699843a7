"""The benchmarks run: what nobody runs for a while breaks unseen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_dense_prediction_is_measured_and_equals_patches(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "dense_prediction.py", "--quick", "--output", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    figures = json.loads((tmp_path / "dense_prediction.json").read_text(encoding="utf-8"))["figures"]
    median = {figure["name"]: figure["values"][0] for figure in figures}
    differences = [value for name, value in median.items() if "largest difference" in name]
    assert len(differences) == 3 and all(0 < value < 1e-4 for value in differences)
    speeds = [value for name, value in median.items() if "against naive patches" in name]
    assert len(speeds) == 3 and min(speeds) > 3
    table = (tmp_path / "dense_prediction.md").read_text(encoding="utf-8")
    assert "| padarian, 2 covariates, patches of 15 pixels: dense against the best way by patches |" in table


@pytest.mark.parametrize("stored", [[], ["--one-file", "--tile", "0", "--type", "int16"]])
def test_extraction_is_measured_and_gives_the_covariates_own_pixels(tmp_path: Path, stored: list[str]) -> None:
    options = ["--quick", "--folder", str(tmp_path), "--output", str(tmp_path / "results"), *stored]
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "extraction.py", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    results = json.loads((tmp_path / "results" / "extraction.json").read_text(encoding="utf-8"))["results"]
    assert all(row["seconds"] > 0 and row["peak_bytes"] > 2**26 for row in results.values())
    assert results["extract"]["times_extraction"] == 1
    assert "| Extract patches, file written |" in (tmp_path / "results" / "extraction.md").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
