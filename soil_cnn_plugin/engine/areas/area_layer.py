"""The polygon layer: its features as areas on a grid, and the layer that their answers are written to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import geopandas
import numpy as np
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.areas.pixel_shares import in_pixels, touched_block
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.point_layer import GPKG_VERSION, free_name
from soil_cnn_plugin.engine.outputs import write_whole
from soil_cnn_plugin.engine.rasters.grid import Block, Grid, bounds_in_words
from soil_cnn_plugin.engine.rasters.opening import as_pyogrio_reads, is_undefined, layer_name
from soil_cnn_plugin.engine.rasters.polygons import place_polygons, repaired, tell_crossing
from soil_cnn_plugin.engine.report import Report

ROLE = tr("the areas to summarize")


@dataclass(frozen=True)
class Area:
    """One polygon feature. `polygon` is valid, in columns and rows of the grid, `block` the grid's pixels around it,
    None where it lies beside. `hectares` are on the ellipsoid, of all of it."""

    number: int
    polygon: Any
    block: Block | None
    hectares: float


@dataclass(frozen=True)
class AreaLayer:
    """All features of a polygon layer, in its order, and their areas on a grid."""

    name: str
    frame: geopandas.GeoDataFrame
    areas: tuple[Area, ...]

    def names(self, field: str) -> list[str]:
        """What the report calls the areas: the values of a field, or `area 1`, `area 2`, ...

        Raises:
            EngineError: the layer has no such field.
        """
        if field and field not in self.frame.columns:
            fields = ", ".join(str(name) for name in self.frame.columns if name != self.frame.geometry.name)
            raise EngineError(
                tr("'{}' has no field {!r} to name its areas. It has: {}.").format(self.name, field, fields)
            )
        if not field:
            return [tr("area {}").format(str(area.number + 1)) for area in self.areas]
        values = self.frame[field]
        pairs = zip(self.areas, values, values.isna())
        return [
            tr("area {}").format(str(area.number + 1)) if is_missing else str(value)
            for area, value, is_missing in pairs
        ]

    def write(self, path: str, columns: Mapping[str, Sequence[object]]) -> dict[str, str]:
        """Write the polygons, with `columns` after their own fields, whole or not at all; return the name that each
        column has there, which differs where the layer has a field of that name."""
        frame, names = self.frame.copy(), {}
        for name, values in columns.items():
            names[name] = free_name(name, [str(each).lower() for each in frame.columns] + ["fid"])
            frame[names[name]] = np.array([np.nan if value is None else value for value in values])
        content = BytesIO()
        frame.to_file(content, layer="areas", driver="GPKG", VERSION=GPKG_VERSION)
        write_whole(path, content.getvalue())
        return names


def read_areas(path: str, grid: Grid, report: Report) -> AreaLayer:
    """Read the polygons; those that lie beside the grid are told.

    Raises:
        EngineError: the file is no layer of polygons with a CRS, or none of them touches the grid.
    """
    name = layer_name(path)
    try:
        with as_pyogrio_reads(path) as readable:
            frame = geopandas.read_file(readable)
    except (DataSourceError, DataLayerError) as error:
        raise EngineError(
            tr("{}, {}, cannot be read as a vector file. Choose a layer of polygons.").format(path, ROLE)
        ) from error
    if not isinstance(frame, geopandas.GeoDataFrame):
        raise EngineError(tr("'{}', {}, is a table without geometries. Choose a layer of polygons.").format(name, ROLE))
    if frame.crs is None or is_undefined(frame.crs.name):
        raise EngineError(
            tr("'{}', {}, has no CRS. Set it in the layer's properties and run again.").format(name, ROLE)
        )
    is_polygon = frame.geom_type.isin(["Polygon", "MultiPolygon"]) & ~frame.is_empty
    if not is_polygon.any():
        raise EngineError(
            tr("'{}', {}, holds {} features but no polygon. Choose a layer of polygons.").format(name, ROLE, len(frame))
        )
    if not is_polygon.all():
        report.warning(
            tr("{} of {} features of '{}' are no polygons and are left out.").format(
                (~is_polygon).sum(), len(frame), name
            )
        )
    frame = frame[is_polygon].reset_index(drop=True)
    drawn = np.array(shapely.force_2d(frame.geometry.values), object)
    tell_crossing(drawn, name, report)
    try:
        placed = place_polygons(drawn, frame.crs.to_wkt(), grid)
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr(
                "'{}', {}, cannot be transformed from {} to {}, the CRS of the covariates. Set the layer's CRS"
                " and run again."
            ).format(name, ROLE, frame.crs.name, grid.crs_name)
        ) from error
    hectares = _hectares(frame)
    areas = tuple(_area(number, each, grid, own) for number, (each, own) in enumerate(zip(placed, hectares)))
    _check_touch(name, frame, areas, grid, report)
    return AreaLayer(name, frame, areas)


def _area(number: int, placed: Any, grid: Grid, hectares: float) -> Area:
    if not np.isfinite(placed.bounds).all():
        return Area(number, shapely.Polygon(), None, hectares)
    polygon = repaired(in_pixels(placed, grid))
    is_empty = polygon.is_empty or polygon.area == 0
    return Area(number, polygon, None if is_empty else touched_block(polygon, grid), hectares)


def _hectares(frame: geopandas.GeoDataFrame) -> list[float]:
    """Areas on the WGS 84 ellipsoid, as QGIS's own $area measures them."""
    globe = pyproj.Geod(ellps="WGS84")
    lonlat = repaired(frame.geometry.to_crs(4326).values)
    return [sum(_square_metres(part, globe) for part in shapely.get_parts(each)) / 1e4 for each in lonlat]


def _square_metres(polygon: Any, globe: pyproj.Geod) -> float:
    """The area of one part without its holes, whatever way its rings run."""
    if polygon.geom_type != "Polygon":
        return 0.0
    rings = [abs(globe.geometry_area_perimeter(ring)[0]) for ring in (polygon.exterior, *polygon.interiors)]
    return float(rings[0] - sum(rings[1:]))


def _check_touch(name: str, frame: geopandas.GeoDataFrame, areas: Sequence[Area], grid: Grid, report: Report) -> None:
    beside = [area.number + 1 for area in areas if area.block is None]
    if len(beside) == len(areas):
        west, south, east, north = (float(value) for value in frame.total_bounds)
        raise EngineError(
            tr(
                "No polygon of '{}' overlaps the map ({} in all). The layer reaches over {} ({}), the map over {} ({})."
                " Choose polygons that overlap the covariates, or set the layer's CRS."
            ).format(
                name,
                len(areas),
                bounds_in_words((west, south, east, north)),
                frame.crs.name,
                bounds_in_words(grid.bounds),
                grid.crs_name,
            )
        )
    if beside:
        report.warning(
            tr("Polygons of '{}' that lie outside the map and get no answer: {} of {} (feature {}{}).").format(
                name,
                len(beside),
                len(areas),
                ", ".join(map(str, beside[:10])),
                tr(" and others") if len(beside) > 10 else "",
            )
        )
