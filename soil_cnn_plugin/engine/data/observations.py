"""Observations on the grid: target values, pixels and sites; and why others are dropped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from soil_cnn_plugin.contract.jobs import ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError

from .grid import Grid, in_words
from .numbers_in_text import parse_numbers
from .point_layer import Dropped, Layer

FEWEST_OBSERVATIONS = 20

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Observations:
    """Points with their measured values.

    `values` (N, T), NaN where a target was not measured; `coordinates` (N, 2), x and y in the grid's CRS; `rows`,
    `cols` (N,), of the pixel that holds the point; `sites` (N,), equal for observations of one group or with the same
    coordinates; `ids` (N,), feature ids of the layer.
    """

    values: Floats
    coordinates: Floats
    rows: Integers
    cols: Integers
    sites: Integers
    ids: Integers

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[Any]) -> Observations:
        """Those that an index array or a boolean array chooses."""
        return Observations(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


def locate_observations(
    layer: Layer, job: ExtractPatches, grid: Grid, dropped: Dropped, notes: list[str]
) -> Observations:
    """Observations in pixels of the grid; `dropped` receives the others, `notes` what the user should know.

    Raises:
        EngineError: a field is missing or not numeric, a target has no values, or no point lies on the grid.
    """
    found = place_on_grid(layer, job.targets, grid, dropped, notes, "the covariates")
    _, counts = np.unique(found.coordinates, axis=0, return_counts=True)
    if (counts > 1).any():
        notes.append(
            f"{counts[counts > 1].sum()} observations share their coordinates with another one. They are kept, and no"
            " fold tears them apart."
        )
    groups = read_names(layer, job.group, "group")[np.isin(layer.ids, found.ids)]
    return replace(found, sites=_sites(found.coordinates, groups))


def place_on_grid(
    layer: Layer, targets: Sequence[SoilProperty], grid: Grid, dropped: Dropped, notes: list[str], rasters: str
) -> Observations:
    """As `locate_observations`, each observation a site of its own; `rasters` names what the grid is of."""
    values = np.column_stack([read_numbers(layer, target.field, "target", notes) for target in targets])
    coordinates, is_point = _points(layer, grid, dropped, rasters)
    unknown = np.zeros(len(values), np.int64)
    found = Observations(values, coordinates, unknown, unknown, np.arange(len(values)), layer.ids).take(is_point)
    found = _drop(found, np.isinf(found.values).any(axis=1), dropped, "with an infinite target value")
    found = _drop(found, np.isnan(found.values).all(axis=1), dropped, "without a value of any target")
    inside = grid.contains(*found.coordinates.T)
    if len(found) and not inside.any():
        (west, south), (east, north) = found.coordinates.min(axis=0), found.coordinates.max(axis=0)
        raise EngineError(
            f"All {len(found)} observations of '{layer.name}' lie outside {rasters}. They reach over"
            f" {in_words((west, south, east, north))}, the grid of {rasters} over {in_words(grid.bounds)}"
            f" ({grid.crs_name}). Check the CRS of the layer ({layer.crs_name}) and of {rasters}."
        )
    found = _drop(found, ~inside, dropped, f"outside {rasters}")
    rows, cols = (np.floor(each).astype(np.int64) for each in grid.rows_cols(*found.coordinates.T))
    return replace(found, rows=rows, cols=cols)


def check_usable(found: Observations, job: ExtractPatches, layer: Layer, dropped: Dropped) -> None:
    """Raises EngineError when nothing is left, or a target has too few observations or one value only."""
    if not len(found):
        raise EngineError(
            f"None of the {len(layer.ids)} observations of '{layer.name}' can be used: {dropped.in_words()}. Check the"
            " values of the targets, and leave out covariates that have no data where the observations lie."
        )
    why = f" {len(dropped.reasons)} were dropped: {dropped.in_words()}." if dropped.reasons else ""
    check_targets(found.values, job.targets, len(layer.ids), f"'{layer.name}'", why)


def check_targets(values: Floats, targets: Sequence[SoilProperty], count: int, source: str, why: str = "") -> None:
    """Raises EngineError when a column of `values` (N, T), of the `count` observations of `source`, is too little to
    learn from; `why` is a sentence on where the others are."""
    for target, column in zip(targets, values.T):
        known = column[np.isfinite(column)]
        if len(known) < FEWEST_OBSERVATIONS:
            raise EngineError(
                f"{target.field} has {len(known)} usable observations of {count} in {source}, but at least"
                f" {FEWEST_OBSERVATIONS} are needed.{why} Add observations, or leave {target.field} out."
            )
        if known.min() == known.max():
            raise EngineError(
                f"{target.field} is {known[0]:g} at all {len(known)} usable observations of {source}: there is"
                f" nothing to learn.{why} Choose another field."
            )


def read_names(layer: Layer, name: str, role: str) -> NDArray[np.object_]:
    """(N,) of a field, None where it is empty or no field is chosen; `role` says what it is chosen as."""
    if not name:
        return np.full(len(layer.ids), None, object)
    column = _column(layer, name, role)
    values = column.astype(object)
    values[np.array([value is None or value != value or value == "" for value in column.tolist()], bool)] = None
    return values


def read_numbers(layer: Layer, name: str, role: str, notes: list[str]) -> Floats:
    """(N,) of a field, NaN where missing; numbers written as text are read."""
    column = _column(layer, name, role)
    if column.dtype.kind in "OUST":
        numbers, failed = parse_numbers(column)
        if failed:
            examples = ", ".join(repr(text) for text in list(dict.fromkeys(failed))[:5])
            raise EngineError(
                f"The {role} {name} of '{layer.name}' is a text field, and {len(failed)} of its {len(column)} values"
                f" are no numbers: {examples}. Make a numeric field with the field calculator and choose that."
            )
        notes.append(f"{name} is a text field; its {np.isfinite(numbers).sum()} values were read as numbers.")
    elif column.dtype.kind in "iuf":
        numbers = column.astype(np.float64)
    else:
        raise EngineError(
            f"The {role} {name} of '{layer.name}' is not numeric ({column.dtype}). Choose a numeric field."
        )
    if not np.isfinite(numbers).any():
        raise EngineError(
            f"The {role} {name} of '{layer.name}' has no value at any of its {len(numbers)} observations."
            " Choose another field, or check the join that fills it."
        )
    return numbers


def _points(layer: Layer, grid: Grid, dropped: Dropped, rasters: str) -> tuple[Floats, NDArray[np.bool_]]:
    """(N, 2) x and y in the grid's CRS, NaN where there is no point, and (N,) where there is one."""
    shapes = shapely.from_wkb(layer.geometries, on_invalid="ignore")
    count = shapely.get_num_coordinates(shapes)
    kinds = shapely.get_type_id(shapes)
    is_other = (count > 0) & ~np.isin(kinds, (0, 4))  # point, multipoint
    if is_other.any():
        kind = shapes[is_other][0].geom_type
        raise EngineError(
            f"The observations '{layer.name}' hold a {kind} (feature {layer.ids[is_other][0]}), but points are needed."
            " Choose a point layer, or make points with 'Centroids' or 'Point on surface'."
        )
    is_point = count == 1
    xy = np.full((len(shapes), 2), np.nan)
    xy[is_point] = shapely.get_coordinates(shapes[is_point])
    dropped.add(layer.ids[count == 0], "without geometry")
    dropped.add(layer.ids[count > 1], "with several points in one feature")
    try:
        transformer = pyproj.Transformer.from_crs(layer.crs, grid.crs, always_xy=True)
        located = np.column_stack(transformer.transform(xy[:, 0], xy[:, 1]))
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            f"The observations '{layer.name}' cannot be transformed from {layer.crs_name} to {grid.crs_name}, the"
            f" CRS of {rasters}. Set the layer's CRS and run again."
        ) from error
    is_known = np.isfinite(located).all(axis=1)
    dropped.add(layer.ids[is_point & ~is_known], f"with coordinates that have no place in {grid.crs_name}")
    return located, is_point & is_known


