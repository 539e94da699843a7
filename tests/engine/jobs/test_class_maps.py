"""Predict map of soil classes: numbers, probabilities and confusion of the same pixels, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.contract.threshold import Threshold
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs import predict_map
from soil_cnn_plugin.engine.rasters.class_names import read_class_names
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.classes import confusion_index
from soil_cnn_plugin.engine.training.network_file import read_description, write_network
from tests.engine.class_landscape import FIELD, NAMES, random_class_network
from tests.engine.landscape import SIDE, make_landscape, random_network, same_description

QUIET = Report(lambda event: None)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("network")
    path = str(folder / "classes.safetensors")
    trained = random_class_network(make_landscape(folder))
    write_network(path, trained)
    assert same_description(read_description(path), trained.description)
    return path


@pytest.fixture(scope="module")
def maps(network: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Output -> (bands, 40, 40), NaN where nothing is predicted."""
    folder = tmp_path_factory.mktemp("maps")
    paths = {name: str(folder / f"{name}.tif") for name in ("prediction", "probabilities", "confusion_index")}
    outputs = predict_map.run(PredictMap(network, **paths, block_size=16), QUIET)
    assert outputs == paths
    assert sorted(os.listdir(folder)) == [
        *("confusion_index.tif", "prediction.tif", "prediction.tif.aux.xml", "probabilities.tif")
    ]
    found = {}
    for name, path in paths.items():
        with rasterio.open(path) as dataset:
            found[name] = dataset.read(masked=True).astype(np.float64).filled(np.nan)
            if name == "probabilities":
                assert dataset.descriptions == tuple(f"probability of {each}" for each in NAMES)
            if name == "prediction":
                assert dataset.descriptions == (FIELD,) and read_class_names(dataset, 1) == dict(enumerate(NAMES, 1))
    return found


def test_the_probabilities_of_a_pixel_sum_to_one(maps: dict[str, np.ndarray]) -> None:
    probabilities = maps["probabilities"]
    known = np.isfinite(probabilities[0])
    assert probabilities.shape == (3, SIDE, SIDE) and 0.8 < known.mean() < 1
    np.testing.assert_allclose(probabilities[:, known].sum(axis=0), 1, atol=1e-6)
    assert (probabilities[:, known] > 0).all()


def test_the_map_shows_the_most_probable_class(maps: dict[str, np.ndarray]) -> None:
    known = np.isfinite(maps["probabilities"][0])
    assert (np.isfinite(maps["prediction"][0]) == known).all()
    expected = 1 + maps["probabilities"][:, known].argmax(axis=0)
    np.testing.assert_array_equal(maps["prediction"][0][known], expected)
    assert len(np.unique(expected)) > 1


def test_the_confusion_index_is_1_minus_the_lead_of_the_first_class(maps: dict[str, np.ndarray]) -> None:
    ordered = np.sort(maps["probabilities"], axis=0)
    np.testing.assert_allclose(maps["confusion_index"][0], 1 - (ordered[-1] - ordered[-2]), atol=1e-6)


def test_confusion_is_0_for_a_sure_class_and_1_for_two_alike() -> None:
    found = confusion_index(np.array([[[1.0, 0.5, 0.4, np.nan]], [[0.0, 0.5, 0.4, np.nan]], [[0.0, 0.0, 0.2, np.nan]]]))
    np.testing.assert_allclose(found, [[0, 1, 1, np.nan]])


@pytest.mark.parametrize("name", ["lower", "upper", "standard_deviation"])
def test_rasters_of_numbers_are_refused_before_anything_is_computed(network: str, name: str, tmp_path: Path) -> None:
    paths = {"prediction": str(tmp_path / "p.tif"), name: str(tmp_path / "n.tif")}
    sentence = rf"classes.safetensors predicts soil classes \(.+\), but {name.upper()} needs numbers. Leave it empty"
    with pytest.raises(EngineError, match=sentence):
        predict_map.run(PredictMap(network, **paths), QUIET)
    assert os.listdir(tmp_path) == []


def test_several_are_refused_at_once(network: str, tmp_path: Path) -> None:
    paths = {name: str(tmp_path / f"{name}.tif") for name in ("prediction", "lower", "exceedance_probability")}
    job = PredictMap(network, **paths, exceedance=(Threshold("x", 1.0),))
    with pytest.raises(EngineError, match="LOWER and EXCEEDANCE_PROBABILITY need numbers. Leave them empty"):
        predict_map.run(job, QUIET)


def test_rasters_of_classes_are_refused_for_numbers(tmp_path: Path) -> None:
    path = str(tmp_path / "numbers.safetensors")
    write_network(path, random_network(make_landscape(tmp_path)))
    job = PredictMap(path, str(tmp_path / "p.tif"), probabilities=str(tmp_path / "c.tif"))
    with pytest.raises(
        EngineError, match=r"numbers.safetensors predicts numbers \(.+\), but PROBABILITIES needs soil classes"
    ):
        predict_map.run(job, QUIET)
    assert not (tmp_path / "p.tif").exists()
