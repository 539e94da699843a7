"""The worker's door, run as the process it is, with jobs that stand in for the real ones."""

from __future__ import annotations

import builtins
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any

import pytest

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.engine import failures
from soil_cnn_plugin.engine.__main__ import MODULES, main
from soil_cnn_plugin.engine.failures import error_in_words

ROOT = Path(jobs.__file__).parents[2]

STAND_IN = """
import sys, types
sys.path.append({root!r})
module = types.ModuleType("soil_cnn_plugin.engine.jobs.{name}")
exec({source!r}, module.__dict__)
sys.modules[module.__name__] = module
from soil_cnn_plugin.engine.__main__ import main
sys.exit(main([{job!r}]))
"""


def start(folder: Path, source: str, is_training: bool = False, **outputs: str) -> subprocess.Popen[str]:
    """A worker whose job `describe_network`, or `train_network`, is `source`."""
    job_file = folder / "job.json"
    report = outputs.get("report", str(folder / "report.html"))
    job: jobs.Job = jobs.DescribeNetwork(network="n.safetensors", report=report)
    if is_training:
        job = jobs.TrainNetwork("patches.h5", str(folder / "n.safetensors"), report=report)
    job_file.write_text(jobs.to_json(job), encoding="utf-8")
    name = "train_network" if is_training else "describe_network"
    program = STAND_IN.format(root=str(ROOT), name=name, source=source, job=str(job_file))
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(worker: subprocess.Popen[str]) -> tuple[list[dict[str, Any]], str, int]:
    out, log = worker.communicate(timeout=60)
    return [json.loads(line) for line in out.splitlines()], log, worker.returncode


def wait_for(stream: IO[str] | None, kind: str) -> dict[str, Any]:
    """The next event of a kind, but for the line by which the door tells what it starts."""
    assert stream is not None
    for line in stream:
        event: dict[str, Any] = json.loads(line)
        if event["event"] == kind and not str(event.get("text", "")).startswith("The worker starts to "):
            return event
    raise AssertionError(f"the stream ended without {kind}")


def failure(folder: Path, source: str) -> tuple[str, str]:
    """The message and the log of a job that must fail and leave nothing."""
    events, log, status = finish(start(folder, source))
    assert status == 1
    assert events[-1]["event"] == "failed"
    assert not list(folder.glob("*.part*"))
    return events[-1]["message"], log


def test_a_finished_job_ends_with_done_and_status_zero(tmp_path: Path) -> None:
    source = "def run(job, report):\n report.info('hello')\n return {'report': job.report}"
    events, _, status = finish(start(tmp_path, source))
    assert status == 0
    assert events == [
        {"event": "info", "text": "The worker starts to tell what a network file holds."},
        {"event": "info", "text": "hello"},
        {"event": "done", "outputs": {"report": str(tmp_path / "report.html")}},
    ]


def test_what_libraries_print_goes_to_the_log(tmp_path: Path) -> None:
    source = """
import os
import re
def run(job, report):
    print("from python")
    os.system("echo from a child")
    os.write(1, b"raw")
    return {}
"""
    events, log, status = finish(start(tmp_path, source))
    assert status == 0 and events[1:] == [{"event": "done", "outputs": {}}]
    assert "from python" in log and "from a child" in log and "raw" in log


def test_lines_of_several_threads_do_not_mix(tmp_path: Path) -> None:
    source = """
import threading
def run(job, report):
    threads = [threading.Thread(target=lambda: [report.info("x" * 20000) for _ in range(30)]) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return {}
"""
    events, _, _ = finish(start(tmp_path, source))
    assert [len(event["text"]) for event in events[1:-1]] == [20000] * 120


