"""What a compute environment takes: megabytes to download, gigabytes on disk, and whether there is room."""

from __future__ import annotations

import shutil
from pathlib import Path

from .errors import WorkerFailed

GIGABYTE = 1 << 30
NEEDED_GIGABYTES = {"cpu": 3, "cuda": 10}
"""Downloaded and unpacked packages together, about, for each build of PyTorch."""
EXPECTED_MEGABYTES = {"cpu": 440, "cuda": 2900}
"""What pip downloads, about."""


def require_space(folder: Path, build: str) -> None:
    """Raise WorkerFailed if the disk of an existing folder has no room for a build."""
    try:
        free = shutil.disk_usage(folder).free / GIGABYTE
    except OSError as error:
        raise WorkerFailed(f"The folder {folder} cannot be used: {error.strerror or error}.") from error
    needed = NEEDED_GIGABYTES[build]
    if free < needed:
        raise WorkerFailed(
            f"The compute environment needs about {needed} GB, but {folder} has {free:.1f} GB left. Free some space or"
            " choose another FOLDER."
        )
