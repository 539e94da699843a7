"""What files hold, and where two of them differ: networks, rasters, tables, patches, JSON and texts, bit by bit."""

from __future__ import annotations

import csv
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
from numpy.typing import NDArray
from safetensors import safe_open

Array = NDArray[Any]
Content = dict[str, Any]
"""Where in a file -> what stands there: an array, a number or a text."""

VARYING_TEXTS = {
    "<date>": re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?(Z|[+-]\d\d:?\d\d)?"),
    "<version>": re.compile(r"\b\d+\.\d+\.\d+[\w.+]*"),  # a number of a measurement has one point
}
VARYING_COLUMNS = ("last_change",)  # of the tables in a GeoPackage: when it was written
DERIVED_TAGS = "DERIVED_SUBDATASETS"  # GDAL makes them up when it opens a raster, of where it lies now
BOOKKEEPING = ("sqlite_", "rtree_", "gpkg_ogr_contents")  # tables of SQLite and GDAL: counts and indices of the others
"""All that may differ between two runs of one job, beside the folders that `compare_folders` is told."""


def compare_folders(
    recorded: Path, found: Path, recorded_places: Mapping[str, str], found_places: Mapping[str, str]
) -> dict[str, list[str]]:
    """File name -> where it differs, nothing where it is the same. The places are folders that occur in files -> what
    stands for them."""
    names = sorted({path.name for folder in (recorded, found) for path in folder.iterdir()})
    return {name: _compare_files(recorded / name, found / name, recorded_places, found_places) for name in names}


def _compare_files(
    recorded: Path, found: Path, recorded_places: Mapping[str, str], found_places: Mapping[str, str]
) -> list[str]:
    if not found.is_file():
        return ["the file is missing"]
    if not recorded.is_file():
        return ["the file is new"]
    one, other = (
        _with_marks(read_content(path), places) for path, places in ((recorded, recorded_places), (found, found_places))
    )
    return list(_differences(one, other))


def read_content(path: Path) -> Content:
    """All that a file holds, by where it stands."""
    reader = _READERS.get(path.suffix, _read_bytes)
    return dict(reader(path))


def _read_network(path: Path) -> Iterator[tuple[str, Any]]:
    with safe_open(path, framework="numpy") as file:
        for key, text in (file.metadata() or {}).items():
            yield from _flat(json.loads(text), key) if text.startswith(("{", "[")) else [(f"header {key}", text)]
        for name in file.keys():  # noqa: SIM118 - it has no __iter__
            yield f"tensor {name}", file.get_tensor(name)