def test_the_last_progress_is_repeated_while_nothing_happens(tmp_path: Path) -> None:
    source = """
import time
def run(job, report):
    report.part(0, 1, "thinking").progress(.4, True)
    time.sleep(2.6)
    return {}
"""
    events, _, _ = finish(start(tmp_path, source))
    repeated = [event for event in events if event["event"] == "progress" and event["percent"] == 40.0]
    assert len(repeated) >= 3 and {event["step"] for event in repeated} == {"thinking"}


def test_a_users_mistake_is_told_as_it_is_without_a_traceback(tmp_path: Path) -> None:
    source = """
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.contract.jobs import part
def run(job, report):
    open(part(job.report), "w").write("half")
    raise EngineError("slope.tif has no CRS.")
"""
    message, log = failure(tmp_path, source)
    assert message == "slope.tif has no CRS."
    assert "Traceback" not in log


def test_an_unexpected_error_is_named_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    message, log = failure(tmp_path, "def run(job, report):\n return {}['missing key']")
    assert "KeyError: 'missing key'" in message and "report it" in message
    assert "Traceback" in log


def test_a_full_disk_names_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "map.tif")
    source = f"import errno\ndef run(job, report):\n raise OSError(errno.ENOSPC, 'No space left', {path!r})"
    message, _ = failure(tmp_path, source)
    assert message.startswith(f"The disk is full: nothing more could be written to {path}. Free some space")


def test_a_full_disk_that_a_library_reports_in_its_own_words_names_the_folder(tmp_path: Path) -> None:
    message, _ = failure(tmp_path, "def run(job, report):\n raise RuntimeError('TIFFAppend: No space left on device')")
    everywhere = f"{tmp_path} or {tempfile.gettempdir()}"
    assert message.startswith(f"The disk is full: nothing more could be written to {everywhere}. Free some space")


def test_of_all_folders_that_are_written_to_the_full_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = tmp_path / "temporary"
    full.mkdir()
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(full))
    monkeypatch.setattr(
        shutil, "disk_usage", lambda folder: usage._replace(free=4096 if folder == str(full) else 10**12)
    )
    job = jobs.DescribeNetwork("/n", str(tmp_path / "r.html"))
    sentence = error_in_words(RuntimeError("no space left on device"), job)
    assert sentence.startswith(f"The disk is full: nothing more could be written to {full}. Free some space")


@pytest.mark.parametrize(
    "words",
    [
        "Write failed. See previous exception for details.",
        "TIFFWriteDirectoryTagData:IO error writing tag data",
        "TIFFRewriteDirectory:Error fetching directory count",
        "map.tif.part.tif: TIFFReadDirectory:Failed to read directory at offset 4096",
        "Could not add feature to layer at index 0: ... failed: no such table: gpkg_contents",
        "Failed to commit transaction",
    ],
)
def test_what_libraries_say_on_a_full_disk_is_understood(tmp_path: Path, words: str) -> None:
    message, _ = failure(tmp_path, f"def run(job, report):\n raise RuntimeError({words!r})")
    everywhere = f"{tmp_path} or {tempfile.gettempdir()}"
    assert message.startswith(f"Nothing more could be written to {everywhere}; most likely") and "Free some" in message


