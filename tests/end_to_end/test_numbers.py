"""The packaged plugin from outside: qgis_process runs each step, with a real worker, on data made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr

from tests.end_to_end.land import CELL, CRS, NORTH, SIZE, WEST, Land, read_raster, write_horizons, write_observations
from tests.end_to_end.packaged import QUICK, Qgis


@pytest.fixture(scope="module")
def mapped(qgis: Qgis, land: Land, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The results of the whole chain in one algorithm."""
    folder = tmp_path_factory.mktemp("mapped")
    names = ("PREDICTION", "LOWER", "UPPER", "STANDARD_DEVIATION", "DISSIMILARITY")
    rasters = {name: folder / f"{name.lower()}.tif" for name in names}
    files = {"NETWORK": folder / "clay.safetensors", "PATCHES": folder / "clay.h5", "REPORT": folder / "clay.html"}
    files.update(HELD_OUT=folder / "held_out.gpkg", METRICS=folder / "metrics.json")
    return qgis.run("soilcnn:mapsoilproperties", {**land.inputs, **QUICK, **rasters, **files, "PATCH_SIZE": 7})


def test_the_map_lies_on_the_covariates_grid(mapped: dict[str, object]) -> None:
    dataset = gdal.Open(str(mapped["PREDICTION"]))
    assert (dataset.RasterYSize, dataset.RasterXSize, dataset.RasterCount) == (SIZE, SIZE, 2)
    assert dataset.GetGeoTransform() == (WEST, CELL, 0, NORTH, 0, -CELL)
    assert dataset.GetSpatialRef().GetAuthorityCode(None) == "32631"
    assert "clay 0-10 cm" in dataset.GetRasterBand(1).GetDescription()


def test_the_map_resembles_the_truth(mapped: dict[str, object], land: Land) -> None:
    predicted = read_raster(mapped["PREDICTION"])
    is_valid = np.isfinite(predicted)
    assert np.corrcoef(predicted[is_valid], land.clay[is_valid])[0, 1] > 0.7


def test_pixels_without_covariates_stay_empty_and_only_those(mapped: dict[str, object]) -> None:
    is_empty = np.isnan(read_raster(mapped["PREDICTION"]))
    assert is_empty[:4, :9].all()
    assert is_empty.sum() == 4 * 9


def test_the_limits_enclose_the_prediction(mapped: dict[str, object]) -> None:
    lower, predicted, upper = (read_raster(mapped[name]) for name in ("LOWER", "PREDICTION", "UPPER"))
    is_valid = np.isfinite(predicted)
    assert (lower[is_valid] <= predicted[is_valid]).all()
    assert (predicted[is_valid] <= upper[is_valid]).all()


def test_a_style_lies_beside_each_raster(mapped: dict[str, object]) -> None:
    for name in ("PREDICTION", "LOWER", "UPPER", "STANDARD_DEVIATION", "DISSIMILARITY"):
        assert "singlebandpseudocolor" in Path(str(mapped[name])).with_suffix(".qml").read_text(encoding="utf-8")


def test_nothing_half_written_is_left(mapped: dict[str, object]) -> None:
    assert list(Path(str(mapped["PREDICTION"])).parent.glob("*.part*")) == []


def test_numbers_come_back_for_models_to_branch_on(mapped: dict[str, object]) -> None:
    assert 0 < float(str(mapped["RMSE"])) < 20
    assert 0.5 < float(str(mapped["PICP"])) <= 1
    assert mapped["VERDICT"]


def test_the_report_is_one_page_that_names_the_soil_property(mapped: dict[str, object]) -> None:
    page = Path(str(mapped["REPORT"])).read_text(encoding="utf-8")
    assert "clay 0-10 cm" in page and page.count("<path") > 50  # its figures are drawn
    assert 'src="http' not in page and '<link rel="stylesheet" href="http' not in page


def test_held_out_points_carry_observed_and_predicted(mapped: dict[str, object]) -> None:
    dataset = ogr.Open(str(mapped["HELD_OUT"]))
    names = {field.name for field in dataset.GetLayer(0).schema}
    assert dataset.GetLayer(0).GetFeatureCount() > 0
    assert any("predicted" in name for name in names), names


