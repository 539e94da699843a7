"""Existing points: where they lie among the candidates, their covariates, and what was measured there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Singles
from soil_cnn_plugin.engine.checks.places import Plane
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.locating import place_on_grid
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.patches import Observations, cut_patches
from soil_cnn_plugin.engine.observations.point_layer import Dropped, read_layer
from soil_cnn_plugin.engine.rasters.block_reading import bounded_stack
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.sampling.candidates import Candidates
from soil_cnn_plugin.engine.targets.measured import TargetValues


@dataclass(frozen=True)
class ExistingPoints:
    """L points on the grid: `xy` (L, 2) in its CRS, `metres` (L, 2) on the candidates' plane, covariates `values`
    (L, C), NaN where unknown, and `measured` (L,), NaN where nothing was. `taken` (M,) marks candidates that hold one.
    `lost` says why others are left out."""

    xy: Array
    metres: Array
    values: Singles
    measured: Array
    taken: Flags
    lost: str

    def __len__(self) -> int:
        return len(self.xy)


def no_points(candidates: Candidates, covariates: int) -> ExistingPoints:
    nothing = np.empty((0, 2))
    values = np.empty((0, covariates), np.float32)
    return ExistingPoints(nothing, nothing, values, np.empty(0), np.zeros(len(candidates), np.bool_), "")


def points_at(x: Array, y: Array, grid: Grid, candidates: Candidates, covariates: int) -> ExistingPoints:
    """Return points of which only the place is known, in the grid's CRS; those off the grid are left out."""
    inside = grid.contains(x, y)
    xy = np.column_stack([x, y])[inside]
    rows, cols = grid.pixels(*xy.T)
    unknown = np.full((len(xy), covariates), np.nan, np.float32)
    metres = Plane.around(candidates.xy, grid.crs).place(xy)
    taken = np.isin(candidates.rows * grid.width + candidates.cols, rows * grid.width + cols)
    return ExistingPoints(xy, metres, unknown, np.full(len(xy), np.nan), taken, "")


def read_existing(
    path: str,
    target: SoilProperty | None,
    covariates: Sequence[Covariate],
    grid: Grid,
    candidates: Candidates,
    notes: Notes,
) -> ExistingPoints:
    """Read the points that lie on the grid.

    Raises:
        EngineError: the layer cannot be read, none of its points lies on the grid, or the target is no number.
    """
    layer, dropped = read_layer(path), Dropped()
    count = len(layer.ids)
    measured = read_numbers(layer, target.field, tr("target"), notes.facts) if target else np.full(count, np.nan)
    places = TargetValues(np.zeros((count, 1)), np.zeros((count, 1), np.bool_), np.zeros((count, 1)), np.ones(count))
    found = place_on_grid(layer, places, grid, dropped, tr("the rasters"))
    by_id = dict(zip(layer.ids.tolist(), measured.tolist()))
    values = np.empty((len(found), len(covariates)), np.float32)
    if covariates:
        with bounded_stack(covariates, grid) as stack:
            numbered = Observations(**{**found.__dict__, "sites": np.arange(len(found))})
            for some, patches in cut_patches(stack, numbered, patch_size=1):
                values[some.sites] = patches[:, :, 0, 0]
    plane = Plane.around(candidates.xy, grid.crs)
    key = found.rows * grid.width + found.cols
    return ExistingPoints(
        xy=found.coordinates,
        metres=plane.place(found.coordinates),
        values=values,
        measured=np.array([by_id[each] for each in found.ids.tolist()]),
        taken=np.isin(candidates.rows * grid.width + candidates.cols, key),
        lost=dropped.in_words(),
    )
