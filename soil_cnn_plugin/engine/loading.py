"""Loads modules of the engine, with all libraries that they need."""

from __future__ import annotations

import gc
import importlib
from types import ModuleType


def load(name: str) -> ModuleType:
    """Import the module of this name below `soil_cnn_plugin.engine`.

    Python looks for garbage again and again while thousands of modules load, and once more when it ends. None of what
    they hold is garbage, and to look takes a fourth of the time of both, so it is told not to look there.
    """
    gc.disable()
    try:
        return importlib.import_module(f"soil_cnn_plugin.engine.{name}")
    finally:
        gc.freeze()
        gc.enable()
