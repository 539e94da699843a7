"""Forests of an interrupted training, kept on disk beside the checkpoints of its networks."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from soil_cnn_plugin.contract.jobs import part
from soil_cnn_plugin.engine.arrays import Rows, Singles
from soil_cnn_plugin.engine.forests import bins, forest
from soil_cnn_plugin.engine.forests.forest import FittedForest, fit_forests
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.machine.processes import is_true_in_all
from soil_cnn_plugin.engine.machine.torchrun import process_number
from soil_cnn_plugin.engine.targets.learned import Learned
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder


def fit_or_read_forests(
    folder: CheckpointFolder | None,
    features: Singles,
    learned: Learned,
    fold: Rows,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> list[FittedForest]:
    """The forests that `fit_forests` gives, read from `folder` where they were fitted before; None keeps nothing.

    A file fits only the same features, values, folds, seed and settings. One that cannot be read is written again;
    where that fails, too, `folder` tells it and the forests are as good. Processes that train together all read or all
    grow; the first one writes. `progress` gets the share done, first of all what had been done before.
    """
    if folder is None:
        return fit_forests(features, learned, fold, seed, progress)
    path = folder.path / f"forests-{_digest(features, learned, fold, seed)}.safetensors"
    kept = None
    with contextlib.suppress(OSError, SafetensorError, KeyError, ValueError):
        kept = _read(path, features, learned)
    if is_true_in_all(kept is not None) and kept is not None:
        progress(1.0)
        return kept
    fitted = fit_forests(features, learned, fold, seed, progress)
    if process_number() != 0:
        return fitted
    try:
        _write(folder, path, fitted)
    except (OSError, SafetensorError) as error:
        folder.tell(error)
        with contextlib.suppress(OSError):
            Path(part(str(path))).unlink()
    return fitted


def _digest(features: Singles, learned: Learned, fold: Rows, seed: int) -> str:
    digest = hashlib.blake2b(digest_size=12)
    settings = (
        forest.trees_for(len(features)),
        forest.ROWS_A_TREE,
        bins.MOST_BINS,
        features.shape,
        learned.layout,
        seed,
    )
    digest.update(repr(settings).encode())
    for array in (features, learned.estimate, learned.errors, learned.weights, fold):
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def _write(folder: CheckpointFolder, path: Path, fitted: list[FittedForest]) -> None:
    arrays: dict[str, NDArray[np.generic]] = {}
    for number, each in enumerate(fitted):
        arrays |= {f"{number}.location": each.location, f"{number}.scale": each.scale}
        arrays |= {} if each.half is None else {f"{number}.half": each.half}
        for name, trees in zip(_names(number, len(each.parts)), (each.trees, *each.parts)):
            arrays |= {f"{name}.{field.name}": getattr(trees, field.name) for field in fields(Trees)}
    folder.keep_room(sum(array.nbytes for array in arrays.values()))
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, part(str(path)))
    os.replace(part(str(path)), path)


def _read(path: Path, features: Singles, learned: Learned) -> list[FittedForest]:
    """Raise OSError, SafetensorError, KeyError or ValueError where the file is missing, damaged or of others."""
    arrays = load_file(path)
    found = []
    for number, lesson in enumerate(learned.forest_lessons()):
        outputs = lesson.targets.shape[1]
        location, scale = arrays[f"{number}.location"], arrays[f"{number}.scale"]
        half = arrays[f"{number}.half"] if forest.steps_to_a_forest(len(features)) else None
        of_half = [] if half is None else [half[0], half[1]]
        if any(array.shape != lesson.targets.shape for array in (location, scale, *of_half)):
            raise ValueError(f"{path} holds forests of other observations")
        count = sum(name.startswith(f"{number}.part") and name.endswith(".roots") for name in arrays)
        trees = [
            Trees(**{field.name: arrays[f"{name}.{field.name}"] for field in fields(Trees)})
            for name in _names(number, count)
        ]
        for each in trees:
            each.check(features.shape[1], outputs)
        found.append(FittedForest(trees[0], tuple(trees[1:]), location, scale, half))
    return found


def _names(number: int, parts: int) -> list[str]:
    return [f"{number}.trees", *(f"{number}.part{index}" for index in range(parts))]
