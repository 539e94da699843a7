"""Plan sampling and Compare maps: parameters to jobs, and the styles of what they write."""

from __future__ import annotations

from pathlib import Path

import pytest
from osgeo import gdal, ogr, osr
from qgis.core import NULL, QgsRasterLayer, QgsVectorLayer

from soil_cnn_plugin.contract.jobs import CompareMaps, Covariate, JobError, PlanSampling
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.processing.difference_plans import difference_plans
from soil_cnn_plugin.processing.plan_styles import colour_plan
from soil_cnn_plugin.processing.point_plans import point_plans


def test_plan_sampling_with_defaults(job_of, raster, tmp_path) -> None:
    plan = str(tmp_path / "plan.gpkg")
    job = job_of("plansampling", {"COVARIATES": [raster("dem")], "PLAN": plan})
    assert job == PlanSampling(plan, covariates=(Covariate(str(tmp_path / "dem.tif"), "dem"),))


def test_an_empty_box_for_the_network_is_no_network(job_of, raster, tmp_path) -> None:
    """QGIS's widget for files gives its NULL when it is empty."""
    job = job_of("plansampling", {"COVARIATES": [raster("dem")], "PLAN": str(tmp_path / "plan.gpkg"), "NETWORK": NULL})
    assert job.network == ""


def test_plan_sampling_with_many_values(job_of, observations, raster, tmp_path) -> None:
    values = {
        "DESIGN": "stratified_random",
        "POINTS": 20,
        "COVARIATES": [raster("dem")],
        "CATEGORICAL_COVARIATES": [raster("geology")],
        "REFERENCE": raster("grid"),
        "LEGACY": observations,
        "TARGET": "zinc",
        "STRATA": raster("strata"),
        "COST": raster("roads"),
        "COST_WEIGHT": 2.0,
        "MIN_SPACING": 50.0,
        "VARIOGRAM": "0.1, 1, 500",
        "SEED": 7,
        **{name: str(tmp_path / f"p.{name.lower()}") for name in ("GPX", "CSV")},
        "PLAN": str(tmp_path / "plan.gpkg"),
        "REPORT": str(tmp_path / "r.html"),
        "METRICS": str(tmp_path / "m.json"),
    }
    job = job_of("plansampling", values)
    covariates = (
        Covariate(str(tmp_path / "dem.tif"), "dem"),
        Covariate(str(tmp_path / "geology.tif"), "geology", kind="categorical"),
    )
    assert job == PlanSampling(
        plan=str(tmp_path / "plan.gpkg"),
        design="stratified_random",
        points=20,
        reference=str(tmp_path / "grid.tif"),
        covariates=covariates,
        legacy=job.legacy,
        target=SoilProperty("zinc"),
        strata=str(tmp_path / "strata.tif"),
        cost=Covariate(str(tmp_path / "roads.tif"), "roads"),
        cost_weight=2.0,
        min_spacing=50.0,
        variogram="0.1, 1, 500",
        report=str(tmp_path / "r.html"),
        gpx=str(tmp_path / "p.gpx"),
        csv=str(tmp_path / "p.csv"),
        metrics=str(tmp_path / "m.json"),
        seed=7,
    )
    assert Path(job.legacy).suffix == ".gpkg"


def test_a_design_that_does_not_fit_is_refused_in_words(job_of, raster, tmp_path) -> None:
    values = {"COVARIATES": [raster("dem")], "PLAN": str(tmp_path / "plan.gpkg"), "DESIGN": "where_next"}
    with pytest.raises(JobError, match="no network is chosen"):
        job_of("plansampling", values)


def test_compare_maps_takes_observations_and_limits_by_band(job_of, observations, raster, tmp_path) -> None:
    maps = {name: raster(name, bands=("a", "b")) for name in ("one", "two", "l", "u", "l2", "u2")}
    values = {
        "MAP": maps["one"],
        "MAP_2": maps["two"],
        "BAND_2": 2,
        "OBSERVATIONS": observations,
        "TARGET": "zinc",
        "SAMPLE": "probabilities",
        "INCLUSION": "zinc",
        **dict(zip(("LOWER", "UPPER", "LOWER_2", "UPPER_2"), (maps[name] for name in ("l", "u", "l2", "u2")))),
        "DETECTABLE": str(tmp_path / "d.tif"),
    }
    job = job_of("comparemaps", values)

    def band(name: str, number: int) -> Covariate:
        return Covariate(str(tmp_path / f"{name}.tif"), f"{name}_{'ab'[number - 1]}", number)

    assert job == CompareMaps(
        map=band("one", 1),
        map_2=band("two", 2),
        observations=job.observations,
        target=SoilProperty("zinc"),
        lower=band("l", 1),
        upper=band("u", 1),
        lower_2=band("l2", 2),
        upper_2=band("u2", 2),
        sample="probabilities",
        inclusion="zinc",
        report=job.report,
        difference=job.difference,
        detectable=str(tmp_path / "d.tif"),
    )


def test_maps_of_two_dates_need_no_observations(job_of, raster, tmp_path) -> None:
    job = job_of("comparemaps", {"QUESTION": "change", "MAP": raster("one"), "MAP_2": raster("two")})
    assert (job.question, job.observations, job.target) == ("change", "", None)


@pytest.mark.parametrize("strata", [None, ("wood", "field")])
def test_points_of_a_plan_are_coloured_by_stratum_or_order_and_labelled_by_the_way(tmp_path, strata) -> None:
    path = str(tmp_path / "plan.gpkg")
    dataset = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    crs = osr.SpatialReference()
    crs.ImportFromEPSG(28992)
    layer = dataset.CreateLayer("plan", crs, ogr.wkbPoint)
    for name in ("order", "walk"):
        layer.CreateField(ogr.FieldDefn(name, ogr.OFTInteger))
    if strata:
        layer.CreateField(ogr.FieldDefn("stratum", ogr.OFTString))
    for number in range(1, 11):
        feature = ogr.Feature(layer.GetLayerDefn())
        feature.SetField("order", number)
        feature.SetField("walk", 11 - number)
        if strata:
            feature.SetField("stratum", strata[number % 2])
        feature.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({number} {number})"))
        layer.CreateFeature(feature)
    del layer, dataset
    shown = QgsVectorLayer(path, "plan", "ogr")
    assert "place along the way" in colour_plan(shown)
    assert shown.labeling().settings().fieldName == "walk" and shown.labelsEnabled()
    labels = [item.label() for item in shown.renderer().legendSymbolItems()]
    (plan,) = point_plans({"PLAN": path}, {})[path]
    assert plan.title.startswith("Sampling plan") and plan.style
    assert labels == (["field", "wood"] if strata else [f"order {n} - {n + 1}" for n in (1, 3, 5, 7, 9)])


def test_a_detectable_difference_has_three_named_colours(tmp_path) -> None:
    path = str(tmp_path / "d.tif")
    dataset = gdal.GetDriverByName("GTiff").Create(path, 3, 1, 1, gdal.GDT_Byte)
    dataset.GetRasterBand(1).WriteRaster(0, 0, 3, 1, bytes([1, 2, 3]))
    del dataset
    (plan,) = difference_plans({"DETECTABLE": path})[path]
    layer = QgsRasterLayer(path, "d", "gdal")
    plan.dress(layer)
    assert [item.label for item in layer.renderer().classes()] == [
        "second map lower",
        "not detectable",
        "second map higher",
    ]
