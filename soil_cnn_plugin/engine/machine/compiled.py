"""Compiles functions on numbers and arrays, once for each computer: the machine code is kept on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numba


def compiled(function: Callable[..., Any], *, fastmath: Any = False, is_inner: bool = False) -> Any:
    """Compile with numba, without Python's lock. The code is kept beside the file of the function, or else in the
    user's folder for caches; where neither can be written, each process compiles anew.

    Kept code is renewed when the file of the function changes, not when another one does: call only compiled functions
    of the same file.

    An inner function is called by compiled ones alone and makes no arrays. It becomes a part of its callers, and does
    not count who refers to its arrays: that takes longer than a short loop, and a caller keeps them anyway.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    options |= {"forceinline": is_inner, "_nrt": not is_inner}  # numba's runtime counts references
    with contextlib.suppress(RuntimeError):  # no folder for the cache
        return numba.njit(**options, cache=True)(function)
    return numba.njit(**options)(function)
