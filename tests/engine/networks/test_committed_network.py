"""Network files of earlier versions, made once and kept: they are read as ever, and predict the same numbers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from tests.engine.landscape import write_raster
from tests.engine.training.test_network_file import read_parts, write_parts

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
PIXELS = ((2, 3), (9, 17), (22, 5))  # rows and columns

NUMBERS: dict[str, list[list[float]]] = {
    "prediction": [
        [59.26663, 102.3102, 66.12701, 65.60338],
        [19.29471, 18.59064, 18.84157, 19.57941],
        [25.12535, 22.13442, 21.13949, 30.01779],
        [29.60339, 32.04378, 29.24607, 31.24218],
        [45.27126, 45.8218, 49.61444, 38.74003],
    ],
    "lower": [
        [23.96348, 32.4005, 37.5364, 27.7021],
        [16.42788, 15.71831, 15.95417, 16.71455],
        [13.39696, 10.98585, 11.9602, 17.55606],
        [16.01421, 17.04425, 17.36302, 17.44769],
        [28.89893, 28.22672, 34.85882, 24.88615],
    ],
    "upper": [
        [123.9493, 251.4319, 109.404, 137.6796],
        [21.66372, 20.89191, 20.95717, 21.97269],
        [37.03169, 33.21664, 29.67243, 43.97397],
        [41.41415, 45.46635, 40.00238, 44.34364],
        [68.64768, 70.85962, 69.68866, 60.58779],
    ],
    "standard_deviation": [
        [31.4222, 63.20607, 23.07471, 33.24087],
        [1.795156, 1.743829, 1.603129, 1.813608],
        [7.332414, 6.835817, 5.58532, 8.194744],
        [7.523322, 8.374323, 6.623018, 7.645551],
        [11.68906, 12.50223, 10.27405, 10.74952],
    ],
    "dissimilarity": [
        [0.3944146, 0.3210249, 0.5678224, 0.3774747],
    ],
    "exceedance_probability": [
        [0.4069311, 0.7158564, 0.514966, 0.4378289],
    ],
    "texture_classes": [
        [12, 12, 12, 9.834783],
    ],
}
CLASSES: dict[str, list[list[float]]] = {
    "prediction": [
        [3, 3, 3, 2.958261],
    ],
    "probabilities": [
        [0.2588116, 0.1844045, 0.2883906, 0.2223376],
        [0.3127018, 0.1752301, 0.2683037, 0.2082486],
        [0.4284866, 0.6403654, 0.4433057, 0.5694138],
    ],
    "confusion_index": [
        [0.8842152, 0.544039, 0.8450849, 0.6806069],
    ],
    "dissimilarity": [
        [0.01127567, 0.07833489, 0.05644808, 0.1050863],
    ],
}
"""Output -> by band the values at the three pixels, and the mean of all."""


@pytest.fixture(scope="module")
def covariates(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """24 x 24 pixels of whole numbers and simple fractions, the same on every machine; one has no data."""
    folder, (row, col) = tmp_path_factory.mktemp("covariates"), np.indices((24, 24)).astype(np.float64)
    layers = {
        "elevation": 30 + (7 * row + 11 * col) % 41,
        "flow": 0.125 + ((5 * row + 3 * col) % 17) ** 2 / 16,
        "soil": 1 + (row // 5 + col // 7) % 3,
        "aspect": (37 * row + 53 * col) % 360,
    }
    layers["elevation"][3, 4] = np.nan
    kinds = {"soil": "categorical", "aspect": "directional"}
    return [
        {"path": write_raster(folder / f"{name}.tif", values), "name": name, "kind": kinds.get(name, "continuous")}
        for name, values in layers.items()
    ]


def test_a_network_of_numbers_and_a_composition_predicts_as_ever(
    covariates: list[dict[str, str]], tmp_path: Path
) -> None:
    wanted = {
        "exceedance": [{"target": "zinc_0_10", "value": 60.0, "is_above": True}],
        "dissimilarity_space": "embedding",
    }
    compare(HERE / "numbers_version_4.safetensors", covariates, tmp_path, NUMBERS, wanted)


def test_a_network_of_classes_predicts_as_ever(covariates: list[dict[str, str]], tmp_path: Path) -> None:
    wanted = {"dissimilarity_space": "covariates"}
    compare(HERE / "classes_version_4.safetensors", covariates, tmp_path, CLASSES, wanted)


@pytest.mark.parametrize("version", ["3", "5"])
def test_a_file_of_another_version_is_refused(covariates: list[dict[str, str]], tmp_path: Path, version: str) -> None:
    path = str(tmp_path / "n.safetensors")
    shutil.copy(HERE / "classes_version_4.safetensors", path)
    header, data = read_parts(path)
    header["__metadata__"]["version"] = version
    write_parts(path, header, data)
    last = predict({"network": path, "covariates": covariates, "prediction": str(tmp_path / "map.tif")}, tmp_path)
    assert last == {
        "event": "failed",
        "message": f"{path} has format version {version}; this plugin reads version 4. Update the plugin, or train the"
        " network again.",
    }
    assert not (tmp_path / "map.tif").exists()


def compare(
    network: Path,
    covariates: list[dict[str, str]],
    folder: Path,
    expected: dict[str, list[list[float]]],
    wanted: dict[str, Any],
) -> None:
    outputs = {name: str(folder / f"{name}.tif") for name in expected}
    last = predict({"network": str(network), "covariates": covariates, **outputs, **wanted}, folder)
    assert last["event"] == "done", last
    for name, path in outputs.items():
        np.testing.assert_allclose(summary(path), expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def predict(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The last event of the job, done as from the command line."""
    file = folder / "job.json"
    file.write_text(json.dumps({"job": "predict_map", "version": 1, "device": "cpu", **job}))
    done = subprocess.run(
        [sys.executable, "-m", "soil_cnn_plugin.engine", file], cwd=ROOT, capture_output=True, text=True
    )
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return last


def summary(path: str) -> NDArray[np.float64]:
    """(bands, 4): the values at the three pixels, and the mean of all."""
    with rasterio.open(path) as raster:
        values = raster.read(masked=True).astype(np.float64)
    assert values.mask[:, 3, 4].all() and values.count() == (values.size - len(values))
    at_pixels = np.column_stack([values[:, row, col] for row, col in PIXELS])
    return np.column_stack([at_pixels, values.mean(axis=(1, 2))])
