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
        [64.69147, 137.266, 68.73736, 76.41764],
        [19.13518, 18.36178, 18.64597, 19.60309],
        [26.87945, 23.22594, 19.73457, 33.8829],
        [30.30415, 30.58332, 27.57645, 30.74702],
        [42.81639, 46.19073, 52.68898, 35.37007],
    ],
    "lower": [
        [26.15692, 43.47058, 39.01814, 31.99025],
        [16.26835, 15.48944, 15.75856, 16.73824],
        [14.75532, 11.4916, 10.8562, 20.74172],
        [16.64502, 16.13125, 16.05528, 17.42414],
        [26.7444, 28.48202, 37.83519, 22.39141],
    ],
    "upper": [
        [135.2947, 337.3372, 113.7227, 161.3876],
        [21.50419, 20.66305, 20.76156, 21.99638],
        [39.31049, 34.61474, 28.01351, 48.21948],
        [42.24852, 43.59694, 38.36117, 43.89607],
        [66.36081, 71.21703, 72.32558, 56.56244],
    ],
    "standard_deviation": [
        [34.29836, 84.80132, 23.98558, 39.00328],
        [1.795156, 1.743829, 1.603129, 1.813608],
        [7.614943, 7.133972, 5.378317, 8.623942],
        [7.529273, 8.09593, 6.480161, 7.499416],
        [11.71326, 12.5035, 10.11386, 10.48283],
    ],
    "dissimilarity": [
        [0.3944146, 0.3210249, 0.5678224, 0.3774747],
    ],
    "exceedance_probability": [
        [0.4384519, 0.8640791, 0.5600328, 0.5451168],
    ],
    "texture_classes": [
        [12, 12, 12, 8.570435],
    ],
}
CLASSES: dict[str, list[list[float]]] = {
    "prediction": [
        [3, 3, 3, 2.937391],
    ],
    "probabilities": [
        [0.2417492, 0.1816685, 0.2884231, 0.2409123],
        [0.289046, 0.111231, 0.2653246, 0.144193],
        [0.4692048, 0.7071005, 0.4462523, 0.6148947],
    ],
    "confusion_index": [
        [0.8198412, 0.474568, 0.8421708, 0.6386675],
    ],
    "dissimilarity": [
        [0.0112757, 0.0783349, 0.0564481, 0.1050863],
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
