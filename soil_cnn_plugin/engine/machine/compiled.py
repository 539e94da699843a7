"""Compiles functions on numbers and arrays, once for each computer: the machine code is kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numba


def compiled(function: Callable[..., Any], *, fastmath: Any = False, is_inner: bool = False) -> Any:
    """Compile with numba, without Python's lock. The code is kept beside the file of the function, or else in the
    user's folder for caches; where neither can be written, each process compiles anew.

    Kept code is renewed when any file in the folder of the function changes, or this one: call only compiled functions
    of the same folder.

    An inner function is called by compiled ones alone and makes no arrays. It becomes a part of its callers, and does
    not count who refers to its arrays: that takes longer than a short loop, and a caller keeps them anyway.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": fastmath}
    options |= {"forceinline": is_inner, "_nrt": not is_inner}  # numba's runtime counts references
    with contextlib.suppress(RuntimeError):  # no folder for the cache
        kept = numba.njit(**options, cache=True)(function)
        # By itself numba looks at the file of the function alone, though callers hold the code of what they call.
        kept._cache._cache_file._source_stamp = stamp_of(Path(function.__code__.co_filename).parent)
        return kept
    return numba.njit(**options)(function)


@lru_cache
def stamp_of(folder: Path) -> str:
    """What tells the sources in a folder, and how they are compiled, from all others."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(folder.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
