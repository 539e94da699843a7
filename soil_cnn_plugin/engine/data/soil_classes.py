"""Soil classes of observations: names to numbers and back, and what becomes of rare ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.errors import EngineError

from .layer_fields import read_column
from .point_layer import Dropped, Layer

if TYPE_CHECKING:
    from .observations import Observations

MOST_CLASSES = 100
RARE = 5
"""Observations that a class has at most to be rare (as in the PSM book's rule of thumb)."""
OTHER = "other classes"


def read_classes(layer: Layer, name: str, notes: list[str]) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """(N,) number of each observation's class, NaN where none is given, and the classes' names, sorted.

    Raises:
        EngineError: the field has measured numbers, or more classes than a map can show.
    """
    column = read_column(layer, name, "target")
    texts = np.array([_text(value, name, layer) for value in column.tolist()], object)
    known = texts != ""
    names = sorted(set(texts[known]), key=_order)
    if len(names) > MOST_CLASSES:
        raise EngineError(
            f"The target {name} of '{layer.name}' has {len(names)} different values at {known.sum()} observations, but"
            f" a map shows at most {MOST_CLASSES} classes. Choose a field of soil classes, or merge them; if {name} is"
            " a measured number, choose the target type 'continuous'."
        )
    numbers = np.full(len(texts), np.nan)
    numbers[known] = [names.index(text) for text in texts[known]]
    twins = [each for each in names if sum(each.casefold() == other.casefold() for other in names) > 1]
    if twins:
        notes.append(f"These classes of {name} differ in capital letters only: {', '.join(twins)}. Are they the same?")
    return numbers, tuple(names)


def treat_rare_classes(
    found: Observations, classes: tuple[str, ...], treatment: str, dropped: Dropped, notes: list[str]
) -> tuple[Observations, tuple[str, ...]]:
    """Without classes of at most 5 observations: dropped, or merged into one if that has more."""
    numbers = found.values[:, 0].astype(np.int64)
    counts = np.bincount(numbers, minlength=len(classes))
    rare = [index for index, count in enumerate(counts) if 0 < count <= RARE]
    if rare:
        words = ", ".join(f"{classes[index]} {counts[index]}" for index in rare)
        is_rare = np.isin(numbers, rare)
        if treatment == "merge" and is_rare.sum() > RARE:
            notes.append(f"Classes of at most {RARE} observations become one, {OTHER!r}: {words}.")
            classes = (*classes, OTHER)
            numbers = np.where(is_rare, len(classes) - 1, numbers)
            found = replace(found, values=numbers[:, None].astype(np.float64))
        else:
            notes.append(
                f"Classes of at most {RARE} observations are dropped, and the map does not show them: {words}."
                + (" Together they would still be rare." if treatment == "merge" else "")
            )
            dropped.add(found.ids[is_rare], f"of a class with at most {RARE} observations")
            found = found.take(~is_rare)
    present, numbers = np.unique(found.values[:, 0].astype(np.int64), return_inverse=True)
    counts = np.bincount(numbers, minlength=len(present))
    names = tuple(classes[index] for index in present)
    notes.append(f"{len(names)} classes: {', '.join(f'{name} {count}' for name, count in zip(names, counts))}.")
    return replace(found, values=numbers[:, None].astype(np.float64)), names


def _text(value: object, name: str, layer: Layer) -> str:
    """A class's name; empty where there is none."""
    if value is None or value != value:
        return ""
    if isinstance(value, float):
        if not value.is_integer():
            raise EngineError(
                f"The target {name} of '{layer.name}' holds {value:g}, which names no class. Choose a field of texts or"
                " whole numbers, or the target type 'continuous'."
            )
        return str(int(value))
    return str(value).strip()


def _order(name: str) -> tuple[int, float, str]:
    """Numbers by size, before texts by alphabet."""
    return (0, float(name), "") if name.lstrip("-").isdigit() else (1, 0.0, name)
