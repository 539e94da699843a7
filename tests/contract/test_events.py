"""Events to and from lines."""

from __future__ import annotations

import json
import math

import pytest

from soil_cnn_plugin.contract.events import (
    Done,
    EventError,
    Failed,
    Info,
    Metric,
    Progress,
    Warning,
    from_line,
    to_line,
)


@pytest.mark.parametrize(
    "event",
    [
        Progress(12.5, "Training", 30.0),
        Progress(0.0),
        Info("2 of 5 observations\nare used"),
        Warning("Ä covariate"),
        Metric("rmse", 1.5),
        Done({"prediction": "/maps/ä b.tif", "rmse": 1.5, "count": 3}),
        Failed("slope.tif has no CRS."),
    ],
)
def test_an_event_survives_its_line(event: object) -> None:
    line = to_line(event)
    assert "\n" not in line and line.isascii()
    assert from_line(line) == event


def test_numbers_that_are_not_finite_become_null() -> None:
    content = json.loads(to_line(Done({"mec": math.nan, "rmse": math.inf, "n": 2})))
    assert content["outputs"] == {"mec": None, "rmse": None, "n": 2}


@pytest.mark.parametrize(
    "line",
    [
        *("", "Warning: PROJ", "[1]", "{}", '{"event": "exec"}', '{"event": "info"}', '{"event": []}', "nul\0"),
        pytest.param("[" * 100_000, id="nested too deeply"),
    ],
)
def test_any_other_line_is_refused(line: str) -> None:
    with pytest.raises(EventError):
        from_line(line)
