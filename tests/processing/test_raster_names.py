"""Names of covariates, which must be the same wherever and however a raster is opened."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.processing.raster_names import chosen_bands, raster_name, tell_apart


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


@pytest.mark.parametrize(
    ("source", "name"),
    [("/data/NDVI_2020.05", "NDVI_2020.05"), ("/data/NDVI_2020.05.tif", "NDVI_2020.05"), ("/data/dem.v2", "dem")],
)
def test_an_end_in_digits_is_no_extension(source: str, name: str) -> None:
    assert raster_name(source) == name


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        (("/d/2019/B04.tif", "/d/2020/B04.tif"), ("2019_B04", "2020_B04")),
        (("/d/2019/10m/B04.tif", "/d/2020/10m/B04.tif"), ("2019_B04", "2020_B04")),
        (('NETCDF:"/d/2019.nc":tas', 'NETCDF:"/d/2020.nc":tas'), ("2019_tas", "2020_tas")),
        (('NETCDF:"/a/x.nc":tas', 'NETCDF:"/b/x.nc":tas', "/c/tas.tif"), ("a_x_tas", "b_x_tas", "c_tas")),
        (("C:/d/2019/B04.tif", "C:/d/2020/B04.tif"), ("2019_B04", "2020_B04")),
        (("/d/dem.tif", "/d/dem.asc"), ("dem_tif", "dem_asc")),
        (("/d/a/dem.tif", "/d/b/dem.tif", "/d/a/dem.asc"), ("a_dem_tif", "b_dem_tif", "a_dem_asc")),
        (("/vsizip//d/a.zip/B04.tif", "/vsizip//d/b.zip/B04.tif"), ("a.zip_B04", "b.zip_B04")),
        (("https://e.org/1/dem.tif?k=a", "https://e.org/2/dem.tif?k=b"), ("1_dem", "2_dem")),
        (("/d/slope/hdr.adf", "/e/slope/hdr.adf"), ("d_slope", "e_slope")),
        (("vrt:///d/2019/s.tif?bands=4", "vrt:///d/2020/s.tif?bands=4"), ("2019_s", "2020_s")),
        (("/d/slope.tif", "/d/2020/B04.tif"), ("slope", "B04")),
    ],
)
def test_rasters_of_one_name_are_told_apart(sources: tuple[str, ...], names: tuple[str, ...]) -> None:
    found = tell_apart(sources)
    assert tuple(found[source] for source in sources) == names
    assert tell_apart(sources[::-1]) == found
