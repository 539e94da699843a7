"""One pixel explained: the numbers of the map, contributions that add up to them, and the observations near it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import ExplainPixel, JobError, PredictMap, TrainNetwork
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs import explain_pixel, predict_map, train_network
from tests.engine.landscape import CELL, NORTH, WEST, Landscape, Log, extract, make_landscape

ROW, COL = 20, 17


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("pixel"))


@pytest.fixture(scope="module")
def job(landscape: Landscape, quick_fits: None) -> ExplainPixel:
    patches = extract(landscape)
    network = str(Path(patches).with_name("network.safetensors"))
    settings = {"members": 2, "epochs": 4, "folds": 2, "repeats": 1, "device": "cpu", "architecture": "ring"}
    train_network.run(TrainNetwork(patches, network, **settings), Log())
    x, y = WEST + (COL + 0.3) * CELL, NORTH - (ROW + 0.6) * CELL
    folder = Path(network).parent
    return ExplainPixel(network, x, y, report=str(folder / "p.html"), metrics=str(folder / "p.json"), device="cpu")


@pytest.fixture(scope="module")
def content(job: ExplainPixel) -> dict:
    outputs = explain_pixel.run(job, Log())
    assert set(outputs) == {"report", "metrics", "summary"}
    return json.loads(Path(job.metrics).read_text())


def test_the_numbers_are_those_of_the_map(job: ExplainPixel, content: dict, tmp_path: Path) -> None:
    names = ("prediction", "lower", "upper", "dissimilarity")
    paths = {name: str(tmp_path / f"{name}.tif") for name in names}
    outputs = predict_map.run(PredictMap(job.network, device="cpu", **paths), Log())
    found = {}
    for name in names:
        with rasterio.open(paths[name]) as dataset:
            found[name] = dataset.read(1)[ROW, COL]
    zinc = next(iter(content["targets"].values()))
    assert zinc["value"] == pytest.approx(found["prediction"], rel=1e-4)
    assert (zinc["lower"], zinc["upper"]) == pytest.approx((found["lower"], found["upper"]), rel=1e-4)
    assert content["dissimilarity"] == pytest.approx(found["dissimilarity"], rel=1e-4)
    assert content["dissimilarity_threshold"] == pytest.approx(outputs["dissimilarity_threshold"])


def test_each_covariate_contributes_and_the_largest_comes_first(content: dict, landscape: Landscape) -> None:
    for target in content["targets"].values():
        names = {each.name for each in landscape.covariates}
        assert names <= set(target["contributions"])
        sizes = [abs(value) for value in target["contributions"].values()]
        assert sizes == sorted(sizes, reverse=True) and sizes[0] > 0


def test_the_nearest_observations_come_in_their_order(job: ExplainPixel, content: dict) -> None:
    import h5py

    with h5py.File(Path(job.network).with_name("patches.h5")) as file:
        places = np.array(file["coordinates"])
    expected = np.sort(np.hypot(*(places - [content["x"], content["y"]]).T))[:5]
    assert [each["distance"] for each in content["neighbours"]] == pytest.approx(expected.tolist(), rel=1e-3)
    assert all(each["observed"] for each in content["neighbours"])


def test_the_page_says_what_and_why(job: ExplainPixel, content: dict) -> None:
    page = Path(job.report).read_text(encoding="utf-8").replace("\u00a0", " ")  # between a number and its %
    for target in content["targets"].values():
        assert target["text"].split(";")[0] in page
    assert "Nearest observations" in page and content["applicable"] in page


def test_a_class_is_shown_by_its_name_or_code(job: ExplainPixel, content: dict, landscape: Landscape) -> None:
    (covariate,) = [each for each in landscape.covariates if each.kind == "categorical"]
    row = re.search(rf"<tr><td[^>]*>{covariate.name}</td>.*?</tr>", Path(job.report).read_text("utf-8"), re.S)
    assert row and re.search(rf">{content['covariates'][covariate.name]:.0f}</td>\s*</tr>", row[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"x": WEST - 1e5}, "lies outside the covariates of the network"),
        ({"x": 1234567.8, "y": 5312345.6}, "The point 1234567.8, 5312345.6 lies outside"),
        ({"crs": "nonsense"}, "cannot be transformed to EPSG:28992, the CRS of the map. Give it in that CRS"),
        ({"patches": "none.h5"}, "Choose it as PATCHES"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(job: ExplainPixel, change: dict, words: str) -> None:
    with pytest.raises(EngineError, match=words):
        explain_pixel.run(replace(job, **change), Log())


def test_a_point_needs_finite_coordinates() -> None:
    with pytest.raises(JobError, match="no place"):
        ExplainPixel("n.safetensors", float("nan"), 1.0)
