"""Fills an environment for the set-up: a virtual environment and its packages, with progress and a log file."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from qgis.core import QgsApplication, QgsProcessingFeedback

from .child import Child
from .download_progress import DownloadProgress
from .environment import clean_variables, python_in, requirements
from .errors import Cancelled, WorkerFailed
from .network import network_variables
from .pulse import Pulse
from .torch_builds import Source

GUARD = Path(__file__).with_name("guard.py")
SHOWN_LINES = 25  # of pip's output, if it fails
EXPECTED_MEGABYTES = {"cpu": 440, "cuda": 2900}
"""What pip downloads, about, for each build of PyTorch."""


def log_path() -> Path:
    """Return the file with all lines of the last set-up, in QGIS's profile: it outlives a set-up that fails."""
    return Path(QgsApplication.qgisSettingsDirPath()) / "soil-cnn" / "set-up.log"


def start_log() -> Path:
    """Empty the log file, and return its path."""
    path = log_path()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    except OSError as error:
        raise WorkerFailed(f"The log file {path} cannot be written: {error.strerror or error}.") from error
    return path


@dataclass
class Installation:
    """Builds the environment in `folder` and installs packages into it with pip."""

    folder: Path
    build_name: str
    feedback: QgsProcessingFeedback
    pulse: Pulse
    variables: dict[str, str] = field(default_factory=dict)

    def make_venv(self, base: Path) -> None:
        code, lines = self._run([str(base), "-m", "venv", str(self.folder)], base, self.folder.parent)
        if code == 0:
            return
        text = "\n".join(lines)
        if "ensurepip" in text or "No module named venv" in text:
            raise WorkerFailed(
                f"{base} cannot build virtual environments. On Debian and Ubuntu they need a separate package. Install"
                ' it ("sudo apt install python3-venv") and run this again.'
            )
        raise WorkerFailed(f"{base} could not build a virtual environment (exit code {code}):\n{text}")

    def install_packages(self, source: Source, requirements_file: Path) -> None:
        """Install PyTorch from its source, then everything else."""
        downloads = self.folder / "downloads"  # on the disk that has room, and where growing files can be seen
        downloads.mkdir()
        self.variables = {
            **network_variables(self.folder, self.feedback),
            **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(downloads)),
        }
        packages = next(path for path in self.folder.rglob("site-packages") if path.is_dir())
        expected = EXPECTED_MEGABYTES[self.build_name]
        progress = DownloadProgress(downloads, packages, expected, self.feedback, self.pulse)
        self._install_torch(source, progress)
        self.feedback.pushInfo("Installing the other packages")
        self._install(["-r", str(requirements_file)], "", progress)
        shutil.rmtree(downloads, ignore_errors=True)

    def _install_torch(self, source: Source, progress: DownloadProgress) -> None:
        pin = next(f"{item.name}=={item.version}" for item in requirements() if item.name == "torch")
        self.feedback.pushInfo(f"Installing PyTorch ({pin}, {source.build})")
        if source.local_version:
            try:
                self._install([f"{pin}+{source.local_version}"], source.index, progress)
                return
            except NotPublished:
                self.feedback.pushWarning(
                    f"The package index has no {source.build} build of PyTorch ({pin}+{source.local_version}). Its"
                    " default build is installed instead. It also works without a graphics card, but on Linux it is"
                    " several gigabytes larger."
                )
        self._install([pin], "", progress)

    def _install(self, what: Sequence[str], index: str, progress: DownloadProgress) -> None:
        python = python_in(self.folder)
        extra = ["--extra-index-url", index] if index else []
        progress.begin()
        pip = [str(python), "-m", "pip", "install", "--no-input", "--progress-bar", "off", *extra, *what]
        code, lines = self._run(pip, python, self.folder, progress)
        if code == 0:
            return
        text = "\n".join(lines)
        if "No space left" in text or "not enough space" in text:
            raise WorkerFailed(f"The disk of {self.folder.parent} is full. Free some space or choose another FOLDER.")
        cause = cause_in_words(text)
        is_missing = "No matching distribution" in text or "no version of" in text
        kind = NotPublished if is_missing and not cause else InstallFailed  # offline, pip finds no distribution either
        raise kind(
            f"Installing failed (exit code {code}). {cause}\npip's output ends with the lines below; all of it is in"
            f" {log_path()}.\n{text}"
        )

    def _run(
        self, command: list[str], python: Path, folder: Path, progress: Optional[DownloadProgress] = None
    ) -> tuple[Optional[int], list[str]]:
        """Run a command and log its lines; return the exit code and the last lines. May raise Cancelled.

        If QGIS ends meanwhile, the half-built environment is removed.
        """
        lines: list[str] = []
        guarded = [str(python), "-I", str(GUARD), str(self.folder), *command]
        variables = {**clean_variables(python, os.environ), **self.variables}
        with log_path().open("a", encoding="utf-8") as log:
            with Child(guarded, variables, folder, subprocess.STDOUT, is_watching=True) as child:
                while not child.output_ended:
                    if self.feedback.isCanceled():
                        raise Cancelled
                    self.pulse.beat()
                    line = child.next_line()
                    if progress is not None:
                        progress.look(line)
                    if line:
                        log.write(f"{line}\n")
                        log.flush()
                        lines = [*lines, line][-SHOWN_LINES:]
                return child.wait(30), lines


class InstallFailed(WorkerFailed):
    """pip ended with an error."""


class NotPublished(InstallFailed):
    """The index does not have this version."""


_UNREACHABLE = (
    "The package index cannot be reached. Check the connection, and the proxy in Settings > Options > Network."
)
_CAUSES = {  # what pip's output holds -> what it means
    "ProxyError": "The proxy refused the connection. Check it in Settings > Options > Network.",
    "CERTIFICATE_VERIFY_FAILED": "The server's certificate is not trusted. If your organization inspects its traffic,"
    " add its authority in Settings > Options > Authentication > Manage Certificates.",
    "NewConnectionError": _UNREACHABLE,
    "NameResolutionError": _UNREACHABLE,
    "ConnectTimeoutError": _UNREACHABLE,
    "ReadTimeoutError": _UNREACHABLE,
}


def cause_in_words(text: str) -> str:
    """Return what pip's output means for the connection; empty if the connection is not the cause."""
    return next((meaning for sign, meaning in _CAUSES.items() if sign in text), "")
