"""What all jobs share: outputs, covariates, and the rules that several jobs have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

DEVICES = ("auto", "cuda", "mps", "cpu")


class JobError(ValueError):
    """A job that cannot be done as it is asked; the message says which value is wrong and what to write instead."""


@dataclass(frozen=True)
class Covariate:
    """One band of one raster.

    `kind`: `continuous`, `categorical` (class codes) or `directional` (continuous, and its meaning depends on the
    compass: aspect, northness, hillshade). `nodata` holds further ranges (lowest, highest; both included) of values
    that the user marked as missing; `use_file_nodata` False means that the file's own nodata value is data. `labels`
    are names of class codes that the user gave; others stand in the file.
    """

    path: str
    name: str
    band: int = 1
    kind: str = "continuous"
    unit: str = ""
    nodata: tuple[tuple[float, float], ...] = ()
    use_file_nodata: bool = True
    labels: tuple[tuple[int, str], ...] = ()

    KINDS: ClassVar[tuple[str, ...]] = ("continuous", "categorical", "directional")

    def __post_init__(self) -> None:
        one_of("kind of covariate", self.kind, self.KINDS)


@dataclass(frozen=True)
class Job:
    """What all jobs share."""

    OUTPUTS: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that hold paths to be written."""

    def output_paths(self) -> dict[str, str]:
        """Output name -> path, of those that are wanted."""
        return {name: path for name in self.OUTPUTS if (path := getattr(self, name))}


def one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise JobError(f"The {what} is {value!r}; it must be one of: {', '.join(choices)}.")


def check_extent(extent: tuple[float, float, float, float] | None) -> None:
    if extent is None:
        return
    west, south, east, north = extent
    if not (west < east and south < north):
        raise JobError(f"The extent {extent} is empty: west must be below east and south below north.")


def check_folds(folds: int) -> None:
    if folds < 2:
        raise JobError(f"{folds} folds are asked for; at least 2 are needed, one to hold out and one to train on.")


def no_twins(what: str, names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise JobError(
            f"More than one {what} has the name {', '.join(map(repr, twins))}. Names must differ: rename or remove one."
        )
