"""Polygons brought to the CRS of a grid and to the turn in which the grid counts longitudes."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.rasters.crs import are_equal, full_turn, parse_crs, transform, without_jump
from soil_cnn_plugin.engine.rasters.grid import Grid

_SIDES = 64
"""Pieces in the longer side of a polygon's frame; its own sides are cut into pieces so long where a line may jump."""

Shapes = NDArray[np.object_]


def place_polygons(polygons: Shapes, crs: str, grid: Grid) -> Shapes:
    """Return polygons (N,) in the CRS of `grid`, with coordinates that are not finite where they have no place there.

    A polygon across the end of the turn of longitudes around the grid is cut there, and each part brought to its side.

    Raises:
        pyproj.exceptions.ProjError: there is no way from the polygons' CRS, a code or WKT, to the grid's.
    """
    turn = grid.full_turn
    if are_equal(crs, grid.crs_wkt):
        moved = polygons
    elif turn and not full_turn(parse_crs(crs)):
        moved = np.array([_without_jump(each, crs, grid.crs_wkt, turn) for each in polygons], object)
    else:
        moved = _moved(polygons, crs, grid.crs_wkt)
    return np.array([_in_turn(each, grid.middle_x, turn) for each in moved], object) if turn else moved


def _moved(polygons: Any, crs: str, target: str) -> Any:
    return shapely.transform(polygons, lambda xy: np.column_stack(transform(xy[:, 0], xy[:, 1], crs, target)))


def _without_jump(polygon: Any, crs: str, target: str, turn: float) -> Any:
    """Return the polygon, with each part's longitudes going on beyond 180 degrees."""
    parts = []
    for part in shapely.get_parts(polygon):
        west, south, east, north = part.bounds
        fine = shapely.segmentize(part, max(east - west, north - south) / _SIDES)
        moved = _moved(fine, crs, target)
        x = shapely.get_coordinates(moved)[:, 0]
        if np.isfinite(x).all() and np.ptp(x) > turn / 2:
            fixed = without_jump(x, turn)
            moved = shapely.set_coordinates(moved, np.column_stack([fixed, shapely.get_coordinates(moved)[:, 1]]))
            parts.append(moved)
        else:
            parts.append(_moved(part, crs, target))
    return shapely.multipolygons(parts)


def _in_turn(polygon: Any, middle: float, turn: float) -> Any:
    west, south, east, north = polygon.bounds
    low, high = middle - turn / 2, middle + turn / 2
    if (low <= west and east <= high) or not (-turn <= west and east <= turn):  # beyond, it is no longitude
        return polygon
    valid = shapely.make_valid(polygon, method="structure", keep_collapsed=False)
    frame = shapely.box(low, south - 1, high, north + 1)
    copies: list[Array] = []
    for shift in (-turn, 0.0, turn):
        shifted = shapely.transform(valid, lambda xy, shift=shift: xy + (shift, 0.0))
        copies.append(shapely.intersection(shifted, frame))
    pieces = shapely.get_parts(np.array(copies, object))
    return shapely.union_all(pieces[np.isin(shapely.get_type_id(pieces), (3, 6))])
