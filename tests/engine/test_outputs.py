"""Outputs belong to one run, are tried before the work, and appear together or not at all."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.contract.parts import RUN, aside, claim, part
from soil_cnn_plugin.engine import outputs
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.outputs import Claims, appear, write_whole
from tests.engine.test_main import finish, start, wait_for

WRITE = """
import time
from pathlib import Path
from soil_cnn_plugin.engine.outputs import write_whole
def run(job, report):
    report.info("working")
    time.sleep(%s)
    write_whole(job.report, b"%s")
    return {}
"""


def job_in(folder: Path) -> TrainNetwork:
    return TrainNetwork("/p.h5", str(folder / "n.safetensors"), report=str(folder / "r.html"))


def contents(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text() for each in folder.iterdir()}


def refuse(monkeypatch: pytest.MonkeyPatch, is_refused: Callable[[str, str], bool]) -> None:
    """Let moving fail as it does on Windows when another program holds the file."""
    move = os.replace

    def replace(source: str, target: str) -> None:
        if is_refused(str(source), str(target)):
            raise PermissionError(errno.EACCES, "Permission denied", source, None, target)
        move(source, target)

    monkeypatch.setattr(outputs.os, "replace", replace)
    monkeypatch.setattr(outputs.os, "rename", replace)


def test_a_second_run_of_the_same_output_is_refused_by_name_and_the_first_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    first = start(tmp_path, WRITE % (4, "first"))
    wait_for(first.stdout, "info")
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    for same in (path, tmp_path / "elsewhere" / "report.html"):
        events, _, status = finish(start(tmp_path, WRITE % (0, "second"), report=str(same)))
        assert status == 1 and events[-1]["message"].startswith(f"{same} is being written by another run. Wait")
        assert path.read_text() == "old"
    other, _, status = finish(start(tmp_path, WRITE % (0, "third"), report=str(tmp_path / "other.html")))
    assert status == 0
    first.communicate(timeout=60)
    assert first.returncode == 0 and path.read_text() == "first"
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "job.json", "other.html", "report.html"]


def test_a_run_that_was_killed_blocks_nobody_and_what_it_left_is_removed(tmp_path: Path) -> None:
    source = """
import time
from soil_cnn_plugin.contract.parts import part
def run(job, report):
    open(part(job.report) + ".tif", "w").write("half")
    report.info("working")
    time.sleep(60)
