"""Names of covariates, which must be the same wherever and however a raster is opened."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.processing.raster_names import chosen_bands, raster_name


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("/data/Höhe über NN.tif", "Höhe über NN"),
        ("C:/data/dem.v2.tif", "dem.v2"),
        ("/data/dem.tif.gz", "dem"),
        ("/vsigzip//data/dem.tif.gz", "dem"),
        ("/vsizip//data/all data.zip/sub/slope.tif", "slope"),
        ("/vsizip//data/slope.zip", "slope"),
        ("/vsitar/{/data/a.tar}/slope.tif", "slope"),
        ("/vsicurl/https://example.org:8443/covariates/slope.tif?key=a.b", "slope"),
        ("/vsizip//vsicurl/https://example.org/all.zip/slope.tif", "slope"),
        ("/vsis3/bucket/slope.tif", "slope"),
        ("https://example.org/slope.tif", "slope"),
        ("/data/slope.tif|option:NUM_THREADS=2", "slope"),
        ("/data/esri/slope/hdr.adf", "slope"),
        ("/data/esri/slope/w001001.adf", "slope"),
        ('NETCDF:"/data/climate.nc":rain', "rain"),
        ("NETCDF:/data/climate.nc:rain", "rain"),
        ('NETCDF:"C:/data/climate.nc":rain', "rain"),
        ('NETCDF:"/data/from QGIS.nc":Band1', "from QGIS_Band1"),
        ('HDF5:"/data/a.h5"://grid/rain', "grid/rain"),
        ('HDF4_EOS:EOS_GRID:"/data/MOD13.A2024.hdf":MODIS_Grid:NDVI', "MODIS_Grid:NDVI"),
        ("SENTINEL2_L2A:/vsizip//data/S2A.zip/MTD.xml:10m:EPSG_32632", "10m:EPSG_32632"),
        ("GPKG:/data/rasters.gpkg:slope", "slope"),
        ("GTIFF_DIR:2:/data/pages.tif", "pages_2"),
        ("vrt:///data/s2.tif?bands=4,2", "s2"),
        ('vrt://NETCDF:"/data/climate.nc":rain?a_srs=EPSG:4326', "rain"),
    ],
)
def test_a_raster_is_called_by_its_file_or_by_its_part_of_it(source: str, name: str) -> None:
    assert raster_name(source) == name


def test_bands_that_are_taken_out_of_a_file_keep_their_numbers() -> None:
    assert chosen_bands("vrt:///data/s2.tif?bands=4,2") == [4, 2]
    assert chosen_bands("vrt:///data/s2.tif?a_srs=EPSG:4326&bands=3") == [3]
    for source in ("vrt:///data/s2.tif", "vrt:///data/s2.tif?bands=mask", "/data/s2.tif"):
        assert chosen_bands(source) is None