def test_a_half_written_file_that_somebody_removed_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    source = """
import os
from soil_cnn_plugin.contract.parts import part
def run(job, report):
    os.replace(part(job.report), job.report)
"""
    message, _ = failure(tmp_path, source)
    assert message.startswith(f"{path} could not be finished: what was half-written, {path}.")
    message, _ = failure(tmp_path, f"def run(job, report):\n open({str(tmp_path / 'other')!r})")
    assert "was removed" not in message


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("MemoryError('Unable to allocate 7.28 TiB for an array')", ["computer's memory", "7.28 TiB", "block size"]),
        ("RuntimeError('CUDA out of memory. Tried to allocate 20.00 GiB.')", ["GPU's memory", "20.00 GiB", "cpu"]),
        ("RuntimeError('cuDNN error: CUDNN_STATUS_ALLOC_FAILED')", ["The GPU's memory ran out. ", "set to cpu"]),
        (
            "RuntimeError('GET was unable to find an engine to execute this computation')",
            ["(GET was unable to find an engine to execute this computation): its memory", "driver", "set to cpu"],
        ),
        ('RuntimeError("can\'t allocate memory: you tried to allocate 8589934592 bytes.")', ["8.0 GiB", "extent"]),
        ("ModuleNotFoundError(\"No module named 'h5py'\", name='h5py')", ["h5py", "Set up the compute environment"]),
        ("PermissionError(13, 'Permission denied', 'locked.tif')", ["locked.tif", "permission", "another file name"]),
    ],
)
def test_what_a_user_can_mend_is_told_with_its_remedy(tmp_path: Path, error: str, words: list[str]) -> None:
    message, _ = failure(tmp_path, f"def run(job, report):\n raise {error}")
    assert all(word in message for word in words), message
    assert "report it" not in message


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        ImportError("libtorch_cpu.so: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
    ],
)
def test_a_limit_of_address_space_is_named_when_memory_runs_out(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(failures, "address_limit", lambda: 2**30)
    sentence = error_in_words(error, None)
    assert sentence.startswith("Memory ran out") and "1.0 GiB of addresses in all (ulimit -v)" in sentence


def test_no_library_is_needed_to_tell_that_memory_ran_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, *_: Any) -> None:
        raise ImportError(f"{name}: failed to map segment from shared object")

    with monkeypatch.context() as patch:
        patch.setattr(builtins, "__import__", refuse)
        sentence = error_in_words(MemoryError(), None)
    assert "emory ran out" in sentence


def test_an_output_folder_that_is_missing_stops_the_job_before_it_starts(tmp_path: Path) -> None:
    source = "def run(job, report):\n report.info('started')\n return {}"
    events, _, status = finish(start(tmp_path, source, report=str(tmp_path / "nowhere" / "report.html")))
    assert status == 1 and [event["event"] for event in events] == ["failed"]
    assert "nowhere does not exist" in events[0]["message"]


def test_an_output_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    events, _, _ = finish(start(tmp_path, "def run(job, report):\n return {}", report=str(tmp_path)))
    assert "is a folder" in events[0]["message"]


@pytest.mark.skipif(os.name != "posix", reason="Windows ends a process without telling it")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_even_a_worker_deep_in_a_library_and_leaves_nothing(tmp_path: Path, number: int) -> None:
    source = """
import ctypes
from soil_cnn_plugin.contract.jobs import part
def run(job, report):
    open(part(job.report), "w").write("half")
    report.info("working")
    for _ in range(30):  # C calls that let other threads run; Python's own handlers would wait for their end
        ctypes.CDLL(None).sleep(30)
"""
    worker = start(tmp_path, source)
    wait_for(worker.stdout, "info")
    began = time.monotonic()
    worker.send_signal(number)
    assert worker.wait(timeout=10) == 128 + number
    assert time.monotonic() - began < 1.0
    assert not list(tmp_path.glob("*.part*"))


@pytest.mark.skipif(os.name != "posix", reason="forks")
def test_ending_a_child_of_a_library_does_not_end_the_worker(tmp_path: Path) -> None:
    source = """
import os, signal, time
def run(job, report):
    child = os.fork()
    if child == 0:
        time.sleep(30)
    time.sleep(0.3)
    os.kill(child, signal.SIGTERM)
    status = os.waitpid(child, 0)[1]
    time.sleep(0.3)
    return {"signal": os.WTERMSIG(status)}
"""
    events, _, status = finish(start(tmp_path, source))
    assert status == 0 and events[-1] == {"event": "done", "outputs": {"signal": signal.SIGTERM}}