def test_step_by_step_gives_the_map_of_the_whole_chain(
    qgis: Qgis, land: Land, mapped: dict[str, object], tmp_path: Path
) -> None:
    patches = qgis.run("soilcnn:extractpatches", {**land.inputs, "PATCH_SIZE": 7, "PATCHES": tmp_path / "clay.h5"})
    assert patches["COUNT"] == 80
    training = {"PATCHES": patches["PATCHES"], "NETWORK": tmp_path / "clay.safetensors", **QUICK}
    network = qgis.run("soilcnn:trainnetwork", training)["NETWORK"]
    prediction = qgis.run("soilcnn:predictmap", {"NETWORK": network, "PREDICTION": tmp_path / "clay.tif"})["PREDICTION"]
    np.testing.assert_allclose(read_raster(prediction), read_raster(mapped["PREDICTION"]), rtol=1e-4)


def test_the_shipped_model_maps_from_its_own_inputs(qgis: Qgis, land: Land, tmp_path: Path) -> None:
    outputs = {name: tmp_path / f"{name}.tif" for name in ("prediction", "lower_limit", "upper_limit")}
    outputs.update(trained_network=tmp_path / "clay.safetensors", report=tmp_path / "clay.html")
    settings = {"PATCH_SIZE": 7, "PRESET": "fast", "VALIDATION": "random"}
    one_target = {**land.inputs, "TARGETS": ["clay_0_10"]}
    with qgis.without_figures():
        results = qgis.run("soilcnn:Map in three steps", {**one_target, **settings, **outputs})
    predicted = read_raster(results["prediction"])
    is_valid = np.isfinite(predicted)
    assert np.corrcoef(predicted[is_valid], land.clay[is_valid])[0, 1] > 0.7
    assert all(path.is_file() for path in outputs.values())


def test_the_map_tells_where_it_is_applicable(mapped: dict[str, object]) -> None:
    dataset = gdal.Open(str(mapped["DISSIMILARITY"]))
    threshold = float(dataset.GetMetadataItem("DISSIMILARITY_THRESHOLD"))
    assert threshold == pytest.approx(float(str(mapped["DISSIMILARITY_THRESHOLD"])))
    index = read_raster(mapped["DISSIMILARITY"])
    share = (index[np.isfinite(index)] <= threshold).mean()
    assert 0.2 < share <= 1 and share == pytest.approx(float(str(mapped["APPLICABLE_SHARE"])), abs=1e-3)
    style = Path(str(mapped["DISSIMILARITY"])).with_suffix(".qml").read_text(encoding="utf-8")
    assert "not applicable: " in style


def test_a_network_is_explained(qgis: Qgis, mapped: dict[str, object], tmp_path: Path) -> None:
    files = {"REPORT": "why.html", "IMPORTANCE": "why.gpkg", "ATTRIBUTION": "why.tif", "METRICS": "why.json"}
    extent = f"{WEST},{WEST + 20 * CELL},{NORTH - 30 * CELL},{NORTH - 10 * CELL} [{CRS}]"
    inputs = {"NETWORK": mapped["NETWORK"], "PATCHES": mapped["PATCHES"], "TARGET": "clay_0_10", "EXTENT": extent}
    results = qgis.run("soilcnn:explainnetwork", {**inputs, **{name: tmp_path / file for name, file in files.items()}})
    assert float(str(results["CONTEXT_RADIUS"])) >= 0 and results["VERDICT"]
    source = ogr.Open(str(results["IMPORTANCE"]))  # a layer lives only as long as its dataset
    table = source.GetLayer(0)
    # Three covariates and the location, which the Gaussian process sees.
    assert table.GetFeatureCount() == 2 * 4 and table.GetGeomType() == ogr.wkbNone
    dataset = gdal.Open(str(results["ATTRIBUTION"]))
    assert (dataset.RasterYSize, dataset.RasterXSize, dataset.RasterCount) == (20, 20, 4)
    assert "elevation" in dataset.GetRasterBand(1).GetDescription()
    assert "elevation" in Path(str(results["REPORT"])).read_text(encoding="utf-8")
    assert (tmp_path / "why.qml").is_file()


def test_a_network_file_is_described(qgis: Qgis, mapped: dict[str, object], tmp_path: Path) -> None:
    inputs = {"NETWORK": mapped["NETWORK"], "REPORT": tmp_path / "network.html"}
    page = Path(str(qgis.run("soilcnn:describenetwork", inputs)["REPORT"])).read_text(encoding="utf-8")
    assert "elevation" in page and "Clay 0-10 cm" in page


