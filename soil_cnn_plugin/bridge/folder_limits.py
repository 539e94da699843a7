"""What a compute environment asks of its folder: room on the disk, and on Windows a path that is not too long."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Optional

from ..contract.language import tr
from .errors import WorkerFailed

GIGABYTE = 1 << 30
NEEDED_GIGABYTES = {"cpu": 3, "cuda": 10}
"""Downloaded and unpacked packages together, about, for each build of PyTorch."""
EXPECTED_MEGABYTES = {"cpu": 440, "cuda": 2900}
"""What pip downloads, about."""
LONGEST_PATH = 259
"""Characters of a path on Windows, unless its administrator allows longer ones."""
LONGEST_MEMBER = 172
"""Characters of the longest path in the packages, about: a licence in PyTorch, deep in the code of others."""


def require_space(folder: Path, build: str) -> None:
    """Raise WorkerFailed if the disk of an existing folder has no room for a build."""
    try:
        free = shutil.disk_usage(folder).free / GIGABYTE
    except OSError as error:
        raise WorkerFailed(tr("The folder {} cannot be used: {}.").format(folder, error.strerror or error)) from error
    needed = NEEDED_GIGABYTES[build]
    if free < needed:
        raise WorkerFailed(
            tr(
                "The compute environment needs about {} GB, but {} has {:.1f} GB left. Free some space or"
                " choose another FOLDER."
            ).format(needed, folder, free)
        )


def require_short_path(folder: Path, is_limited: Optional[bool] = None) -> None:
    """Raise WorkerFailed if paths in an environment would be too long for Windows, on which pip fails in the end."""
    if not (_has_limit() if is_limited is None else is_limited):
        return
    allowed = LONGEST_PATH - LONGEST_MEMBER - len(".part\\Lib\\site-packages\\")
    if len(str(folder)) > allowed:
        raise WorkerFailed(
            tr(
                "The path {} has {} characters. Windows allows {} for a whole path, so that of the compute"
                " environment may have {}. Choose a shorter FOLDER, such as C:\\soil-cnn, or let your"
                " administrator enable long paths in Windows."
            ).format(folder, len(str(folder)), LONGEST_PATH, allowed)
        )


def _has_limit() -> bool:
    """Whether this is a Windows that does not allow long paths."""
    if sys.platform == "win32":
        import winreg

        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
                return not winreg.QueryValueEx(key, "LongPathsEnabled")[0]
        except OSError:
            return True
    return False
