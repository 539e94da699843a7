"""Kept machine code is renewed when the functions that it holds change, also those of other files."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from soil_cnn_plugin.engine.machine.compiled import stamp_of

_CALLED = """
from soil_cnn_plugin.engine.machine.compiled import compiled
@compiled
def number():
    return {}
"""
_CALLER = """
from called_by_kept import number
from soil_cnn_plugin.engine.machine.compiled import compiled
@compiled
def twice():
    return 2 * number()
"""


def test_kept_code_is_renewed_when_a_function_that_it_calls_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "kept_caller.py").write_text(_CALLER)

    def run(number: int) -> tuple[int, int]:
        """What the caller returns when another process would load it, and how often it was read from disk."""
        (tmp_path / "called_by_kept.py").write_text(_CALLED.format(number))
        for name in ("kept_caller", "called_by_kept"):
            sys.modules.pop(name, None)
        stamp_of.cache_clear()
        importlib.invalidate_caches()
        twice = importlib.import_module("kept_caller").twice
        return twice(), sum(twice.stats.cache_hits.values())

    assert run(3) == (6, 0)
    assert run(3) == (6, 1)
    assert run(400) == (800, 0)
