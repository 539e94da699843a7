"""Trying Pythons one by one, and fetching pip or a whole Python where none serves; without any network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from qgis.core import QgsProcessingFeedback

from soil_cnn_plugin.bridge import base_python, interpreters, managed_python
from soil_cnn_plugin.bridge.base_python import BasePython
from soil_cnn_plugin.bridge.commands import Commands, Ended, start_log
from soil_cnn_plugin.bridge.errors import WorkerFailed
from soil_cnn_plugin.bridge.managed_python import ToolBox
from soil_cnn_plugin.bridge.pulse import Pulse
from soil_cnn_plugin.bridge.systems import system_of
from soil_cnn_plugin.bridge.wheels import read_wheels

REAL = Path("/usr/bin/python3")
FACTS = interpreters.facts_of(REAL)


@pytest.fixture
def commands(qgis_app, tmp_path) -> Commands:
    feedback = QgsProcessingFeedback(False)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "sign").write_text("")
    start_log()
    return Commands(tmp_path / "part", feedback, Pulse(feedback))


@pytest.fixture
def attempts(commands, tmp_path, monkeypatch):
    """Return a function that lets only these Pythons be found, and tries them; it builds nothing unless `for_real`."""

    def make(self: BasePython, python: Path, _facts: object) -> str:
        (self.commands.folder / "bin").mkdir()
        (self.commands.folder / "bin" / "python").symlink_to(python)
        return ""

    def build(*pythons: Path, for_real: bool = False, **words: object) -> str:
        monkeypatch.setattr(base_python, "places", lambda _computer: iter(pythons))
        if not for_real:
            monkeypatch.setattr(BasePython, "_make", make)
        BasePython(commands, tmp_path / "tools", **words).build()
        return commands.feedback.textLog()

    return build


def python_with(path: Path, **facts: object) -> Path:
    """Write a script that answers the probe with the facts of a real Python but these, and runs it for all else."""
    answer = json.dumps({**FACTS, **facts})
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *probe.py) echo \'soilcnn-probe {answer}\';; *) exec {REAL} "$@";; esac\n'
    )
    path.chmod(0o755)
    return path


def test_each_python_that_does_not_serve_is_told_in_a_line_and_the_next_one_is_tried(attempts, tmp_path) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho 'error while loading shared libraries' >&2; exit 127\n")
    broken.chmod(0o755)
    log = attempts(
        broken,
        python_with(tmp_path / "old", python=[3, 9, 5]),
        python_with(tmp_path / "new", python=[3, 15, 0]),
        python_with(tmp_path / "narrow", bits=32, machine="x86"),
        python_with(tmp_path / "pypy", implementation="pypy"),
        python_with(tmp_path / "free", is_free_threaded=True),
        python_with(tmp_path / "no_ssl", missing={"ssl": "ImportError: DLL load failed while importing _ssl"}),
        REAL,
    )
    lines = [line for line in log.splitlines() if line.startswith("Tried")]
    assert [line.split(": ")[0].rsplit("/")[-1] for line in lines] == (
        ["broken", "old", "new", "narrow", "pypy", "free", "no_ssl", "python3"]
    )
    for line, words in zip(
        lines,
        (
            "does not run",
            "it is Python 3.9, and the packages are for 3.11, 3.12, 3.13 or 3.14",
            "it is Python 3.15",
            "built for x86 (32 bits), and PyTorch is not",
            "it is pypy",
            "free-threaded",
            "it lacks ssl (ImportError: DLL load failed while importing _ssl)",
            "it works",
        ),
    ):
        assert words in line
    assert (tmp_path / "part" / "bin" / "python").is_file()


def test_a_python_whose_environment_lacks_ssl_is_left_for_the_next(attempts, tmp_path, monkeypatch) -> None:
    """Such is OSGeo4W's: its ssl works only with QGIS's folders on the path, which the engine does not have."""
    osgeo, built = python_with(tmp_path / "osgeo"), []

    def facts(python: Path) -> dict[str, object]:
        if python != tmp_path / "part" / "bin" / "python":
            return interpreters.facts_of(python)
        built.append(python)
        return {**FACTS, "pip": "25.0", "missing": {"ssl": "ImportError: DLL load failed"} if len(built) == 1 else {}}

    monkeypatch.setattr(base_python, "facts_of", facts)
    monkeypatch.setattr(Commands, "run", lambda *_: Ended(0, []))
    log = attempts(osgeo, REAL, for_real=True)
    assert f"Tried {osgeo}: the environment built from it lacks ssl (ImportError: DLL load failed)." in log
    assert f"Tried {REAL}: it works" in log


def test_a_python_that_cannot_build_environments_is_left_and_leaves_nothing(attempts, commands, tmp_path) -> None:
    bad = python_with(tmp_path / "bad")
    text = bad.read_text().replace("*probe.py)", '*"-m venv"*) mkdir -p "$4/junk"; echo no room; exit 3;; *probe.py)')
    bad.write_text(text)
    log = attempts(bad, REAL, for_real=True)
    assert "it cannot build virtual environments (no room)" in log
    assert not (commands.folder / "junk").exists() and (commands.folder / "sign").is_file()


def test_the_users_own_python_comes_first(attempts, tmp_path) -> None:
    log = attempts(python_with(tmp_path / "found"), own=python_with(tmp_path / "own"))
    assert f"Tried {tmp_path / 'own'}: it works" in log and "found" not in log


def test_pip_is_taken_from_another_python_where_debian_left_it_out(attempts, commands, tmp_path) -> None:
    wheel = pip_wheel(tmp_path)
    other = python_with(tmp_path / "other", python=[3, 9, 5], pip_wheel=str(wheel))
    log = attempts(other, python_with(tmp_path / "bare", has_ensurepip=False, pip="", pip_wheel=""), for_real=True)
    assert f"comes without pip, so it is taken from {wheel.name}" in log
    python = commands.folder / "bin" / "python"
    assert subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0


def test_debians_own_wheel_of_pip_is_fetched_with_apt_where_there_is_no_other(commands, tmp_path, monkeypatch) -> None:
    """The first call finds no lists of packages, so apt reads them into a folder of the set-up."""
    calls = []

    def run(_self: Commands, command: list[str], *_: object) -> Ended:
        calls.append(command)
        scratch = commands.folder / "tools"
        if "download" in command and any("Dir::State::Lists" in word for word in command):
            (scratch / "python3-pip-whl_23_all.deb").write_text("")
            return Ended(0, [])
        if command[0] == "dpkg-deb":
            (scratch / "deb/usr/share/python-wheels").mkdir(parents=True)
            (scratch / "deb/usr/share/python-wheels/pip-23-py3-none-any.whl").write_text("")
            return Ended(0, [])
        return Ended(0 if "update" in command else 100, ["E: No packages found"])

    monkeypatch.setattr(Commands, "run", run)
    monkeypatch.setattr(managed_python.shutil, "which", lambda name: f"/usr/bin/{name}")
    box = ToolBox(commands, tmp_path, [(REAL, {**FACTS, "pip": "", "pip_wheel": ""})])
    assert box.pip_wheel().name == "pip-23-py3-none-any.whl"
    assert [next(word for word in ("download", "update", "-x") if word in call) for call in calls] == (
        ["download", "update", "download", "-x"]
    )


@pytest.fixture
def offline(tmp_path, monkeypatch) -> Path:
    """A folder of wheels for Python 3.12 with a uv that fetches a Python: the real one under another number."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    (folder / "torch-2.13.0+cpu-cp312-cp312-manylinux_2_28_x86_64.whl").write_text("")
    shutil.copy(pip_wheel(tmp_path), folder)
    script = (
        "#!/bin/sh\n"
        'echo "$@" > "$(dirname "$0")/../asked"\n'
        'for word; do [ "$last" = --install-dir ] && home=$word; last=$word; done\n'
        f'mkdir -p "$home/cpython-3.12.9-linux/bin"; cp {python_with(tmp_path / "fetched", python=[3, 12, 9])}'
        ' "$home/cpython-3.12.9-linux/bin/python3.12"\n'
    )
    (folder / "python").mkdir()
    with zipfile.ZipFile(folder / "uv-0.13.9-py3-none-manylinux_2_17_x86_64.whl", "w") as archive:
        archive.writestr("uv-0.13.9.data/scripts/uv", script)
    return folder


