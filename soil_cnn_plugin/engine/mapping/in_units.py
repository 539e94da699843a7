"""From learned columns to the targets' units: what maps and explanations show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.targets.kinds import ClassOutcome, CompositionOutcome, NumberOutcome
from soil_cnn_plugin.engine.targets.learned import column_slices
from soil_cnn_plugin.engine.training.network_file import NetworkDescription

Numeric = NumberOutcome | CompositionOutcome


def of_targets(
    description: NetworkDescription, location: Array, scale: Array, ask: Callable[[Numeric, Array, Array], Array]
) -> Array:
    """(T, ...) from locations and scales (R, ...): `ask` gives (D, ...) of each group of targets that are numbers."""
    columns = column_slices([outcome.columns for outcome in description.outcomes])
    order: list[int] = []
    found = []
    for outcome, group, own in zip(description.outcomes, description.words.groups, columns):
        if not isinstance(outcome, ClassOutcome):
            found.append(ask(outcome, location[own], scale[own]))
            order += group
    return np.concatenate(found)[np.argsort(order)]


def outcome_of(description: NetworkDescription, target: int) -> tuple[Numeric, int, slice]:
    """The outcome of a target that is a number, which of the outcome's targets it is, and where its columns lie."""
    columns = column_slices([outcome.columns for outcome in description.outcomes])
    for outcome, group, own in zip(description.outcomes, description.words.groups, columns):
        if target in group and not isinstance(outcome, ClassOutcome):
            return outcome, group.index(target), own
    raise ValueError(f"target {target} is no number")


def means(description: NetworkDescription, location: Array, scale: Array) -> Array:
    """(T, ...) means of the targets, or (K, ...) probabilities of the classes."""
    first = description.outcomes[0]
    if isinstance(first, ClassOutcome):
        return first.probabilities(location)
    return of_targets(
        description, location, scale, lambda outcome, place, spread: outcome.mean_and_deviation(place, spread)[0]
    )
