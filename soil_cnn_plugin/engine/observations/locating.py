"""The placing of observations on the grid: their pixels and sites, and why others are dropped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pyproj
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from soil_cnn_plugin.contract.jobs import ExtractPatches
from soil_cnn_plugin.contract.language import localized, tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.limits_and_errors import check_weights
from soil_cnn_plugin.engine.observations.names import read_names
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.pixels import average_duplicates, snap_to_data, tell_duplicates
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.observations.soil_classes import treat_rare_classes
from soil_cnn_plugin.engine.observations.target_values import Classes, read_target_values
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Grid, bounds_in_words
from soil_cnn_plugin.engine.targets.measured import TargetsInWords, TargetValues

FEWEST_OBSERVATIONS = 20

FEWEST_MEASURED = 10
"""Observations of a target that must not be below its detection limit."""


def locate_observations(
    layer: Layer,
    job: ExtractPatches,
    grid: Grid,
    dropped: Dropped,
    notes: Notes,
    stack: CovariateStack | None = None,
) -> tuple[Observations, Classes]:
    """Return the observations in pixels of the grid, and the names of classes by the field of their target.

    `dropped` receives the other observations, `notes` what the user should know. Where the job snaps,
    observations move to pixels with data of `stack` before sites are made of the pixels.

    Raises:
        EngineError: a field is missing or holds what it cannot, a target has no values, or no point lies on the grid.
    """
    values, classes = read_target_values(layer, job, dropped, notes)
    found = place_on_grid(layer, values, grid, dropped, tr("the covariates"))
    if job.snap_cells and stack and len(found):
        found = snap_to_data(found, stack, job.snap_cells, notes)
    groups = read_names(layer, job.group, "group", notes)[np.isin(layer.ids, found.ids)]
    found = replace(found, sites=_sites(np.column_stack([found.rows, found.cols]), groups))
    found = _drop(found, found.weights == 0, dropped, tr("of weight 0 in {}").format(job.weight))
    check_weights(found.weights, job.weight, notes)
    fields = [target.field for target in job.targets]
    for field in classes:
        found, classes[field] = treat_rare_classes(
            found, fields.index(field), classes[field], job.rare_classes, dropped, notes
        )
    classes = {field: names for field, names in classes.items() if names}  # without any, `check_usable` refuses it
    is_averaged = job.duplicates == "average"
    is_class = np.array([field in classes for field in fields])
    tell_duplicates(found, is_class, is_averaged, notes)
    return average_duplicates(found, is_class) if is_averaged and len(found) else found, classes


def place_on_grid(layer: Layer, targets: TargetValues, grid: Grid, dropped: Dropped, rasters: str) -> Observations:
    """Place observations as `locate_observations` does, each a site of its own; `rasters` names the grid's rasters."""
    coordinates, is_point = _points(layer, grid, dropped, rasters)
    count = len(layer.ids)
    unknown = np.zeros(count, np.int64)
    found = Observations(
        targets.values,
        targets.is_censored,
        targets.errors,
        targets.weights,
        coordinates,
        unknown,
        unknown,
        np.arange(count),
        layer.ids,
    ).take(is_point)
    found = _drop(found, np.isinf(found.values).any(axis=1), dropped, tr("with an infinite target value"))
    found = _drop(found, np.isnan(found.values).all(axis=1), dropped, tr("without a value of any target"))
    inside = grid.contains(*found.coordinates.T)
    if len(found) and not inside.any():
        (west, south), (east, north) = found.coordinates.min(axis=0), found.coordinates.max(axis=0)
        raise EngineError(
            tr(
                "All {} observations of '{}' lie outside {}. They reach over {}, the grid of {} over {} ({})."
                " Check the CRS of the layer and of {}."
            ).format(
                len(found),
                layer.name,
                rasters,
                bounds_in_words((west, south, east, north)),
                rasters,
                bounds_in_words(grid.bounds),
                grid.crs_name,
                rasters,
            )
        )
    found = _drop(found, ~inside, dropped, tr("outside {}").format(rasters))
    rows, cols = grid.pixels(*found.coordinates.T)
    return replace(found, rows=rows, cols=cols)


def check_usable(found: Observations, words: TargetsInWords, layer: Layer, dropped: Dropped) -> None:
    """Raise EngineError when nothing is left, or a target has too few observations or only one value."""
    if not len(found):
        raise EngineError(
            tr(
                "None of the {} observations of '{}' can be used: {}. Check the values of the targets, and"
                " leave out covariates that have no data where the observations lie."
            ).format(len(layer.ids), layer.name, dropped.in_words())
        )
    count = len(dropped.reasons)
    told = tr_n(" {} was dropped: {}.", " {} were dropped: {}.", count).format(count, dropped.in_words())
    why = told if count else ""
    measured = TargetValues(found.values, found.is_censored, found.errors, found.weights)
    check_targets(measured, words, len(layer.ids), f"'{layer.name}'", why)