def test_uv_fetches_a_python_where_none_serves(attempts, offline, tmp_path) -> None:
    log = attempts(python_with(tmp_path / "old", python=[3, 10, 2]), wheels=read_wheels(offline))
    assert "it is Python 3.10, and the packages are for 3.12." in log
    assert "No Python on this computer is suitable, so uv will provide one." in log
    assert "cpython-3.12.9-linux/bin/python3.12: it works" in log
    asked = (tmp_path / "tools" / "asked").read_text()
    assert asked.startswith("python install 3.12 --no-bin --no-config")
    assert asked.strip().endswith(f"--mirror {(offline / 'python').as_uri()}")
    assert sorted(os.listdir(tmp_path / "tools")) == ["asked", "python"]  # and no uv stays


def test_with_a_folder_of_packages_nothing_is_downloaded(attempts, offline, tmp_path) -> None:
    (offline / "python").rmdir()
    with pytest.raises(WorkerFailed, match=r"holds no Python either(?s:.*)Install Python 3\.12 .*make bundle"):
        attempts(python_with(tmp_path / "old", python=[3, 10, 2]), wheels=read_wheels(offline))
    assert not (tmp_path / "tools" / "asked").exists()


def test_the_python_that_uv_fetched_before_is_taken_again(commands, offline, tmp_path) -> None:
    box = ToolBox(commands, tmp_path / "tools", [(REAL, FACTS)], read_wheels(offline))
    first = box.python(12)
    (tmp_path / "tools" / "asked").unlink()
    assert box.python(12) == first and not (tmp_path / "tools" / "asked").exists()


