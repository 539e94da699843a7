"""Fetches what a computer lacks to build an environment: pip, and by means of uv a whole Python."""

from __future__ import annotations

import platform
import shutil
import stat
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from ..contract.language import tr
from ..contract.requirements import read_lock
from ..paths import LOCKS
from .commands import Commands, Ended
from .errors import WorkerFailed
from .pip import Pip, cause_in_words
from .systems import this_machine
from .wheels import Wheels

DEBIANS_PIP = "python3-pip-whl"


@dataclass
class ToolBox:
    """Fetches tools with the pip of any Python that was `seen`, whatever its version, into `folder`.

    `wheels` holds them, if nothing may come from the internet.
    """

    commands: Commands
    folder: Path
    seen: Sequence[tuple[Path, dict[str, Any]]]
    wheels: Optional[Wheels] = None

    def pip_wheel(self) -> Path:
        """Return a wheel of pip: of the user's folder, of a Python on this computer, or fetched."""
        found = self.wheels.find("pip") if self.wheels else None
        if found:
            return found
        for _, facts in self.seen:
            if facts["pip_wheel"]:
                return Path(facts["pip_wheel"])
        if any(facts["pip"] for _, facts in self.seen):
            return self._fetch("pip")
        return self._of_debian()

    def python(self, minor: int) -> Path:
        """Fetch uv, and with it a Python 3.`minor`; return its interpreter. Raise WorkerFailed if that fails."""
        home = self.folder / "python"
        found = _interpreter(home, minor)
        if found:
            return found
        mirror = self.wheels.folder / "python" if self.wheels else None
        if mirror and not mirror.is_dir():
            raise WorkerFailed(tr("{} holds no Python either, and nothing is downloaded.").format(self.wheels.folder))
        uv = self._uv()
        options = ["--no-bin", "--no-config", "--no-progress", "--system-certs", "--install-dir", str(home)]
        if sys.platform == "win32":
            options.append("--no-registry")
        if mirror:
            options += ["--mirror", mirror.as_uri()]
        self.commands.feedback.pushInfo(tr("Fetching Python 3.{} with {}").format(minor, uv.parent.name))
        ended = self._run([str(uv), "python", "install", _wanted(minor), *options])
        shutil.rmtree(uv.parent, ignore_errors=True)
        found = _interpreter(home, minor)
        if ended.code != 0 or found is None:
            raise _failure(tr("uv could not fetch a Python."), ended)
        return found

    def _uv(self) -> Path:
        """Return uv, out of its wheel."""
        wheel = self.wheels.find("uv") if self.wheels else None
        wheel = wheel or self._fetch("uv")
        name = "uv.exe" if sys.platform == "win32" else "uv"
        target = self.folder / f"uv {wheel.name.split('-')[1]}" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(wheel) as archive:
            member = next(each for each in archive.namelist() if each.endswith(f"/scripts/{name}"))
            target.write_bytes(archive.read(member))
        target.chmod(target.stat().st_mode | stat.S_IXUSR)
        return target

    def _fetch(self, package: str) -> Path:
        """Download the locked version of a tool, whose hash pip compares."""
        scratch = self._scratch()
        locked = next(
            item for item in read_lock((LOCKS / "tools.txt").read_text(encoding="utf-8")) if item.name == package
        )
        wanted = scratch / f"{package}.txt"
        wanted.write_text(locked.text, encoding="utf-8")
        options = ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
        index = self.wheels.options if self.wheels else []
        ended = self._pip().run("download", [*options, *index, "--dest", str(scratch), "-r", str(wanted)])
        found = max(scratch.glob(f"{package}-*.whl"), default=None)
        if ended.code != 0 or found is None:
            raise _failure(tr("{} could not be fetched.").format(package), ended)
        return found

    def _pip(self) -> Pip:
        """Return a pip that can reach an index. Its Python may be too old for the engine."""
        able = [(python, facts) for python, facts in self.seen if not facts["missing"].get("ssl")]
        for python, facts in able:
            if facts["pip"]:
                return Pip(self.commands, python, facts)
        if not able:
            raise WorkerFailed(tr("There is no Python that can fetch packages."))
        return Pip(self.commands, *able[0], self.pip_wheel())

    def _of_debian(self) -> Path:
        """Fetch Debian's or Ubuntu's own wheel of pip, which python3-venv would bring; apt checks its signature.

        Lists of packages of its own let apt do so without the administrator, and where the system has none.
        """
        scratch = self._scratch()
        if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
            raise WorkerFailed(tr("There is no pip on this computer to fetch packages with."))
        own = ["-o", f"Dir::State::Lists={scratch / 'lists'}", "-o", f"Dir::Cache={scratch / 'cache'}"]
        download = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", DEBIANS_PIP]
        ended = self._run(download, scratch)
        if ended.code != 0:
            (scratch / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            self._run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", *own, "update"], scratch)
            ended = self._run([*download[:-2], *own, *download[-2:]], scratch)
        package = max(scratch.glob(f"{DEBIANS_PIP}_*.deb"), default=None)
        if package:
            self._run(["dpkg-deb", "-x", str(package), str(scratch / "deb")], scratch)
        found = max(scratch.glob("deb/usr/share/python-wheels/pip-*.whl"), default=None)
        if found is None:
            raise WorkerFailed(tr("pip could not be fetched with apt-get ({}).").format(ended.last_line))
        return found

    def _run(self, command: list[str], place: Optional[Path] = None) -> Ended:
        return self.commands.run(command, self.seen[0][0], place)

    def _scratch(self) -> Path:
        folder = self.commands.folder / "tools"
        folder.mkdir(exist_ok=True)
        return folder


def _failure(what: str, ended: Ended) -> WorkerFailed:
    cause = cause_in_words(ended.text)
    return WorkerFailed(f"{what}{' ' if cause else ''}{cause}\n{ended.text}")


def _wanted(minor: int) -> str:
    """Return uv's name of the Python: the native one on a Mac, that for x86-64 on Windows even where it runs on ARM."""
    if sys.platform == "darwin":
        return f"cpython-3.{minor}-macos-{'aarch64' if this_machine()[1] == 'arm64' else platform.machine()}"
    return f"cpython-3.{minor}-windows-x86_64" if sys.platform == "win32" else f"3.{minor}"


def _interpreter(home: Path, minor: int) -> Optional[Path]:
    """Return the interpreter among the Pythons that uv keeps in a folder."""
    name = "python.exe" if sys.platform == "win32" else f"bin/python3.{minor}"
    return max(home.glob(f"cpython-3.{minor}*/{name}"), default=None)
