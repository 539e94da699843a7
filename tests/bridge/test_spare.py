"""A spare worker: it serves one job that wants what it was started with, and otherwise stands in nobody's way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from qgis.core import QgsProcessingFeedback

from soil_cnn_plugin.bridge import worker_process
from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.spare import SPARE
from soil_cnn_plugin.bridge.worker import prepare_worker, run_job
from soil_cnn_plugin.contract import language

pytestmark = pytest.mark.usefixtures("temporary_folder")

ROOT = Path(__file__).resolve().parents[2]


class Listener(QgsProcessingFeedback):
    def __init__(self) -> None:
        super().__init__(False)
        self.told: list[str] = []

    def pushInfo(self, text: str) -> None:
        self.told.append(text)

    @property
    def variables(self) -> dict[str, str]:
        """What the stand-in has told of its environment."""
        found: dict[str, str] = json.loads(next(text for text in self.told if text.startswith("{")))
        return found


@pytest.fixture
def feedback(qgis_app) -> Listener:
    return Listener()


def ready_spare() -> worker_process.WorkerProcess:
    prepare_worker()
    spare = SPARE._worker
    assert spare is not None
    wait_for(lambda: spare.is_ready)
    return spare


def test_a_spare_worker_gets_the_job_and_serves_no_second_one(feedback, job, stand_in, temporary_folder) -> None:
    python = stand_in("tell_environment")
    spare = ready_spare()
    assert run_job(job, feedback, python)["rmse"] == 1.5
    assert feedback.variables["SOILCNN_RUN"] == spare.run
    assert "stdin: ''" in feedback.told
    assert spare.child.wait(0) == 0
    other = Listener()
    run_job(job, other, python)
    assert other.variables["SOILCNN_RUN"] != spare.run
    assert os.listdir(temporary_folder) == []


def test_the_next_job_finds_a_spare_worker_if_it_was_announced(feedback, job, stand_in) -> None:
    run_job(job, feedback, stand_in("done"))
    assert SPARE._worker is None
    run_job(job, feedback, stand_in("done"), is_followed=True)
    assert SPARE._worker is not None


def test_a_spare_worker_that_still_loads_is_left_to_the_next_job(feedback, job, stand_in, monkeypatch) -> None:
    monkeypatch.setenv("SOILCNN_STAND_IN_LOADS", "yes")
    python = stand_in("tell_environment")
    prepare_worker()
    loading = SPARE._worker
    run_job(job, feedback, python)
    assert feedback.variables["SOILCNN_RUN"] != loading.run
    assert SPARE._worker is loading and loading.child.wait(0) is None


def change_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "7")


def change_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language._Chosen, "name", "de")


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the plugin's code that a test may change."""
    file = tmp_path / "package" / "engine" / "jobs" / "predict_map.py"
    file.parent.mkdir(parents=True)
    file.write_text("")
    monkeypatch.setattr(worker_process, "PACKAGE", tmp_path / "package")
    return file


def change_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = worker_process.PACKAGE.rglob("predict_map.py")
    os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))


def add_code(monkeypatch: pytest.MonkeyPatch) -> None:
    (worker_process.PACKAGE / "engine" / "more.py").write_text("")


def remove_code(monkeypatch: pytest.MonkeyPatch) -> None:
    next(worker_process.PACKAGE.rglob("predict_map.py")).unlink()


def let_time_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_process, "IDLE_SECONDS", 0)


def kill(monkeypatch: pytest.MonkeyPatch) -> None:
    SPARE._worker.child._process.kill()
    SPARE._worker.child.wait(5)


@pytest.mark.parametrize(
    "change",
    [change_a_variable, change_the_language, change_the_code, add_code, remove_code, let_time_pass, kill],
)
def test_a_spare_worker_that_does_not_serve_any_more_is_replaced(
    feedback, job, stand_in, monkeypatch, change, temporary_folder, code
) -> None:
    python = stand_in("tell_environment")
    first = ready_spare()
    change(monkeypatch)
    run_job(job, feedback, python)
    assert feedback.variables["SOILCNN_RUN"] != first.run
    assert first.child.wait(0) is not None
    prepare_worker()
    assert SPARE._worker is not first
    SPARE.dismiss()
    assert os.listdir(temporary_folder) == []


