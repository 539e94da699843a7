"""Installs the engine's packages into a virtual environment with its pip: locked versions, with hashes compared."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Optional

from ..contract.language import tr
from ..contract.requirements import Locked, read_lock
from ..paths import LOCKS
from .commands import Commands, log_path
from .download_progress import DownloadProgress
from .environment import python_in
from .errors import WorkerFailed
from .folder_limits import EXPECTED_MEGABYTES, require_space
from .interpreters import facts_of
from .pip import Pip, cause_in_words
from .systems import System
from .torch_builds import Source
from .wheels import Wheels


@dataclass
class Installation:
    """Installs into the environment that lies in the folder of `commands`, from the index or a folder of wheels."""

    commands: Commands
    system: System
    wheels: Optional[Wheels] = None

    def install(self, source: Source) -> None:
        """Install the small packages first, so that whatever bars the way to them is met before the large download."""
        folder = self.commands.folder
        downloads = folder / "downloads"  # on the disk that has room, and where growing files can be seen
        downloads.mkdir()
        self.commands.variables.update(dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(downloads)))
        packages = next(path for path in folder.rglob("site-packages") if path.is_dir())
        expected = EXPECTED_MEGABYTES[source.build]
        progress = DownloadProgress(downloads, packages, expected, self.commands.feedback, self.commands.pulse)
        locked = read_lock((LOCKS / self.system.lock).read_text(encoding="utf-8"))
        self.commands.feedback.pushInfo(tr("Installing the small packages"))
        if not self.wheels:  # the locked pip asks the system which certificates it trusts, which older ones cannot
            tools = read_lock((LOCKS / "tools.txt").read_text(encoding="utf-8"))
            self._install_locked([item for item in tools if item.name == "pip"], progress)
        self._install_locked([item for item in locked if not item.is_of_torch], progress)
        self._install_torch(source, [item for item in locked if item.is_of_torch], progress)
        shutil.rmtree(downloads, ignore_errors=True)

    def _install_torch(self, source: Source, locked: Sequence[Locked], progress: DownloadProgress) -> None:
        """Install the build that was chosen; where it is not published, the one that the index has."""
        torch = next(item for item in locked if item.name == "torch")
        self.commands.feedback.pushInfo(tr("Installing PyTorch (torch=={}, {})").format(torch.version, source.build))
        if source.local_version:
            pin = f"torch=={torch.version}+{source.local_version}"
            try:
                # Its other packages are there already, but those of a CUDA that the lock does not know. No hash of it
                # is in the lock either: PyTorch's own index gives one.
                self._pip([pin], source.index, progress)
                return
            except NotPublished:
                self._tell_default(pin, source.build)
        self._install_locked(locked, progress)

    def _tell_default(self, pin: str, build: str) -> None:
        text = tr("The package index has no {} build of PyTorch ({}). Its default build is installed instead.").format(
            build, pin
        )
        if self.system.kind == "linux":
            text += tr(" It also works without a graphics card, but is several gigabytes larger.")
            require_space(self.commands.folder, "cuda")
        self.commands.feedback.pushWarning(text)

    def _install_locked(self, items: Sequence[Locked], progress: DownloadProgress) -> None:
        """Install exactly these packages, so that pip looks for no others, and refuse files with other hashes."""
        wanted = self.commands.folder / "packages.txt"
        wanted.write_text("\n".join(item.text for item in items) + "\n", encoding="utf-8")
        self._pip(["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(wanted)], "", progress)
        wanted.unlink()

    def _pip(self, what: Sequence[str], index: str, progress: DownloadProgress) -> None:
        python = python_in(self.commands.folder)
        where = self.wheels.options if self.wheels else ["--extra-index-url", index] if index else []
        progress.begin()
        ended = Pip(self.commands, python, facts_of(python)).run("install", [*where, *what], progress.look)
        if ended.code == 0:
            return
        text, place = ended.text, self.commands.folder.parent
        if "No space left" in text or "not enough space" in text:
            raise WorkerFailed(tr("The disk of {} is full. Free some space or choose another FOLDER.").format(place))
        cause = cause_in_words(text)
        is_missing = "No matching distribution" in text or "no version of" in text
        if is_missing and self.wheels and not what[0].startswith("torch=="):
            raise WorkerFailed(
                tr(
                    "The folder {} lacks packages for this system and Python. Write it again with `make bundle`"
                    " of this version of Soil CNN.\n{}"
                ).format(self.wheels.folder, text)
            )
        kind = NotPublished if is_missing and not cause else InstallFailed  # offline, pip finds no distribution either
        raise kind(
            tr(
                "Installing failed (exit code {}). {}\npip's output ends with the lines below; all of it is in {}.\n{}"
            ).format(str(ended.code), cause, log_path(), text)
        )


class InstallFailed(WorkerFailed):
    """pip ended with an error."""


class NotPublished(InstallFailed):
    """The index does not have this version."""
