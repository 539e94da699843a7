"""Names of covariates, taken from the raster's file, so that a name is the same in any project and without one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Optional

_SUBDATASET = re.compile(
    r'^[A-Za-z0-9_]{2,}:(?:[A-Z0-9_]+:(?="))?"?(?P<path>(?:[A-Za-z]:[\\/])?[^":]+)"?:(?P<layer>(?!//[^/]*\.).+)$'
)
_PAGE = re.compile(r"^[A-Z0-9_]{2,}:(?P<number>\d+):(?P<path>.+)$")  # GTIFF_DIR:2:/data/dem.tif
_SELECTION = re.compile(r"^vrt://(?P<path>[^?]+)(?:\?(?P<options>.*))?$")
_SERVER = re.compile(r"^(/vsi\w+/)*https?://|^/vsi(curl|s3|gs|az|adls|oss|swift|hdfs)", re.I)
_TELLS_NOTHING = re.compile(r"^Band\d+$")
_NO_EXTENSION = re.compile(r"^\.\d+$")  # of NDVI_2020.05, which ends with its month


def raster_name(source: str) -> str:
    """Return the name of a GDAL source: the file's name without its extension, or the name of the subdataset in it."""
    source = source.split("|option:")[0]
    selection = _SELECTION.match(source)
    if selection:
        return raster_name(selection["path"])
    page = _PAGE.match(source)
    if page:
        return f"{_stem(page['path'])}_{page['number']}"
    subdataset = _subdataset(source)
    if subdataset is None:
        return _stem(source)
    layer = subdataset["layer"].strip("/")
    return f"{_stem(subdataset['path'])}_{layer}" if _TELLS_NOTHING.match(layer) else layer


def tell_apart(sources: Sequence[str]) -> dict[str, str]:
    """Source -> name, for different sources of which some have one name: it gets before it the file that holds the
    part, or the nearest folders, that tell them apart, and behind it the extension where only that does."""
    names = {source: raster_name(source) for source in sources}
    for name in set(names.values()):
        alike = [source for source in names if names[source] == name]
        if len(alike) > 1:
            names.update(zip(alike, _qualified(name, alike)))
    return names


def _qualified(name: str, sources: Sequence[str]) -> list[str]:
    marks = [_marks(source) for source in sources]
    extensions = [PurePath(_file(source)).suffix.lstrip(".") for source in sources]
    found = [name] * len(sources)
    for level in range(max(map(len, marks))):
        of_level = [each[level] if level < len(each) else "" for each in marks]
        if len(set(found)) < len(found) and len(set(of_level)) > 1:
            found = [f"{mark}_{own}" if mark else own for mark, own in zip(of_level, found)]
    if len(set(found)) < len(found):
        found = [f"{own}_{extension}" if extension else own for own, extension in zip(found, extensions)]
    return found


def _marks(source: str) -> list[str]:
    """What stands around a raster's name, the nearest first: the file that holds it as a part, then the folders."""
    path = _file(source)
    *folders, _ = re.split(r"[\\/]+", path)
    subdataset = _subdataset(_bare(source))
    if subdataset is not None and not _TELLS_NOTHING.match(subdataset["layer"].strip("/")):
        folders.append(_stem(path))
    elif PurePath(path).suffix.lower() == ".adf":
        folders.pop()
    return [folder.strip(":{}") for folder in reversed(folders)]


def _file(source: str) -> str:
    """The path of the file that holds the raster."""
    source = _bare(source)
    if _SERVER.match(source):
        return source.split("?")[0]
    page, subdataset = _PAGE.match(source), _subdataset(source)
    return page["path"] if page else subdataset["path"] if subdataset else source


def _bare(source: str) -> str:
    source = source.split("|option:")[0]
    selection = _SELECTION.match(source)
    return _bare(selection["path"]) if selection else source


def _subdataset(source: str) -> Optional[re.Match[str]]:
    return None if _SERVER.match(source) else _SUBDATASET.match(source)


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
    if place.suffix.lower() == ".adf":  # an ESRI grid is a folder
        return place.parent.name
    return place.name if _NO_EXTENSION.match(place.suffix) else place.stem
