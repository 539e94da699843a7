"""What a value is worth: detection limits, standard deviations of the measurement, and weights."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_limited_numbers, read_numbers
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated, share_in_words, span
from soil_cnn_plugin.engine.observations.point_layer import Layer

_FEWEST = 20.0
"""Observations that very unequal weights should leave, counted as in Kish 1965, Survey Sampling."""


def apply_limits(
    values: Array, is_censored: Flags, layer: Layer, field: str, limit_field: str, notes: Notes
) -> tuple[Array, Flags]:
    """Set values (N,) at or below their detection limit to the limit, and mark them as censored: known to lie below it.

    An empty value with a limit stays missing, because it may never have been measured; one that says "not detected"
    is below the limit.

    Raises:
        EngineError: a limit is not a number above 0.
    """
    limits, _ = read_limited_numbers(layer, limit_field, "detection limit", notes.facts)  # a limit of "<0.5" is 0.5
    known = ~np.isnan(limits)
    remedy = f"Write the limit of {field} there, or leave it empty where the value was measured."
    _check_above_zero(limits, known, layer, f"detection limit {limit_field}", remedy)
    silent = known & np.isnan(values) & ~is_censored
    if silent.any():
        notes.doubts.append(
            f"{silent.sum()} observations have a detection limit in {limit_field} but no {field}: they count as not"
            f" measured. If nothing was detected there, write the limit itself into {field}."
        )
    below = known & np.where(is_censored, np.isnan(values), values <= limits)  # a text's own limit stays
    smaller = below & (values < limits)
    if smaller.any():
        notes.facts.append(
            f"{field}: {smaller.sum()} values lie under their detection limit in {limit_field} (for example"
            f" {values[smaller][0]:g} under {limits[smaller][0]:g}). What counts is that they are below the limit, not"
            " the number itself."
        )
    return np.where(below, limits, values), is_censored | below


def check_censored(values: Array, is_censored: Flags, layer: Layer, field: str, notes: Notes) -> None:
    """Report how many values (N,) lie below a limit, and negative numbers that may mean the same.

    Raises:
        EngineError: as `check_limits`.
    """
    check_limits(values, is_censored, layer, field)
    limits, known = values[is_censored], values[np.isfinite(values)]
    if len(limits):
        notes.facts.append(
            f"{field}: {len(limits)} of {len(known)} values ({share_in_words(len(limits), len(known))}) lie below their"
            f" detection limit ({span(limits.min(), limits.max())}). They are learned and scored as lying anywhere"
            " below it."
        )
    doubt_negatives(known, field, notes)


def check_limits(values: Array, is_censored: Flags, layer: Layer, field: str) -> None:
    """Raise EngineError where a limit is not above 0, or a value says "not detected" without a limit."""
    unknown = is_censored & np.isnan(values)
    if unknown.any():
        texts = sorted({repr(str(text).strip()) for text in layer.columns[field][unknown].tolist()})
        raise EngineError(
            f"{field} of '{layer.name}' says {comma_separated(texts)} at {unknown.sum()} observations, but nothing"
            " tells the detection limit there. Choose a field with the limits, or write <0.5 where the limit is 0.5;"
            " leave empty what was not measured."
        )
    limits = values[is_censored]
    if (limits <= 0).any():
        raise EngineError(
            f"{field} of '{layer.name}' has {(limits <= 0).sum()} values below 0 or a negative number, such as"
            f" <{limits.min():g}. A detection limit is above 0: correct them."
        )


def doubt_negatives(known: Array, field: str, notes: Notes) -> None:
    """Doubt negative numbers that are small and take few different values.

    Some tables, among them those of the USGS, write -0.5 for "below 0.5".
    """
    negative, positive = known[known < 0], known[known > 0]
    if not len(negative) or not len(positive):
        return
    different = np.unique(negative)
    if np.median(-negative) > np.median(positive) or len(different) > max(1, len(negative) / 3):
        return
    notes.doubts.append(
        f"{field}: {len(negative)} of {len(known)} values are negative"
        f" ({comma_separated([f'{value:g}' for value in different[::-1]], 5)}). If the minus marks values below a"
        f" detection limit, as in some tables, choose a field with the limits, or write <{-different[-1]:g} for"
        f" {different[-1]:g} in a text field. Otherwise they count as measured."
    )


def read_errors(values: Array, is_censored: Flags, layer: Layer, field: str, error_field: str, notes: Notes) -> Array:
    """Read the standard deviations (N,) of the measurement of `field`.

    Where none is given, it is their median. It is 0 where there is no value, and where the value lies below its limit,
    because the error of large values says nothing about small ones.

    Raises:
        EngineError: some are 0, negative or infinite, or none is given.
    """
    errors = read_numbers(layer, error_field, "measurement error", notes.facts)
    used = np.isfinite(values)
    given = used & ~np.isnan(errors)
    remedy = "No measurement is without error: write its standard deviation, or leave it empty where it is not known."
    _check_above_zero(errors, given, layer, f"measurement error {error_field}", remedy)
    if not given.any():
        raise EngineError(
            f"The measurement error {error_field} of '{layer.name}' is empty wherever {field} has a value. Choose"
            " another field."
        )
    middle, spread = float(np.median(errors[given])), float(values[used].std())
    filled = used & ~given & ~is_censored
    notes.facts.append(
        f"{field}: the measurement error in {error_field} has a median of {middle:g}"
        + (f", {middle / spread:.0%} of the values' standard deviation" if spread > 0 else "")
        + ". What was measured worse counts less."
        + (f" {filled.sum()} values without one get the median." if filled.any() else "")
    )
    if 0 < spread < middle:
        notes.doubts.append(
            f"{field}: the measurement error in {error_field} is larger than the spread of the values ({middle:g}"
            f" against {spread:g}). Check that it is a standard deviation in the unit of the values, no percentage and"
            " no variance."
        )
    return np.where(given, errors, np.where(filled, middle, 0.0))


def read_weights(is_used: Flags, layer: Layer, name: str) -> Array:
    """Read weights (N,) of at least 0 and of mean 1; all are 1 where no field is chosen.

    Only the weights of `is_used` observations matter.

    Raises:
        EngineError: some are missing, negative or infinite, or all are 0.
    """
    if not name:
        return np.ones(len(layer.ids))
    weights = np.where(is_used, read_numbers(layer, name, "weight", []), 0.0)
    wrong = ~((weights >= 0) & np.isfinite(weights))
    if wrong.any():
        raise EngineError(
            f"The weight {name} of '{layer.name}' is missing, negative or infinite at {wrong.sum()} of"
            f" {is_used.sum()} observations (feature {layer.ids[wrong][0]}). Give each a number of at least 0; with 0"
            " it is left out."
        )
    if not weights.any():
        raise EngineError(
            f"The weight {name} of '{layer.name}' is 0 at all {is_used.sum()} observations. Choose another field."
        )
    largest = weights.max()  # the sum of very large ones is infinite
    result: Array = weights / largest / (weights / largest).mean()
    return result


def check_weights(weights: Array, name: str, notes: Notes) -> None:
    """Report what weights (N,) above 0 mean for the number of observations."""
    if not name or len(np.unique(weights)) < 2:
        return
    share = weights / weights.max()
    number = float(share.sum() ** 2 / (share**2).sum())  # Kish 1965
    text = (
        f"Weights from {name}: the largest is {share.max() / share.min():.3g} times the smallest. {len(weights)}"
        f" observations count as much as {number:.0f} of equal weight."
    )
    if number < min(_FEWEST, len(weights) / 2):
        notes.doubts.append(f"{text} That is very few: check the field.")
    else:
        notes.facts.append(text)


def _check_above_zero(numbers: Array, given: Flags, layer: Layer, what: str, remedy: str) -> None:
    """Raise EngineError where a number (N,) that is `given` (N,) is not above 0, or is infinite."""
    wrong = given & ~((numbers > 0) & np.isfinite(numbers))
    if wrong.any():
        raise EngineError(
            f"The {what} of '{layer.name}' is not above 0 at {wrong.sum()} of {given.sum()} observations"
            f" ({numbers[wrong][0]:g} of feature {layer.ids[wrong][0]}). {remedy}"
        )
