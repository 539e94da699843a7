"""Forests of an interrupted training are read, not grown again."""

from __future__ import annotations

import shutil
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.forests.forest import FittedForest
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.training import kept_forests
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.kept_forests import fit_or_read_forests
from tests.engine.landscape import learned_of

FEATURES = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
LEARNED = learned_of(np.column_stack([FEATURES[:, 0], np.where(FEATURES[:, 1] > 1, np.nan, FEATURES[:, 1])]))
FOLD = np.arange(60) % 5


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The seeds with which forests were grown."""
    seeds: list[int] = []
    monkeypatch.setattr(forest, "TREES", 10)
    original = kept_forests.fit_forests

    def fit(*arguments: object) -> list[FittedForest]:
        seeds.append(arguments[3])  # type: ignore[arg-type]
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(kept_forests, "fit_forests", fit)
    return seeds


def test_forests_are_grown_once_and_read_as_they_were(tmp_path: Path, grown: list[int]) -> None:
    warnings: list[str] = []
    folder = CheckpointFolder(tmp_path / "kept", warnings.append)
    first = fit_or_read_forests(folder, FEATURES, LEARNED, FOLD, 3)
    again = fit_or_read_forests(folder, FEATURES, LEARNED, FOLD, 3)
    assert grown == [3] and not warnings
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.location, other.location)
        np.testing.assert_array_equal(one.scale, other.scale)
        for trees, same in zip((one.trees, *one.parts), (other.trees, *other.parts), strict=True):
            for field in fields(Trees):
                np.testing.assert_array_equal(getattr(trees, field.name), getattr(same, field.name))
    fit_or_read_forests(folder, FEATURES, LEARNED, FOLD, 4)
    fit_or_read_forests(folder, FEATURES[:, ::-1], LEARNED, FOLD, 3)
    fit_or_read_forests(None, FEATURES, LEARNED, FOLD, 3)
    assert grown == [3, 4, 3, 3]


def test_what_half_of_few_trees_said_is_read_too(
    tmp_path: Path, grown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forest, "TREES", 100)
    monkeypatch.setattr(forest, "MOST_DRAWN", 0)
    monkeypatch.setattr(forest, "FEWEST_TREES", 50)
    folder = CheckpointFolder(tmp_path, lambda sentence: None)
    first, again = (fit_or_read_forests(folder, FEATURES, LEARNED, FOLD, 0) for _ in range(2))
    assert grown == [0]
    for one, other in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.half, other.half)
        assert np.isfinite(one.half).any() and not np.array_equal(one.half[0], one.location)


def test_a_damaged_file_is_written_again(tmp_path: Path, grown: list[int]) -> None:
    folder = CheckpointFolder(tmp_path, lambda sentence: None)
    fit_or_read_forests(folder, FEATURES, LEARNED, FOLD, 0)
    (path,) = tmp_path.glob("*.safetensors")
    path.write_bytes(path.read_bytes()[:-100])
    fit_or_read_forests(folder, FEATURES, LEARNED, FOLD, 0)
    fit_or_read_forests(folder, FEATURES, LEARNED, FOLD, 0)
    assert grown == [0, 0]


def test_without_room_for_them_forests_are_as_good_and_a_warning_says_so(tmp_path: Path, grown: list[int]) -> None:
    warnings: list[str] = []
    (tmp_path / "file").write_text("in the way of the folder")
    fitted = fit_or_read_forests(CheckpointFolder(tmp_path / "file", warnings.append), FEATURES, LEARNED, FOLD, 0)
    assert len(fitted) == 2 and len(warnings) == 1 and "Checkpoints cannot be written" in warnings[0]


def test_checkpoints_leave_room_on_the_disk_for_the_results(
    tmp_path: Path, grown: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the network of a long training could not be written."""
    warnings: list[str] = []
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=2**24))
    fit_or_read_forests(CheckpointFolder(tmp_path / "kept", warnings.append), FEATURES, LEARNED, FOLD, 0)
    assert not list((tmp_path / "kept").iterdir())
    assert "16 MiB are free on its disk, which are left to the results. Training goes on" in warnings[0]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=2**26))
    fit_or_read_forests(CheckpointFolder(tmp_path / "kept", warnings.append), FEATURES, LEARNED, FOLD, 0)
    assert len(list((tmp_path / "kept").iterdir())) == len(warnings) == 1
