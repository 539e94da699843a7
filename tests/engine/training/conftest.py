"""A clock for progress that stands where a test puts it."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.engine.training import pace


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    return clock
