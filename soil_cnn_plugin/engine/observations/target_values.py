"""Measured values from the fields of a layer: numbers, limits and errors of measurement, or classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.jobs import ExtractPatches, partners
from soil_cnn_plugin.contract.language import localized, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.compositions import close_composition
from soil_cnn_plugin.engine.observations.layer_fields import is_text, parse_numbers, read_limited_numbers
from soil_cnn_plugin.engine.observations.limits_and_errors import (
    apply_limits,
    check_censored,
    check_limits,
    doubt_negatives,
    read_errors,
    read_weights,
)
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated
from soil_cnn_plugin.engine.observations.point_layer import Dropped, Layer
from soil_cnn_plugin.engine.observations.soil_classes import may_name_classes, read_classes
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.targets.scales import skewness

_FEW_NUMBERS = 10


Classes = dict[str, tuple[str, ...]]
"""Field of a target that holds classes -> their names, which its values count from 0."""


def read_target_values(
    layer: Layer, job: ExtractPatches, dropped: Dropped, notes: Notes
) -> tuple[TargetValues, Classes]:
    """Read what was measured at the layer's features; `dropped` receives those whose values cannot be used.

    Raises:
        EngineError: a field, which the message names, is missing or holds what it must not.
    """
    is_class = [_is_class(layer, job, target.field) for target in job.targets]
    shape = (len(layer.ids), len(job.targets))
    found = TargetValues(np.full(shape, np.nan), np.zeros(shape, np.bool_), np.zeros(shape), np.ones(shape[0]))
    classes: Classes = {}
    numbers = [t for t, is_one in enumerate(is_class) if not is_one]
    if numbers:
        plain = plain_values(layer, tuple(job.targets[t] for t in numbers), notes.facts)
        found.values[:, numbers], found.is_censored[:, numbers] = plain.values, plain.is_censored
    without = {*job.composition, *(target.field for target, is_one in zip(job.targets, is_class) if is_one)}
    limits = partners(job.targets, job.detection_limits, "detection limit", without)
    errors = partners(job.targets, job.errors, "measurement error", without)
    for t, field in enumerate(target.field for target in job.targets):
        if is_class[t]:
            _check_alone(field, layer, field in limits, field in errors)
            found.values[:, t], classes[field] = read_classes(layer, field, notes)
            continue
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
    dropped.add(layer.ids[is_unused & ~is_empty], tr("lacking a part of the composition, or with 0 in all"))
    return replace(found, weights=read_weights(~is_unused, layer, job.weight)), classes


def comparable_values(layer: Layer, target: SoilProperty, limit_field: str, notes: Notes) -> TargetValues:
    """Read the target's own field, and the field with its detection limits, if there is one.

    Raises:
        EngineError: a limit is not a number above 0, or a text says "not detected" where nothing tells the limit.
    """
    found = plain_values(layer, (target,), notes.facts)
    values, is_censored = found.values[:, 0], found.is_censored[:, 0]
    if limit_field:
        values, is_censored = apply_limits(values, is_censored, layer, target.field, limit_field, notes)
    check_limits(values, is_censored, layer, target.field)
    doubt_negatives(values[np.isfinite(values)], target.field, notes)
    return replace(found, values=values[:, None], is_censored=is_censored[:, None])


def plain_values(layer: Layer, targets: tuple[SoilProperty, ...], notes: list[str]) -> TargetValues:
    """Read the targets' own fields, with what their texts say of detection limits.

    A value that is NaN and censored was not detected, and its text does not tell the limit.
    """
    read = [read_limited_numbers(layer, target.field, "target", notes) for target in targets]
    values = np.column_stack([numbers for numbers, _ in read])
    is_censored = np.column_stack([is_below for _, is_below in read])
    return TargetValues(values, is_censored, np.zeros_like(values), np.ones(len(values)))


def _is_class(layer: Layer, job: ExtractPatches, field: str) -> bool:
    """Check whether a target holds soil classes: the job says so, or it is a text field, most of it names."""
    if field in job.composition:
        return False
    if field in job.class_targets or job.target_type == "class":
        return True
    return job.target_type == "auto" and holds_names(layer, field)


def _check_alone(field: str, layer: Layer, has_limit: bool, has_error: bool) -> None:
    """Raise EngineError when a soil class has a detection limit or an error beside it, which classes cannot have."""
    if has_limit or has_error:
        raise EngineError(
            (
                tr(
                    "{} of '{}' holds soil classes, which have no detection limit and no measurement error. Leave the"
                    " limit of {} out."
                )
                if has_limit
                else tr(
                    "{} of '{}' holds soil classes, which have no detection limit and no measurement error. Leave the"
                    " error of {} out."
                )
            ).format(field, layer.name, field)
        )


def holds_names(layer: Layer, field: str) -> bool:
    """Check whether a field is one of texts, more of which may name classes than are numbers; "not detected" names
    none."""
    column = layer.column(field, "target")
    if not is_text(column):
        return False
    parsed = parse_numbers(column)
    numbers = int((np.isfinite(parsed.values) | parsed.is_below).sum())
    return len(parsed.unknown) > numbers and may_name_classes(parsed.unknown)


def _doubt_codes(values: Array, field: str, notes: Notes) -> None:
    different = np.unique(values[np.isfinite(values)])
    if 1 < len(different) <= _FEW_NUMBERS and (different == np.rint(different)).all():
        notes.doubts.append(
            tr(
                "{} has only {} different values, all whole numbers ({}), and is learned as a measured number."
                " If they are codes of soil classes, choose the target type 'class'."
            ).format(field, len(different), comma_separated([localized(f"{value:g}") for value in different], 5))
        )


def _check_part(is_censored: Flags, layer: Layer, field: str) -> None:
    if is_censored.any():
        raise EngineError(
            tr(
                "{} of '{}' is a part of a composition, but {} of its values are only known to be below a"
                " limit. Replace these by numbers, for example half the limit."
            ).format(field, layer.name, is_censored.sum())
        )


def _close_compositions(found: TargetValues, layer: Layer, job: ExtractPatches, notes: Notes) -> None:
    fields = [target.field for target in job.targets]
    for parts in job.compositions:
        columns = [fields.index(part) for part in parts]
        found.values[:, columns] = close_composition(found.values[:, columns], parts, layer, notes)


_FAR = 20.0  # interquartile ranges from the median
_FAR_IN_LOGARITHMS = 8.0  # the same for logarithms of positive values: contents of metals span orders of magnitude
_MOST_APART = 0.1  # share of the values that may lie beyond a gap: more are a population of their own
_WIDE_GAP = 1.5  # ranges of the middle 90 % of the others
_FEWEST_FOR_GAPS = 20
_SKEWED = 0.5


def find_wild(values: Array) -> Flags:
    """Return True where a value (N,), NaN where missing, is far from the others.

    It is far on its own scale and on that of logarithms, or a gap in logarithms divides it from the others that is
    wider than all of them together.
    """
    is_far = _is_far(values, _FAR)
    logarithms = np.log(np.where(values > 0, values, np.nan))
    is_near_in_logarithms = (values > 0) & ~_is_far(logarithms, _FAR_IN_LOGARITHMS)
    return (is_far & ~is_near_in_logarithms) | _is_apart(logarithms)


def _is_apart(values: Array) -> Flags:
    """Return True beyond a gap, in logarithms, that is wider than the range of the values on its near side. A value is
    too low only among skewed ones, of which a logarithm may be learned: near 0 others have gaps, too."""
    known = np.sort(values[np.isfinite(values)])
    most, (low, high) = int(_MOST_APART * len(known)), (-np.inf, np.inf)
    if len(known) < _FEWEST_FOR_GAPS or np.subtract(*np.quantile(known, [0.75, 0.25])) == 0:
        return np.zeros(len(values), np.bool_)
    for sign in (1, -1) if skewness(np.exp(known[most:])) > _SKEWED else (1,):
        ordered = np.sort(sign * known)
        inner, outer = ordered[-most - 1 : -1], ordered[-most:]
        width = inner - ordered[most]  # without what may be wild at the other end
        gaps = np.flatnonzero(outer - inner > _WIDE_GAP * width)
        if len(gaps):
            low, high = (low, outer[gaps[0]]) if sign > 0 else (-outer[gaps[0]], high)
    return np.asarray((values >= high) | (values <= low))


def _is_far(values: Array, ranges: float) -> Flags:
    known = values[np.isfinite(values)]
    if not len(known):
        return np.zeros(len(values), np.bool_)
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    if low == high:  # more than half are one value, zero for example: any other is far from it
        return np.zeros(len(values), np.bool_)
    return np.asarray(np.abs(values - middle) > ranges * (high - low))
