"""Warnings about covariates that do not look like those of the training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.engine.mapping.ranges import RangeCheck, look
from tests.engine.landscape import Log, make_landscape


@pytest.mark.parametrize(
    ("factor", "words"),
    [(1.0, None), (3.28, "Check that it is the same quantity in the same unit"), (1.5, "read the map with care")],
)
def test_another_unit_shows_in_the_range(tmp_path: Path, factor: float, words: str | None) -> None:
    landscape = make_landscape(tmp_path)
    raw = landscape.values.copy()
    raw[0] *= factor
    lowest, highest = np.nanmin(landscape.values[0]), np.nanmax(landscape.values[0])
    check, log = RangeCheck(landscape.summaries()), Log()
    for rows in (slice(0, 25), slice(25, 40)):
        check.add(look(landscape.summaries(), raw[:, rows]))
    check.tell(log)
    if words is None:
        assert log.warnings == []
        return
    (warning,) = log.warnings
    outside = np.nanmean(np.where(np.isnan(raw[0]), np.nan, (raw[0] < lowest) | (raw[0] > highest)))
    assert warning.startswith(f"elevation: {100 * outside:.0f} % of the map's pixels lie outside the training range")
    assert f"({lowest:.4g} to {highest:.4g}; here {np.nanmin(raw[0]):.4g} to {np.nanmax(raw[0]):.4g})" in warning
    assert words in warning


def test_unknown_class_codes_are_counted_and_named(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    raw = landscape.values.copy()
    raw[2, 20, :30], raw[2, 25, :8] = 7, 12345
    with_data = np.isfinite(raw).all(0)
    raw[:, ~with_data] = np.nan
    sevens, nines = (int((raw[2] == code).sum()) for code in (7, 12345))
    check, log = RangeCheck(landscape.summaries(), [{}, {}, {7: "Peat"}]), Log()
    for rows in (slice(0, 23), slice(23, 40)):
        check.add(look(landscape.summaries(), raw[:, rows]))
    check.tell(log)
    (warning,) = log.warnings
    assert warning.startswith(f"soil: {sevens + nines} pixels, {100 * (sevens + nines) / with_data.sum():.3g} % of")
    assert f"count as missing: code 7 (Peat) at {sevens}, 12345 at {nines}." in warning
    assert "Reclassify them to codes of the training" in warning


def test_many_unknown_class_codes_are_told_in_short(tmp_path: Path) -> None:
    summaries = make_landscape(tmp_path).summaries()
    check, log = RangeCheck(summaries), Log()
    raw = np.ones((3, 10, 10), np.float32)
    raw[2] = 100 + np.arange(100).reshape(10, 10) // 5
    check.add(look(summaries, raw))
    check.tell(log)
    (warning,) = (warning for warning in log.warnings if warning.startswith("soil"))
    assert "soil: 100 pixels, 100 % of" in warning and "code 100 at 5, 101 at 5" in warning
    assert "107 at 5 and 12 more codes. Nothing is predicted there" in warning


def test_codes_that_mean_another_class_than_in_training_are_told(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    summaries = list(landscape.summaries())
    summaries[2] = replace(summaries[2], labels=("Clay", "2", "Peat"))
    for names, words in (
        ({1: "clay", 2: "Loam", 3: "Peat", 9: "Sand"}, None),
        ({}, None),
        ({1: "Sand", 3: "Clay"}, "2 class codes have other names than in training (code 1 was 'Clay' and is 'Sand', 3"),
    ):
        log = Log()
        RangeCheck(summaries, [{}, {}, names]).tell(log)
        assert len(log.warnings) == (words is not None)
        assert words is None or words in log.warnings[0]


def test_nothing_read_is_nothing_told(tmp_path: Path) -> None:
    summaries = make_landscape(tmp_path).summaries()
    check, log = RangeCheck(summaries), Log()
    check.tell(log)
    check.add(look(summaries, np.full((3, 4, 4), np.nan, np.float32)))
    check.tell(log)
    assert log.warnings == []
