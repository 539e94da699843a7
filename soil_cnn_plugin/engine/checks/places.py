"""The places of observations, in the layer's CRS and in metres, and which have none or one that cannot be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.point_layer import Layer
from soil_cnn_plugin.engine.rasters.crs import full_turn, in_one_turn

_BULK = (0.05, 0.95)
_FAR = 10.0
"""A place is far from all others beyond this many times the size of the rectangle around the middle 90 %."""
_FEWEST = 10
_BEYOND_USE = 1.0
"""Most degrees by which places may lie outside the area that a CRS is made for."""


@dataclass(frozen=True)
class Plane:
    """Coordinates of a CRS in metres on a plane: its own, or an equal-area one around the places."""

    crs: pyproj.CRS
    centre: tuple[float, float] | None  # east, north in degrees; None for a projected CRS

    @classmethod
    def around(cls, xy: Array, crs: pyproj.CRS) -> Plane:
        known = xy[np.isfinite(xy).all(axis=1)]
        if not crs.is_geographic or not len(known):
            return cls(crs, None)
        east, north = np.median(_in_one_turn(known, crs), axis=0)
        return cls(crs, (float(east), float(north)))

    def place(self, xy: Array) -> Array:
        """Return coordinates (N, 2) on the plane, NaN where there is no place."""
        if self.centre is None:
            factor = self.crs.axis_info[0].unit_conversion_factor if self.crs.axis_info else 1.0
            scaled: Array = xy * factor
            return scaled
        plane = pyproj.CRS.from_dict(
            {"proj": "laea", "lat_0": self.centre[1], "lon_0": self.centre[0], "datum": "WGS84"}
        )
        moved = np.column_stack(pyproj.Transformer.from_crs(self.crs, plane, always_xy=True).transform(*xy.T))
        return np.where(np.isfinite(moved), moved, np.nan)


@dataclass(frozen=True)
class Places:
    """The places of observations.

    `xy` (N, 2) are in the layer's CRS, NaN where there is no point or a wrong one. `shown` (N, 2) is where a problem is
    drawn, which includes wrong points and the first of several. `metres` (N, 2) are `xy` on `plane`, for distances.
    """

    crs: pyproj.CRS
    xy: Array
    shown: Array
    plane: Plane
    metres: Array

    @property
    def is_placed(self) -> Flags:
        return np.asarray(np.isfinite(self.xy).all(axis=1))


def read_coordinates(layer: Layer) -> tuple[Array, Array, list[Finding]]:
    """Read `xy` (N, 2), NaN where a feature is not a single point, and `shown` as in `Places`.

    Raises:
        EngineError: the layer holds lines or polygons.
    """
    shapes = shapely.from_wkb(layer.geometries, on_invalid="ignore")
    count = shapely.get_num_coordinates(shapes)
    is_other = (count > 0) & ~np.isin(shapely.get_type_id(shapes), (0, 4))  # point, multipoint
    if is_other.any():
        kind = shapes[is_other][0].geom_type
        raise EngineError(
            tr(
                "The observations '{}' hold a {} (feature {}), but points are needed. Choose a point layer, or"
                " make points with 'Centroids' or 'Point on surface'."
            ).format(layer.name, kind, str(layer.ids[is_other][0]))
        )
    shown = np.full((len(shapes), 2), np.nan)
    coordinates, owners = shapely.get_coordinates(shapes, return_index=True)
    first = np.flatnonzero(np.diff(owners, prepend=-1))
    shown[owners[first]] = coordinates[first]
    is_single = count == 1
    xy = np.where(is_single[:, None], shown, np.nan)
    found, total = [], len(shapes)
    if (rows := np.flatnonzero(count == 0)).size:
        sentence = tr_n(
            "{} of {} observations has no geometry.", "{} of {} observations have no geometry.", rows.size
        ).format(rows.size, total)
        remedy = tr("Give them coordinates (Create points layer from table), or delete them: they cannot be used.")
        texts = [tr("The observation has no geometry.")] * rows.size
        found.append(Finding("no_geometry", "", sentence, remedy, rows, texts, [""] * rows.size))
    if (rows := np.flatnonzero(count > 1)).size:
        sentence = tr_n(
            "{} of {} observations is a multipoint of several points.",
            "{} of {} observations are multipoints of several points.",
            rows.size,
        ).format(rows.size, total)
        remedy = tr("Split them with Multipart to singleparts, and keep the point where the soil was measured.")
        texts = [tr("The observation has {} points.").format(number) for number in count[rows].tolist()]
        found.append(Finding("several_points", "", sentence, remedy, rows, texts, list(map(str, count[rows].tolist()))))
    return xy, shown, found


def check_places(layer: Layer) -> tuple[Places, list[Finding]]:
    """Return the places without those that cannot be right, and what is wrong with these."""
    crs = pyproj.CRS.from_user_input(layer.crs)
    xy, shown, found = read_coordinates(layer)
    usable: Flags = np.asarray(np.isfinite(xy).all(axis=1))
    fits, swapped_fits = _fits(xy, crs), _fits(xy[:, ::-1], crs)
    for kind, bad, sentence, text, remedy in _wrong_places(xy, crs, usable, fits, swapped_fits):
        rows = np.flatnonzero(bad & usable)
        usable[rows] = False
        if rows.size:
            values = [_in_words(x, y) for x, y in xy[rows].tolist()]
            texts = [text.format(value) for value in values]
            words = sentence(rows.size).format(rows.size, len(xy), values[0])
            found.append(Finding(kind, "", words, remedy, rows, texts, values))
    if usable.any() and (not fits[usable].any() or _looks_like_degrees(xy[usable], crs)):
        found.append(_doubtful(xy[usable], crs, layer))
    kept = np.where(usable[:, None], xy, np.nan)
    plane = Plane.around(kept, crs)
    return Places(crs, kept, shown, plane, plane.place(kept)), found


def _wrong_places(
    xy: Array, crs: pyproj.CRS, usable: Flags, fits: Flags, swapped_fits: Flags
) -> list[tuple[str, Flags, Callable[[int], str], str, str]]:
    """Return kind, which, the sentence of a count, text and remedy; a place found once is not looked at again."""
    x, y = xy.T
    xy = _in_one_turn(xy, crs)
    limits = _bulk(xy[usable])
    is_inside = _inside(xy, limits, 1.0)
    is_zero = (np.abs(x) < 1e-6) & (np.abs(y) < 1e-6) & ~is_inside
    is_impossible = (np.abs(x) > 360) | (np.abs(y) > 90) if crs.is_geographic else np.zeros(len(xy), bool)
    swapped_inside = _inside(xy[:, ::-1], limits, 1.0)
    is_other_layer = bool(usable.any()) and (~fits[usable]).mean() > 0.5  # then the others tell nothing
    is_swapped = (~is_inside & swapped_inside) | (~fits & swapped_fits & (swapped_inside | is_other_layer))
    is_far = ~_inside(xy, limits, _FAR)
    return [
        (
            "zero_coordinates",
            is_zero,
            lambda count: tr_n(
                "{} of {} observations lies at coordinates 0, 0.",
                "{} of {} observations lie at coordinates 0, 0.",
                count,
            ),
            tr("The observation lies at coordinates 0, 0: {}."),
            tr("These stand for a missing place: correct the coordinates, or delete the geometry."),
        ),
        (
            "swapped_coordinates",
            is_swapped,
            lambda count: tr_n(
                "{} of {} observations has x and y exchanged: turned round, it lies where it belongs, such as {}.",
                "{} of {} observations have x and y exchanged: turned round, they lie where they belong, such as {}.",
                count,
            ),
            tr("x and y seem to be exchanged: {}."),
            tr("Select them and run Swap X and Y coordinates; in a table, exchange the two columns."),
        ),
        (
            "impossible_coordinates",
            is_impossible,
            lambda count: tr_n(
                "{} of {} observations has coordinates in degrees that no place has, such as {}.",
                "{} of {} observations have coordinates in degrees that no place has, such as {}.",
                count,
            ),
            tr("No place has these coordinates: {}."),
            tr("Correct the coordinates; metres under a CRS in degrees need another CRS (Assign projection)."),
        ),
        (
            "far_place",
            is_far,
            lambda count: tr_n(
                "{} of {} observations lies far from all others, such as {}.",
                "{} of {} observations lie far from all others, such as {}.",
                count,
            ),
            tr("The observation lies far from all others: {}."),
            tr("Check the digits of their coordinates, and whether they come from another campaign or UTM zone."),
        ),
    ]


def _in_one_turn(xy: Array, crs: pyproj.CRS) -> Array:
    """Return places (N, 2) with longitudes that do not jump at 180 degrees."""
    return np.column_stack([in_one_turn(xy[:, 0], full_turn(crs)), xy[:, 1]])


def _bulk(xy: Array) -> tuple[Array, Array] | None:
    """Return lower left corner and size of the rectangle around the middle 90 % of the places; None for too few."""
    if len(xy) < _FEWEST:
        return None
    low, high = np.quantile(xy, _BULK, axis=0)
    size = np.maximum(high - low, (high - low).max() * 0.1)  # along a road, too
    return low, np.maximum(size, 1e-9)


def _inside(xy: Array, limits: tuple[Array, Array] | None, times: float) -> Flags:
    """Check whether places lie in the rectangle when it is enlarged by so many times its size on each side."""
    if limits is None:
        return np.ones(len(xy), np.bool_)
    low, size = limits
    with np.errstate(invalid="ignore"):
        return np.asarray(((xy >= low - times * size) & (xy <= low + (1 + times) * size)).all(axis=1))


def _fits(xy: Array, crs: pyproj.CRS) -> Flags:
    """Check whether places lie in the area that the CRS is made for; True where that area is not known."""
    area = crs.area_of_use
    if area is None:
        return np.ones(len(xy), np.bool_)
    to_degrees = pyproj.Transformer.from_crs(crs, crs.geodetic_crs or "EPSG:4326", always_xy=True)
    east, north = to_degrees.transform(*xy.T)
    with np.errstate(invalid="ignore"):
        high = area.east + (360 if area.east < area.west else 0)
        across = np.mod(np.asarray(east) - area.west + _BEYOND_USE, 360) <= high - area.west + 2 * _BEYOND_USE
        along = (north >= area.south - _BEYOND_USE) & (north <= area.north + _BEYOND_USE)
        return np.asarray(across & along & (np.abs(east) <= 360))


def _doubtful(xy: Array, crs: pyproj.CRS, layer: Layer) -> Finding:
    name = crs.area_of_use.name if crs.area_of_use else tr("another area")
    area = name if len(name) <= 80 else f"{name[:78]} …"
    place = _in_words(*xy[0].tolist())
    sentence = tr("All places lie outside the area that {} is made for ({}), such as {}.").format(
        layer.crs_name, area, place
    )
    if _looks_like_degrees(xy, crs):
        sentence = tr("All coordinates look like degrees, such as {}, but {} is not a CRS in degrees.").format(
            place, layer.crs_name
        )
    remedy = tr(
        "Set the CRS in which the coordinates were noted, EPSG:4326 for example (Assign projection, not Reproject)."
    )
    return Finding("doubtful_crs", "", sentence, remedy)


def _looks_like_degrees(xy: Array, crs: pyproj.CRS) -> bool:
    return not (crs.is_geographic or crs.is_engineering) and bool((np.abs(xy) <= (180, 90)).all())


def _in_words(x: float, y: float) -> str:
    decimals = 5 if abs(x) <= 360 and abs(y) <= 360 else 0
    return f"{x:.{decimals}f}, {y:.{decimals}f}"