def test_a_worker_whose_reader_is_gone_ends_and_leaves_nothing(tmp_path: Path) -> None:
    source = """
import time
from soil_cnn_plugin.contract.jobs import part
def run(job, report):
    open(part(job.report), "w").write("half")
    report.info("working")
    time.sleep(60)
"""
    worker = start(tmp_path, source)
    wait_for(worker.stdout, "info")
    assert worker.stdout is not None
    worker.stdout.close()
    assert worker.wait(timeout=5) == 1
    assert not list(tmp_path.glob("*.part*"))


def test_only_the_first_of_several_processes_touches_the_outputs_and_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = Path(jobs.part(str(tmp_path / "report.html")))
    half.write_text("what the first process is writing", encoding="utf-8")
    for name, value in {"TORCHELASTIC_RUN_ID": "one", "WORLD_SIZE": "2", "RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    source = """
from soil_cnn_plugin.engine.errors import EngineError
def run(job, report):
    raise EngineError("No room on node 2.")
"""
    events, log, status = finish(start(tmp_path, source, is_training=True))
    assert (events, status) == ([], 1)
    assert log == "Process 1 of those that train together: No room on node 2.\n"
    assert half.read_text(encoding="utf-8") == "what the first process is writing"


def test_several_processes_are_refused_for_what_they_cannot_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "one", "WORLD_SIZE": "2", "RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    message, _ = failure(tmp_path, "def run(job, report):\n return {}")
    assert message.startswith("2 processes are started for the job describe_network")


def test_a_broken_job_file_is_told_in_words_by_both_ways_of_starting(tmp_path: Path) -> None:
    job_file = tmp_path / "job.json"
    job_file.write_text('{"job": "brew_coffee", "version": 1}')
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for command in (
        [sys.executable, "-u", str(ROOT / "soil_cnn_plugin" / "engine" / "__main__.py"), str(job_file)],
        [sys.executable, "-m", "soil_cnn_plugin.engine", str(job_file)],
    ):
        cwd = ROOT if "-m" in command else tmp_path
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=cwd, env=environment)
        assert ended.returncode == 1
        assert "extract_patches" in json.loads(ended.stdout)["message"]


def test_a_job_file_that_is_missing_is_named(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "soil_cnn_plugin" / "engine" / "__main__.py"), str(tmp_path / "gone.json")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1 and "gone.json cannot be read" in json.loads(ended.stdout)["message"]


def test_neighbours_of_the_plugin_and_its_own_modules_shadow_nothing(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "soil_cnn_plugin").symlink_to(ROOT / "soil_cnn_plugin")
    probe = tmp_path / "probe.py"
    probe.write_text(
        "import runpy, sys\n"
        "sys.argv = [sys.argv[1]]\n"  # without a job it says what it needs, and ends as Python does
        "sys.path[0] = __import__('os').path.dirname(sys.argv[0])\n"
        "try:\n runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally:\n print(sys.path, file=sys.stderr)\n"
    )
    ended = subprocess.run(
        [sys.executable, str(probe), str(ROOT / "soil_cnn_plugin" / "engine" / "__main__.py")],
        capture_output=True,
        text=True,
        timeout=60,
    )
    path = json.loads(ended.stderr.splitlines()[-1].replace("'", '"'))
    assert path[-1] == str(ROOT)
    assert str(ROOT / "soil_cnn_plugin" / "engine") not in path and path.count(str(ROOT)) == 1


def test_the_table_of_the_door_names_the_module_of_each_job() -> None:
    assert {name: job for job, (name, _) in MODULES.items()} == jobs.JOBS


def test_the_folder_of_jobs_holds_the_jobs_and_nothing_else() -> None:
    files = {path.stem for path in (ROOT / "soil_cnn_plugin" / "engine" / "jobs").glob("*.py")}
    assert files - {"__init__"} == {name for name, _ in MODULES.values()}


def test_help_shows_all_jobs_and_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    shown = capsys.readouterr().out
    assert all(re.search(rf"^  {name} +{sentence}$", shown, re.MULTILINE) for name, sentence in MODULES.values())