"""
    killed = start(tmp_path, source)
    wait_for(killed.stdout, "info")
    killed.send_signal(signal.SIGKILL)
    killed.communicate(timeout=10)
    assert any(".part.tif" in name for name in os.listdir(tmp_path))
    (tmp_path / "report.html.part.tif").write_text("a user's")
    _, _, status = finish(start(tmp_path, WRITE % (0, "new")))
    assert status == 0
    assert sorted(os.listdir(tmp_path)) == ["job.json", "report.html", "report.html.part.tif"]


def test_cancelling_keeps_a_users_files_that_look_half_written(tmp_path: Path) -> None:
    users = ["report.html.part", "report.html.parts_of_2019.zip", "report.html.part.tif"]
    for name in users:
        (tmp_path / name).write_text("mine")
    worker = start(tmp_path, WRITE % (60, ""))
    wait_for(worker.stdout, "info")
    worker.send_signal(signal.SIGTERM)
    worker.communicate(timeout=10)
    assert sorted(os.listdir(tmp_path)) == sorted(["job.json", *users])


def test_where_a_drive_knows_no_locks_another_runs_claim_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "try_lock", lambda descriptor: None)
    job = job_in(tmp_path)
    Path(claim(job.network)).write_text("0123abcd")
    claims = Claims()
    with pytest.raises(EngineError, match=r"soilcnn-run says that another run is writing .* delete that file"):
        claims.take(job)
    Path(claim(job.network)).unlink()
    claims.take(job)
    assert Path(claim(job.network)).read_text() == RUN
    claims.give_back()
    assert os.listdir(tmp_path) == []


def test_a_users_file_of_the_claims_name_is_left_alone(tmp_path: Path) -> None:
    job = job_in(tmp_path)
    Path(claim(job.network)).write_text("thesis")
    with pytest.raises(EngineError, match="n.safetensors.soilcnn-run says"):
        Claims().take(job)
    assert contents(tmp_path) == {"n.safetensors.soilcnn-run": "thesis"}


@pytest.mark.parametrize("folder", ["!Projekte", "a!b", "tab\there", "two\nlines", "100 % ü", "a#b?c&d", "[1] {2}"])
def test_every_kind_of_output_can_be_written_in_a_folder_of_any_name(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    for name in ("a!b.tif", "a!b.h5", "a!b.gpkg", "a!b.html", "a.json"):
        claims = Claims()
        claims.take(TrainNetwork("/p.h5", str(tmp_path / folder / name)))
        claims.give_back()
    assert os.listdir(tmp_path / folder) == []


@pytest.mark.parametrize("ending", ["tif", "h5", "safetensors"])
def test_a_file_that_cannot_be_replaced_is_told_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    path = tmp_path / f"map.{ending}"
    path.write_text("old")
    refuse(monkeypatch, lambda source, target: source == str(path))
    claims = Claims()
    with pytest.raises(EngineError, match=rf"map\.{ending} cannot be written: Permission denied. If it is loaded in"):
        claims.take(TrainNetwork("/p.h5", str(path)))
    claims.give_back()
    assert contents(tmp_path) == {path.name: "old"}


def test_files_appear_together(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in "ab"]
    Path(paths[0]).write_text("old a")
    for path in paths:
        Path(part(path)).write_text(f"new {Path(path).name}")
    appear([(part(path), path) for path in paths])
    assert contents(tmp_path) == {"a": "new a", "b": "new b"}


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("what", ["moving away", "moving in"])
def test_when_one_cannot_be_replaced_all_stay_and_the_new_ones_are_kept_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, what: str
) -> None:
    paths = [str(tmp_path / f"{name}.tif") for name in "abc"]
    for path in paths:
        Path(path).write_text(f"old {Path(path).name}")
        Path(part(path)).write_text(f"new {Path(path).name}")
    (tmp_path / "a_1.tif").write_text("a user's")
    stuck = paths[number]
    if what == "moving away":
        refuse(monkeypatch, lambda source, target: (source, target) == (stuck, aside(stuck)))
    else:
        refuse(monkeypatch, lambda source, target: (source, target) == (part(stuck), stuck))
    kept = [str(tmp_path / name) for name in ("a_2.tif", "b_1.tif", "c_1.tif")]
    with pytest.raises(EngineError) as error:
        appear([(part(path), path) for path in paths])
    assert str(error.value).startswith(
        f"{stuck} could not be replaced: Permission denied. What was finished is complete and stays beside as"
        f" {kept[0]}, {kept[1]} and {kept[2]}. Nothing else was replaced."
    )
    old = {f"{name}.tif": f"old {name}.tif" for name in "abc"}
    new = {"a_2.tif": "new a.tif", "b_1.tif": "new b.tif", "c_1.tif": "new c.tif"}
    assert contents(tmp_path) == {**old, **new, "a_1.tif": "a user's"}


def test_a_folder_that_is_removed_while_a_job_runs_ends_it_within_seconds(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    worker = start(tmp_path, WRITE % (60, ""), report=str(folder / "report.html"))
    wait_for(worker.stdout, "info")
    for each in folder.iterdir():
        each.unlink()
    folder.rmdir()
    out, _ = worker.communicate(timeout=20)
    message = json.loads(out.splitlines()[-1])["message"]
    assert worker.returncode == 1
    assert message.startswith(f"The folder {folder}, where results are to be written, was removed while the job ran.")


def test_a_folder_that_comes_back_ends_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    worker = start(tmp_path, WRITE % (5, "new"), report=str(folder / "report.html"))
    wait_for(worker.stdout, "info")
    folder.rename(tmp_path / "away")
    (tmp_path / "away").rename(folder)
    worker.communicate(timeout=30)
    assert worker.returncode == 0 and contents(folder) == {"report.html": "new"}


def test_a_file_written_whole_replaces_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "a!b\n.json"
    path.write_text("old")
    write_whole(str(path), b"new")
    assert contents(tmp_path) == {path.name: "new"}
