"""The page that tells what the compute environment is, and whether it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from soil_cnn_plugin.engine.reports.page import write_page


@dataclass(frozen=True)
class Library:
    """`version` is empty when it is not there; `remark` is empty when all is right."""

    name: str
    version: str
    tested: str
    is_usable: bool
    remark: str


@dataclass(frozen=True)
class Trial:
    name: str
    passed: bool
    words: str
    seconds: float


def write_environment_page(
    path: str, device: str, computer: Mapping[str, str], libraries: Sequence[Library], trials: Sequence[Trial]
) -> None:
    """Writes one HTML file that needs nothing else."""
    write_page(
        path,
        "environment",
        is_well=all(library.is_usable for library in libraries) and all(trial.passed for trial in trials),
        device=device,
        computer=computer,
        libraries=libraries,
        trials=trials,
    )
