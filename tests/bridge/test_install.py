"""Building an environment, adopting an interpreter, and what is left after a failure; without any network."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from qgis.core import QgsProcessingFeedback, QgsSettings

from soil_cnn_plugin.bridge import (
    base_python,
    commands,
    environment,
    folder_limits,
    folder_swap,
    install,
    packages,
    torch_builds,
)
from soil_cnn_plugin.bridge.commands import Ended
from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.install import Wish
from soil_cnn_plugin.bridge.spare import SPARE


@pytest.fixture
def feedback(qgis_app) -> QgsProcessingFeedback:
    return QgsProcessingFeedback(False)


@pytest.fixture(autouse=True)
def no_traces(qgis_app, monkeypatch, tmp_path):
    """Remove settings and network; pip finds nothing."""
    monkeypatch.setattr(environment, "default_folder", lambda: tmp_path / "soil-cnn" / "default")
    monkeypatch.setattr(torch_builds, "answers", lambda _url: False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    QgsSettings().remove(environment.SETTING)
    yield
    QgsSettings().remove(environment.SETTING)


@pytest.fixture
def installed(monkeypatch) -> list[tuple[str, str]]:
    """What pip is asked to install, which it does not do."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(
        packages.Installation, "_pip", lambda _self, what, index, _progress: found.append((what[0], index))
    )
    monkeypatch.setattr(install, "examine", lambda _python: {})
    return found


@pytest.fixture
def quick_venv(monkeypatch) -> None:
    """Virtual environments without pip, which takes most of the time."""

    def make(self: base_python.BasePython, python: Path, _facts: object) -> str:
        subprocess.run([python, "-m", "venv", "--without-pip", self.commands.folder], check=True)
        return ""

    monkeypatch.setattr(base_python.BasePython, "_make", make)


@pytest.fixture
def without_packages(installed, quick_venv) -> list[tuple[str, str]]:
    """Build virtual environments, but install no packages."""
    return installed