def test_patch_sizes_are_compared(qgis: Qgis, mapped: dict[str, object], land: Land, tmp_path: Path) -> None:
    inputs = {"PATCHES": mapped["PATCHES"], "SIZES": "3, 7, 31", "ARCHITECTURE": "ring", "FOLDS": 2}
    files = {"REPORT": tmp_path / "sizes.html", "METRICS": tmp_path / "sizes.json"}
    results = qgis.run("soilcnn:comparepatchsizes", {**inputs, "DOMAIN": land.cover, **files})
    metrics = json.loads(files["METRICS"].read_text(encoding="utf-8"))
    assert results["BEST_PATCH_SIZE"] == metrics["best_patch_size"] in (3, 7)
    assert [size["metres_east"] for size in metrics["sizes"]] == [3 * CELL, 7 * CELL]
    assert metrics["conclusion"][0] in str(results["VERDICT"])
    assert metrics["conclusion"][0] in files["REPORT"].read_text(encoding="utf-8")


def test_a_map_is_assessed_with_other_observations(
    qgis: Qgis, mapped: dict[str, object], land: Land, tmp_path: Path
) -> None:
    limits = {"MAP": mapped["PREDICTION"], "LOWER": mapped["LOWER"], "UPPER": mapped["UPPER"]}
    inputs = {"OBSERVATIONS": land.observations, "TARGET": "sand_0_10", "BAND": 2, "SAMPLE": "simple", **limits}
    files = {"REPORT": tmp_path / "sand.html", "RESIDUALS": tmp_path / "sand.gpkg", "METRICS": tmp_path / "sand.json"}
    results = qgis.run("soilcnn:assessmap", {**inputs, **files})
    assert results["COUNT"] == 64  # every fifth of 80 has no sand
    assert 0 < float(str(results["RMSE"])) < 20
    assert 0.5 < float(str(results["PICP"])) <= 1
    assert json.loads(files["METRICS"].read_text(encoding="utf-8"))["coverage"] == 0.9
    assert "simple random sample of 64 observations" in files["REPORT"].read_text(encoding="utf-8")
    assert ogr.Open(str(files["RESIDUALS"])).GetLayer(0).GetFeatureCount() == 64


def test_observations_are_checked_before_they_are_mapped(qgis: Qgis, land: Land, tmp_path: Path) -> None:
    source = ogr.Open(str(write_observations(tmp_path / "böden.gpkg", land.clay)), update=True)
    layer = source.GetLayer(0)
    code, lost = layer.GetFeature(7), layer.GetFeature(9)
    code["clay_0_10"] = -9999.0
    lost.SetGeometry(ogr.CreateGeometryFromWkt(f"POINT ({WEST - 200} {NORTH - 100})"))
    for feature in (code, lost):
        layer.SetFeature(feature)
    code = lost = feature = layer = source = None
    files = {"REPORT": tmp_path / "check.html", "PROBLEMS": tmp_path / "check.gpkg", "METRICS": tmp_path / "check.json"}
    inputs = {"OBSERVATIONS": tmp_path / "böden.gpkg", "COVARIATES": [land.elevation, land.cover], "UNITS": "%"}
    results = qgis.run("soilcnn:checkobservations", {**inputs, **files})
    assert (results["COUNT"], results["PROBLEM_COUNT"]) == (80, 2)
    problems = ogr.Open(str(files["PROBLEMS"]))
    found = {row["observation"]: (row["kind"], row["severity"], row["value"]) for row in problems.GetLayer(0)}
    assert found[7] == ("missing_code", "repair", "-9999") and found[9][:2] == ("outside_covariates", "check")
    page = files["REPORT"].read_text(encoding="utf-8")
    assert "1 thing to repair, at 1 of 80 observations" in page and "Nothing is dropped" in page
    assert json.loads(files["METRICS"].read_text(encoding="utf-8"))["fields"]["clay_0_10"]["codes"] == 1
    assert "categorizedSymbol" in files["PROBLEMS"].with_suffix(".qml").read_text(encoding="utf-8")


def test_the_environment_is_checked(qgis: Qgis, tmp_path: Path) -> None:
    inputs = {"REPORT": tmp_path / "check.html", "METRICS": tmp_path / "check.json"}
    assert qgis.run("soilcnn:checkenvironment", inputs)["DEVICE"]
    assert "torch" in json.dumps(json.loads((tmp_path / "check.json").read_text(encoding="utf-8")))


