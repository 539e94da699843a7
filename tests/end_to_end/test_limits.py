"""Metals below detection limits through the packaged plugin: text values, training, maps of exceedance."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from osgeo import gdal, ogr

from tests.end_to_end.land import SIZE, Land, read_raster, write_points
from tests.end_to_end.packaged import QUICK, Qgis

COUNT = 120


@pytest.fixture(scope="module")
def copper(land: Land) -> np.ndarray:
    """(SIZE, SIZE), the truth: lognormal around what follows the clay."""
    return np.exp(3 + (land.clay - 20) / 10 + 0.2 * np.random.default_rng(4).normal(size=land.clay.shape))


@pytest.fixture(scope="module")
def observations(land: Land, copper: np.ndarray) -> Path:
    """120 points, half of them `<limit` of one of two laboratories."""
    path = land.elevation.parent / "kupfer.gpkg"
    rng = np.random.default_rng(5)
    places = 4 * SIZE + rng.permutation((SIZE - 4) * SIZE)[:COUNT]  # not where the elevation has no data
    rows, cols = places // SIZE, places % SIZE
    limits = rng.choice(np.quantile(copper[rows, cols], (0.4, 0.65)), COUNT)
    points = []
    for row, col, limit in zip(rows, cols, limits):
        value = copper[row, col]
        values = {"copper": f"< {limit:.2f}" if value < limit else f"{value:.2f}".replace(".", ",")}
        error = {"copper_sd": 0.1 * value} if value >= limit else {}
        points.append((row, col, values | error | {"trust": float(rng.integers(1, 3))}))
    return write_points(path, points)


@pytest.fixture(scope="module")
def trained(qgis: Qgis, land: Land, observations: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("kupfer")
    inputs = {**land.inputs, "OBSERVATIONS": observations, "TARGETS": ["copper"], "UNITS": "mg/kg", "PATCH_SIZE": 7}
    partners = {"ERROR": ["copper_sd"], "WEIGHT": "trust", "PATCHES": folder / "kupfer.h5"}
    patches = qgis.run("soilcnn:extractpatches", {**inputs, **partners})
    assert patches["COUNT"] == COUNT
    outputs = {"NETWORK": folder / "kupfer.safetensors", "REPORT": folder / "kupfer.html"}
    outputs |= {"HELD_OUT": folder / "held_out.gpkg", "METRICS": folder / "kupfer.json"}
    training = {"PATCHES": patches["PATCHES"], **QUICK, "EXCEEDANCE": "copper > 40; copper < 20"}
    return qgis.run("soilcnn:trainnetwork", {**training, **outputs})


@pytest.fixture(scope="module")
def mapped(qgis: Qgis, trained: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("karten")
    rasters = {name: folder / f"{name.lower()}.tif" for name in ("PREDICTION", "EXCEEDANCE_PROBABILITY")}
    inputs = {"NETWORK": trained["NETWORK"], "EXCEEDANCE": "copper > 40; copper > 9999"}
    return qgis.run("soilcnn:predictmap", {**inputs, **rasters})


def test_the_metrics_and_the_layer_tell_what_is_censored(trained: dict[str, object]) -> None:
    found = json.loads(Path(str(trained["METRICS"])).read_text(encoding="utf-8"))["targets"]["copper"]
    assert 0.4 < found["censored"] / COUNT < 0.65 and len(found["detection_limits"]) == 2
    assert [each["threshold"] for each in found["exceedance"]] == ["copper > 40", "copper < 20"]
    dataset = ogr.Open(str(trained["HELD_OUT"]))
    rows = [feature.items() for feature in dataset.GetLayer(0)]
    assert sum(row["copper_censored"] for row in rows) == found["censored"]
    residuals = np.array([row["copper_residual"] for row in rows])
    assert np.sqrt((residuals**2).mean()) == pytest.approx(float(str(trained["RMSE"])))
    page = Path(str(trained["REPORT"])).read_text(encoding="utf-8")
    assert "lie below their detection limit" in page and "copper &gt; 40 mg/kg came true at" in page


def test_the_map_tells_low_from_high_where_most_was_below_limits(mapped: dict[str, object], copper: np.ndarray) -> None:
    predicted = read_raster(mapped["PREDICTION"])
    is_valid = np.isfinite(predicted)
    assert np.corrcoef(np.log(predicted[is_valid]), np.log(copper[is_valid]))[0, 1] > 0.7


def test_probabilities_of_exceeding_are_bands_from_0_to_1(mapped: dict[str, object], copper: np.ndarray) -> None:
    dataset = gdal.Open(str(mapped["EXCEEDANCE_PROBABILITY"]))
    names = [dataset.GetRasterBand(number).GetDescription() for number in (1, 2)]
    assert names == ["copper > 40 mg/kg, probability", "copper > 9999 mg/kg, probability"]
    probability = read_raster(mapped["EXCEEDANCE_PROBABILITY"])
    is_valid = np.isfinite(probability)
    assert probability[is_valid].min() >= 0 and probability[is_valid].max() <= 1
    exceeds = copper[is_valid] > 40
    # As often as the probabilities say, and more where they are high.
    assert probability[is_valid].mean() == pytest.approx(exceeds.mean(), abs=0.1)
    assert exceeds[probability[is_valid] > 0.7].mean() > 0.5 > exceeds[probability[is_valid] < 0.2].mean()
    style = Path(str(mapped["EXCEEDANCE_PROBABILITY"])).with_suffix(".qml").read_text(encoding="utf-8")
    assert 'classificationMax="1"' in style and 'classificationMin="0"' in style


def test_thresholds_that_lead_nowhere_are_refused(qgis: Qgis, trained: dict[str, object], tmp_path: Path) -> None:
    """One by the worker, which knows the targets, and one before it starts."""
    rasters = {"PREDICTION": tmp_path / "p.tif", "EXCEEDANCE_PROBABILITY": tmp_path / "e.tif"}
    wanted = {"NETWORK": trained["NETWORK"], **rasters}
    assert "names no target" in qgis.refusal("soilcnn:predictmap", {**wanted, "EXCEEDANCE": "lead > 40"})
    assert "cannot be read" in qgis.refusal("soilcnn:predictmap", {**wanted, "EXCEEDANCE": "copper 40"})
    assert not list(tmp_path.iterdir())
