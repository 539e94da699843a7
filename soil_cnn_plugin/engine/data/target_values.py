"""What was measured, from the fields of a layer: numbers, limits and errors of measurement, or classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import ExtractPatches, partners
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError

from .compositions import close_composition
from .detection_limits import apply_limits, check_censored
from .layer_fields import is_text, read_column, read_limited_numbers
from .notes import Notes, listed
from .numbers_in_text import parse_numbers
from .point_layer import Dropped, Layer
from .precision import read_errors, read_weights
from .soil_classes import read_classes

Floats = NDArray[np.float64]

_FEW_NUMBERS = 10


@dataclass(frozen=True)
class TargetValues:
    """Of N features and T targets, as in `Observations`; `classes` are the names of the classes of the one target,
    whose values count them from 0."""

    values: Floats
    is_censored: NDArray[np.bool_]
    errors: Floats
    weights: Floats
    classes: tuple[str, ...] = ()

    def take(self, rows: NDArray[Any]) -> TargetValues:
        """Of the features that an index or boolean array chooses."""
        return TargetValues(
            self.values[rows], self.is_censored[rows], self.errors[rows], self.weights[rows], self.classes
        )


def read_targets(layer: Layer, job: ExtractPatches, dropped: Dropped, notes: Notes) -> TargetValues:
    """`dropped` receives observations whose values cannot be used.

    Raises:
        EngineError: a field, which the message names, is missing or holds what it cannot.
    """
    if _is_class(layer, job):
        values, classes = read_classes(layer, job.targets[0].field, notes)
        nothing = np.zeros((len(values), 1))
        weights = read_weights(np.isfinite(values), layer, job.weight)
        return TargetValues(values[:, None], nothing.astype(np.bool_), nothing, weights, classes)
    found = plain_values(layer, job.targets, notes.facts)
    limits = partners(job.targets, job.detection_limits, "detection limit")
    errors = partners(job.targets, job.errors, "measurement error")
    for t, field in enumerate(target.field for target in job.targets):
        values, is_censored = found.values[:, t], found.is_censored[:, t]
        if field in limits:
            values, is_censored = apply_limits(values, is_censored, layer, field, limits[field], notes)
        if field in job.composition:
            _check_part(is_censored, layer, field)
        else:
            check_censored(values, is_censored, layer, field, notes)
            if job.target_type == "auto" and len(job.targets) == 1:
                _doubt_codes(values, field, notes)
        if field in errors:
            found.errors[:, t] = read_errors(values, is_censored, layer, field, errors[field], notes)
        found.values[:, t], found.is_censored[:, t] = values, is_censored
    is_empty = np.isnan(found.values).all(axis=1)
    _close_compositions(found, layer, job, notes)
    is_unused = np.asarray(np.isnan(found.values).all(axis=1))
    dropped.add(layer.ids[is_unused & ~is_empty], "lacking a part of the composition, or with 0 in all")
    return replace(found, weights=read_weights(~is_unused, layer, job.weight))


def plain_values(layer: Layer, targets: tuple[SoilProperty, ...], notes: list[str]) -> TargetValues:
    """The targets' own fields, with what their texts say of detection limits; NaN and censored: not detected, and the
    text does not tell the limit."""
    read = [read_limited_numbers(layer, target.field, "target", notes) for target in targets]
    values = np.column_stack([numbers for numbers, _ in read])
    is_censored = np.column_stack([is_below for _, is_below in read])
    return TargetValues(values, is_censored, np.zeros_like(values), np.ones(len(values)))


def _is_class(layer: Layer, job: ExtractPatches) -> bool:
    """`auto` takes a text field, most of whose texts are no numbers, for classes.

    Raises:
        EngineError: it has something beside it that classes cannot have.
    """
    if job.target_type != "auto":
        return job.target_type == "class"
    fields = [target.field for target in job.targets]
    classes = [field for field in fields if _holds_words(layer, field)]
    if not classes:
        return False
    if len(fields) > 1:
        raise EngineError(
            f"{classes[0]} of '{layer.name}' is a text field of soil classes, and these are learned from one field."
            f" Choose it alone, or leave it out of the targets ({', '.join(fields)})."
        )
    if job.detection_limits or job.errors:
        raise EngineError(
            f"{classes[0]} of '{layer.name}' is a text field of soil classes, which have no detection limit and no"
            " measurement error. Leave these fields out."
        )
    return True


def _holds_words(layer: Layer, field: str) -> bool:
    column = read_column(layer, field, "target")
    if not is_text(column):
        return False
    parsed = parse_numbers(column)
    return len(parsed.failed) > int((np.isfinite(parsed.values) | parsed.is_below).sum())


def _doubt_codes(values: Floats, field: str, notes: Notes) -> None:
    different = np.unique(values[np.isfinite(values)])
    if 1 < len(different) <= _FEW_NUMBERS and (different == np.rint(different)).all():
        notes.doubts.append(
            f"{field} has only {len(different)} different values, all whole numbers"
            f" ({listed([f'{value:g}' for value in different], 5)}), and is learned as a measured number. If they are"
            " codes of soil classes, choose the target type 'class'."
        )


def _check_part(is_censored: NDArray[np.bool_], layer: Layer, field: str) -> None:
    if is_censored.any():
        raise EngineError(
            f"{field} of '{layer.name}' is a part of a composition, but {is_censored.sum()} of its values are only"
            " known to be below a limit. Replace these by numbers, for example half the limit."
        )


def _close_compositions(found: TargetValues, layer: Layer, job: ExtractPatches, notes: Notes) -> None:
    fields = [target.field for target in job.targets]
    for parts in job.compositions:
        columns = [fields.index(part) for part in parts]
        found.values[:, columns] = close_composition(found.values[:, columns], parts, layer, notes)