def test_horizons_become_targets_of_standard_depths(qgis: Qgis, land: Land, tmp_path: Path) -> None:
    inputs = {"HORIZONS": write_horizons(tmp_path / "horizons.gpkg", land.clay), "PROFILE": "profile"}
    fields = {"UPPER": "top", "LOWER": "bottom", "VALUES": ["clay"], "UNITS": "%", "INTERVALS": "0-10,10-30,30-200"}
    files = {"OUTPUT": tmp_path / "profiles.gpkg", "PROBLEMS": tmp_path / "problems.gpkg"}
    results = qgis.run("soilcnn:standardizedepths", {**inputs, **fields, **files})
    assert (results["COUNT"], results["PROBLEM_COUNT"]) == (30, 1)
    problems = ogr.Open(str(files["PROBLEMS"]))
    assert [row["reason"] for row in problems.GetLayer(0)] == ["above the mineral surface"]
    assert "graduatedSymbol" in (tmp_path / "profiles.qml").read_text(encoding="utf-8")
    covariates = {"COVARIATES": [land.elevation, land.moisture], "PATCH_SIZE": 7, "PATCHES": tmp_path / "clay.h5"}
    targets = {"OBSERVATIONS": files["OUTPUT"], "TARGETS": ["clay_0_10", "clay_10_30"]}
    assert qgis.run("soilcnn:extractpatches", {**targets, **covariates})["COUNT"] == 30
    empty = {**targets, **covariates, "TARGETS": ["clay_30_200"]}
    assert "clay_30_200" in qgis.refusal("soilcnn:extractpatches", empty)


def test_the_model_from_horizons_to_maps_names_the_fields_of_its_depths(qgis: Qgis, land: Land, tmp_path: Path) -> None:
    horizons = {"HORIZONS": write_horizons(tmp_path / "horizons.gpkg", land.clay), "PROFILE": "profile"}
    fields = {"UPPER": "top", "LOWER": "bottom", "VALUES": ["clay"], "INTERVALS": "0-10, 10-30 cm"}
    covariates = {"COVARIATES": [land.elevation, land.moisture], "PRESET": "fast"}
    outputs = {"prediction": tmp_path / "clay.tif", "trained_network": tmp_path / "clay.safetensors"}
    outputs["profiles_with_standard_depths"] = tmp_path / "profiles.gpkg"
    with qgis.without_figures():
        results = qgis.run("soilcnn:Horizons to depth maps", {**horizons, **fields, **covariates, **outputs})
    dataset = gdal.Open(str(results["prediction"]))
    assert [dataset.GetRasterBand(band).GetDescription() for band in (1, 2)] == ["clay 0-10 cm", "clay 10-30 cm"]


def test_an_even_patch_size_is_refused(qgis: Qgis, land: Land, tmp_path: Path) -> None:
    inputs = {**land.inputs, "PATCH_SIZE": 8, "PATCHES": tmp_path / "clay.h5"}
    assert "Use 7 or 9" in qgis.refusal("soilcnn:extractpatches", inputs)
    assert list(tmp_path.iterdir()) == []


def test_observations_without_crs_are_refused(qgis: Qgis, land: Land, tmp_path: Path) -> None:
    lost = write_observations(tmp_path / "lost.gpkg", land.clay, crs=None)
    inputs = {**land.inputs, "OBSERVATIONS": lost, "PATCHES": tmp_path / "clay.h5"}
    assert "CRS" in qgis.refusal("soilcnn:extractpatches", inputs)
    assert not (tmp_path / "clay.h5").exists()


def test_a_missing_covariate_is_named(qgis: Qgis, mapped: dict[str, object], land: Land, tmp_path: Path) -> None:
    inputs = {"NETWORK": mapped["NETWORK"], "COVARIATES": [land.elevation], "PREDICTION": tmp_path / "clay.tif"}
    assert "moisture" in qgis.refusal("soilcnn:predictmap", inputs)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_environment_is_told_with_its_remedy(qgis: Qgis, land: Land, tmp_path: Path) -> None:
    variables = {**qgis.variables, "XDG_DATA_HOME": str(tmp_path)}
    del variables["SOILCNN_PYTHON"]
    inputs = {**land.inputs, "PATCHES": tmp_path / "clay.h5"}
    assert "soilcnn:setupenvironment" in Qgis(variables).refusal("soilcnn:extractpatches", inputs)


def test_help_is_readable_text(qgis: Qgis) -> None:
    text = qgis.call("help", "soilcnn:trainnetwork").stdout
    assert "PATCHES" in text
    assert "<p>" not in text and "<b>" not in text
