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


def test_designs_of_samples_are_measured(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "sampling.py", "--quick", "--output", str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=True,
    )
    results = json.loads((tmp_path / "sampling.json").read_text(encoding="utf-8"))
    run = results["where_next"]["simulated"]
    assert run["repeats"] == 2 and run["random"][0] == run["where_next"][0] > run["where_next"][-1]
    assert results["inclusion"]["largest_difference"] < 0.15
    assert "| simulated | 2 |" in (tmp_path / "sampling.md").read_text(encoding="utf-8")


def test_all_benchmarks_come_into_one_table(tmp_path: Path) -> None:
    tiny = ["--observations", "60", "--covariates", "1", "--members", "2", "--steps", "2", "--turns", "1"]
    measure("bench.py", tmp_path, "--only", "training", "--quick", *tiny)
    found = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    assert not found["failed"] and found["quick"]
    figures = {each["name"]: each for each in found["figures"]["training"]}
    assert len(figures) == 10 and all(each["values"][0] > 0 for each in figures.values())
    lines = (tmp_path / "bench.md").read_text(encoding="utf-8").splitlines()
    assert all(any(line.startswith(f"| {name} | ") for line in lines) for name in figures)


def test_the_whole_of_a_map_is_measured(tmp_path: Path) -> None:
    tiny = ["--side", "200", "--covariates", "1", "--members", "1", "--observations", "50", "--trees-on", "32"]
    measure("map_prediction.py", tmp_path, "--quick", "--maps", "blend", "--large", "240", *tiny)
    found = figures_of(tmp_path / "map_prediction.json")
    shares = {name: values for name, values in found.items() if "% of processor time" in name}
    assert len(shares) == 5 and sum(value for (value,) in shares.values()) == pytest.approx(100)
    memory = [values[0] for name, values in found.items() if "peak memory" in name and "GiB" in name]
    assert len(memory) == 2 and all(0.1 < each < 2 for each in memory)
    assert not list(tmp_path.glob("soilcnn-*"))


def test_two_processes_make_what_one_makes(tmp_path: Path) -> None:
    tiny = ["--side", "120", "--covariates", "1", "--observations", "60", "--epochs", "1"]
    measure("processes.py", tmp_path, "--quick", *tiny)
    assert all(values[0] > 0 for values in figures_of(tmp_path / "processes.json").values())
    assert not list(tmp_path.glob("soilcnn-*"))


def test_a_training_with_many_observations_is_measured(tmp_path: Path) -> None:
    measure("large_training.py", tmp_path, "--quick", "--observations", "60", "--covariates", "1", "--side", "100")
    found = figures_of(tmp_path / "large_training.json")
    assert 0.1 < found["peak memory of training, GiB"][0] < 2 and found["size of network.safetensors, MiB"][0] > 0
    assert not list(tmp_path.glob("soilcnn-*"))


def test_the_power_of_the_verdict_is_measured(tmp_path: Path) -> None:
    measure("verdict_power.py", tmp_path, "--quick", "--data-sets", "2")
    found = json.loads((tmp_path / "verdict_power.json").read_text(encoding="utf-8"))["results"]
    assert [(each["folds"], each["percent"]) for each in found] == [
        (kind, percent) for kind in ("random", "spatial_blocks") for percent in (0.0, 20.0)
    ]
    assert all(0 <= each["folds, 3 x"] <= 1 and 2 < each["detectable"] < 200 for each in found)
    assert "| spatial_blocks | 60 | 20 % |" in (tmp_path / "verdict_power.md").read_text(encoding="utf-8")


def test_a_benchmark_keeps_memory_as_a_worker_does() -> None:
    """benchmarks/ cannot import bridge/worker.py, which needs QGIS."""
    texts = [
        (ROOT / path).read_text(encoding="utf-8")
        for path in ("benchmarks/worker.py", "soil_cnn_plugin/bridge/worker.py")
    ]
    kept = [next(line for line in text.splitlines() if line.startswith("KEEP_MEMORY = ")) for text in texts]
    assert kept[0] == kept[1]


def measure(script: str, output: Path, *options: str) -> None:
    """The benchmark, with its temporary files in the folder of its results."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / script, "--output", output, *options],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(output)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]


def figures_of(path: Path) -> dict[str, list[float]]:
    """Name and unit -> values."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return {f"{each['name']}, {each['unit']}": each["values"] for each in content["figures"]}
