"""Parameters for all kinds of soil data become jobs: classes, parts of a whole, detection limits, errors, weights."""

from __future__ import annotations

import sys

import pytest
from osgeo import ogr
from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsVectorLayer

from soil_cnn_plugin.contract.jobs import ExtractPatches, JobError
from soil_cnn_plugin.contract.soil_property import SoilProperty

FIELDS = {
    "type": ("string", ["Gley", "Moor", None]),
    "zinc": ("string", ["<0.5", "1,5", "7"]),
    "ph": ("double", [4.5, 5.5, None]),
    "sand": ("double", [40.0, 50.0, 60.0]),
    "silt": ("double", [30.0, 30.0, 30.0]),
    "clay": ("integer", [30, 20, 10]),
    "zinc_dl": ("double", [0.5, 0.5, 0.5]),
    "ph_sd": ("double", [0.1, 0.2, 0.3]),
    "w": ("integer", [1, 2, 0]),
}


@pytest.fixture
def soils(project) -> QgsVectorLayer:
    fields = "&".join(f"field={name}:{kind}" for name, (kind, _) in FIELDS.items())
    layer = QgsVectorLayer(f"Point?crs=EPSG:28992&{fields}", "Soils", "memory")
    features = []
    for number in range(3):
        feature = QgsFeature(layer.fields())
        feature.setAttributes([values[number] for _, values in FIELDS.values()])
        feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(105 + 10 * number, 275)))
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    project.addMapLayer(layer)
    return layer


@pytest.fixture
def values(soils, raster, tmp_path) -> dict:
    return {"OBSERVATIONS": soils, "COVARIATES": [raster("dem")], "PATCHES": str(tmp_path / "patches.h5")}


def test_all_that_may_be_said_of_targets_reaches_the_job(job_of, values) -> None:
    job = job_of(
        "extractpatches",
        {
            **values,
            "TARGETS": ["zinc", "ph"],
            "TARGET_TYPE": "continuous",
            "COMPOSITION": ["sand", "silt", "clay"],
            "DETECTION_LIMIT": ["zinc_dl"],
            "ERROR": ["ph_sd"],
            "WEIGHT": "w",
            "DUPLICATES": "average",
            "RARE_CLASSES": "merge",
            "UNITS": "zinc=mg/kg; clay=%",
        },
    )
    assert job == ExtractPatches(
        observations=job.observations,
        targets=(
            SoilProperty("zinc", "mg/kg"),
            SoilProperty("ph"),
            SoilProperty("sand"),
            SoilProperty("silt"),
            SoilProperty("clay", "%"),
        ),
        covariates=job.covariates,
        patches=values["PATCHES"],
        target_type="continuous",
        composition=("sand", "silt", "clay"),
        detection_limits=("zinc_dl",),
        errors=("ph_sd",),
        weight="w",
        duplicates="average",
        rare_classes="merge",
    )


def test_all_fields_are_exported_as_they_are(job_of, values) -> None:
    layer = ogr.Open(job_of("extractpatches", {**values, "TARGETS": ["type"]}).observations)
    rows = [feature.items() for feature in layer.GetLayer(0)]
    assert {name: [row[name] for row in rows] for name in FIELDS} == {
        name: content for name, (_, content) in FIELDS.items()
    }


def test_a_text_field_may_be_a_target(job_of, values) -> None:
    job = job_of("extractpatches", {**values, "TARGETS": ["type"]})
    assert (job.targets, job.target_type) == ((SoilProperty("type"),), "auto")


@pytest.mark.parametrize("algorithm", ["extractpatches", "mapsoilproperties"])
def test_a_composition_needs_no_other_target(job_of, values, tmp_path, algorithm) -> None:
    job = job_of(algorithm, {**values, "COMPOSITION": ["sand", "silt", "clay"], "PREDICTION": str(tmp_path / "p.tif")})
    extract = job if algorithm == "extractpatches" else job.extract
    assert [target.field for target in extract.targets] == ["sand", "silt", "clay"]
    assert extract.compositions == (("sand", "silt", "clay"),)


def test_parts_that_are_targets_too_keep_their_place(job_of, values) -> None:
    job = job_of("extractpatches", {**values, "TARGETS": ["clay", "ph"], "COMPOSITION": ["sand", "silt", "clay"]})
    assert [target.field for target in job.targets] == ["clay", "ph", "sand", "silt"]
    assert job.compositions == (("clay", "sand", "silt"),)


def test_a_unit_of_a_part_comes_from_its_alias_too(job_of, values, soils) -> None:
    soils.setFieldAlias(3, "Sand (g/100 g)")
    job = job_of("extractpatches", {**values, "COMPOSITION": ["sand", "clay"]})
    assert [target.unit for target in job.targets] == ["g/100 g", ""]


@pytest.mark.parametrize("empty", [{}, {"TARGETS": [], "COMPOSITION": []}, {"TARGETS": "", "COMPOSITION": None}])
def test_nothing_to_map_is_refused_before_and_while_running(
    job_of, provider, context, values, monkeypatch, empty
) -> None:
    with pytest.raises(JobError, match="No field is chosen under TARGETS, COMPOSITION or CLASS_TARGETS. Choose"):
        job_of("extractpatches", {**values, **empty})
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)
    checked = provider.algorithm("extractpatches").checkParameterValues({**values, **empty}, context)
    assert checked == (False, "No field is chosen under “What to map”. Choose at least one field to map.")
    filled = {**values, **empty, "TARGETS": ["sand", "clay"], "COMPOSITION": ["sand", "clay"]}
    assert provider.algorithm("extractpatches").checkParameterValues(filled, context)[0]


@pytest.mark.parametrize("name", ["COMPOSITION", "DETECTION_LIMIT", "ERROR", "WEIGHT"])
def test_a_field_that_is_not_there_is_named_with_its_parameter(job_of, values, name) -> None:
    value = "nothing" if name == "WEIGHT" else ["nothing"]
    with pytest.raises(JobError, match=rf"no field 'nothing' \({name}\). Their fields are: type, zinc"):
        job_of("extractpatches", {**values, "TARGETS": ["zinc"], name: value})


def test_what_cannot_be_mapped_together_is_refused(job_of, values) -> None:
    with pytest.raises(JobError, match="clay is the only part of its composition"):
        job_of("extractpatches", {**values, "COMPOSITION": ["clay"]})
    with pytest.raises(JobError, match="ph is chosen as a soil class and as a part of a composition"):
        job_of("extractpatches", {**values, "CLASS_TARGETS": ["ph"], "COMPOSITION": ["ph", "zinc"]})
    with pytest.raises(
        JobError, match="It is not clear which detection limit belongs to which target: w for 2 targets"
    ):
        numbers = {**values, "TARGETS": ["zinc", "ph"], "TARGET_TYPE": "continuous"}
        job_of("extractpatches", {**numbers, "DETECTION_LIMIT": ["w"]})
