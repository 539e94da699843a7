"""What all tests share: a worker that computes nothing, repeatable examples, and tests whose lines are not counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from coverage import Coverage

try:
    from hypothesis import settings
except ImportError:  # QGIS's Python runs no properties
    pass
else:
    settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
    settings.load_profile("repeatable")

UNCOUNTED = (
    *("test_mixed_run", "test_compositions_whole", "test_censored_run", "test_train_classes", "test_explain_network"),
    *("test_gpu_jobs", "test_training_together"),
)
"""Whole jobs of minutes, whose lines other tests run, too. To count these takes half as long again, before Python 3.12.
Neither are those counted that run while a benchmark or the code's text is tested."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put what takes long first, so that no process is left alone with it at the end."""
    items.sort(key=lambda item: item.path.stem not in ("test_benchmarks", *UNCOUNTED))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Run a test, and what it sets up, with or without counting lines."""
    counter = Coverage.current()
    if counter is None or not (item.path.stem in UNCOUNTED or item.path.parent == Path(__file__).parent):
        return (yield)
    counter.stop()
    try:
        return (yield)
    finally:
        counter.start()


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
