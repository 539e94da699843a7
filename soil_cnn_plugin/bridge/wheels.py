"""A folder of wheels that the set-up takes instead of the package index: what `make bundle` writes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from ..contract.language import tr
from .errors import WorkerFailed

_TORCH = re.compile(r"torch-(?P<version>[0-9.]+)(?:\+(?P<local>\w+))?-cp3(?P<minor>\d+)-cp3\d+-(?P<platform>.+)\.whl")


@dataclass(frozen=True)
class Wheels:
    """A folder with a wheel of PyTorch for a Python 3.x (`minors`), and of the other packages."""

    folder: Path
    version: str
    local_version: str
    minors: tuple[int, ...]
    platform: str

    @property
    def build(self) -> str:
        """Return cpu or cuda, as the name of the file tells."""
        if self.local_version:
            return "cpu" if self.local_version == "cpu" else "cuda"
        return "cuda" if "linux" in self.platform else "cpu"

    @property
    def options(self) -> list[str]:
        """Return the options that keep pip to this folder."""
        return ["--no-index", "--find-links", str(self.folder)]

    def find(self, package: str) -> Optional[Path]:
        """Return the newest wheel of a package; None if there is none."""
        return max(self.folder.glob(f"{package}-*.whl"), default=None)


def read_wheels(folder: Path) -> Wheels:
    """Return what lies in a folder; raise WorkerFailed if PyTorch does not."""
    found = [match for path in sorted(folder.glob("torch-*.whl")) if (match := _TORCH.fullmatch(path.name))]
    if not found:
        raise WorkerFailed(
            tr(
                "{} holds no wheel of PyTorch. WHEELS must be a folder that `make bundle` has written on a"
                " computer with access to the internet."
            ).format(folder)
        )
    first = found[0]
    minors = tuple(sorted({int(match["minor"]) for match in found}))
    return Wheels(folder, first["version"], first["local"] or "", minors, first["platform"])
