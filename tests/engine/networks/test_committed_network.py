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
        [42.23492, 122.048, 61.5285, 87.91093],
        [17.94616, 17.79443, 18.53049, 19.76747],
        [19.60089, 16.8906, 16.32419, 32.67319],
        [28.20747, 28.52446, 25.81357, 29.52709],
        [52.19164, 54.58494, 57.86224, 37.79972],
    ],
    "lower": [
        [18.47736, 44.4306, 34.74557, 37.62141],
        [15.05917, 15.03875, 15.97857, 17.05949],
        [10.06191, 8.253184, 9.113168, 20.07877],
        [17.52439, 17.31456, 17.09199, 19.01319],
        [38.93959, 40.21072, 46.28156, 27.43056],
    ],
    "upper": [
        [83.24642, 272.0385, 101.1623, 177.5513],
        [20.15738, 19.90508, 20.48507, 21.95181],
        [29.70563, 25.3973, 22.9697, 44.72058],
        [41.3066, 42.44527, 36.87996, 43.08258],
        [67.07856, 70.31475, 70.33981, 51.23144],
    ],
    "standard_deviation": [
        [19.22002, 64.09675, 20.81089, 41.16236],
        [1.302497, 1.243256, 1.151325, 1.286727],
        [5.258649, 4.82602, 3.920011, 6.982635],
        [7.138438, 7.62656, 5.917469, 6.99099],
        [9.870073, 10.50513, 8.409314, 8.453378],
    ],
    "dissimilarity": [
        [0.3944146, 0.3210249, 0.5678224, 0.3774747],
    ],
    "exceedance_probability": [
        [0.114362, 0.8694271, 0.4295754, 0.6330817],
    ],
    "texture_classes": [
        [12, 12, 12, 8.982609],
    ],
}
CLASSES: dict[str, list[list[float]]] = {
    "prediction": [
        [3, 3, 2, 2.846957],
    ],
    "probabilities": [
        [0.2648465, 0.08632825, 0.155648, 0.2216338],
        [0.2801331, 0.1263627, 0.5557125, 0.1717212],
        [0.4550204, 0.7873091, 0.2886395, 0.606645],
    ],
    "confusion_index": [
        [0.8251128, 0.3390536, 0.7329271, 0.641902],
    ],
    "dissimilarity": [
        [0.01124121, 0.0799282, 0.05602602, 0.1150304],
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
    compare(HERE / "numbers_version_9.safetensors", covariates, tmp_path, NUMBERS, wanted)


def test_a_network_of_classes_predicts_as_ever(covariates: list[dict[str, str]], tmp_path: Path) -> None:
    wanted = {"dissimilarity_space": "covariates"}
    compare(HERE / "classes_version_9.safetensors", covariates, tmp_path, CLASSES, wanted)


@pytest.mark.parametrize("version", ["8", "10"])
def test_a_file_of_another_version_is_refused(covariates: list[dict[str, str]], tmp_path: Path, version: str) -> None:
    path = str(tmp_path / "n.safetensors")
    shutil.copy(HERE / "classes_version_9.safetensors", path)
    header, data = read_parts(path)
    header["__metadata__"]["version"] = version
    write_parts(path, header, data)
    last = predict({"network": path, "covariates": covariates, "prediction": str(tmp_path / "map.tif")}, tmp_path)
    assert last == {
        "event": "failed",
        "message": f"{path} has format version {version}; this plugin reads version 9. Update the plugin, or train the"
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
