"""What a value is worth: detection limits, standard deviations of the measurement, and weights."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.language import localized, tr
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
    remedy = tr("Write the limit of {} there, or leave it empty where the value was measured.").format(field)
    _check_above_zero(limits, known, layer, tr("detection limit {}").format(limit_field), remedy)
    silent = known & np.isnan(values) & ~is_censored
    if silent.any():
        notes.doubts.append(
            tr(
                "{} observations have a detection limit in {} but no {}: they count as not measured. If nothing"
                " was detected there, write the limit itself into {}."
            ).format(silent.sum(), limit_field, field, field)
        )
    below = known & np.where(is_censored, np.isnan(values), values <= limits)  # a text's own limit stays
    smaller = below & (values < limits)
    if smaller.any():
        notes.facts.append(
            tr(
                "{}: {} values lie under their detection limit in {} (for example {:g} under {:g}). What counts"
                " is that they are below the limit, not the number itself."
            ).format(field, smaller.sum(), limit_field, values[smaller][0], limits[smaller][0])
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
            tr(
                "{}: {} of {} values ({}) lie below their detection limit ({}). They are learned and scored as"
                " lying anywhere below it."
            ).format(
                field,
                len(limits),
                len(known),
                share_in_words(len(limits), len(known)),
                span(limits.min(), limits.max()),
            )
        )
    doubt_negatives(known, field, notes)


def check_limits(values: Array, is_censored: Flags, layer: Layer, field: str) -> None:
    """Raise EngineError where a limit is not above 0, or a value says "not detected" without a limit."""
    unknown = is_censored & np.isnan(values)
    if unknown.any():
        texts = sorted({repr(str(text).strip()) for text in layer.columns[field][unknown].tolist()})
        raise EngineError(
            tr(
                "{} of '{}' says {} at {} observations, but nothing tells the detection limit there. Choose a"
                " field with the limits, or write <0.5 where the limit is 0.5; leave empty what was not"
                " measured."
            ).format(field, layer.name, comma_separated(texts), unknown.sum())
        )
    limits = values[is_censored]
    if (limits <= 0).any():
        raise EngineError(
            tr(
                "{} of '{}' has {} values below 0 or a negative number, such as <{:g}. A detection limit is"
                " above 0: correct them."
            ).format(field, layer.name, (limits <= 0).sum(), limits.min())
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
        tr(
            "{}: {} of {} values are negative ({}). If the minus marks values below a detection limit, as in"
            " some tables, choose a field with the limits, or write <{:g} for {:g} in a text field. Otherwise"
            " they count as measured."
        ).format(
            field,
            len(negative),
            len(known),
            comma_separated([localized(f"{value:g}") for value in different[::-1]], 5),
            -different[-1],
            different[-1],
        )
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
    remedy = tr(
        "No measurement is without error: write its standard deviation, or leave it empty where it is not known."
    )
    _check_above_zero(errors, given, layer, tr("measurement error {}").format(error_field), remedy)
    if not given.any():
        raise EngineError(
            tr("The measurement error {} of '{}' is empty wherever {} has a value. Choose another field.").format(
                error_field, layer.name, field
            )
        )
    middle, spread = float(np.median(errors[given])), float(values[used].std())
    filled = used & ~given & ~is_censored
    text = (
        tr(
            "{}: the measurement error in {} has a median of {:g}, {:.0%} of the values' standard deviation. Less"
            " precise values count less."
        )
        if spread > 0
        else tr("{}: the measurement error in {} has a median of {:g}. Less precise values count less.")
    ).format(field, error_field, middle, middle / (spread or 1.0))
    rest = tr(" {} values without one get the median.").format(filled.sum()) if filled.any() else ""
    notes.facts.append(f"{text}{rest}")
    if 0 < spread < middle:
        notes.doubts.append(
            tr(
                "{}: the measurement error in {} is larger than the spread of the values ({:g} against {:g})."
                " Check that it is a standard deviation in the unit of the values, no percentage and no"
                " variance."
            ).format(field, error_field, middle, spread)
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
            tr(
                "The weight {} of '{}' is missing, negative or infinite at {} of {} observations (feature {})."
                " Give each a number of at least 0; with 0 it is left out."
            ).format(name, layer.name, wrong.sum(), is_used.sum(), str(layer.ids[wrong][0]))
        )
    if not weights.any():
        raise EngineError(
            tr("The weight {} of '{}' is 0 at all {} observations. Choose another field.").format(
                name, layer.name, is_used.sum()
            )
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
    text = tr(
        "Weights from {}: the largest is {:.3g} times the smallest. {} observations count as much as {:.0f}"
        " of equal weight."
    ).format(name, share.max() / share.min(), len(weights), number)
    if number < min(_FEWEST, len(weights) / 2):
        notes.doubts.append(tr("{} That is very few: check the field.").format(text))
    else:
        notes.facts.append(text)


def _check_above_zero(numbers: Array, given: Flags, layer: Layer, what: str, remedy: str) -> None:
    """Raise EngineError where a number (N,) that is `given` (N,) is not above 0, or is infinite."""
    wrong = given & ~((numbers > 0) & np.isfinite(numbers))
    if wrong.any():
        raise EngineError(
            tr("The {} of '{}' is not above 0 at {} of {} observations ({:g} of feature {}). {}").format(
                what, layer.name, wrong.sum(), given.sum(), numbers[wrong][0], str(layer.ids[wrong][0]), remedy
            )
        )
