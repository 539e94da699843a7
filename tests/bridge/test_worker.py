"""A job in the worker process: events, failure, crash, cancel."""

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

from soil_cnn_plugin.bridge import worker
from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.running import RUNNING
from soil_cnn_plugin.bridge.worker import Relay, run_job, time_in_words
from soil_cnn_plugin.contract import language
from soil_cnn_plugin.contract.jobs import DescribeNetwork, TrainNetwork

pytestmark = pytest.mark.usefixtures("temporary_folder")

ROOT = Path(__file__).resolve().parents[2]


class Listener(QgsProcessingFeedback):
    """Feedback that records what it receives."""

    def __init__(self) -> None:
        super().__init__(False)
        self.told: list[tuple[str, str]] = []
        self.percents: list[float] = []
        self.progressChanged.connect(self.percents.append)

    def pushInfo(self, text: str) -> None:
        self.told.append(("info", text))

    def pushWarning(self, text: str) -> None:
        self.told.append(("warning", text))

    def pushDebugInfo(self, text: str) -> None:
        self.told.append(("debug", text))

    def setProgressText(self, text: str) -> None:
        self.told.append(("step", text))


@pytest.fixture
def feedback(qgis_app) -> Listener:
    return Listener()


def leftovers(job: DescribeNetwork) -> list[str]:
    return sorted(os.listdir(Path(job.report).parent))


def test_news_reach_the_log_and_outputs_come_back(stand_in, feedback, job, temporary_folder) -> None:
    outputs = run_job(job, feedback, stand_in("done"))
    assert outputs["report"] == job.report
    assert outputs["rmse"] == 1.5
    assert ("step", "First step") in feedback.told
    assert ("info", "Größe: 5 µm") in feedback.told
    assert ("warning", "Watch out") in feedback.told
    assert ("info", "rmse: 1.25") in feedback.told
    assert leftovers(job) == ["report.html"]
    assert os.listdir(temporary_folder) == []


def test_the_worker_reads_the_job_as_it_was_asked(stand_in, feedback, job) -> None:
    run_job(job, feedback, stand_in("done"))
    assert json.loads(Path(job.report).read_text()) == {
        "job": "describe_network",
        "version": 1,
        "network": "/n.safetensors",
        "report": job.report,
    }


def test_a_failure_is_told_in_the_engines_words(stand_in, feedback, job, temporary_folder) -> None:
    with pytest.raises(WorkerFailed, match=r"^The field zinc holds text\. Choose another field\.$"):
        run_job(job, feedback, stand_in("failed"))
    assert leftovers(job) == []
    assert os.listdir(temporary_folder) == []


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("abort", "it crashed (signal SIGABRT)"),
        ("kill", "it was killed (signal SIGKILL): by the system because memory ran out, or by a person"),
        ("told_to_end", "it was told to end (signal SIGTERM)"),
        ("silent_end", "exit code 3"),
    ],
)
def test_a_crash_is_told_in_words_with_the_end_of_the_log(
    stand_in, feedback, job, behaviour, words, monkeypatch
) -> None:
    monkeypatch.setattr(worker, "_out_of_memory_kills", lambda: None)
    with pytest.raises(WorkerFailed) as raised:
        run_job(job, feedback, stand_in(behaviour))
    assert words in str(raised.value)
    assert f"stand-in: {behaviour}" in str(raised.value)
    assert leftovers(job) == []


@pytest.mark.parametrize(
    ("counts", "words"),
    [((3, 4), "most likely because memory ran out"), ((3, 3), "not by the system because memory ran out")],
)
def test_memory_is_blamed_only_when_the_system_has_killed_for_want_of_it(
    stand_in, feedback, job, counts, words, monkeypatch
) -> None:
    counted = iter(counts)
    monkeypatch.setattr(worker, "_out_of_memory_kills", lambda: next(counted))
    with pytest.raises(WorkerFailed, match=words):
        run_job(job, feedback, stand_in("kill"))


def test_linux_counts_what_it_kills_for_want_of_memory() -> None:
    count = worker._out_of_memory_kills()
    assert count is None or count >= 0


def test_cancelling_keeps_a_users_files_that_look_half_written(stand_in, feedback, job) -> None:
    users = ["report.html.part", "report.html.part.tif", "report.html.parts_of_2019.zip"]
    for name in users:
        Path(job.report).with_name(name).write_text("mine")
    threading.Timer(1.0, feedback.cancel).start()
    with pytest.raises(WorkerFailed, match="Cancelled"):
        run_job(job, feedback, stand_in("silent"))
    assert leftovers(job) == users


def test_of_a_long_crash_report_the_cause_and_the_end_are_shown(stand_in, feedback, job) -> None:
    with pytest.raises(WorkerFailed) as raised:
        run_job(job, feedback, stand_in("python_crash"))
    message = str(raised.value)
    assert "Fatal Python error: Aborted" in message and "frame 39" in message
    assert "frame 5\n" not in message and "Extension modules" not in message
    assert len(message) < 1500


def test_garbage_on_stdout_disturbs_nothing(stand_in, feedback, job) -> None:
    assert run_job(job, feedback, stand_in("garbage"))["count"] == 7
    assert ("debug", "no event") in feedback.told


