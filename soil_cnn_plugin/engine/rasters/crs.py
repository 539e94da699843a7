"""Coordinates from one CRS to another, never between equal ones, and the turn in which longitudes are counted."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import pyproj
from numpy.typing import ArrayLike

from soil_cnn_plugin.engine.arrays import Array


@lru_cache(maxsize=64)
def parse_crs(text: str) -> pyproj.CRS:
    """Of a code or WKT; raises pyproj's CRSError."""
    return pyproj.CRS.from_user_input(text)


@lru_cache(maxsize=256)
def are_equal(one: str, other: str) -> bool:
    """Axis order is ignored, because GDAL's x is always east; local CRSs are known by their name and unit, because
    files keep no more of them."""
    if one == other:
        return True
    first, second = parse_crs(one), parse_crs(other)
    if first.is_engineering and second.is_engineering:
        return _local(first) == _local(second)
    return bool(first.equals(second, ignore_axis_order=True))


def transform(x: ArrayLike, y: ArrayLike, source: str, target: str) -> tuple[Array, Array]:
    """Infinite where a point has no place in the target CRS.

    Raises:
        pyproj.exceptions.ProjError: there is no way from one CRS to the other.
    """
    if are_equal(source, target):
        return np.asarray(x, np.float64), np.asarray(y, np.float64)
    moved = pyproj.Transformer.from_crs(parse_crs(source), parse_crs(target), always_xy=True).transform(x, y)
    return np.asarray(moved[0], np.float64), np.asarray(moved[1], np.float64)


def full_turn(crs: pyproj.CRS) -> float:
    """The unit after which longitudes begin again, 360 for degrees; 0 where the CRS is not geographic."""
    axes = crs.axis_info
    return 2 * math.pi / axes[0].unit_conversion_factor if crs.is_geographic and axes else 0.0


def nearest_turn(x: Array, middle: float, turn: float) -> Array:
    """Longitudes by whole turns nearer to `middle`; what lies beyond a full turn on either side is no longitude, and
    stays as it is. `turn` 0: nothing is counted in turns."""
    if not turn:
        return x
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(x) <= turn, x + turn * np.round((middle - x) / turn), x)


def without_jump(x: Array, turn: float) -> Array:
    """Longitudes (N,) of one area that go on beyond 180 degrees instead of jumping back by a full turn."""
    ordered = np.sort(x)
    gaps = np.diff(ordered)
    if not turn or not gaps.size or gaps.max() <= turn / 2:
        return x
    return np.where(x <= ordered[gaps.argmax()], x + turn, x)


def in_one_turn(x: Array, turn: float) -> Array:
    """Longitudes (N,), however each is counted, in the turn that begins in their widest gap; most stay as they are.
    NaN, and what lies beyond a full turn, stays."""
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