def test_a_spare_worker_that_failed_to_load_gets_no_job(feedback, job, stand_in) -> None:
    stand_in("done")
    failing = SPARE._worker = worker_process.WorkerProcess(worker_process.Setting(Path(sys.executable), os.environ, ()))
    failing.child._lines.put('{"event": "failed", "message": "no torch"}')
    assert not failing.is_ready


def test_what_the_users_python_prints_by_itself_is_no_event_and_no_error(feedback, job, stand_in) -> None:
    python = stand_in("tell_environment")
    spare = ready_spare()
    spare._is_ready = False
    spare.child._lines.put("Welcome to this Python")
    run_job(job, feedback, python)
    assert feedback.variables["SOILCNN_RUN"] != spare.run
    spare.child._lines.put('{"event": "progress", "percent": 0.0}')
    run_job(job, other := Listener(), python)
    assert other.variables["SOILCNN_RUN"] == spare.run


def test_a_file_that_an_editor_replaces_just_now_is_no_error(code, monkeypatch) -> None:
    monkeypatch.setattr(Path, "rglob", lambda folder, pattern: [code, folder / "gone.py"])
    assert worker_process.Setting.of_now(Path(sys.executable), {}).written[-2:].count(0) == 1


def test_a_crash_in_a_spare_worker_is_told_as_any_other(feedback, job, stand_in) -> None:
    python = stand_in("told_to_end")
    spare = ready_spare()
    with pytest.raises(WorkerFailed, match=r"told to end \(signal SIGTERM\)[^$]*stand-in: told_to_end"):
        run_job(job, feedback, python)
    assert spare.child.wait(0) is not None
    assert os.listdir(Path(job.report).parent) == []


def test_a_job_in_a_spare_worker_is_cancelled_within_a_second(feedback, job, stand_in) -> None:
    python = stand_in("silent")
    ready_spare()
    cancelled: list[float] = []

    def cancel() -> None:
        cancelled.append(time.monotonic())
        feedback.cancel()

    threading.Timer(0.3, cancel).start()
    with pytest.raises(WorkerFailed, match="Cancelled"):
        run_job(job, feedback, python)
    assert time.monotonic() - cancelled[0] < 1
    assert os.listdir(Path(job.report).parent) == []


def test_a_spare_worker_that_cannot_be_started_is_no_error(stand_in, monkeypatch) -> None:
    stand_in("done")
    monkeypatch.setenv("SOILCNN_PYTHON", __file__)
    prepare_worker()
    monkeypatch.setenv("SOILCNN_PYTHON", "/nowhere/python")
    prepare_worker()
    assert SPARE._worker is None


@pytest.mark.parametrize("way", ["it ends", "it is killed"])
def test_no_spare_worker_outlives_qgis(tmp_path, way) -> None:
    script = (
        "import os, sys, time; from pathlib import Path\n"
        "from soil_cnn_plugin.bridge import spare, worker_process\n"
        f"worker_process.WORKER = Path({str(ROOT / 'tests' / 'stand_in_worker.py')!r})\n"
        "spare.SPARE.prepare(worker_process.Setting.of_now(Path(sys.executable), dict(os.environ)))\n"
        "print(spare.SPARE._worker.child._process.pid, flush=True); sys.stdin.readline()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}
    qgis = subprocess.Popen(
        [sys.executable, "-c", script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    pid = int(qgis.stdout.readline())
    if way == "it is killed":
        qgis.send_signal(signal.SIGKILL)
    qgis.communicate(b"\n" if way == "it ends" else None)
    wait_for(lambda: not is_running(pid))
    if way == "it ends":
        assert os.listdir(tmp_path) == []


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(is_true, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