def test_a_uv_with_another_hash_is_refused(commands, tmp_path, monkeypatch) -> None:
    """pip compares the hash in the lock with that of the file that the index gives."""
    index = tmp_path / "index"
    index.mkdir()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("uv-0.13.9.dist-info/METADATA", "Metadata-Version: 2.1\nName: uv\nVersion: 0.13.9\n")
        archive.writestr("uv-0.13.9.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("uv-0.13.9.data/scripts/uv", "evil")
    (index / "uv-0.13.9-py3-none-any.whl").write_bytes(content.getvalue())
    commands.variables.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(index), PIP_CONFIG_FILE=os.devnull)
    pip = Path(sys.executable)
    with pytest.raises(WorkerFailed, match="DO NOT MATCH THE HASHES"):
        ToolBox(commands, tmp_path / "tools", [(pip, interpreters.facts_of(pip))]).python(13)
    assert not (tmp_path / "tools").exists()
    assert hashlib.sha256(content.getvalue()).hexdigest() not in (managed_python.LOCKS / "tools.txt").read_text()


@pytest.mark.parametrize(("kind", "release", "minor"), [("macos", (13, 6), 12), ("linux", (2, 17), 13)])
def test_uv_is_asked_for_a_python_that_the_system_has_packages_for(
    attempts, tmp_path, monkeypatch, kind, release, minor
) -> None:
    asked = []
    machine = "arm64" if kind == "macos" else "x86_64"
    monkeypatch.setattr(base_python, "this_system", lambda: system_of(kind, machine, release))
    monkeypatch.setattr(ToolBox, "python", lambda _box, minor: asked.append(minor) or REAL)
    attempts(python_with(tmp_path / "old", python=[3, 10, 2]))
    assert asked == [minor]


def test_if_nothing_serves_all_attempts_and_the_remedies_are_told(attempts, tmp_path, monkeypatch) -> None:
    def fail(_box: ToolBox, _minor: int) -> Path:
        raise WorkerFailed("uv could not fetch a Python: no connection")

    monkeypatch.setattr(ToolBox, "python", fail)
    with pytest.raises(WorkerFailed) as error:
        attempts(python_with(tmp_path / "old", python=[3, 10, 2]))
    text = str(error.value)
    assert "uv could not fetch a Python: no connection" in text
    assert f"- {tmp_path / 'old'}: it is Python 3.10" in text
    assert all(way in text for way in ("python.org", "python3-venv", "BASE", "WHEELS"))


def test_a_folder_without_pytorch_is_refused(tmp_path) -> None:
    (tmp_path / "numpy-2.4.6-cp312-cp312-win_amd64.whl").write_text("")
    with pytest.raises(WorkerFailed, match="holds no wheel of PyTorch"):
        read_wheels(tmp_path)


@pytest.mark.parametrize(
    ("name", "build", "minors"),
    [
        ("torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl", "cpu", (11,)),
        ("torch-2.13.0-cp312-cp312-manylinux_2_28_x86_64.whl", "cuda", (12,)),
        ("torch-2.13.0-cp314-cp314-win_amd64.whl", "cpu", (14,)),
        ("torch-2.13.0+cu130-cp313-cp313-win_amd64.whl", "cuda", (13,)),
        ("torch-2.13.0-cp313-cp313-macosx_14_0_arm64.whl", "cpu", (13,)),
    ],
)
def test_the_name_of_pytorchs_wheel_tells_build_and_python(tmp_path, name, build, minors) -> None:
    (tmp_path / name).write_text("")
    assert (read_wheels(tmp_path).build, read_wheels(tmp_path).minors) == (build, minors)


def pip_wheel(folder: Path) -> Path:
    """Return a wheel of pip: the one that a Python with ensurepip brings."""
    found = FACTS["pip_wheel"] or interpreters.facts_of(Path(sys.executable))["pip_wheel"]
    assert found, "this computer has no wheel of pip"
    copy = folder / Path(found).name
    shutil.copy(found, copy)
    return copy
