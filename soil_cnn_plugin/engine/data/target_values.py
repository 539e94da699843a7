"""What was measured, from the fields of a layer: numbers, limits and errors of measurement, or classes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import ExtractPatches, partners
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError

from .compositions import close_composition
from .layer_fields import read_column, read_limited_numbers, read_numbers
from .numbers_in_text import parse_numbers
from .point_layer import Layer
from .soil_classes import read_classes

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class TargetValues:
    """Of N features and T targets, as in `Observations`; `classes` are the names of the classes of the one target,
    whose values count them from 0."""

    values: Floats
    is_censored: NDArray[np.bool_]
    errors: Floats
    weights: Floats
    classes: tuple[str, ...] = ()


def read_targets(layer: Layer, job: ExtractPatches, notes: list[str]) -> TargetValues:
    """Raises EngineError, naming the field, when one is missing or holds what it cannot."""
    weights = _read_weights(layer, job.weight, notes)
    if _is_class(layer, job):
        values, classes = read_classes(layer, job.targets[0].field, notes)
        nothing = np.zeros((len(values), 1))
        return TargetValues(values[:, None], nothing.astype(np.bool_), nothing, weights, classes)
    found = replace(plain_values(layer, job.targets, notes), weights=weights)
    limits = partners(job.targets, job.detection_limits, "detection limit")
    errors = partners(job.targets, job.errors, "measurement error")
    fields = [target.field for target in job.targets]
    for t, field in enumerate(fields):
        if field in limits:
            _apply_limits(found, t, field, limits[field], layer, notes)
        if field in errors:
            found.errors[:, t] = _read_errors(layer, errors[field], field, found.values[:, t], notes)
        _tell_censored(found, t, field, layer, notes)
    for parts in job.compositions:
        columns = [fields.index(part) for part in parts]
        if found.is_censored[:, columns].any():
            raise EngineError(
                f"{', '.join(parts)} of '{layer.name}' are parts of a composition, which cannot have values below a"
                " detection limit. Replace these by numbers, for example 0."
            )
        found.values[:, columns] = close_composition(found.values[:, columns], parts, layer.name, notes)
    return found


def plain_values(layer: Layer, targets: tuple[SoilProperty, ...], notes: list[str]) -> TargetValues:
    """The targets' own fields, with what their texts say of detection limits."""
    read = [read_limited_numbers(layer, target.field, "target", notes) for target in targets]
    values = np.column_stack([numbers for numbers, _ in read])
    is_censored = np.column_stack([is_below for _, is_below in read])
    return TargetValues(values, is_censored, np.zeros_like(values), np.ones(len(values)))


def _is_class(layer: Layer, job: ExtractPatches) -> bool:
    """`auto` takes one text field without a single number for classes."""
    if job.target_type != "auto" or len(job.targets) > 1:
        return job.target_type == "class"
    column = read_column(layer, job.targets[0].field, "target")
    if column.dtype.kind not in "OUST":
        return False
    parsed = parse_numbers(column)
    return bool(parsed.failed) and not np.isfinite(parsed.values).any()


def _apply_limits(found: TargetValues, t: int, field: str, name: str, layer: Layer, notes: list[str]) -> None:
    """Values at or below their detection limit are known to lie below it, no more."""
    limits = read_numbers(layer, name, "detection limit", notes)
    known = np.isfinite(limits)
    if (limits[known] <= 0).any():
        raise EngineError(
            f"The detection limit {name} of '{layer.name}' is 0 or negative at {(limits[known] <= 0).sum()} of"
            f" {known.sum()} observations. Write the limit of {field}, or leave it empty where the value was measured."
        )
    values = found.values[:, t]
    silent = known & np.isnan(values)
    if silent.any():
        notes.append(
            f"{silent.sum()} observations have a detection limit in {name} but no {field}: they count as not measured."
            f" If nothing was detected there, write <limit or the limit itself into {field}."
        )
    below = known & np.isfinite(values) & (values <= limits)
    smaller = below & (values < limits) & ~found.is_censored[:, t]
    if smaller.any():
        notes.append(
            f"{smaller.sum()} values of {field} lie under their detection limit in {name} (for example"
            f" {values[smaller][0]:g} under {limits[smaller][0]:g}). What counts is that they are below the limit, not"
            " the number itself."
        )
    found.values[below, t] = limits[below]
    found.is_censored[below, t] = True


def _tell_censored(found: TargetValues, t: int, field: str, layer: Layer, notes: list[str]) -> None:
    below, known = found.is_censored[:, t], np.isfinite(found.values[:, t])
    if not below.any():
        return
    limits = found.values[below, t]
    if (limits <= 0).any():
        raise EngineError(
            f"{field} of '{layer.name}' has {(limits <= 0).sum()} values below 0 or a negative number, such as"
            f" <{limits.min():g}. A detection limit is above 0: correct them."
        )
    span = f"{limits.min():g}" if limits.min() == limits.max() else f"{limits.min():g} to {limits.max():g}"
    notes.append(
        f"{field}: {below.sum()} of {known.sum()} values ({below.sum() / known.sum():.0%}) lie below their detection"
        f" limit ({span}). They are learned and scored as lying anywhere below it."
    )


def _read_errors(layer: Layer, name: str, field: str, values: Floats, notes: list[str]) -> Floats:
    errors = read_numbers(layer, name, "measurement error", notes)
    used = np.isfinite(values)
    known = used & np.isfinite(errors)
    if (errors[known] <= 0).any():
        raise EngineError(
            f"The measurement error {name} of '{layer.name}' is 0 or negative at {(errors[known] <= 0).sum()} of"
            f" {known.sum()} observations. A standard deviation is above 0: correct it, or leave it empty where it is"
            " not known."
        )
    if not known.any():
        raise EngineError(
            f"The measurement error {name} of '{layer.name}' is empty wherever {field} has a value. Choose another"
            " field."
        )
    middle = float(np.median(errors[known]))
    if (used & ~known).any():
        notes.append(
            f"{(used & ~known).sum()} values of {field} have no measurement error in {name}; it is taken as the median"
            f" of the others, {middle:g}."
        )
    spread = float(values[used].std())
    notes.append(
        f"{field}: the measurement error in {name} has a median of {middle:g}, {middle / spread:.0%} of the values'"
        " standard deviation. What was measured worse counts less."
        if spread > 0
        else f"{field}: the measurement error in {name} has a median of {middle:g}."
    )
    if spread > 0 and middle > spread:
        notes.append(
            f"{field}: the measurement error in {name} is larger than the spread of the values ({spread:g}). Check that"
            " it is a standard deviation in the unit of the values, no percentage and no variance."
        )
    return np.where(used, np.where(np.isfinite(errors), errors, middle), 0.0)


def _read_weights(layer: Layer, name: str, notes: list[str]) -> Floats:
    """(N,), mean 1 of all."""
    if not name:
        return np.ones(len(layer.ids))
    weights = read_numbers(layer, name, "weight", notes)
    broken = ~np.isfinite(weights) | (weights < 0)
    if broken.any() or not weights.any():
        raise EngineError(
            f"The weight {name} of '{layer.name}' is missing or negative at {broken.sum()} of {len(weights)}"
            " observations. Give each a number of at least 0."
            if broken.any()
            else f"The weight {name} of '{layer.name}' is 0 at all {len(weights)} observations. Choose another field."
        )
    result: Floats = weights / weights.mean()
    return result
