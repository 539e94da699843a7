"""The check of the compute environment, alone and through the worker's door."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.contract.events import Event, Info, Warning
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs import check_environment
from soil_cnn_plugin.engine.machine import environment
from soil_cnn_plugin.engine.machine import environment as trial
from soil_cnn_plugin.engine.report import Report

ROOT = Path(jobs.__file__).parents[2]


def check(folder: Path) -> tuple[dict[str, str | float | int], str, dict[str, object], list[Event]]:
    """Outputs, page, metrics, events."""
    events: list[Event] = []
    job = jobs.CheckEnvironment(str(folder / "report.html"), str(folder / "metrics.json"), "cpu")
    outputs = check_environment.run(job, Report(events.append))
    page = (folder / "report.html").read_text(encoding="utf-8")
    return outputs, page, json.loads((folder / "metrics.json").read_text(encoding="utf-8")), events


def test_a_working_environment_passes_every_trial(tmp_path: Path) -> None:
    outputs, page, metrics, events = check(tmp_path)
    assert outputs["report"] == str(tmp_path / "report.html") and outputs["metrics"] == str(tmp_path / "metrics.json")
    assert str(outputs["device"]).startswith("CPU (")
    assert metrics["passed"] is True and "The compute environment works." in page
    assert torch.__version__ in page and "scikit-learn" in page
    log = [event.text for event in events if isinstance(event, Info)]
    assert log[0].startswith("Device: CPU (") and not list(tmp_path.glob("*.part"))


def test_a_broken_library_is_a_finding_and_not_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise ImportError("DLL load failed while importing _base")

    monkeypatch.setattr(trial, "try_warping", fail)
    _, page, metrics, events = check(tmp_path)
    assert metrics["passed"] is False
    assert "does not work as it should" in page and "DLL load failed while importing _base" in page
    warnings = [event.text for event in events if isinstance(event, Warning)]
    assert any("Warp a raster: failed" in text for text in warnings)


def test_missing_and_old_libraries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("no-such-library==1.0  # at least 1.0\nnumpy==99.0  # at least 98.5\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", requirements)
    _, page, metrics, events = check(tmp_path)
    assert metrics["passed"] is False and "Too old: at least 98.5 is needed." in page
    texts = [event.text for event in events if isinstance(event, Warning)]
    assert texts[0] == "no-such-library is missing: It must be installed."


def test_a_device_that_is_asked_for_and_not_there_is_an_error() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    with pytest.raises(EngineError, match="cuda was asked for"):
        check_environment.run(jobs.CheckEnvironment(device="cuda"), Report(lambda event: None))


def test_the_trial_tells_a_network_that_evaluates_wrongly(monkeypatch: pytest.MonkeyPatch) -> None:
    unfold = torch.nn.functional.unfold
    monkeypatch.setattr(torch.nn.functional, "unfold", lambda *given: unfold(*given).roll(1, dims=2))
    with pytest.raises(EngineError, match="A block and its patches differ"):
        trial.try_network(torch.device("cpu"))


def test_the_door_runs_the_check_from_any_folder(tmp_path: Path) -> None:
    job_file = tmp_path / "job.json"
    job_file.write_text(jobs.to_json(jobs.CheckEnvironment(str(tmp_path / "ä b.html"))), encoding="utf-8")
    command = [sys.executable, "-u", str(ROOT / "soil_cnn_plugin" / "engine" / "__main__.py"), str(job_file)]
    cleaned = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=cleaned)
    assert ended.returncode == 0, ended.stderr
    last = json.loads(ended.stdout.splitlines()[-1])
    assert last["event"] == "done" and last["outputs"]["report"] == str(tmp_path / "ä b.html")
    assert (tmp_path / "ä b.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
