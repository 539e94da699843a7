"""Warnings about covariates that do not look like those of the training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.engine.mapping.ranges import RangeCheck
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
        check.add(raw[:, rows])
    check.tell(log)
    if words is None:
        assert log.warnings == []
        return
    (warning,) = log.warnings
    outside = np.nanmean(np.where(np.isnan(raw[0]), np.nan, (raw[0] < lowest) | (raw[0] > highest)))
    assert warning.startswith(f"elevation: {100 * outside:.0f} % of the map's pixels lie outside the training range")
    assert f"({lowest:.4g} to {highest:.4g}; here {np.nanmin(raw[0]):.4g} to {np.nanmax(raw[0]):.4g})" in warning
    assert words in warning


def test_classes_have_no_range_and_nothing_read_is_nothing_told(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    check, log = RangeCheck(landscape.summaries()), Log()
    check.tell(log)
    raw = landscape.values.copy()
    raw[2] = 99
    check.add(raw)
    check.add(np.full((3, 4, 4), np.nan, np.float32))
    check.tell(log)
    assert log.warnings == []