def check_targets(measured: TargetValues, words: TargetsInWords, count: int, source: str, why: str = "") -> None:
    """Raise EngineError when a target has too few values to learn from at the `count` observations of `source`.

    `why` is a sentence that tells where the other observations are.
    """
    columns = zip(words.targets, words.classes_of, measured.values.T, measured.is_censored.T)
    for target, classes, column, below in columns:
        known = column[np.isfinite(column)]
        if len(known) < FEWEST_OBSERVATIONS:
            raise EngineError(
                tr(
                    "{} has {} usable observations of {} in {}, but at least {} are needed.{} Add observations,"
                    " or leave {} out."
                ).format(target.field, len(known), count, source, FEWEST_OBSERVATIONS, why, target.field)
            )
        above = len(known) - int(below.sum())
        if above < FEWEST_MEASURED:
            raise EngineError(
                tr(
                    "{} is below its detection limit at {} of {} usable observations of {}: {} values are left,"
                    " but at least {} are needed.{} Check that the limits have the unit of the values, or leave"
                    " {} out."
                ).format(target.field, below.sum(), len(known), source, above, FEWEST_MEASURED, why, target.field)
            )
        if known.min() == known.max():
            only = repr(classes[int(known[0])]) if classes else localized(f"{known[0]:g}")
            raise EngineError(
                tr(
                    "{} is {} at all {} usable observations of {}: there is nothing to learn.{} Choose another field."
                ).format(target.field, only, len(known), source, why)
            )


def _points(layer: Layer, grid: Grid, dropped: Dropped, rasters: str) -> tuple[Array, Flags]:
    """Return x and y (N, 2) in the grid's CRS, NaN where there is no point, and (N,) True where there is one."""
    shapes = shapely.from_wkb(layer.geometries, on_invalid="ignore")
    count = shapely.get_num_coordinates(shapes)
    kinds = shapely.get_type_id(shapes)
    is_other = (count > 0) & ~np.isin(kinds, (0, 4))  # point, multipoint
    if is_other.any():
        kind = shapes[is_other][0].geom_type
        raise EngineError(
            tr(
                "The observations '{}' hold a {} (feature {}), but points are needed. Choose a point layer, or"
                " make points with 'Centroids' or 'Point on surface'."
            ).format(layer.name, kind, str(layer.ids[is_other][0]))
        )
    is_point = count == 1
    xy = np.full((len(shapes), 2), np.nan)
    xy[is_point] = shapely.get_coordinates(shapes[is_point])
    dropped.add(layer.ids[count == 0], tr("without geometry"))
    dropped.add(layer.ids[count > 1], tr("with several points in one feature"))
    try:
        located = np.column_stack(grid.place(xy[:, 0], xy[:, 1], layer.crs))
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr(
                "The observations '{}' cannot be transformed from {} to {}, the CRS of {}. Set the layer's CRS"
                " and run again."
            ).format(layer.name, layer.crs_name, grid.crs_name, rasters)
        ) from error
    is_known = np.isfinite(located).all(axis=1)
    if is_point.any() and not (is_point & is_known).any():
        raise EngineError(
            tr(
                "No observation of '{}' has a place in {}, the CRS of {}: the CRS of the layer is probably not the"
                " one of its coordinates. Set the right one in the layer's properties and run again."
            ).format(layer.name, grid.crs_name, rasters)
        )
    dropped.add(layer.ids[is_point & ~is_known], tr("with coordinates that have no place in {}").format(grid.crs_name))
    return located, is_point & is_known


def _drop(found: Observations, is_bad: Any, dropped: Dropped, reason: str) -> Observations:
    dropped.add(found.ids[is_bad], reason)
    return found.take(~is_bad)


def _sites(pixels: Rows, groups: NDArray[np.object_]) -> Rows:
    """Number sites (N,) from 0: a shared group or pixel (N, 2) joins observations, over any number of steps."""
    count = len(pixels)
    _, places = np.unique(pixels, axis=0, return_inverse=True)
    is_grouped = np.array([value is not None for value in groups], bool)
    _, names = np.unique(groups[is_grouped].astype(str), return_inverse=True)
    index = np.arange(count)
    starts = np.concatenate([index, index[is_grouped]])
    ends = np.concatenate([count + places.reshape(-1), 2 * count + names])
    edges = coo_array((np.ones(len(starts)), (starts, ends)), shape=(3 * count, 3 * count))
    _, labels = connected_components(edges, directed=False)
    _, sites = np.unique(labels[:count], return_inverse=True)
    return sites.astype(np.int64)
