"""Temporary folders are removed with their run, or by a later one when QGIS was killed; never those of living runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.run_folder import RunFolder

ROOT = Path(__file__).resolve().parents[2]
HOLD = """
import sys, time
from soil_cnn_plugin.bridge.run_folder import RunFolder
with RunFolder("soilcnn-inputs-") as folder:
    (folder / "points.gpkg").write_text("x")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_lives_as_long_as_its_run_and_two_may_live_at_once(temporary) -> None:
    with RunFolder("soilcnn-job-") as one, RunFolder("soilcnn-job-") as other:
        (one / "job.json").write_text("{}")
        assert one != other and one.is_dir() and other.is_dir()
    assert os.listdir(temporary) == []


def test_what_a_killed_qgis_left_is_swept_by_the_next_run_and_nothing_else(temporary) -> None:
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    owner = subprocess.Popen([sys.executable, "-c", HOLD], env=variables, stdout=subprocess.PIPE, text=True)
    folder = Path(owner.stdout.readline().strip())
    strangers = [temporary / "soilcnn-job-notes.txt", temporary / "other-job-1", temporary / "soilcnn-job-link"]
    strangers[0].write_text("mine")
    strangers[1].mkdir()
    strangers[2].symlink_to(strangers[1])
    young, aged = temporary / "soilcnn-job-young", temporary / "soilcnn-job-aged"
    for each in (young, aged):
        each.mkdir()
    os.utime(aged, (time.time() - 200_000,) * 2)
    with RunFolder("soilcnn-job-"):
        assert (folder / "points.gpkg").exists() and young.exists() and not aged.exists()
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    with RunFolder("soilcnn-job-"):
        assert not folder.exists()
    assert sorted(temporary.iterdir()) == sorted([*strangers, young])


def test_a_temporary_folder_that_cannot_be_used_is_told(temporary, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "gone"))
    with pytest.raises(WorkerFailed, match="gone cannot be used: No such file or directory. Free some space there"):
        RunFolder("soilcnn-job-")