def test_an_environment_is_built_and_runs_under_its_final_name(feedback, installed, tmp_path) -> None:
    folder = tmp_path / "with space" / "environment"
    python = install.build(Wish(folder, "cpu"), feedback)
    assert python == folder / "bin" / "python"
    assert environment.is_complete(folder)
    assert os.listdir(folder.parent) == ["environment"]
    assert environment.find_python() == python
    prefix = subprocess.run([python, "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True, check=True)
    assert prefix.stdout.strip() == str(folder)
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    assert installed == [("--no-deps", ""), ("--no-deps", ""), ("torch==2.13.0+cpu", "")]  # pip, small packages
    known = {"bin", "include", "lib", "lib64", "pyvenv.cfg", ".gitignore", environment.MARKER}  # .gitignore since 3.13
    assert set(os.listdir(folder)) <= known


def test_a_complete_environment_is_left_alone(feedback, without_packages, tmp_path, monkeypatch) -> None:
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    monkeypatch.setattr(install, "_fill", None)
    assert install.build(Wish(tmp_path / "e", "cpu"), feedback) == tmp_path / "e" / "bin" / "python"
    assert "nothing is installed" in feedback.textLog()


def test_a_failed_installation_leaves_nothing_and_tells_what_pip_said(feedback, tmp_path) -> None:
    with pytest.raises(WorkerFailed, match="(?s)Installing failed .exit code 1.*No matching distribution found for"):
        install.build(Wish(tmp_path / "new" / "e", "cpu"), feedback)
    assert os.listdir(tmp_path / "new") == []
    assert f"All lines of it go to {commands.log_path()}" in feedback.textLog()
    assert "No matching distribution found for" in commands.log_path().read_text()
    assert "Looking in" not in feedback.textLog() and "ERROR" not in feedback.textLog()
    assert environment.problem()


def test_cancelling_leaves_nothing(feedback, tmp_path) -> None:
    feedback.cancel()
    with pytest.raises(WorkerFailed, match="Cancelled"):
        install.build(Wish(tmp_path / "new" / "e", "cpu"), feedback)
    assert os.listdir(tmp_path / "new") == []


def test_a_failed_rebuild_keeps_the_old_environment(feedback, without_packages, tmp_path, monkeypatch) -> None:
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    environment.write_marker(tmp_path / "e", "cuda")

    def fail(*_: object) -> None:
        raise WorkerFailed("broken")

    monkeypatch.setattr(install, "_fill", fail)
    with pytest.raises(WorkerFailed, match="broken"):
        install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert environment.read_marker(tmp_path / "e")["build"] == "cuda"
    assert sorted(os.listdir(tmp_path)) == ["e"]


def test_a_folder_with_other_things_is_never_replaced(feedback, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(WorkerFailed, match="holds something other than a compute environment"):
        install.build(Wish(tmp_path / "mine", "cpu"), feedback)
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]


def test_a_full_disk_is_told_before_anything_is_built(feedback, tmp_path, monkeypatch) -> None:
    class Usage:
        free = 1.5 * folder_limits.GIGABYTE

    monkeypatch.setattr(folder_limits.shutil, "disk_usage", lambda _folder: Usage)
    with pytest.raises(WorkerFailed, match="needs about 3 GB, but .* has 1.5 GB left"):
        install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert os.listdir(tmp_path) == []


def test_a_disk_that_fills_up_is_told_as_such(feedback, quick_venv, tmp_path, monkeypatch) -> None:
    lines = ["ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"]
    run = commands.Commands.run
    monkeypatch.setattr(
        commands.Commands,
        "run",
        lambda self, command, *rest, **words: (
            Ended(1, lines) if "install" in command else run(self, command, *rest, **words)
        ),
    )
    with pytest.raises(WorkerFailed, match=f"The disk of {tmp_path} is full"):
        install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert os.listdir(tmp_path) == []


def test_an_interpreter_without_the_packages_is_not_adopted(feedback, tmp_path) -> None:
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    with pytest.raises(WorkerFailed, match="cannot run the engine: torch cannot be imported"):
        install.adopt(tmp_path / "bare" / "bin" / "python", feedback)
    with pytest.raises(WorkerFailed, match="does not exist"):
        install.adopt(tmp_path / "gone", feedback)
    assert environment.problem()


def stand_in_python(path: Path, versions: dict[str, str], python: tuple[int, ...] = (3, 12, 1)) -> Path:
    """Write a script that answers the probe like an interpreter with these packages."""
    answer = json.dumps({"python": python, "versions": versions, "problems": {}})
    path.write_text(f"#!/bin/sh\necho noise\necho 'soilcnn-probe {answer}'\n")
    path.chmod(0o755)
    return path


def test_an_interpreter_with_other_versions_is_adopted_with_a_warning(feedback, tmp_path) -> None:
    versions = {item.name: item.version for item in environment.requirements()}
    python = stand_in_python(tmp_path / "python", {**versions, "torch": "2.9.1+cu128"})
    assert install.adopt(python, feedback) == python
    assert "torch is version 2.9.1+cu128; Soil CNN is tested with 2.13.0." in feedback.textLog()
    assert feedback.textLog().count("is tested with") == 1
    assert environment.find_python() == python


def test_an_interpreter_with_too_old_versions_is_not_adopted(feedback, tmp_path) -> None:
    versions = {item.name: item.version for item in environment.requirements()}
    with pytest.raises(WorkerFailed, match="h5py is version 3.9.0, but at least 3.10 is needed"):
        install.adopt(stand_in_python(tmp_path / "python", {**versions, "h5py": "3.9.0"}), feedback)
    with pytest.raises(WorkerFailed, match="is Python 3.10.2, but the engine needs 3.11 or later"):
        install.adopt(stand_in_python(tmp_path / "python", versions, (3, 10, 2)), feedback)


@pytest.mark.parametrize("name", ["e.part", "e.old"])
def test_a_users_folder_beside_is_never_removed(feedback, without_packages, tmp_path, name) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("x")
    with pytest.raises(WorkerFailed, match=f"{name} is in the way, and the set-up did not make it. Move it"):
        install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert os.listdir(tmp_path) == [name] and os.listdir(tmp_path / name) == ["thesis.txt"]


def test_what_a_killed_set_up_left_is_replaced_but_not_while_another_one_builds(
    feedback, without_packages, tmp_path
) -> None:
    part = tmp_path / "e.part"
    part.mkdir()
    with (part / folder_swap.UNFINISHED).open("w") as builder:
        folder_swap.try_lock(builder.fileno())
        with pytest.raises(WorkerFailed, match="Another QGIS is building a compute environment"):
            install.build(Wish(tmp_path / "e", "cpu"), feedback)
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert os.listdir(tmp_path) == ["e"] and not (tmp_path / "e" / folder_swap.UNFINISHED).exists()


def test_an_environment_in_use_is_told_before_the_download(feedback, without_packages, tmp_path, monkeypatch) -> None:
    """Windows renames no folder with open files."""
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    environment.write_marker(tmp_path / "e", "cuda")
    monkeypatch.setattr(base_python.BasePython, "build", None)
    rename = Path.rename

    def refuse(source: Path, target: Path) -> Path:
        if source == tmp_path / "e":
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(WorkerFailed, match="is in use, so it cannot be replaced. Wait until the jobs"):
        install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert os.listdir(tmp_path) == ["e"] and environment.is_complete(tmp_path / "e")


def test_a_spare_worker_of_a_dialog_that_opened_meanwhile_ends_before_the_swap(
    feedback, without_packages, tmp_path, monkeypatch
) -> None:
    lives = [False]
    opened = SimpleNamespace(close=lambda: lives.append(False))

    def write_marker(part: Path, build: str) -> None:
        SPARE._worker, lives[:] = opened, [True]
        environment.write_marker(part, build)

    def finish(swap: folder_swap.FolderSwap) -> None:
        assert not lives[-1]

    monkeypatch.setattr(install, "write_marker", write_marker)
    monkeypatch.setattr(folder_swap.FolderSwap, "finish", finish)
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert lives == [True, False]


def test_a_swap_that_was_broken_off_between_its_steps_is_put_right(feedback, without_packages, tmp_path) -> None:
    """A crash after the old environment was moved aside must not cost it."""
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    (tmp_path / "e").rename(tmp_path / "e.old")
    without_packages.clear()
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert os.listdir(tmp_path) == ["e"] and without_packages == []


def test_a_virus_scanner_that_holds_the_new_folder_for_a_moment_is_waited_for(
    feedback, without_packages, tmp_path, monkeypatch
) -> None:
    rename, refused = Path.rename, []

    def hold(source: Path, target: Path) -> Path:
        if source.name == "e.part" and len(refused) < 2:
            refused.append(source)
            raise PermissionError(5, "Access is denied")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", hold)
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert len(refused) == 2 and os.listdir(tmp_path) == ["e"]


def test_the_usual_build_is_taken_if_the_small_one_is_not_published(
    feedback, quick_venv, tmp_path, monkeypatch
) -> None:
    asked = []

    def pip(_self: object, what: list[str], _index: str, _progress: object) -> None:
        asked.append(what[0])
        if what[0].startswith("torch"):
            raise packages.NotPublished("no such version")

    monkeypatch.setattr(packages.Installation, "_pip", pip)
    monkeypatch.setattr(install, "examine", lambda _python: {})
    monkeypatch.setattr(packages, "require_space", lambda _folder, build: asked.append(build))
    install.build(Wish(tmp_path / "e", "cpu"), feedback)
    assert asked == ["--no-deps", "--no-deps", "torch==2.13.0+cpu", "cuda", "--no-deps"]
    assert "no cpu build of PyTorch (torch==2.13.0+cpu)" in feedback.textLog()
    assert "several gigabytes larger" in feedback.textLog()
