"""Layers of observations in memory, as they come from a file, and jobs that read them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyproj
import shapely

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.observations.locating import check_usable, locate_observations
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.observations.target_values import Classes, read_target_values
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.targets.measured import TargetsInWords, TargetValues

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (10.0, 0.0, 0.0, 0.0, -10.0, 1000.0), 100, 100)
"""100 x 100 pixels of 10 m whose lower left corner is the origin."""


def layer_of(xy: Any = None, **columns: Any) -> Layer:
    """`soil`, features from 1, in places a pixel apart; texts and None become what a file of them gives."""
    arrays = {name: _column(values) for name, values in columns.items()}
    count = len(next(iter(arrays.values())))
    places = [(5 + 10 * (i % 100), 5 + 10 * (i // 100)) for i in range(count)] if xy is None else xy
    meta = {"crs": "EPSG:28992", "fields": np.array(list(columns)), "geometry_type": "Point"}
    return Layer("/data/soil.gpkg", meta, np.arange(count) + 1, shapely.to_wkb(shapely.points(places)), arrays)


def job_of(*fields: str, **changes: Any) -> ExtractPatches:
    targets = tuple(SoilProperty(field) for field in fields)
    return ExtractPatches("/data/soil.gpkg", targets, (Covariate("/c.tif", "c"),), "/patches.h5", **changes)


def read(layer: Layer, *fields: str, **changes: Any) -> tuple[TargetValues, Notes, Dropped]:
    notes, dropped = Notes(), Dropped()
    values, _ = read_target_values(layer, job_of(*fields, **changes), dropped, notes)
    return values, notes, dropped


def read_classes(layer: Layer, *fields: str, **changes: Any) -> Classes:
    """The classes' names alone, by the field of their target."""
    return read_target_values(layer, job_of(*fields, **changes), Dropped(), Notes())[1]


def located(layer: Layer, *fields: str, **changes: Any) -> tuple[Observations, Classes, Notes, dict[int, str]]:
    """As extraction does before it cuts patches."""
    notes, dropped, job = Notes(), Dropped(), job_of(*fields, **changes)
    found, classes = locate_observations(layer, job, GRID, dropped, notes)
    check_usable(found, TargetsInWords(job.targets, classes, job.compositions), layer, dropped)
    return found, classes, notes, dropped.reasons


def _column(values: Any) -> Any:
    array = np.asarray(values)
    return array.astype(object) if array.dtype.kind == "U" else array
