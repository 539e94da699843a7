"""The paths in a stranger's file that may be opened unasked: plain files on this computer, and nothing else."""

from __future__ import annotations

import os
import re
import stat
import sys
from pathlib import Path, PurePath

_SCHEME = re.compile(r"^/vsi|^[a-z0-9_+.-]{2,}:", re.I)
"""The beginnings of GDAL's virtual file systems, and of drivers, servers and connections that a prefix names."""
_VIRTUAL_FOLDERS = ("proc", "sys", "net")
"""Folders where reading may wait for ever, or ask another computer for its files."""
_PARAMETER_FILE = re.compile(r'\b(?:PARAMETERFILE|EXTENSION)\s*\[\s*"[^"]*"\s*,\s*"([^"+][^"]*)"', re.I)
_PROJ_PARAMETER = re.compile(r"\w=\s*([^\s\"]+)")
_TILE_INDEX = re.compile(r"\.gti(\.\w+)?$", re.I)
_TELLS_OF_OTHERS = (b"<", b"{", b"[")
"""The first bytes of XML and JSON, which describe pixels elsewhere, such as virtual rasters and map services."""
_BLANKS = b"\xef\xbb\xbf \t\r\n\0"


def is_local_path(path: str) -> bool:
    """Check by its own words whether a path leads to a place on this computer; no file system is asked."""
    if sys.platform == "win32":
        drive = os.path.splitdrive(path)[0]  # `\\\\server\\share` is all drive: asking would send a password's hash
        return re.fullmatch("[A-Za-z]:", drive) is not None and os.path.isabs(path)
    if not path.startswith("/") or path.startswith("//") or "\0" in path or _SCHEME.match(path):
        return False
    return PurePath(os.path.normpath(path)).parts[1:2] not in [(folder,) for folder in _VIRTUAL_FOLDERS]


def check_crs_files(crs_wkt: str) -> None:
    """Raise ValueError when a CRS names a grid of shifts that is not a regular file: PROJ opens it to transform."""
    named = _PARAMETER_FILE.findall(crs_wkt) + _PROJ_PARAMETER.findall(crs_wkt)
    for path in (part.strip().removeprefix("@") for text in named for part in text.split(",")):
        is_place = any(separator in path for separator in "/\\:")
        if is_place and not (is_local_path(path) and (os.path.isfile(path) or not os.path.exists(path))):
            raise ValueError(f"its CRS names {path!r}, which is not a file on this computer")


def is_plain_raster(path: str) -> bool:
    """Check whether a path is that of a regular file that holds its own pixels."""
    if not is_local_path(path) or _TILE_INDEX.search(path):
        return False
    try:
        place = os.path.realpath(path, strict=True)
        if not is_local_path(place) or not stat.S_ISREG(os.stat(place).st_mode):
            return False
        with Path(place).open("rb") as file:
            return not file.read(4096).lstrip(_BLANKS).startswith(_TELLS_OF_OTHERS)
    except (OSError, ValueError):
        return False
