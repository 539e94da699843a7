"""A spare worker loads what jobs need, waits for its job, and ends when nobody wants it."""

from __future__ import annotations

import gc
import io
import os
import sys
import time

import pytest
import torch

from soil_cnn_plugin.contract.events import Event, Progress
from soil_cnn_plugin.engine import spare


class Left(Exception):
    """Stands for the end of the process, with its exit status."""


def leave(status: int) -> None:
    raise Left(status)


@pytest.fixture
def nothing_to_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare, "_NEEDED", ())
    monkeypatch.setattr(spare, "_MORE", ())
    monkeypatch.setattr(spare, "_TRIALS", {})


def test_it_loads_what_jobs_need_and_touches_no_state_of_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n"))
    state, told = torch.get_rng_state(), list[Event]()
    names = [f"soil_cnn_plugin.engine.{name}" for name in (*spare._NEEDED, *spare._MORE)]
    spare.wait_for_job(60, told.append, leave)
    assert told == [Progress(0.0)]
    assert set(names) <= set(sys.modules)
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.cuda.is_initialized()
    gc.unfreeze()


def test_it_ends_with_its_input(nothing_to_load: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(Left, match="^0$"):
        spare.wait_for_job(60, lambda event: None, leave)


def test_it_ends_when_no_job_comes(nothing_to_load: None, monkeypatch: pytest.MonkeyPatch) -> None:
    read_end, write_end = os.pipe()
    left: list[int] = []

    def end(status: int) -> None:
        left.append(status)
        os.write(write_end, b"\n")  # instead of the end of the process, which would end the reading

    with os.fdopen(read_end) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        began = time.monotonic()
        spare.wait_for_job(0.2, lambda event: None, end)
    os.close(write_end)
    assert left == [0]
    assert 0.2 <= time.monotonic() - began < 5