def _drop(found: Observations, is_bad: Any, dropped: Dropped, reason: str) -> Observations:
    dropped.add(found.ids[is_bad], reason)
    return found.take(~is_bad)


def _sites(coordinates: Floats, groups: NDArray[np.object_]) -> Integers:
    """(N,) numbers from 0: joined through the group or the coordinates, over any number of steps."""
    count = len(coordinates)
    _, places = np.unique(coordinates, axis=0, return_inverse=True)
    is_grouped = np.array([value is not None for value in groups], bool)
    _, names = np.unique(groups[is_grouped].astype(str), return_inverse=True)
    index = np.arange(count)
    starts = np.concatenate([index, index[is_grouped]])
    ends = np.concatenate([count + places.reshape(-1), 2 * count + names])
    edges = coo_array((np.ones(len(starts)), (starts, ends)), shape=(3 * count, 3 * count))
    _, labels = connected_components(edges, directed=False)
    _, sites = np.unique(labels[:count], return_inverse=True)
    return sites.astype(np.int64)


def _column(layer: Layer, name: str, role: str) -> NDArray[Any]:
    if name not in layer.columns:
        raise EngineError(
            f"The observations '{layer.name}' have no field {name!r}, which is chosen as {role}."
            f" They have: {', '.join(layer.columns)}."
        )
    return layer.columns[name]
