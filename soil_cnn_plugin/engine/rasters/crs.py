"""Coordinates from one CRS to another, unchanged between equal ones, and the turn in which longitudes are counted."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pyproj
from numpy.typing import ArrayLike

from soil_cnn_plugin.engine.arrays import Array


@lru_cache(maxsize=64)
def parse_crs(text: str) -> pyproj.CRS:
    """Return the CRS of a code or WKT; raise pyproj's CRSError where it is neither."""
    return pyproj.CRS.from_user_input(text)


@lru_cache(maxsize=256)
def are_equal(one: str, other: str) -> bool:
    """Check whether two CRSs are the same.

    The axis order is ignored, because GDAL's x is always east. Local CRSs are compared by their name and unit, because
    files keep no more of them.
    """
    if one == other:
        return True
    first, second = parse_crs(one), parse_crs(other)
    if first.is_engineering and second.is_engineering:
        return _local(first) == _local(second)
    return bool(first.equals(second, ignore_axis_order=True))


def transform(x: ArrayLike, y: ArrayLike, source: str, target: str) -> tuple[Array, Array]:
    """Return x and y in the target CRS, infinite where a point has no place there.

    Raises:
        pyproj.exceptions.ProjError: there is no way from one CRS to the other.
    """
    if are_equal(source, target):
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    moved = pyproj.Transformer.from_crs(parse_crs(source), parse_crs(target), always_xy=True).transform(x, y)
    return np.asarray(moved[0], np.float64), np.asarray(moved[1], np.float64)


def full_turn(crs: pyproj.CRS) -> float:
    """Return the full turn after which longitudes begin again, 360 in degrees; 0 where the CRS is not geographic."""
    axes = crs.axis_info
    return 2 * math.pi / axes[0].unit_conversion_factor if crs.is_geographic and axes else 0.0


def nearest_turn(x: Array, middle: float, turn: float) -> Array:
    """Move longitudes by whole turns to where they are nearest to `middle`.

    A number beyond a full turn on either side is not a longitude and stays as it is. With `turn` 0, nothing is counted
    in turns.
    """
    if not turn:
        return x
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(x) <= turn, x + turn * np.round((middle - x) / turn), x)


def without_jump(x: Array, turn: float) -> Array:
    """Return the longitudes (N,) of one area so that they go on beyond 180 degrees and do not jump back a full turn."""
    ordered = np.sort(x)
    gaps = np.diff(ordered)
    if not turn or not gaps.size or gaps.max() <= turn / 2:
        return x
    return np.where(x <= ordered[gaps.argmax()], x + turn, x)


def in_one_turn(x: Array, turn: float) -> Array:
    """Bring longitudes (N,), however each is counted, into the turn that begins in their widest gap.

    Most stay as they are; NaN and numbers beyond a full turn always do.
    """
    is_known = np.abs(x) <= turn if turn else np.zeros(len(x), np.bool_)
    if not is_known.any():
        return x
    ordered = np.unique(x[is_known] % turn)
    gaps = np.diff(ordered, append=ordered[0] + turn)
    start = ordered[(gaps.argmax() + 1) % len(ordered)]
    found = x.copy()
    found[is_known] = start + (x[is_known] - start) % turn
    steps = np.round((x[is_known] - found[is_known]) / turn)
    found[is_known] += turn * np.median(steps).round()
    return found


def _local(crs: pyproj.CRS) -> tuple[str, list[float]]:
    return " ".join(str(crs.name).casefold().split()), [axis.unit_conversion_factor for axis in crs.axis_info]
