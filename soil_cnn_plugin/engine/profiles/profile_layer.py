"""Profiles as a layer: where they lie, which fields hold one value per profile, and the GeoPackage of them all."""

from __future__ import annotations

import sqlite3
import warnings
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from pyogrio.raw import write

from soil_cnn_plugin.contract.jobs import StandardizeDepths, part
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.point_layer import GPKG_VERSION, Layer, as_in_layer, free_name
from soil_cnn_plugin.engine.outputs import appear
from soil_cnn_plugin.engine.report import Report

_LAYER = "profiles"
_RESERVED = ["fid", "geom"]
_DATA_COLUMNS = """CREATE TABLE IF NOT EXISTS gpkg_data_columns (
    table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT,
    constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
    CONSTRAINT gdc_tn UNIQUE (table_name, name))"""
_EXTENSIONS = """CREATE TABLE IF NOT EXISTS gpkg_extensions (
    table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
    CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))"""
_SCHEMA = "http://www.geopackage.org/spec121/#extension_schema"


@dataclass(frozen=True)
class Column:
    """One field: its `values` (P,), `is_null` (P,) True where it is empty, and a `label` with the unit in brackets."""

    values: NDArray[Any]
    is_null: Flags
    label: str = ""

    @classmethod
    def of_numbers(cls, values: Array, label: str) -> Column:
        return cls(values, np.isnan(values), label)


@dataclass(frozen=True)
class ProfilePlaces:
    """The places of profiles: `xy` (P, 2), NaN where a profile has none.

    `scattered` profiles have horizons at different points, up to `widest` units of the CRS from the first one.
    """

    xy: Array
    scattered: int
    widest: float

    @property
    def missing(self) -> int:
        return int(np.isnan(self.xy).any(axis=1).sum())


def locate_profiles(
    job: StandardizeDepths, table: Layer, profile: Rows, count: int, report: Report
) -> tuple[Array | None, str | None]:
    """Return x and y (P, 2) and their CRS; None for a table without coordinates.

    `profile` (R,) is the number of each row's profile, below 0 where it has none.
    """
    if table.has_geometry:
        xy, crs = read_points(table), table.crs
        if job.x:
            report.warning(
                tr("'{}' has points of its own; {} and {} are not used as coordinates.").format(
                    table.name, job.x, job.y
                )
            )
    elif job.x:
        xy, crs = np.column_stack([read_numbers(table, name, "coordinate", []) for name in (job.x, job.y)]), job.crs
    else:
        report.warning(
            tr(
                "'{}' has no points, so the result is a table. For points, choose the fields X and Y with their"
                " CRS, or join the result to a layer of profiles by {}."
            ).format(table.name, job.profile)
        )
        return None, None
    system = _parse_crs(crs)
    places = place_profiles(xy, profile, count, tolerance=1e-5 if system.is_geographic else 1.0)
    unit = system.axis_info[0].unit_name if system.axis_info else tr("units")
    unit = {"metre": "m", "degree": tr("degrees")}.get(unit, unit)
    if places.scattered:
        report.warning(
            tr(
                "{} of {} profiles have horizons at different points, up to {:.3g} {} apart. The first"
                " horizon's point is used. Do several profiles share one value of {}?"
            ).format(places.scattered, count, places.widest, unit, job.profile)
        )
    if places.missing:
        report.warning(
            tr("{} of {} profiles have no point: they get no place in the result.").format(places.missing, count)
        )
    return places.xy, crs


def read_points(table: Layer) -> Array:
    """Return x and y (R, 2) of each row, NaN where it has no point; raise EngineError for lines and polygons."""
    shapes = shapely.from_wkb(table.geometries, on_invalid="ignore")
    count = shapely.get_num_coordinates(shapes)
    is_other = (count > 0) & ~np.isin(shapely.get_type_id(shapes), (0, 4))  # point, multipoint
    if is_other.any():
        raise EngineError(
            tr(
                "The horizons '{}' hold a {} (feature {}), but points or a table without geometry are needed."
                " Make points with 'Centroids' or 'Point on surface'."
            ).format(table.name, shapes[is_other][0].geom_type, str(table.ids[is_other][0]))
        )
    xy = np.full((len(shapes), 2), np.nan)
    xy[count == 1] = shapely.get_coordinates(shapes[count == 1])
    return xy


