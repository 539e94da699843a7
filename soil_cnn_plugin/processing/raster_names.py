"""Names of covariates, taken from the raster's file, so that a name is the same in any project and without one."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Optional

_SUBDATASET = re.compile(
    r'^[A-Za-z0-9_]{2,}:(?:[A-Z0-9_]+:(?="))?"?(?P<path>(?:[A-Za-z]:[\\/])?[^":]+)"?:(?P<layer>(?!//[^/]*\.).+)$'
)
_PAGE = re.compile(r"^[A-Z0-9_]{2,}:(?P<number>\d+):(?P<path>.+)$")  # GTIFF_DIR:2:/data/dem.tif
_SELECTION = re.compile(r"^vrt://(?P<path>[^?]+)(?:\?(?P<options>.*))?$")
_SERVER = re.compile(r"^(/vsi\w+/)*https?://|^/vsi(curl|s3|gs|az|adls|oss|swift|hdfs)", re.I)
_TELLS_NOTHING = re.compile(r"^Band\d+$")


def raster_name(source: str) -> str:
    """Return the name of a GDAL source: the file's name without its extension, or the name of the subdataset in it."""
    source = source.split("|option:")[0]
    selection = _SELECTION.match(source)
    if selection:
        return raster_name(selection["path"])
    page = _PAGE.match(source)
    if page:
        return f"{_stem(page['path'])}_{page['number']}"
    subdataset = None if _SERVER.match(source) else _SUBDATASET.match(source)
    if subdataset is None:
        return _stem(source)
    layer = subdataset["layer"].strip("/")
    return f"{_stem(subdataset['path'])}_{layer}" if _TELLS_NOTHING.match(layer) else layer


def chosen_bands(source: str) -> Optional[list[int]]:
    """Return the band numbers that `vrt://file.tif?bands=4,2` selects from the file; None for other sources."""
    selection = _SELECTION.match(source)
    options = (
        dict(option.partition("=")[::2] for option in (selection["options"] or "").split("&")) if selection else {}
    )
    numbers = options.get("bands", "").split(",")
    return [int(number) for number in numbers] if all(number.isdigit() for number in numbers) else None


def _stem(path: str) -> str:
    if _SERVER.match(path):
        path = path.split("?")[0]
    place = PurePath(path)
    if place.suffix.lower() == ".gz":
        place = place.with_suffix("")
    return place.parent.name if place.suffix.lower() == ".adf" else place.stem  # an ESRI grid is a folder