def _read_raster(path: Path) -> Iterator[tuple[str, Any]]:
    with rasterio.open(path) as raster:
        for name, value in raster.profile.items():
            yield name, str(value)
        yield "nodata values", str(raster.nodatavals)
        for space in ("", *sorted(set(raster.tag_namespaces()) - {DERIVED_TAGS})):
            yield from ((f"tag {space} {name}", value) for name, value in raster.tags(ns=space or None).items())
        for band in raster.indexes:
            yield f"band {band}", raster.read(band)
            yield f"band {band} mask", raster.read_masks(band)
            yield f"band {band} name", raster.descriptions[band - 1] or ""
            yield f"band {band} unit", raster.units[band - 1] or ""
            yield f"band {band} colour", raster.colorinterp[band - 1].name
            yield from ((f"band {band} tag {name}", value) for name, value in raster.tags(band).items())
            for factor in raster.overviews(band):
                shape = -(-raster.height // factor), -(-raster.width // factor)
                yield f"band {band} overview {factor}", raster.read(band, out_shape=shape)
            if raster.colorinterp[band - 1].name == "palette":
                yield f"band {band} colour table", np.array(sorted(raster.colormap(band).items()), dtype=object)


def _read_json(path: Path) -> Iterator[tuple[str, Any]]:
    yield from _flat(json.loads(path.read_text(encoding="utf-8")), "")


def _flat(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Dicts and lists taken apart, but for lists of numbers."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list) and not (value and all(type(item) in (int, float) for item in value)):
        yield f"{where} length", len(value)
        for index, item in enumerate(value):
            yield from _flat(item, f"{where}[{index}]")
    else:
        yield where, np.array(value) if isinstance(value, list) else value


def _read_database(path: Path) -> Iterator[tuple[str, Any]]:
    """A GeoPackage as SQLite sees it: with all that describes the layers."""
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
        for table, made in tables:
            if table.startswith(BOOKKEEPING):
                continue
            yield f"table {table}", made
            cursor = database.execute(f'SELECT * FROM "{table}"')
            names, rows = [column[0] for column in cursor.description], cursor.fetchall()
            yield f"table {table} rows", len(rows)
            for name, values in zip(names, zip(*rows)):
                if name not in VARYING_COLUMNS:
                    yield f"field {table}.{name}", _column(values)


def _read_table(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    yield "fields", ", ".join(rows[0])
    yield "rows", len(rows)
    for name, values in zip(rows[0], zip(*rows[1:])):
        yield f"field {name}", _column(values)


def _read_patches(path: Path) -> Iterator[tuple[str, Any]]:
    items: list[tuple[str, Any]] = []

    def visit(name: str, item: Any) -> None:
        items.extend((f"attribute {name}@{key}", _attribute(value)) for key, value in item.attrs.items())
        if isinstance(item, h5py.Dataset):
            is_text = h5py.check_string_dtype(item.dtype) is not None
            items.append((f"dataset {name}", np.asarray(item.asstr()[()], object) if is_text else item[()]))

    with h5py.File(path) as file:
        visit("", file)
        file.visititems(visit)
    yield from items


def _attribute(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, (str, np.ndarray)) else np.asarray(value)


def _read_text(path: Path) -> Iterator[tuple[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    yield "lines", np.array(lines, dtype=object)


def _read_log(path: Path) -> Iterator[tuple[str, Any]]:
    """Steps that run side by side tell what they do in any order."""
    yield "lines", np.array(sorted(path.read_text(encoding="utf-8").splitlines()), dtype=object)


def _read_bytes(path: Path) -> Iterator[tuple[str, Any]]:
    yield "bytes", np.frombuffer(path.read_bytes(), np.uint8)


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, Any]]]] = {
    ".safetensors": _read_network,
    ".tif": _read_raster,
    ".json": _read_json,
    ".gpkg": _read_database,
    ".csv": _read_table,
    ".h5": _read_patches,
    ".txt": _read_log,
    **dict.fromkeys((".html", ".xml"), _read_text),
}


def _column(values: tuple[Any, ...]) -> Array:
    """Numbers as numbers, all else as it is."""
    is_numeric = all(type(value) in (int, float) for value in values)
    return np.array(values) if is_numeric else np.array([*values, None], dtype=object)[:-1]


def _with_marks(content: Content, places: Mapping[str, str]) -> Content:
    """Every text with marks where folders, dates and versions stand."""

    def mark(value: Any) -> Any:
        if isinstance(value, str):
            for place, name in places.items():
                value = value.replace(place, name)
            for name, pattern in VARYING_TEXTS.items():
                value = pattern.sub(name, value)
        return value

    return {
        where: np.array([mark(item) for item in value.ravel()] + [None], dtype=object)[:-1].reshape(value.shape)
        if isinstance(value, np.ndarray) and value.dtype == object
        else mark(value)
        for where, value in content.items()
    }


def _differences(one: Content, other: Content) -> Iterator[str]:
    for where in one:
        if where not in other:
            yield f"{where}: is missing"
    for where, value in other.items():
        if where not in one:
            yield f"{where}: is new"
        elif words := _difference(one[where], value):
            yield f"{where}: {words}"


def _difference(one: Any, other: Any) -> str:
    """In words; empty where both are the same to the last bit."""
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray):
        is_same = type(one) is type(other) and repr(one) == repr(other)
        return "" if is_same else f"{_short(one)} was recorded, {_short(other)} is found"
    if one.dtype != other.dtype or one.shape != other.shape:
        return f"{one.dtype} {one.shape} was recorded, {other.dtype} {other.shape} is found"
    changed = _changed(one, other)
    if not changed.any():
        return ""
    first = int(np.flatnonzero(changed)[0])
    a, b = one.ravel()[changed], other.ravel()[changed]
    example = f"first at {first}: {_short(a[0], b[0])} was recorded, {_short(b[0], a[0])} is found"
    return f"{changed.sum()} of {one.size} values differ{_largest(a, b)}; {example}"


def _changed(one: Array, other: Array) -> NDArray[np.bool_]:
    """(values,) of arrays of one shape and kind, True where a bit differs."""
    if one.dtype == object:
        return np.array([repr(a) != repr(b) for a, b in zip(one.ravel(), other.ravel())], np.bool_)
    if not one.size:
        return np.zeros(0, np.bool_)
    bytes_of = [np.ascontiguousarray(each).reshape(-1, 1).view(np.uint8) for each in (one, other)]
    return np.asarray((bytes_of[0] != bytes_of[1]).any(axis=1))


def _largest(one: Array, other: Array) -> str:
    """The largest difference of numbers, in words."""
    if one.dtype.kind not in "iufb":
        return ""
    difference = np.abs(one.astype(np.float64) - other.astype(np.float64))
    known = difference[~np.isnan(difference)]
    return f", by at most {known.max():.3g}" if len(known) else ""


def _short(value: Any, beside: Any = "") -> str:
    """At most 60 characters, from shortly before where a text differs from the one beside it."""
    text, other = repr(value), repr(beside)
    same = next((place for place, (a, b) in enumerate(zip(text, other)) if a != b), 0)
    start = max(0, same - 20) if len(text) > 60 else 0
    return text[start : start + 60]