def place_profiles(xy: Array, profile: Rows, count: int, tolerance: float) -> ProfilePlaces:
    """Place each profile at the first point of its rows; `profile` (R,) is below 0 in rows without a profile."""
    rows = np.flatnonzero((profile >= 0) & np.isfinite(xy).all(axis=1))
    first = _first_row(profile, rows, count)
    found = np.full((count, 2), np.nan)
    found[first >= 0] = xy[first[first >= 0]]
    distance = np.hypot(*(xy[rows] - found[profile[rows]]).T)
    is_far = distance > tolerance
    return ProfilePlaces(found, len(np.unique(profile[rows][is_far])), float(distance.max(initial=0.0)))


def carry_over(table: Layer, leave: set[str], profile: Rows, count: int) -> tuple[dict[str, Column], list[str]]:
    """Return the fields that hold one value per profile, apart from empty rows, and the names of the others.

    Fields in `leave` are in neither.
    """
    carried, varying = {}, []
    for name, values in table.columns.items():
        if name in leave:
            continue
        is_known = (profile >= 0) & ~_is_empty(values)
        rows = np.flatnonzero(is_known)
        first = _first_row(profile, rows, count)
        if (values[rows] != values[first[profile[rows]]]).any():
            varying.append(name)
            continue
        column, is_null = as_in_layer(values[np.maximum(first, 0)])
        carried[name] = Column(column, (first < 0) | (False if is_null is None else is_null))
    return carried, varying


def name_profiles(values: NDArray[Any], profile: Rows, names: Sequence[str]) -> Column:
    """Return the field that names the profiles, in its own type, or as their names in one spelling where it is text."""
    nothing = np.zeros(len(names), bool)
    if values.dtype.kind == "O":
        return Column(np.array(names, object), nothing)
    column, _ = as_in_layer(values[_first_row(profile, np.flatnonzero(profile >= 0), len(names))])
    return Column(column, nothing)


def write_profiles(path: str, columns: dict[str, Column], xy: Array | None, crs: str | None) -> None:
    """Write a GeoPackage with one row per profile; it is a table without geometry where `xy` is None."""
    names: list[str] = []
    for name in columns:
        names.append(free_name(name, [*names, *_RESERVED]))
    values, masks = [each.values for each in columns.values()], [each.is_null for each in columns.values()]
    points = None
    if xy is not None:
        points = np.full(len(xy), None, object)
        is_placed = np.isfinite(xy).all(axis=1)
        points[is_placed] = shapely.to_wkb(shapely.points(xy[is_placed]))
    content = BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(
            content, points, values, names, field_mask=masks, layer=_LAYER, driver="GPKG",
            geometry_type=None if points is None else "Point", crs=crs, VERSION=GPKG_VERSION,
        )  # fmt: skip
    Path(part(path)).write_bytes(content.getvalue())
    _write_labels(part(path), {name: column.label for name, column in zip(names, columns.values()) if column.label})
    appear([(part(path), path)])


def _write_labels(path: str, labels: dict[str, str]) -> None:
    """Write labels in GeoPackage's schema extension; GDAL and QGIS show them as aliases, and pyogrio writes none."""
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(_DATA_COLUMNS)
        database.execute(_EXTENSIONS)
        database.execute(
            "INSERT INTO gpkg_extensions VALUES ('gpkg_data_columns', NULL, 'gpkg_schema', ?, 'read-write')", (_SCHEMA,)
        )
        database.executemany(
            "INSERT INTO gpkg_data_columns (table_name, column_name, name) VALUES (?, ?, ?)",
            [(_LAYER, name, label) for name, label in labels.items()],
        )


def _first_row(profile: Rows, rows: Rows, count: int) -> Rows:
    """Return the first of `rows` in each profile (P,), -1 where there is none."""
    first = np.full(count, -1)
    first[profile[rows][::-1]] = rows[::-1]  # the last of several assignments to one place holds
    return first


def _is_empty(values: NDArray[Any]) -> Flags:
    if isinstance(values, np.ma.MaskedArray):
        return np.ma.getmaskarray(values)
    if values.dtype.kind == "O":
        return np.array([value is None or value != value or value == "" for value in values.tolist()], bool)
    return np.asarray(np.isnat(values) if values.dtype.kind in "mM" else values != values)


def _parse_crs(text: str) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise EngineError(
            tr("{!r} is not a CRS of coordinates. Choose it from the list, for example EPSG:4326.").format(text)
        ) from error