@pytest.mark.parametrize("behaviour", ["silent", "stubborn"])
def test_cancel_takes_less_than_a_second_and_leaves_nothing(
    stand_in, feedback, job, behaviour, tmp_path_factory, monkeypatch, temporary_folder
) -> None:
    pids_file = tmp_path_factory.mktemp("pids") / "pids"
    monkeypatch.setenv("SOILCNN_STAND_IN_PIDS", str(pids_file))
    cancelled = []

    def cancel() -> None:
        cancelled.append(time.monotonic())
        feedback.cancel()

    timer = threading.Timer(1.5, cancel)
    timer.start()
    with pytest.raises(WorkerFailed, match="Cancelled"):
        run_job(job, feedback, stand_in(behaviour))
    assert time.monotonic() - cancelled[0] < 1
    assert leftovers(job) == []
    assert os.listdir(temporary_folder) == []
    if behaviour == "stubborn":
        assert [pid for pid in map(int, pids_file.read_text().split()) if is_running(pid)] == []


def test_progress_moves_also_without_news(stand_in, feedback, job) -> None:
    threading.Timer(1.5, feedback.cancel).start()
    with pytest.raises(WorkerFailed):
        run_job(job, feedback, stand_in("silent"))
    assert len(feedback.percents) >= 4
    assert max(feedback.percents) < 10.5


def test_the_worker_gets_no_variables_of_qgis_and_no_input(stand_in, feedback, job, monkeypatch) -> None:
    for name in (
        "PYTHONPATH",
        "PROJ_LIB",
        "GDAL_DATA",
        "LD_PRELOAD_X",
        "QT_PLUGIN_PATH",
        "QGIS_PREFIX_PATH",
        "VIRTUAL_ENV",
    ):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("PIP_INDEX_URL", "file:///kept")
    run_job(job, feedback, stand_in("tell_environment"))
    texts = [text for _, text in feedback.told]
    variables = json.loads(next(text for text in texts if text.startswith("{")))
    assert "stdin: ''" in texts
    assert variables["PIP_INDEX_URL"] == "file:///kept"
    foreign = ("PYTHON", "PROJ_", "GDAL_", "LD_", "QT_", "QGIS_", "VIRTUAL_ENV", "CONDA_")
    assert [name for name in variables if name.startswith(foreign)] == []


def test_the_worker_speaks_the_language_of_qgis(stand_in, feedback, job) -> None:
    language.use("de_AT")
    try:
        run_job(job, feedback, stand_in("tell_environment"))
    finally:
        language.use("en")
    variables = json.loads(next(text for _, text in feedback.told if text.startswith("{")))
    assert variables["SOILCNN_LANGUAGE"] == "de"


def test_a_training_knows_the_file_that_stops_it_as_long_as_it_runs(feedback, stand_in, tmp_path) -> None:
    training = TrainNetwork("/p.h5", str(tmp_path / "n.safetensors"))
    counts: list[int] = []

    def count() -> None:
        counts.append(RUNNING.count)

    RUNNING.changed.connect(count)
    run_job(training, feedback, stand_in("tell_environment"))
    RUNNING.changed.disconnect(count)
    assert counts == [1, 0]
    variables = json.loads(next(text for _, text in feedback.told if text.startswith("{")))
    assert Path(variables["SOILCNN_STOP"]).name == "stop"
    assert not Path(variables["SOILCNN_STOP"]).parent.exists()  # it goes with the run's folder


def test_an_interpreter_that_cannot_be_started_is_named(feedback, job, tmp_path_factory) -> None:
    path = tmp_path_factory.mktemp("python") / "python"
    path.write_text("no program")
    with pytest.raises(WorkerFailed, match=f"{path} cannot be started"):
        run_job(job, feedback, path)


def test_the_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Linux hands the worker to init; its next event hits a broken pipe."""
    pids_file = tmp_path / "pids"
    script = (
        "from pathlib import Path; import sys\n"
        "from soil_cnn_plugin.bridge.child import Child\n"
        "import os, subprocess\n"
        "with Child(sys.argv[1:], dict(os.environ), Path('.'), subprocess.DEVNULL) as child:\n"
        "    while not child.output_ended: child.next_line()\n"
    )
    job_file = tmp_path / "job.json"
    job_file.write_text('{"job": "check_environment"}')
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SOILCNN_STAND_IN": "stubborn",
        "SOILCNN_STAND_IN_PIDS": str(pids_file),
    }
    stand_in_worker = str(ROOT / "tests" / "stand_in_worker.py")
    command = [sys.executable, "-c", script, sys.executable, stand_in_worker, str(job_file)]
    parent = subprocess.Popen(command, env=environment)
    grandchild = None
    try:
        wait_for(lambda: pids_file.exists() and len(pids_file.read_text().split()) == 2, 20)
        worker_pid, grandchild = map(int, pids_file.read_text().split())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        wait_for(lambda: not is_running(worker_pid), 3)
    finally:
        parent.kill()
        parent.wait()
        if grandchild:
            os.kill(grandchild, signal.SIGKILL)


def test_time_left_is_told_at_most_every_ten_seconds_and_only_when_it_changes(feedback, monkeypatch) -> None:
    now = [100.0]
    monkeypatch.setattr(worker.time, "monotonic", lambda: now[0])
    relay = Relay(feedback)
    for seconds_passed, seconds_left in [(1, 125), (11, 119), (12, 60), (25, 118), (40, 61), (55, 45)]:
        now[0] = 100.0 + seconds_passed
        relay.tell(json.dumps({"event": "progress", "percent": 5, "step": "Training", "seconds_left": seconds_left}))
    assert [text for kind, text in feedback.told if kind == "step"] == [
        "Training",
        "About 2 minutes left",
        "About 1 minute left",
        "About 40 seconds left",
    ]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "10 seconds"), (44, "40 seconds"), (61, "1 minute"), (1000, "17 minutes"), (9000, "2.5 hours")],
)
def test_time_is_rounded_to_what_an_estimate_is_worth(seconds, words) -> None:
    assert time_in_words(seconds) == words


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_for(is_true, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
