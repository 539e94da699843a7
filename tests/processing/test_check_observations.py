"""Check observations in QGIS: parameter values become a job, results come back, and problems get a style."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from osgeo import ogr
from qgis.core import QgsFeature, QgsFeatureRequest, QgsGeometry, QgsVectorLayer

from soil_cnn_plugin.contract.jobs import CheckObservations, Covariate, JobError
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.processing.point_styles import colour_problems


@pytest.fixture
def check(job_of, observations):
    """Return a function that makes the job of Check observations from values."""
    return lambda **values: job_of("checkobservations", {"OBSERVATIONS": observations, **values})


def test_nothing_but_observations_is_needed(check) -> None:
    job = check()
    assert job == CheckObservations(observations=job.observations, report=job.report, problems=job.problems)
    assert Path(job.observations).name == "Observed soils.gpkg"  # the name on the page


def test_all_values_arrive(check, raster, tmp_path) -> None:
    job = check(
        FIELDS=["zinc", "note"],
        UNITS="zinc=mg/kg",
        COVARIATES=[raster("dem")],
        PROFILE="site",
        REPORT=str(tmp_path / "check.html"),
        PROBLEMS=str(tmp_path / "problems.gpkg"),
        METRICS=str(tmp_path / "check.json"),
    )
    assert job == CheckObservations(
        observations=job.observations,
        report=str(tmp_path / "check.html"),
        problems=str(tmp_path / "problems.gpkg"),
        metrics=str(tmp_path / "check.json"),
        fields=("zinc", "note"),
        units=(SoilProperty("zinc", "mg/kg"),),
        covariates=(Covariate(str(tmp_path / "dem.tif"), "dem"),),
        profile="site",
    )


@pytest.fixture
def texture(project) -> QgsVectorLayer:
    """Return a layer with fields of texture, depths and limits, one with a unit in its alias, and no features."""
    names = ("sand", "silt", "clay", "top", "bottom", "cu", "cu_dl")
    fields = "&".join(f"field={name}:double" for name in names)
    layer = QgsVectorLayer(f"MultiPoint?crs=EPSG:28992&{fields}", "Texture", "memory")
    layer.setFieldAlias(0, "Sand (%)")
    project.addMapLayer(layer)
    return layer


def test_parts_depths_limits_and_units_of_aliases_arrive(check, texture) -> None:
    job = check(
        OBSERVATIONS=texture,
        COMPOSITION=["sand", "silt", "clay"],
        UPPER="top",
        LOWER="bottom",
        DETECTION_LIMIT=["cu_dl"],
        UNITS="silt=%",
    )
    assert (job.composition, job.upper, job.lower) == (("sand", "silt", "clay"), "top", "bottom")
    assert job.detection_limits == ("cu_dl",) and job.fields == ()
    assert job.units == (SoilProperty("sand", "%"), SoilProperty("silt", "%"))


def test_one_unit_is_that_of_the_chosen_fields(check, texture) -> None:
    job = check(OBSERVATIONS=texture, FIELDS=["cu"], UNITS="mg/kg")
    assert job.units == (SoilProperty("sand", "%"), SoilProperty("cu", "mg/kg"))


def test_multipoints_and_missing_geometries_are_exported_as_they_are(check, texture) -> None:
    for text in ("MULTIPOINT (1 2, 3 4)", "MULTIPOINT (5 6)", ""):
        feature = QgsFeature(texture.fields())
        if text:
            feature.setGeometry(QgsGeometry.fromWkt(text))
        texture.dataProvider().addFeature(feature)
    source = ogr.Open(check(OBSERVATIONS=texture).observations)
    shapes = [row.geometry().ExportToWkt() for row in source.GetLayer(0)]
    assert shapes == ["MULTIPOINT (1 2,3 4)", "MULTIPOINT (5 6)", "MULTIPOINT EMPTY"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"FIELDS": ["lead"]}, r"no field 'lead' \(FIELDS\)"),
        ({"COMPOSITION": ["zinc"]}, "zinc is the only one"),
        ({"UPPER": "zinc"}, "the field of the lower one is missing"),
        ({"UNITS": "lead=mg/kg"}, "with a field of FIELDS"),
    ],
)
def test_what_cannot_be_asked_is_refused(check, values, says) -> None:
    with pytest.raises(JobError, match=says):
        check(**values)


def test_results_come_back(provider, context, stand_in, observations, tmp_path) -> None:
    import processing

    files = {"REPORT": str(tmp_path / "r.html"), "PROBLEMS": str(tmp_path / "p.gpkg")}
    results = processing.run(
        "soilcnn:checkobservations",
        {"OBSERVATIONS": observations, **files},
        context=context,
        feedback=context.feedback(),
    )
    assert results == {**files, "COUNT": 7}
    assert json.loads(Path(files["REPORT"]).read_text())["job"] == "check_observations"


def write_problems(path: Path, severities: list[str]) -> str:
    source = ogr.GetDriverByName("GPKG").CreateDataSource(str(path))
    layer = source.CreateLayer("problems", geom_type=ogr.wkbPoint)
    layer.CreateField(ogr.FieldDefn("severity", ogr.OFTString))
    for severity in severities:
        feature = ogr.Feature(layer.GetLayerDefn())
        feature["severity"] = severity
        feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (1 2)"))
        layer.CreateFeature(feature)
    return str(path)


def test_problems_are_coloured_by_how_grave_they_are_and_the_gravest_lie_on_top(tmp_path, qgis_app) -> None:
    path = write_problems(tmp_path / "p.gpkg", ["repair", "note", "check"])
    layer = QgsVectorLayer(path, "p")
    colour_problems(layer)
    renderer = layer.renderer()
    assert [(item.value(), item.label()) for item in renderer.categories()] == [
        ("repair", "to repair"),
        ("check", "to check"),
        ("note", "good to know"),
    ]
    request = QgsFeatureRequest().setOrderBy(renderer.orderBy())
    assert renderer.orderByEnabled()
    assert [row["severity"] for row in layer.getFeatures(request)] == ["note", "check", "repair"]
