"""Grids that reach beyond the outline of their projection, with a covariate in degrees: filled wherever there is a
place, as GDAL fills them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

Write = Callable[..., str]
HOMOLOSINE = "+proj=igh +lon_0=0 +datum=WGS84 +units=m +no_defs"
GRIDS = {  # CRS, west, north, cell, columns, rows
    "EASE-Grid 2.0": ("EPSG:6933", -17367530.44, 7307375.92, 36032.22, 964, 406),
    "Robinson": ("ESRI:54030", -17050000, 8650000, 50000, 682, 346),
    "Robinson, fine": ("ESRI:54030", -17100000, 8700000, 20000, 500, 300),
    "homolosine": (HOMOLOSINE, -20037508, 8695798, 50000, 802, 348),
    "Mollweide": ("ESRI:54009", -18100000, 9100000, 50000, 724, 364),
    "Albers of the United States": ("EPSG:5070", -6000000, 7000000, 20000, 600, 600),
    "polar": ("EPSG:3995", -12000000, 12000000, 50000, 480, 480),
}


@pytest.mark.parametrize("name", GRIDS)
def test_each_pixel_with_a_place_has_its_value(name: str, write_raster: Write) -> None:
    crs, west, north, cell, columns, rows = GRIDS[name]
    latitude = np.repeat((90 - 0.25 * (np.arange(720) + 0.5))[:, None], 1440, 1).astype(np.float32)
    path = write_raster("latitude.tif", latitude, (0.25, 0.0, -180.0, 0.0, -0.25, 90.0), "EPSG:4326")
    wkt = rasterio.CRS.from_user_input(crs).to_wkt()
    grid = Grid(wkt, (cell, 0.0, west, 0.0, -cell, north), rows, columns)
    with open_stack([Covariate(path, "latitude")], grid) as stack:
        found = stack.read(Block(0, 0, rows, columns))[0]
    x, y = grid.xy(*np.mgrid[0:rows, 0:columns], crs_wkt="EPSG:4326")
    has_place = np.isfinite(x) & np.isfinite(y)
    assert np.isfinite(found[has_place]).all()
    assert np.isfinite(found[~has_place]).sum() <= 5  # whose corners have one
    error = np.abs(found - y)[has_place]
    assert np.quantile(error, 0.99) < 0.15 and error.max() < 0.5  # of 90: around a pole cells are curved
