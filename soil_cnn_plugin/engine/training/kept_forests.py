"""Forests of an interrupted training, kept on disk beside the checkpoints of its networks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Rows, Singles
from soil_cnn_plugin.engine.forests import bins, forest
from soil_cnn_plugin.engine.forests.forest import FittedForest, fit_forests
from soil_cnn_plugin.engine.forests.trees import Trees
from soil_cnn_plugin.engine.targets.learned import Learned
from soil_cnn_plugin.engine.training.checkpoint import CheckpointFolder
from soil_cnn_plugin.engine.training.kept_arrays import Arrays, digest_of, read_or_fit


def fit_or_read_forests(
    folder: CheckpointFolder | None,
    features: Singles,
    learned: Learned,
    fold: Rows,
    seed: int,
    progress: Callable[[float], None] = lambda share: None,
) -> list[FittedForest]:
    """The forests that `fit_forests` gives, read from `folder` where they were fitted before; None keeps nothing.

    A file fits only the same features, values, folds, seed and settings. `progress` gets the share done, first of all
    what had been done before.
    """
    fit = partial(fit_forests, features, learned, fold, seed, progress)
    if folder is None:
        return fit()
    name = f"forests-{_digest(features, learned, fold, seed)}"
    return read_or_fit(folder, name, partial(_of_arrays, features, learned), fit, _to_arrays, progress)


def _digest(features: Singles, learned: Learned, fold: Rows, seed: int) -> str:
    settings = (
        forest.trees_for(len(features)),
        forest.ROWS_A_TREE,
        bins.MOST_BINS,
        features.shape,
        learned.layout,
        seed,
    )
    return digest_of(settings, (features, learned.estimate, learned.errors, learned.weights, fold))


def _to_arrays(fitted: Sequence[FittedForest]) -> Arrays:
    arrays: dict[str, NDArray[Any]] = {}
    for number, each in enumerate(fitted):
        arrays |= {f"{number}.location": each.location, f"{number}.scale": each.scale}
        arrays |= {} if each.half is None else {f"{number}.half": each.half}
        for name, trees in zip(_names(number, len(each.parts)), (each.trees, *each.parts)):
            arrays |= {f"{name}.{field.name}": getattr(trees, field.name) for field in fields(Trees)}
    return arrays


def _of_arrays(features: Singles, learned: Learned, arrays: Arrays) -> list[FittedForest]:
    """Raise KeyError or ValueError where arrays are missing, damaged or of others."""
    found = []
    for number, lesson in enumerate(learned.forest_lessons()):
        outputs = lesson.targets.shape[1]
        location, scale = arrays[f"{number}.location"], arrays[f"{number}.scale"]
        half = arrays[f"{number}.half"] if forest.steps_to_a_forest(len(features)) else None
        of_half = [] if half is None else [half[0], half[1]]
        if any(array.shape != lesson.targets.shape for array in (location, scale, *of_half)):
            raise ValueError("the forests are those of other observations")
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
