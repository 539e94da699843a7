"""Soil classes through the packaged plugin: qgis_process extracts, trains and maps, on data made here."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr

from tests.end_to_end.land import SIZE, Land, write_points
from tests.end_to_end.packaged import QUICK, Qgis

NAMES = ("Gley, nass", 'Moor "tief"', "Böden & <script>alert(1)</script>")


@pytest.fixture(scope="module")
def observations(land: Land) -> Path:
    """120 points whose class follows the clay; one more class is rare."""
    path = land.elevation.parent / "bodentypen.gpkg"
    rng = np.random.default_rng(3)
    places = rng.permutation(SIZE * SIZE)[:120]
    limits = np.quantile(land.clay, (0.45, 0.75))
    points = []
    for number, (row, col) in enumerate(zip(places // SIZE, places % SIZE)):
        name = "Ranker" if number < 3 else NAMES[int(np.digitize(land.clay[row, col], limits))]
        points.append((row, col, {"Bodentyp": name}))
    return write_points(path, points)


@pytest.fixture(scope="module")
def trained(qgis: Qgis, land: Land, observations: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """Results of Extract patches and of Train network."""
    folder = tmp_path_factory.mktemp("klassen")
    inputs = {**land.inputs, "OBSERVATIONS": observations, "TARGETS": ["Bodentyp"], "PATCH_SIZE": 7}
    files = {"PATCHES": folder / "klassen.h5", "DROPPED": folder / "dropped.gpkg"}
    patches = qgis.run("soilcnn:extractpatches", {**inputs, **files})
    assert 100 < int(str(patches["COUNT"])) <= 117 and int(str(patches["DROPPED_COUNT"])) >= 3
    outputs = {"NETWORK": folder / "klassen.safetensors", "REPORT": folder / "klassen.html"}
    outputs |= {"HELD_OUT": folder / "held_out.gpkg", "METRICS": folder / "klassen.json"}
    return {**patches, **qgis.run("soilcnn:trainnetwork", {"PATCHES": patches["PATCHES"], **QUICK, **outputs})}


@pytest.fixture(scope="module")
def mapped(qgis: Qgis, trained: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("karten")
    names = ("PREDICTION", "PROBABILITIES", "CONFUSION_INDEX", "DISSIMILARITY")
    rasters = {name: folder / f"{name.lower()}.tif" for name in names}
    return qgis.run("soilcnn:predictmap", {"NETWORK": trained["NETWORK"], **rasters})


def test_numbers_of_classes_come_back_and_those_of_numbers_do_not(trained: dict[str, object]) -> None:
    assert 0.6 < float(str(trained["ACCURACY"])) <= 1 and 0 < float(str(trained["BRIER"])) < 0.6
    assert {"LOG_SCORE", "BASELINE_ACCURACY", "VERDICT"} <= set(trained)
    assert not {"RMSE", "MEC", "CCC", "PICP", "BASELINE_RMSE"} & set(trained)


def test_the_report_names_the_classes(trained: dict[str, object]) -> None:
    page = Path(str(trained["REPORT"])).read_text(encoding="utf-8")
    assert "Gley, nass" in page and "Confusion matrix" in page and "<script" not in page


def test_held_out_points_are_right_or_wrong_and_styled(trained: dict[str, object]) -> None:
    source = ogr.Open(str(trained["HELD_OUT"]))
    rows = [dict(feature.items()) for feature in source.GetLayer(0)]
    right = [row["Bodentyp_observed"] == row["Bodentyp_predicted"] for row in rows]
    assert np.mean(right) == pytest.approx(float(str(trained["ACCURACY"])))
    assert [bool(row["Bodentyp_correct"]) for row in rows] == right
    assert "right class" in Path(str(trained["HELD_OUT"])).with_suffix(".qml").read_text(encoding="utf-8")
    metrics = json.loads(Path(str(trained["METRICS"])).read_text(encoding="utf-8"))
    assert set(metrics["targets"]["Bodentyp"]["classes"]) == set(NAMES)


def test_the_map_shows_the_classes_with_their_names(mapped: dict[str, object], land: Land) -> None:
    dataset = gdal.Open(str(mapped["PREDICTION"]))
    band = dataset.GetRasterBand(1)
    assert band.DataType == gdal.GDT_Byte and band.GetNoDataValue() == 0
    names = band.GetCategoryNames()
    assert names[0] == "" and set(names[1:]) == set(NAMES)
    assert band.GetColorTable().GetColorEntry(1)[:3] != band.GetColorTable().GetColorEntry(2)[:3]
    found = band.ReadAsArray()
    expected = np.array([names.index(name) for name in NAMES])[
        np.digitize(land.clay, np.quantile(land.clay, (0.45, 0.75)))
    ]
    assert (found == expected)[found > 0].mean() > 0.7
    assert (found == 0).sum() == 4 * 9
    style = Path(str(mapped["PREDICTION"])).with_suffix(".qml").read_text(encoding="utf-8")
    assert 'type="paletted"' in style and "Gley, nass" in style and style.count("<paletteEntry") == 3


def test_probabilities_and_confusion_belong_to_the_map(mapped: dict[str, object]) -> None:
    dataset = gdal.Open(str(mapped["PROBABILITIES"]))
    probabilities = dataset.ReadAsArray().astype(np.float64)
    known = probabilities[0] >= 0
    np.testing.assert_allclose(probabilities[:, known].sum(axis=0), 1, atol=1e-5)
    shown = gdal.Open(str(mapped["PREDICTION"])).ReadAsArray()
    np.testing.assert_array_equal(shown[known], 1 + probabilities.argmax(axis=0)[known])
    confusion = gdal.Open(str(mapped["CONFUSION_INDEX"])).ReadAsArray()
    ordered = np.sort(probabilities, axis=0)
    np.testing.assert_allclose(confusion[known], (1 - ordered[-1] + ordered[-2])[known], atol=1e-5)
    assert dataset.GetRasterBand(1).GetDescription().startswith("probability of ")
    assert 'classificationMax="1"' in Path(str(mapped["PROBABILITIES"])).with_suffix(".qml").read_text(encoding="utf-8")


def test_the_whole_chain_refuses_limits_of_classes_before_it_trains(
    qgis: Qgis, land: Land, observations: Path, tmp_path: Path
) -> None:
    inputs = {**land.inputs, "OBSERVATIONS": observations, "TARGETS": ["Bodentyp"], "PATCH_SIZE": 7, **QUICK}
    rasters = {"PREDICTION": tmp_path / "p.tif", "UPPER": tmp_path / "u.tif"}
    said = qgis.refusal("soilcnn:mapsoilproperties", {**inputs, **rasters})
    assert "The observations hold soil classes (Bodentyp), but UPPER needs numbers" in said
    assert "held out" not in said and list(tmp_path.iterdir()) == []


def test_a_network_of_classes_is_explained_and_described(
    qgis: Qgis, trained: dict[str, object], tmp_path: Path
) -> None:
    both = {"NETWORK": trained["NETWORK"], "PATCHES": trained["PATCHES"]}
    files = {"REPORT": tmp_path / "why.html", "IMPORTANCE": tmp_path / "why.gpkg"}
    assert qgis.run("soilcnn:explainnetwork", {**both, **files})["VERDICT"]
    inputs = {"NETWORK": trained["NETWORK"], "REPORT": tmp_path / "network.html"}
    page = Path(str(qgis.run("soilcnn:describenetwork", inputs)["REPORT"])).read_text(encoding="utf-8")
    assert "3 classes: " in page and "Gley, nass" in page


def test_the_map_is_assessed_as_one_of_classes(
    qgis: Qgis, mapped: dict[str, object], observations: Path, tmp_path: Path
) -> None:
    inputs = {"OBSERVATIONS": observations, "TARGET": "Bodentyp", "MAP": mapped["PREDICTION"], "SAMPLE": "simple"}
    files = {"REPORT": tmp_path / "r.html", "METRICS": tmp_path / "m.json", "RESIDUALS": tmp_path / "r.gpkg"}
    results = qgis.run("soilcnn:assessmap", {**inputs, **files})
    assert 0.6 < float(str(results["ACCURACY"])) < 1 and "RMSE" not in results
    metrics = json.loads((tmp_path / "m.json").read_text(encoding="utf-8"))
    assert set(metrics["not_on_the_map"]) == {"Ranker"}  # too rare to be mapped, and therefore wrong
    assert set(metrics["design_based"]["purity"]) == {*NAMES, "Ranker"}
    assert "right class" in (tmp_path / "r.qml").read_text(encoding="utf-8")
    assert "<script" not in (tmp_path / "r.html").read_text(encoding="utf-8")
