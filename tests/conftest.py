"""A worker that computes nothing, for the tests of the QGIS half; and the same examples in each run of a property."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

try:
    from hypothesis import settings
except ImportError:  # QGIS's Python runs no properties
    pass
else:
    settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
    settings.load_profile("repeatable")

STAND_IN = Path(__file__).with_name("stand_in_worker.py")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Path]]:
    """Call it with what the worker shall do; gives the interpreter to run it with."""
    from soil_cnn_plugin.bridge import spare, worker_process

    monkeypatch.setattr(worker_process, "WORKER", STAND_IN)
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)

    def choose(behaviour: str) -> Path:
        monkeypatch.setenv("SOILCNN_STAND_IN", behaviour)
        return Path(sys.executable)

    choose("done")
    yield choose
    spare.SPARE.dismiss()


@pytest.fixture(autouse=True)
def windows_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """With SOILCNN_WINDOWS_FILES=1 all tests run under Windows' rules for open files."""
    if os.environ.get("SOILCNN_WINDOWS_FILES"):
        from tests.windows_files import refuse_open_files

        refuse_open_files(monkeypatch)
