"""Pixels that hold the nodata value: the same ones that GDAL's own mask leaves out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block

Write = Callable[..., str]
FLOATS = [-9999.0, 0.0, np.nan, 255.0, 1e20, 1e-40, 0.1, np.inf, -3.4028234663852886e38, -3.40282346638529e38]
CODES = [("uint8", 0), ("uint8", 255), ("int8", -128), ("int16", -9999), ("int16", -32768), ("uint16", 65535)]


@pytest.mark.parametrize(("kind", "nodata"), [*(("float32", each) for each in FLOATS), *CODES])
@pytest.mark.parametrize("has_neighbours", [True, False])
def test_gaps_are_where_gdal_finds_them(write_raster: Write, kind: str, nodata: Any, has_neighbours: bool) -> None:
    values = [nodata, 1, 2, 3]
    if kind == "float32":
        values += [np.nan, np.inf, -np.inf, -0.0, 1e-45]
    if has_neighbours and np.isfinite(nodata):  # GDAL takes floats for equal that differ in their last bits
        bits = np.array([nodata], np.float32).view(np.int32) + np.arange(-20, 21, dtype=np.int32)
        values += bits.view(np.float32).tolist() if kind == "float32" else [nodata + 1 if nodata <= 0 else nodata - 1]
    row = np.array(values, kind)[np.newaxis]
    path = write_raster("a.tif", row, nodata=nodata)
    with rasterio.open(path) as dataset:
        mask = dataset.read_masks(1) > 0
    expected = np.where(mask & np.isfinite(row), row.astype(np.float32), np.float32(np.nan))
    with open_stack([Covariate(path, "a")], reference_grid(path)) as stack:
        found = stack.read(Block(0, 0, *row.shape))[0]
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
