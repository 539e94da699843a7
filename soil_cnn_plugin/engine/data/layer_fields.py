"""Fields of the layer of observations as arrays: numbers, also those written as text, and names."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.errors import EngineError

from .notes import listed
from .numbers_in_text import parse_numbers
from .point_layer import Layer

Floats = NDArray[np.float64]


def read_names(layer: Layer, name: str, role: str) -> NDArray[np.object_]:
    """(N,) of a field, None where it is empty or no field is chosen; `role` says what it is chosen as."""
    if not name:
        return np.full(len(layer.ids), None, object)
    column = read_column(layer, name, role)
    values = column.astype(object)
    values[np.array([value is None or value != value or value == "" for value in column.tolist()], bool)] = None
    return values


def read_numbers(layer: Layer, name: str, role: str, notes: list[str]) -> Floats:
    """(N,) of a field, NaN where missing; numbers written as text are read.

    Raises:
        EngineError: there is no such field, it is not numeric, has no values, or some that only say `<0.5`.
    """
    numbers, is_below = read_limited_numbers(layer, name, role, notes)
    if is_below.any():
        example = str(layer.columns[name][is_below][0]).strip()
        raise EngineError(
            f"The {role} {name} of '{layer.name}' has {is_below.sum()} values below a detection limit, such as"
            f" {example!r}, which cannot be used here. Choose a field of numbers."
        )
    return numbers


def read_limited_numbers(layer: Layer, name: str, role: str, notes: list[str]) -> tuple[Floats, NDArray[np.bool_]]:
    """(N,) of a field, NaN where missing, and (N,) True where the value is only known to be below that number; NaN and
    True: the text says "not detected" and no number."""
    column = read_column(layer, name, role)
    is_below = np.zeros(len(column), np.bool_)
    if is_text(column):
        parsed = parse_numbers(column)
        if parsed.unknown:
            raise _no_numbers(layer, name, role, parsed.unknown)
        numbers, is_below = parsed.values, parsed.is_below | parsed.is_undetected
        comma = f" Its commas are decimal ones: {parsed.odd_comma} was not read as thousands." * bool(parsed.odd_comma)
        notes.append(f"{name} is a text field; its {np.isfinite(numbers).sum()} values were read as numbers.{comma}")
    elif column.dtype.kind in "iuf":
        numbers = column.astype(np.float64)
    else:
        raise EngineError(
            f"The {role} {name} of '{layer.name}' is not numeric ({column.dtype}). Choose a numeric field."
        )
    if not np.isfinite(numbers).any():
        raise EngineError(
            f"The {role} {name} of '{layer.name}' has no value at any of its {len(numbers)} observations."
            " Choose another field, or check the join that fills it."
        )
    return numbers, is_below


def is_text(column: NDArray[Any]) -> bool:
    return column.dtype.kind in "OUST"


def read_column(layer: Layer, name: str, role: str) -> NDArray[Any]:
    if name not in layer.columns:
        raise EngineError(
            f"The observations '{layer.name}' have no field {name!r}, which is chosen as {role}."
            f" They have: {', '.join(layer.columns)}."
        )
    return layer.columns[name]


def _no_numbers(layer: Layer, name: str, role: str, texts: list[str]) -> EngineError:
    remedy = "Make a numeric field with the field calculator and choose that."
    if role == "target":
        remedy += " If they are soil classes, choose the target type 'class'."
    if any(text.startswith(">") for text in texts):
        remedy = "Values above a limit, such as >100, cannot be learned from: write the limit, or leave them empty."
    return EngineError(
        f"The {role} {name} of '{layer.name}' is a text field, and {len(texts)} of its {len(layer.ids)} values are no"
        f" numbers: {listed(map(repr, dict.fromkeys(texts)), 5)}. {remedy}"
    )
