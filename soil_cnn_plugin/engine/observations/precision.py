"""The precision of observations and how much they count: standard deviations and weights."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.layer_fields import read_numbers
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.point_layer import Layer

_FEWEST = 20.0
"""Observations that very unequal weights should leave, counted as in Kish 1965, Survey Sampling."""


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
    wrong = given & ~((errors > 0) & np.isfinite(errors))
    if wrong.any():
        raise EngineError(
            f"The measurement error {error_field} of '{layer.name}' is not above 0 at {wrong.sum()} of {given.sum()}"
            f" observations ({errors[wrong][0]:g} of feature {layer.ids[wrong][0]}). No measurement is without error:"
            " write its standard deviation, or leave it empty where it is not known."
        )
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
