"""Gaussian processes of an interrupted training are read, not fitted again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.engine.kriging import fitted_process
from soil_cnn_plugin.engine.kriging.fitted_process import FittedProcess
from soil_cnn_plugin.engine.kriging.gaussian_process import FeatureLayout
from soil_cnn_plugin.engine.targets.learned import CLASSES, NUMBERS, Columns, Learned
from soil_cnn_plugin.engine.training import kept_process
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.kept_process import fit_or_read_process

FEATURES = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
LAYOUT = FeatureLayout(2, 3, has_place=False)
SIGNAL = FEATURES[:, 0].astype(float)
VALUES = np.column_stack([np.where(SIGNAL > 1, np.nan, SIGNAL), SIGNAL > 0, SIGNAL <= 0])
NOTHING = np.zeros_like(VALUES)
COLUMNS = (Columns(NUMBERS, 1), Columns(CLASSES, 2))
LEARNED = Learned(VALUES, NOTHING.astype(bool), NOTHING, np.ones(40), VALUES, COLUMNS)
FOLD = np.arange(40) % 2


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds with which processes were fitted, by more observations than have a spread each."""
    seeds: list[int] = []
    monkeypatch.setattr(fitted_process, "_FOR_SPREAD", 15)
    monkeypatch.setattr(fitted_process, "_ENOUGH", 20)
    original = kept_process.fit_process

    def fit(*arguments: object) -> FittedProcess:
        seeds.append(arguments[4])  # type: ignore[arg-type]
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_process, "fit_process", fit)
    return seeds


def fit(folder: CheckpointFolder | None, seed: int = 3, features: np.ndarray = FEATURES) -> FittedProcess:
    return fit_or_read_process(folder, features, LAYOUT, LEARNED, FOLD, seed)


def test_a_process_is_fitted_once_and_read_as_it_was(tmp_path: Path, fitted: list[int]) -> None:
    warnings: list[str] = []
    folder = CheckpointFolder(tmp_path / "kept", warnings.append)
    first, again = fit(folder), fit(folder)
    assert fitted == [3] and not warnings
    arrays = again.arrays()
    assert {"known", "weights_of_parts", "location", "scale", "1.gained"} < set(arrays)
    for name, array in first.arrays().items():
        np.testing.assert_array_equal(arrays[name], array)
    others = FEATURES + np.float32(0.1)
    np.testing.assert_array_equal(first.predict(others), again.predict(others))
    fit(folder, seed=4)
    fit(folder, features=others)
    fit(None)
    assert fitted == [3, 4, 3, 3]


def test_a_damaged_process_is_written_again(tmp_path: Path, fitted: list[int]) -> None:
    folder = CheckpointFolder(tmp_path, lambda sentence: None)
    fit(folder)
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    fit(folder)
    fit(folder)
    assert fitted == [3, 3]


def test_a_process_that_was_read_is_told_as_done_before(tmp_path: Path, fitted: list[int]) -> None:
    folder = CheckpointFolder(tmp_path, lambda sentence: None)
    told: list[list[float]] = [[], []]
    for each in told:
        fit_or_read_process(folder, FEATURES, LAYOUT, LEARNED, FOLD, 0, each.append)
    assert told == [[0.0, pytest.approx(1 / 3), pytest.approx(2 / 3)], [1.0]]
