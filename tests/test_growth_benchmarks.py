"""The benchmarks of coverage and of growth, with jobs that cost nothing in place of the product's."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Job, PredictMap, TrainNetwork

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize("design", ["random", "stratified", "clustered"])
def test_intervals_of_all_values_together_cover_new_observations(
    design: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The landscape's values have a mean of 10 and a deviation of 3, so that one interval for all pixels holds 90 %."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    benchmark = importlib.import_module("interval_coverage")

    def predict(job: PredictMap, report: object) -> None:
        for path, limit in ((job.lower, 10 - 1.645 * 3), (job.upper, 10 + 1.645 * 3)):
            benchmark.write(Path(path), np.full((160, 160), limit))

    monkeypatch.setattr(benchmark.extract_patches, "run", lambda job, report: None)
    monkeypatch.setattr(benchmark.train_network, "run", lambda job, report: {"picp": 0.8})
    monkeypatch.setattr(benchmark.predict_map, "run", predict)
    monkeypatch.setattr(sys, "argv", ["x", "--quick", "--designs", design, "--output", str(tmp_path)])
    benchmark.main()
    (kept,) = tmp_path.glob("*.json")
    found = json.loads(kept.read_text(encoding="utf-8"))
    assert found["coverage"] == pytest.approx(0.9, abs=0.02)
    assert np.mean(found["thirds"]) == pytest.approx(found["coverage"], abs=1e-4)
    row = (tmp_path / "interval_coverage.md").read_text(encoding="utf-8").splitlines()[2]
    assert f"| {design} | 1 | {found['coverage']:.3f} ± 0.000 |" in row and row.endswith("| 0.800 ± 0.000 |")


def test_groups_share_errors_and_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    benchmark = importlib.import_module("interval_coverage")
    rows, cols, group = benchmark.places(np.random.default_rng(1), "clustered", 150)
    assert len(np.unique(group)) == 10 and len(rows) <= 150
    apart = max(np.ptp(part[group == number]) for part in (rows, cols) for number in range(10))
    assert apart < 8 * benchmark.REACH
    assert len(np.unique(benchmark.places(np.random.default_rng(1), "stratified", 49)[2])) == 49


def test_growth_is_measured_fitted_and_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that take as many seconds as observations to the power of 1.2 miss the goal."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    growth = importlib.import_module("growth")
    asked: list[Job] = []
    clock = [0.0]

    def pretend(job: Job) -> SimpleNamespace:
        asked.append(job)
        if isinstance(job, TrainNetwork):
            with rasterio.open(next(Path(job.patches).parent.glob("covariate_*.tif"))):
                clock[0] += seconds.pop(0)
        elif isinstance(job, PredictMap):
            clock[0] += seconds.pop(0)
        return SimpleNamespace(peak_bytes=2**30)

    seconds = [3000**1.2, 30_000**1.2, 1.0, 2.0, 10.0, 100.0]
    monkeypatch.setattr(growth, "run_job", pretend)
    monkeypatch.setattr(growth, "make_network", lambda covariates, shapes: (None, None))
    monkeypatch.setattr(growth, "write_network", lambda path, network: None)
    used = lambda who: SimpleNamespace(ru_utime=clock[0], ru_stime=0.0)  # noqa: E731
    monkeypatch.setattr(growth.resource, "getrusage", used)
    sizes = ["--observations", "3000", "30000", "--covariates", "1", "2", "--pixels", "10000", "40000"]
    monkeypatch.setattr(
        sys, "argv", ["x", *sizes, "--side", "200", "--output", str(tmp_path), "--folder", str(tmp_path)]
    )
    growth.main()
    assert sum(isinstance(job, TrainNetwork) for job in asked) == 4
    content = json.loads((tmp_path / "growth.json").read_text(encoding="utf-8"))
    found = {each["name"]: each for each in content["figures"]}
    assert found["exponent of time, all observations"]["values"][0] == pytest.approx(1.2)
    assert found["exponent of memory, all observations"]["values"][0] == pytest.approx(0)
    # 90 s more for 30,000 pixels more, and so on to a thousand million.
    assert found["1,000,000,000 pixels, extrapolated"]["values"][0] == pytest.approx((100 + 0.003 * 999.96e6) / 3600)
    assert (tmp_path / "growth.svg").stat().st_size > 10_000


def test_one_size_alone_is_told_and_not_extrapolated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    growth = importlib.import_module("growth")
    (figure,) = growth.told("pixels", [growth.Cost(10_000, 12.0, 2**30)])
    assert figure.name == "10,000 pixels" and figure.values == (12.0,)
