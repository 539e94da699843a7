"""Compiles functions on numbers and arrays, once for each computer: the machine code is kept on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, TypeVar

import numba

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function, *, fastmath: Any = False) -> _Function:
    """Compile with numba, without Python's lock. The code is kept beside the file of the function, or else in the
    user's folder for caches; where neither can be written, each process compiles anew.

    Kept code is renewed when the file of the function changes, not when another one does: call only compiled functions
    of the same file.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    with contextlib.suppress(RuntimeError):  # no folder for the cache
        kept: _Function = numba.njit(**options, cache=True)(function)
        return kept
    alone: _Function = numba.njit(**options)(function)
    return alone
