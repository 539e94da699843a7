"""Polygons of a vector file in the CRS and the turn of longitudes of a grid: where a map is wanted, or made."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from rasterio.transform import Affine

from soil_cnn_plugin.contract.jobs import ExplainNetwork, PredictMap, SummarizeAreas
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.crs import are_equal, full_turn, parse_crs, transform, without_jump
from soil_cnn_plugin.engine.rasters.grid import Block, Grid, bounds_in_words
from soil_cnn_plugin.engine.rasters.opening import as_pyogrio_reads, is_undefined, layer_name
from soil_cnn_plugin.engine.report import Report

if TYPE_CHECKING:
    import geopandas

_SIDES = 64
"""Pieces in the longer side of a polygon's frame; its own sides are cut into pieces so long where a line may jump."""
Shapes = NDArray[np.object_]


def read_polygons(path: str, role: str, grid: Grid, report: Report) -> geopandas.GeoSeries | None:
    """Return the polygons of `read_polygon_layer` without their fields."""
    layer = read_polygon_layer(path, role, grid, report)
    return None if layer is None else layer.geometry.reset_index(drop=True)


def read_polygon_layer(path: str, role: str, grid: Grid, report: Report) -> geopandas.GeoDataFrame | None:
    """Return the features with polygons, of these the valid parts in the grid's CRS; None when the file is not a
    vector file. Polygons that had to be repaired for it are told.

    `role` tells in messages what the polygons are.

    Raises:
        EngineError: the layer has no geometries, no CRS, or no polygon with an area.
    """
    import geopandas  # takes long to load
    from pyogrio.errors import DataLayerError, DataSourceError

    try:
        with as_pyogrio_reads(path) as readable:
            layer = geopandas.read_file(readable)
    except (DataSourceError, DataLayerError):
        return None
    name = layer_name(path)
    if not isinstance(layer, geopandas.GeoDataFrame):
        raise EngineError(tr("'{}', {}, is a table without geometries. Choose a layer of polygons.").format(name, role))
    if layer.crs is None or is_undefined(layer.crs.name):
        raise EngineError(
            tr("'{}', {}, has no CRS. Set it in the layer's properties and run again.").format(name, role)
        )
    drawn = layer[layer.geom_type.isin(["Polygon", "MultiPolygon"]) & ~layer.is_empty]
    outlines = np.array(shapely.force_2d(drawn.geometry.values), object)
    tell_crossing(outlines, name, report)
    try:
        placed = place_polygons(outlines, layer.crs.to_wkt(), grid)
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr(
                "'{}', {}, cannot be transformed from {} to {}, the CRS of the covariates. Set the layer's CRS"
                " and run again."
            ).format(name, role, layer.crs.name, grid.crs_name)
        ) from error
    has_place = np.isfinite(shapely.bounds(placed)).all(axis=1) if len(placed) else np.ones(0, bool)
    if not has_place.all():
        raise EngineError(
            tr(
                "{} of {} polygons of '{}', {}, have no place in {}, the CRS of the covariates. Check the CRS"
                " of the layer."
            ).format((~has_place).sum(), len(has_place), name, role, grid.crs_name)
        )
    polygons = geopandas.GeoSeries(repaired(placed), drawn.index)
    found = drawn.drop(columns=drawn.geometry.name).set_geometry(polygons)[polygons.area > 0]
    if found.empty:
        raise EngineError(
            tr("'{}', {}, holds {} features but no polygon. Choose a layer of polygons.").format(name, role, len(layer))
        )
    return found


def tell_crossing(polygons: Shapes, name: str, report: Report) -> None:
    """Warn of polygons that `repaired` changes; `name` is that of their layer."""
    crossing = int((~shapely.is_valid(polygons)).sum())
    if crossing:
        report.warning(
            tr(
                "{} of {} polygons of '{}' have outlines that cross or touch themselves. They are repaired as the"
                " algorithm Fix geometries does; check their areas."
            ).format(crossing, len(polygons), name)
        )


def repaired(polygons: Any) -> Any:
    """Return polygons, one or an array, with the same outlines, but valid: what lies in a ring, and in no hole."""
    return shapely.make_valid(polygons, method="structure", keep_collapsed=False)


def clip_to_extent(job: PredictMap | ExplainNetwork | SummarizeAreas, grid: Grid) -> Grid:
    """Return the part of the grid that covers the job's extent; the whole grid when the job has none.

    Raises:
        EngineError: the extent lies beside the grid.
    """
    if job.extent is None:
        return grid
    try:
        if not job.extent_crs or grid.has_same_crs(job.extent_crs):
            return grid.clip(grid.turned(job.extent))
        transformer = pyproj.Transformer.from_crs(job.extent_crs, grid.crs_wkt, always_xy=True)
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr("The extent {} cannot be transformed to {}, the CRS of the map. Give it in that CRS.").format(
                bounds_in_words(job.extent), grid.crs_name
            )
        ) from error
    west, south, east, north = transformer.transform_bounds(*job.extent)
    if grid.full_turn and east < west:  # it lies across 180 degrees
        east += grid.full_turn
    if not all(map(math.isfinite, (west, south, east, north))):
        raise EngineError(
            tr(
                "The extent {} has no place in {}, the CRS of the map. Choose an extent that overlaps the"
                " covariates ({})."
            ).format(bounds_in_words(job.extent), grid.crs_name, bounds_in_words(grid.bounds))
        )
    return grid.clip(grid.turned((west, south, east, north)))


def read_area(path: str, grid: Grid, report: Report, role: str = tr("the area of the map")) -> Callable[[Block], Flags]:
    """Return a function that marks the pixels (h, w) of a block whose centre lies in the polygons.

    `role` tells in messages what the polygons are.

    Raises:
        EngineError: the file is not a vector layer, has no CRS, no polygons, or none that touches the grid.
    """
    polygons = read_polygons(path, role, grid, report)
    if polygons is None:
        raise EngineError(tr("{}, {}, cannot be read as a vector file. Choose a layer of polygons.").format(path, role))
    bounds = tuple(float(value) for value in polygons.total_bounds)
    west, south, east, north = grid.bounds
    if bounds[0] >= east or bounds[2] <= west or bounds[1] >= north or bounds[3] <= south:
        where = bounds_in_words((bounds[0], bounds[1], bounds[2], bounds[3]))
        raise EngineError(
            tr("{}{} ({}) lies outside the map ({}, {}). Choose polygons that overlap the covariates.").format(
                role[:1].upper(), role[1:], where, bounds_in_words(grid.bounds), grid.crs_name
            )
        )
    index = polygons.sindex

    def inside(block: Block) -> Flags:
        part = grid.at(block)
        near = polygons.iloc[index.intersection(part.bounds)]
        if near.empty:
            return np.zeros((block.height, block.width), np.bool_)
        mask: NDArray[np.uint8] = rasterize(
            near, out_shape=(block.height, block.width), transform=Affine(*part.transform), dtype="uint8"
        )
        return mask > 0

    return inside


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
    valid = repaired(polygon)
    frame = shapely.box(low, south - 1, high, north + 1)
    copies: list[Array] = []
    for shift in (-turn, 0.0, turn):
        shifted = shapely.transform(valid, lambda xy, shift=shift: xy + (shift, 0.0))
        copies.append(shapely.intersection(shifted, frame))
    pieces = shapely.get_parts(np.array(copies, object))
    return shapely.union_all(pieces[np.isin(shapely.get_type_id(pieces), (3, 6))])
