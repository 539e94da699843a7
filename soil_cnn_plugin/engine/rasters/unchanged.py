"""Checks that the files that numbers were read from are still the same.

GDAL reads zeros from files of some formats that have lost their end, and nobody sees in a map that a covariate was
another one when its network was trained.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass

import rasterio

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.footprint import GDAL_ERRORS

FINGERPRINTS = "covariate fingerprints"
"""Key in the provenance of patch and network files, under which they keep the `fingerprints` of the covariates."""
_UNKNOWN = "-"
_READ_WHOLE = 2**22  # bytes
_SAMPLES, _SAMPLE = 32, 2**16
_BESIDE = (".aux.xml", ".ovr")  # QGIS writes them when a layer is only looked at
_VIRTUAL = re.compile(r"^vrt://([^?]+)")
_ARCHIVE = re.compile(r"^(/vsi(zip|tar|gzip|7z|rar)/)+")


@dataclass(frozen=True)
class FileStates:
    """The states of files: file -> size and time of the last change, None for what is not a local file."""

    states: dict[str, tuple[int, int] | None]

    @classmethod
    def of(cls, paths: Iterable[str]) -> FileStates:
        """Return the states of all files that the rasters' numbers come from."""
        files = dict.fromkeys(file for path in dict.fromkeys(paths) for file in files_behind(path))
        return cls({file: _state(file) for file in files})

    def check(self, what_is_lost: str = tr("Nothing is written.")) -> None:
        """Raise EngineError when a file has changed since, or is gone."""
        for path, before in self.states.items():
            now = _state(path)
            if before is not None and now is None:
                raise EngineError(
                    tr(
                        "{} was removed while it was read, or its drive does not answer, so that what was read"
                        " of it may be wrong. {} Put it back and run again."
                    ).format(path, what_is_lost)
                )
            if before is not None and now != before:
                raise EngineError(
                    tr(
                        "{} was changed while it was read, so that what was read of it may be wrong. {} See to"
                        " it that no other program writes the file, and run again."
                    ).format(path, what_is_lost)
                )


def files_behind(path: str) -> list[str]:
    """Return the path, or the files it leads to: archive, sources of a virtual raster and theirs, parts of a format."""
    found: dict[str, None] = {}
    waiting = [path]
    while waiting:
        each = waiting.pop()
        files = [each] if os.path.isfile(each) else []
        try:
            with rasterio.open(each) as dataset:
                files += dataset.files
        except GDAL_ERRORS:
            pass  # whoever reads it says so
        virtual = _VIRTUAL.match(each)
        files += [virtual[1]] if virtual else []
        for file in map(_on_disk, files):
            if file not in found and not file.endswith(_BESIDE):
                found[file] = None
                if file != each and _describes_others(file):
                    waiting.append(file)
    return list(found) or [path]


def fingerprints(paths: Iterable[str]) -> str:
    """Return a fingerprint of each different path, in order, which changes when its raster changes.

    It is `-` where no file on this computer holds the raster.
    """
    return " ".join(map(_fingerprint, dict.fromkeys(paths)))


def changed(before: str, paths: Iterable[str], among: Container[str]) -> list[str]:
    """Return those `among` the paths that are not as they were when `fingerprints` looked at all paths."""
    places = list(dict.fromkeys(paths))
    known = before.split()
    if len(known) != len(places):
        return []
    return [
        path
        for path, former in zip(places, known)
        if path in among and former != _UNKNOWN and former != _fingerprint(path)
    ]


def _fingerprint(path: str) -> str:
    digest, is_known = hashlib.sha256(), False
    for file in files_behind(path):
        state = _state(file)
        if state is None:
            continue
        is_known = True
        digest.update(f"{os.path.basename(file)} {state[0]}".encode("utf-8", "replace"))
        try:
            with open(file, "rb") as content:
                if state[0] <= _READ_WHOLE:
                    digest.update(content.read())
                    continue
                digest.update(str(state[1]).encode())
                for number in range(_SAMPLES):
                    content.seek((state[0] - _SAMPLE) * number // (_SAMPLES - 1))
                    digest.update(content.read(_SAMPLE))
        except OSError:
            return _UNKNOWN
    return digest.hexdigest()[:12] if is_known else _UNKNOWN


def _on_disk(file: str) -> str:
    """Return the archive that holds the file, or the file where none does."""
    inner = _ARCHIVE.sub("", file)
    while inner != file and inner not in ("", "/") and not os.path.isfile(inner):
        inner = os.path.dirname(inner)
    return inner if os.path.isfile(inner) else file


def _describes_others(file: str) -> bool:
    try:
        with open(file, "rb") as content:
            return content.read(64).lstrip().startswith(b"<VRTDataset")
    except OSError:
        return False


def _state(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except (OSError, ValueError):  # an address, or a file in an archive
        return None
    return found.st_size, found.st_mtime_ns
