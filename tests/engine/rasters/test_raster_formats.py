"""What the QGIS half hands over as it is, the engine opens."""

from __future__ import annotations

import rasterio

from soil_cnn_plugin.contract.raster_formats import ENGINE_FORMATS


def test_the_engines_gdal_knows_all_formats_that_are_not_exported() -> None:
    with rasterio.Env() as environment:
        assert set(environment.drivers()) >= ENGINE_FORMATS
    assert not {"HDF4", "HDF4Image", "KEA", "FITS", "HEIF"} & ENGINE_FORMATS
