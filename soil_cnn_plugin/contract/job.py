"""Common to all jobs: outputs, covariates, and the rules that several jobs share."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from .decode import is_needed
from .language import any_of, tr

DEVICES = ("auto", "cuda", "mps", "cpu")
FULL_GPU = ("processor", "wait")
"""What a job does when other programs hold the GPU's memory: compute on the processor where the device is auto, or wait
until there is room."""
RASTER_ENDINGS = ("tif", "tiff")
"""How the names of rasters that are written end: all are GeoTIFFs."""
LAYER_ENDINGS = ("gpkg",)
"""How the names of vector layers that are written end: all are GeoPackages."""
TABLE_ENDINGS = ("gpkg", "csv")
"""How the names of tables without geometry that are written end."""

_SCHEME = re.compile(r"^(?:vrt|file)://", re.I)
_BEGIN = re.compile(r"(?:[A-Za-z]:)?[\\/]")
"""Where an absolute path may begin in a longer text."""


class JobError(ValueError):
    """A job that cannot be done as requested; the message says which value is wrong and what to write instead."""


@dataclass(frozen=True)
class Covariate:
    """One band of one raster.

    `kind` is `continuous`, `categorical` (class codes) or `directional` (continuous, with a meaning that depends on
    compass direction: aspect, northness, hillshade). `nodata` holds further ranges (lowest, highest; both included) of
    values that the user marked as missing; with `use_file_nodata` False, the file's own nodata value counts as data.
    `labels` holds the user's names of class codes; the file holds the others.
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
        one_of(tr("kind of covariate"), self.kind, self.KINDS)
        for lowest, highest in self.nodata:
            if not lowest <= highest:
                problem = tr(
                    "No number lies in {:g} to {:g}, a range of missing values of {}. Put the lower limit first."
                )
                raise JobError(problem.format(lowest, highest, self.name))


@dataclass(frozen=True)
class Job:
    """Base class of all jobs."""

    OUTPUTS: ClassVar[tuple[str, ...]] = ()
    """Names of the fields that hold paths of outputs."""
    ENDINGS: ClassVar[Mapping[str, Sequence[str]]] = {}
    """How the names of files must end, for those of them that QGIS loads as layers."""

    def output_paths(self) -> dict[str, str]:
        """Return output name -> path for the outputs that are wanted."""
        return {name: path for name in self.OUTPUTS if (path := getattr(self, name))}

    def empty_outputs(self) -> list[str]:
        """Return the outputs that the job always writes, and that no path is given for."""
        needed = [each.name for each in fields(self) if is_needed(each)]
        return [name for name in self.OUTPUTS if name in needed and not getattr(self, name)]

    def input_paths(self) -> list[str]:
        """Return the files that are there already, and that a text of the job names."""
        names = [each.name for each in fields(self) if each.name not in self.OUTPUTS]
        return [path for name in names for text in _texts(getattr(self, name)) if (path := _file_of(text))]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, tuple):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, Covariate):
        yield value.path
    elif isinstance(value, str):
        yield value


def would_replace(output: str, sources: Iterable[str]) -> bool:
    """Check whether a file written at `output` would replace one that these sources of GDAL and OGR read."""
    return os.path.exists(output) and any(os.path.samefile(path, output) for path in map(_file_of, sources) if path)


def _file_of(source: str) -> str:
    """Return the file that `/a.gpkg|layername=b`, `vrt:///a.tif?bands=1` or `GTIFF_DIR:2:/a.tif` names, empty where
    there is none."""
    pieces = re.split(r'[|?"{}]', _SCHEME.sub("", source))
    ends = (source[begin.start() :] for begin in _BEGIN.finditer(source))
    return next((path for path in (source, *pieces, *ends) if os.path.isfile(path)), "")


def one_of(what: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise JobError(tr("The {} is {!r}; it must be one of: {}.").format(what, value, ", ".join(choices)))


def check_ending(name: str, path: str, endings: Sequence[str]) -> None:
    """Raise JobError for another format's extension. QGIS would read a GeoTIFF called .png; others would not."""
    if os.path.splitext(path)[1][1:].lower() not in endings:
        raise JobError(
            tr("{} cannot be written as {}. Choose a file name that ends in {}.").format(
                name, os.path.basename(path), any_of(f".{ending}" for ending in endings)
            )
        )


def check_extent(extent: tuple[float, float, float, float] | None) -> None:
    if extent is None:
        return
    west, south, east, north = extent
    if not all(map(math.isfinite, extent)):
        raise JobError(tr("The extent {} is not finite: west, south, east and north must be numbers.").format(extent))
    if not (west < east and south < north):
        raise JobError(tr("The extent {} is empty: west must be below east and south below north.").format(extent))


def check_folds(folds: int) -> None:
    if folds < 2:
        raise JobError(
            tr("{} folds are asked for, but at least 2 are needed: one to hold out and one to train on.").format(folds)
        )


def check_seed(seed: int) -> None:
    if seed < 0:
        raise JobError(tr("The seed is {}; it must be 0 or more.").format(str(seed)))


def no_twins(what: str, names: list[str]) -> None:
    twins = sorted({name for name in names if names.count(name) > 1})
    if twins:
        raise JobError(
            tr("More than one {} has the name {}. Names must differ: rename one or remove it.").format(
                what, ", ".join(map(repr, twins))
            )
        )
