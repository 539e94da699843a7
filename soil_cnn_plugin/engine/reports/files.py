"""Files for machines, written whole: JSON, and points in a GeoPackage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import geopandas
import numpy as np

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.observations.point_layer import GPKG_VERSION
from soil_cnn_plugin.engine.outputs import write_whole


def write_json(path: str, content: object) -> None:
    """Write JSON. Arrays become lists, and numbers that are not finite become null, because JSON has no others."""
    text = json.dumps(_plain(content), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(path, text.encode())


def write_points(path: str, layer: str, columns: Mapping[str, object], coordinates: Array, crs_wkt: str) -> None:
    """Write a GeoPackage of points: `columns` (N,) by name, and x and y in `coordinates` (N, 2)."""
    points = geopandas.points_from_xy(*coordinates.T)
    frame, content = geopandas.GeoDataFrame(columns, geometry=points, crs=crs_wkt), BytesIO()
    frame.to_file(content, layer=layer, driver="GPKG", VERSION=GPKG_VERSION)
    write_whole(path, content.getvalue())


def _plain(value: Any) -> Any:
    """Return the value as JSON has it: arrays as lists, and null for what is not finite."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value
