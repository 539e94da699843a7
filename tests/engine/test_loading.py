"""Modules are loaded without a search for garbage, which goes on afterwards."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from soil_cnn_plugin.engine import loading


def test_garbage_is_looked_for_again_after_loading_whether_or_not_it_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "told.py").write_text("import gc\nwas_looked_for = gc.isenabled()\n")
    (tmp_path / "broken.py").write_text("raise ImportError('no such library')\n")
    engine = sys.modules["soil_cnn_plugin.engine"]
    monkeypatch.setattr(engine, "__path__", [*engine.__path__, str(tmp_path)])
    assert not loading.load("told").was_looked_for
    assert gc.isenabled()
    with pytest.raises(ImportError, match="no such library"):
        loading.load("broken")
    assert gc.isenabled()
    gc.unfreeze()
    del sys.modules["soil_cnn_plugin.engine.told"]
