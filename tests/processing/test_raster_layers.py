"""Raster layers of a project: which become covariates, under which names, and which cannot be used."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from osgeo import gdal
from qgis.core import QgsPalettedRasterRenderer, QgsRasterLayer, QgsVectorLayer
from qgis.PyQt.QtGui import QColor

from soil_cnn_plugin.contract.jobs import Covariate, JobError
from soil_cnn_plugin.processing.rasters import absolute


@pytest.fixture
def covariates_of(job_of, observations, tmp_path) -> Callable[..., tuple[Covariate, ...]]:
    """Return a function that makes Extract patches' covariates from raster layers or sources."""

    def make(rasters: list, **changes) -> tuple[Covariate, ...]:
        values = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], "PATCHES": str(tmp_path / "patches.h5")}
        return job_of("extractpatches", {**values, "COVARIATES": rasters, **changes}).covariates

    return make


def test_an_alpha_band_is_no_covariate(covariates_of, raster) -> None:
    path = raster("image", bands=("red", "green", "alpha"))
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.GetRasterBand(3).SetColorInterpretation(gdal.GCI_AlphaBand)
    dataset = None
    assert [(item.name, item.band) for item in covariates_of([path])] == [("image_red", 1), ("image_green", 2)]


def test_a_rotated_raster_is_one_covariate_of_its_own_name(covariates_of, raster) -> None:
    path = raster("rotated")
    dataset = gdal.Open(path, gdal.GA_Update)
    dataset.SetGeoTransform((100, 8, 3, 280, 3, -8))
    dataset = None
    assert QgsRasterLayer(path).bandCount() == 2  # QGIS adds an alpha band when it turns a raster upright
    assert covariates_of([path]) == (Covariate(path, "rotated"),)


def test_bands_taken_out_of_a_file_are_called_as_in_the_whole_file(covariates_of, raster) -> None:
    path = raster("s2", bands=("red", "", "nir"))
    whole = [item.name for item in covariates_of([path])]
    assert whole == ["s2_red", "s2_2", "s2_nir"]
    some = covariates_of([f"vrt://{path}?bands=3,2"])
    assert [(item.name, item.band) for item in some] == [("s2_nir", 1), ("s2_2", 2)]
    assert [item.name for item in covariates_of([f"vrt://{path}?bands=2"])] == ["s2_2"]


