"""Fits of an interrupted training, kept as arrays on disk beside the checkpoints of its networks."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.engine.machine.processes import is_true_in_all, leads
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder

Arrays = Mapping[str, NDArray[Any]]
_Fit = TypeVar("_Fit")


def read_or_fit(
    folder: CheckpointFolder,
    name: str,
    read: Callable[[Arrays], _Fit],
    fit: Callable[[], _Fit],
    arrays: Callable[[_Fit], Arrays],
    progress: Callable[[float], None],
) -> _Fit:
    """Return what `read` makes of the arrays in the file `name`; where there is no such file, or a damaged one, what
    `fit` gives, whose `arrays` are then kept.

    `read` raises KeyError or ValueError where the arrays make no sense. Where the file cannot be written, `folder`
    tells it and the fit is as good. Processes that train together all read or all fit; the first one writes. If the
    fit was read, `progress` is told that all was done before.
    """
    path = folder.path / f"{name}.safetensors"
    kept = None
    with contextlib.suppress(OSError, SafetensorError, KeyError, ValueError):
        kept = read(load_file(path))
    if is_true_in_all(kept is not None) and kept is not None:
        progress(1.0)
        return kept
    fitted = fit()
    if not leads():
        return fitted
    try:
        _write(folder, path, arrays(fitted))
    except (OSError, SafetensorError) as error:
        folder.tell(error)
        with contextlib.suppress(OSError):
            Path(part(str(path))).unlink()
    return fitted


def digest_of(settings: Sequence[object], arrays: Sequence[NDArray[Any]]) -> str:
    """What tells a fit with these settings, on these arrays, from all others."""
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=12)
    for array in arrays:
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def _write(folder: CheckpointFolder, path: Path, arrays: Arrays) -> None:
    folder.keep_room(sum(array.nbytes for array in arrays.values()))
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, part(str(path)))
    os.replace(part(str(path)), path)
