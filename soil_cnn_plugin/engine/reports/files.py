"""Files for machines, written whole: JSON, and points in a GeoPackage."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import geopandas
import numpy as np

from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.observations.point_layer import GPKG_VERSION


def write_json(path: str, content: object) -> None:
    """Arrays become lists, numbers that are not finite null: JSON has no others."""
    with open(part(path), "w", encoding="utf-8") as file:
        json.dump(_plain(content), file, indent=1, ensure_ascii=False, allow_nan=False)
    os.replace(part(path), path)


def write_points(path: str, layer: str, columns: Mapping[str, object], coordinates: Array, crs_wkt: str) -> None:
    """A GeoPackage of points: `columns` (N,) by name, `coordinates` (N, 2) x and y."""
    points = geopandas.points_from_xy(*coordinates.T)
    partial = f"{part(path)}.gpkg"  # GDAL wants the extension
    frame = geopandas.GeoDataFrame(columns, geometry=points, crs=crs_wkt)
    frame.to_file(partial, layer=layer, driver="GPKG", VERSION=GPKG_VERSION)
    os.replace(partial, path)


def _plain(value: Any) -> Any:
    """As JSON has it: arrays as lists, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
