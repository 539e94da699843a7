"""Values below a detection limit, from texts such as `<0.5` or from a field that holds the limits."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_limited_numbers
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated, share_in_words, span
from soil_cnn_plugin.engine.observations.point_layer import Layer


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
    wrong = known & ~((limits > 0) & np.isfinite(limits))
    if wrong.any():
        raise EngineError(
            f"The detection limit {limit_field} of '{layer.name}' is not above 0 at {wrong.sum()} of {known.sum()}"
            f" observations ({limits[wrong][0]:g} of feature {layer.ids[wrong][0]}). Write the limit of {field} there,"
            " or leave it empty where the value was measured."
        )
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
        EngineError: a limit is not above 0, or a value says "not detected" without a limit.
    """
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
    known = values[np.isfinite(values)]
    if len(limits):
        notes.facts.append(
            f"{field}: {len(limits)} of {len(known)} values ({share_in_words(len(limits), len(known))}) lie below their"
            f" detection limit ({span(limits.min(), limits.max())}). They are learned and scored as lying anywhere"
            " below it."
        )
    _doubt_negatives(known, field, notes)


def _doubt_negatives(known: Array, field: str, notes: Notes) -> None:
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
