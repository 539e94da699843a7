"""Standardize depths in QGIS: parameter values become a job, tables are exported, units are found, profiles styled."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from osgeo import ogr, osr
from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsGeometry,
    QgsGraduatedSymbolRenderer,
    QgsPointXY,
    QgsProcessingContext,
    QgsVectorLayer,
)

from soil_cnn_plugin.contract.jobs import JobError, StandardizeDepths
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.processing import styles
from soil_cnn_plugin.processing.point_plans import point_plans

FIELDS = ["field=id:string", "field=top:string", "field=bottom:double", "field=clay:string", "field=ph:double"]


@pytest.fixture
def horizons(project):
    """Return a function that makes a layer of two horizons in memory, at `Point?crs=...` or, as a table, at `None`."""

    def make(place: str) -> QgsVectorLayer:
        layer = QgsVectorLayer(f"{place}{'&' if '?' in place else '?'}{'&'.join(FIELDS)}", "Horizons 2020", "memory")
        layer.setFieldAlias(3, "Clay (%)")
        for top, bottom, clay in (("0", 20.0, "10,5"), ("20", 50.0, None)):
            feature = QgsFeature(layer.fields())
            feature.setAttributes(["p1", top, bottom, clay, 6.0])
            if layer.isSpatial():
                feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(105, 275)))
            layer.dataProvider().addFeature(feature)
        project.addMapLayer(layer)
        return layer

    return make


@pytest.fixture
def standardize(job_of, horizons, tmp_path):
    """Return a function that makes the job of Standardize depths, with changed values."""

    def make(place: str = "Point?crs=EPSG:28992", **changes) -> StandardizeDepths:
        values = {
            "HORIZONS": horizons(place),
            "PROFILE": "id",
            "UPPER": "top",
            "LOWER": "bottom",
            "VALUES": ["clay", "ph"],
            "OUTPUT": str(tmp_path / "profiles.gpkg"),
        }
        return job_of("standardizedepths", {**values, **changes})

    return make


def test_standardize_depths_with_defaults(standardize, tmp_path) -> None:
    job = standardize()
    assert job == StandardizeDepths(
        horizons=job.horizons,
        profile="id",
        upper="top",
        lower="bottom",
        values=(SoilProperty("clay", "%"), SoilProperty("ph")),
        output=str(tmp_path / "profiles.gpkg"),
    )
    assert Path(job.horizons).name == "Horizons 2020.gpkg"


def test_standardize_depths_with_all_values(standardize, tmp_path) -> None:
    job = standardize(
        "None",
        INTERVALS="0-30, 30-100",
        LAMBDA=0.5,
        MIN_SHARE=1.0,
        UNITS="clay=g/kg; ph=-",
        X="bottom",
        Y="ph",
        CRS="EPSG:4326",
        PROBLEMS=str(tmp_path / "problems.gpkg"),
    )
    assert 'ID["EPSG",4326]' in job.crs
    assert job == StandardizeDepths(
        horizons=job.horizons,
        profile="id",
        upper="top",
        lower="bottom",
        values=(SoilProperty("clay", "g/kg"), SoilProperty("ph")),
        output=str(tmp_path / "profiles.gpkg"),
        problems=str(tmp_path / "problems.gpkg"),
        x="bottom",
        y="ph",
        crs=job.crs,
        intervals=((0.0, 30.0), (30.0, 100.0)),
        smoothing=0.5,
        min_share=1.0,
    )


def test_values_below_detection_limits_reach_the_engine_as_they_are_written(standardize, horizons) -> None:
    layer = horizons("None")
    layer.startEditing()
    layer.changeAttributeValue(2, 3, "<0.5")
    dataset = ogr.Open(standardize(HORIZONS=layer).horizons)
    assert [row.items()["clay"] for row in dataset.GetLayer(0)] == ["10,5", "<0.5"]


def test_profiles_are_coloured_by_the_first_field_of_numbers(tmp_path) -> None:
    """Means of values below detection limits are texts."""
    path = str(tmp_path / "profiles.gpkg")
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(28992)
    layer = dataset.CreateLayer("profiles", crs, ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("zinc_0_5", ogr.OFTString))
    layer.CreateField(ogr.FieldDefn("zinc_5_15", ogr.OFTReal))
    for number, text in ((1.0, "<0.5"), (3.0, "2")):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("zinc_0_5", text)
        feature.SetField("zinc_5_15", number)
        feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (1 2)"))
        layer.CreateFeature(feature)
    del layer, dataset
    assert point_plans({"OUTPUT": path}, {})[path][0].title == "Standard depths: zinc 5-15 cm"


def test_a_table_without_geometry_is_exported_as_it_is(standardize) -> None:
    dataset = ogr.Open(standardize("None").horizons)
    layer = dataset.GetLayer(0)
    assert layer.GetGeomType() == ogr.wkbNone
    assert [row.items() for row in layer] == [
        {"id": "p1", "top": "0", "bottom": 20.0, "clay": "10,5", "ph": 6.0},
        {"id": "p1", "top": "20", "bottom": 50.0, "clay": None, "ph": 6.0},
    ]


def test_points_without_crs_are_refused(standardize, horizons) -> None:
    layer = horizons("Point?crs=EPSG:28992")
    layer.setCrs(QgsCoordinateReferenceSystem())
    with pytest.raises(JobError, match="The layer Horizons 2020 has no CRS"):
        standardize(HORIZONS=layer)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"INTERVALS": "0-5,5"}, "'5' is not a depth interval"),
        ({"INTERVALS": "5-0"}, "5-0 is not a depth interval"),
        ({"UPPER": "depth"}, r"no field 'depth' \(UPPER\)"),
        ({"UPPER": "bottom"}, "bottom is chosen for two purposes"),
        ({"UNITS": "sand=%"}, r"with a field of VALUES \(clay, ph\)"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(standardize, change, says) -> None:
    with pytest.raises(JobError, match=says):
        standardize(**change)


def test_every_run_returns_its_files_and_numbers(provider, context, stand_in, horizons, tmp_path) -> None:
    import processing

    values = {"HORIZONS": horizons("None"), "PROFILE": "id", "UPPER": "top", "LOWER": "bottom", "VALUES": ["ph"]}
    files = {"OUTPUT": str(tmp_path / "o.gpkg"), "PROBLEMS": str(tmp_path / "p.gpkg")}
    results = processing.run("soilcnn:standardizedepths", {**values, **files}, context=context)
    assert results == {**files, "COUNT": 7}


def profiles(path: Path, values: list[float], is_spatial: bool = True) -> str:
    """Write profiles as the engine does, with the alias in a place where GDAL before 3.7 does not look."""
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    system = osr.SpatialReference()
    system.ImportFromEPSG(28992)
    layer = dataset.CreateLayer("profiles", system if is_spatial else None, ogr.wkbPoint if is_spatial else ogr.wkbNone)
    for name in ("id", "clay_0_5"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTReal))
    for number, value in enumerate(values):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["id"], feature["clay_0_5"] = number, value
        if is_spatial:
            feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({105 + 10 * number} 275)"))
        layer.CreateFeature(feature)
    feature = layer = dataset = None
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE gpkg_data_columns (table_name TEXT, column_name TEXT, name TEXT)")
        database.execute("INSERT INTO gpkg_data_columns VALUES ('profiles', 'clay_0_5', 'Clay 0-5 cm (%)')")
    return str(path)


def test_units_in_a_geopackage_are_found_without_any_style(job_of, raster, tmp_path) -> None:
    path = profiles(tmp_path / "p.gpkg", [1.0, 2.0])
    values = {"OBSERVATIONS": path, "TARGETS": ["clay_0_5"], "COVARIATES": [raster("dem")], "PATCHES": "p.h5"}
    assert job_of("extractpatches", values).targets == (SoilProperty("clay_0_5", "%"),)
    assert job_of("extractpatches", {**values, "UNITS": "-"}).targets == (SoilProperty("clay_0_5"),)


def test_profiles_are_coloured_by_their_uppermost_interval_and_carry_aliases(tmp_path, qgis_app) -> None:
    path = profiles(tmp_path / "p.gpkg", [float(value) for value in range(101)])
    styles.dress({"OUTPUT": path}, QgsProcessingContext())
    layer = QgsVectorLayer(path, "x")  # finds the style beside it
    renderer = layer.renderer()
    assert isinstance(renderer, QgsGraduatedSymbolRenderer)
    assert renderer.classAttribute() == '"clay_0_5"'
    assert [item.label() for item in renderer.ranges()] == ["< 21", "21 - 40", "40 - 60", "60 - 79", "> 79"]
    first, last = renderer.ranges()[0], renderer.ranges()[-1]
    assert (first.lowerValue(), last.upperValue()) == (0, 100)
    assert first.symbol().color().name() == "#00224e"  # the first colour of cividis, the ramp of texture
    assert layer.fields().field("clay_0_5").alias() == "Clay 0-5 cm (%)"


@pytest.mark.parametrize(("values", "is_spatial"), [([1.0, 2.0], False), ([5.0, 5.0], True), ([], True)])
def test_profiles_without_places_or_differences_are_styled_without_classes(
    values, is_spatial, tmp_path, qgis_app
) -> None:
    path = profiles(tmp_path / "p.gpkg", values, is_spatial)
    styles.dress({"OUTPUT": path}, QgsProcessingContext())
    layer = QgsVectorLayer(path, "x")
    assert not isinstance(layer.renderer(), QgsGraduatedSymbolRenderer)
    assert layer.fields().field("clay_0_5").alias() == "Clay 0-5 cm (%)"