def test_rasters_of_one_name_are_told_apart_and_none_is_taken_twice(covariates_of, raster, tmp_path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    paths = [raster(f"{folder}/dem") for folder in ("a", "b")]
    assert [(item.name, item.path) for item in covariates_of(paths)] == [("a_dem", paths[0]), ("b_dem", paths[1])]
    assert [item.name for item in covariates_of([paths[1]], CATEGORICAL_COVARIATES=[paths[0]])] == ["b_dem", "a_dem"]
    bands = [raster(f"{folder}/s2", bands=("red", "nir")) for folder in ("a", "b")]
    assert [item.name for item in covariates_of(bands)] == ["a_s2_red", "a_s2_nir", "b_s2_red", "b_s2_nir"]
    odd = [*paths, raster("a_dem")]
    with pytest.raises(JobError, match=f"^{paths[0]} and {odd[2]} would both be the covariate 'a_dem'"):
        covariates_of(odd)
    with pytest.raises(JobError, match=r"a/dem\.tif is chosen twice"):
        covariates_of([paths[0], paths[0]])
    with pytest.raises(JobError, match=r"a/dem\.tif is chosen twice"):
        covariates_of([], CATEGORICAL_COVARIATES=[paths[0]], DIRECTIONAL_COVARIATES=[paths[0]])


def test_class_names_come_from_the_legend(covariates_of, raster, project) -> None:
    layer = QgsRasterLayer(raster("geology", bands=("a", "b")), "Geology")
    classes = [
        QgsPalettedRasterRenderer.Class(1, QColor("red"), "Löss "),
        QgsPalettedRasterRenderer.Class(2, QColor("blue"), "2"),
        QgsPalettedRasterRenderer.Class(3, QColor("green"), ""),
        QgsPalettedRasterRenderer.Class(4.5, QColor("grey"), "half"),
        QgsPalettedRasterRenderer.Class(-1, QColor("white"), "Water"),
    ]
    layer.setRenderer(QgsPalettedRasterRenderer(layer.dataProvider(), 2, classes))
    project.addMapLayer(layer)
    first, second = covariates_of([], CATEGORICAL_COVARIATES=[layer])
    assert (first.labels, second.labels) == ((), ((1, "Löss"), (-1, "Water")))
    assert all(item.labels == () for item in covariates_of([layer]))  # numbers have no classes


def test_a_layer_of_the_project_whose_file_is_gone_is_told_by_its_name(covariates_of, raster, project) -> None:
    gone = QgsRasterLayer("/nowhere/slope.tif", "Slope of the valley")
    project.addMapLayer(gone)
    says = r"The layer Slope of the valley, /nowhere/slope\.tif, cannot be opened as a raster \(COVARIATES\)"
    for value in (gone, gone.id()):
        with pytest.raises(JobError, match=says):
            covariates_of([raster("dem"), value])


def test_of_200_rasters_the_one_that_is_missing_is_told(covariates_of, raster) -> None:
    path = raster("dem")
    paths = []
    for number in range(200):
        paths.append(path.replace("dem.tif", f"c{number}.tif"))
        os.link(path, paths[-1])
    Path(paths[77]).unlink()
    with pytest.raises(JobError, match=r"c77\.tif cannot be opened as a raster \(COVARIATES\)"):
        covariates_of(paths)
    assert len(covariates_of([*paths[:77], *paths[78:]])) == 199


def test_a_file_of_several_rasters_is_told_with_their_names(covariates_of, raster, tmp_path) -> None:
    path, dem = str(tmp_path / "rasters.gpkg"), raster("dem")
    for name, more in (("slope", []), ("curvature", ["APPEND_SUBDATASET=YES"])):
        options = [f"RASTER_TABLE={name}", *more]
        gdal.Translate(path, dem, format="GPKG", outputType=gdal.GDT_Byte, creationOptions=options)
    says = f"rasters.gpkg holds 2 rasters.* Choose one of them: GPKG:{path}:slope, GPKG:{path}:curvature."
    with pytest.raises(JobError, match=says):
        covariates_of([path])


def test_a_vector_layer_is_told_by_its_name(covariates_of, raster, project) -> None:
    points = QgsVectorLayer("Point?crs=EPSG:28992", "My points", "memory")
    project.addMapLayer(points)
    with pytest.raises(JobError, match=r"The layer My points, .* is not a raster and cannot be opened as a raster"):
        covariates_of([raster("dem"), points.id()])


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("dem.tif", "{here}/dem.tif"),
        ("/vsizip/all.zip/dem.tif", "/vsizip/{here}/all.zip/dem.tif"),
        ("vrt://dem.tif?bands=2", "vrt://{here}/dem.tif?bands=2"),
        ("GPKG:dem.tif:slope", "GPKG:{here}/dem.tif:slope"),
        ("/vsizip//data/all.zip/dem.tif", "/vsizip//data/all.zip/dem.tif"),
        ("/vsizip/{/data/all.zip}/dem.tif", "/vsizip/{/data/all.zip}/dem.tif"),
        ("/vsizip/vsicurl/https://example.org/all.zip", "/vsizip/vsicurl/https://example.org/all.zip"),
        ('vrt://NETCDF:"/data/a.nc":rain?bands=2', 'vrt://NETCDF:"/data/a.nc":rain?bands=2'),
        ("/vsicurl/https://example.org/dem.tif", "/vsicurl/https://example.org/dem.tif"),
    ],
)
def test_a_source_means_the_same_in_another_folder(monkeypatch, tmp_path, source: str, expected: str) -> None:
    (tmp_path / "dem.tif").touch()
    monkeypatch.chdir(tmp_path)
    assert absolute(source) == expected.replace("{here}", str(tmp_path))


def test_a_format_that_only_qgis_opens_is_exported(covariates_of, raster, tmp_path) -> None:
    if gdal.GetDriverByName("HDF4Image") is None:
        pytest.skip("this GDAL has no HDF4")
    path = str(tmp_path / "lai.hdf")
    gdal.GetDriverByName("HDF4Image").CreateCopy(path, gdal.Open(raster("lai")))
    layer = QgsRasterLayer(path, "lai")
    assert layer.isValid()
    (covariate,) = covariates_of(path)
    assert covariate.name == "lai" and covariate.path.endswith(".tif") and covariate.path != path
    copy, original = gdal.Open(covariate.path), gdal.Open(path)
    assert (copy.ReadAsArray() == original.ReadAsArray()).all() and copy.GetGeoTransform() == original.GetGeoTransform()
