"""What the targets are, and what was measured of them: values, detection limits, errors, weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.censored import reporting_limits

MOST_CLASSES = 100


@dataclass(frozen=True)
class TargetValues:
    """Values of N observations and T targets.

    `values` (N, T), NaN where a target was not measured, or the number of the class; `is_censored` (N, T) True where a
    value is only known to be below that number; `errors` (N, T) standard deviations of the measurement, 0 where none is
    known; `weights` (N,) say how much an observation counts in training.
    """

    values: Array
    is_censored: Flags
    errors: Array
    weights: Array

    def take(self, rows: NDArray[Any]) -> TargetValues:
        """The observations that an index or boolean array selects."""
        return TargetValues(self.values[rows], self.is_censored[rows], self.errors[rows], self.weights[rows])

    def of(self, targets: Sequence[int]) -> TargetValues:
        """The targets of these numbers alone."""
        own = list(targets)
        return TargetValues(self.values[:, own], self.is_censored[:, own], self.errors[:, own], self.weights)

    @cached_property
    def limits(self) -> Array:
        """Limits (N, T), below which a laboratory reports no more than that; minus infinity where not known."""
        columns = zip(self.values.T, self.is_censored.T)
        return np.column_stack([reporting_limits(values, is_censored) for values, is_censored in columns])


@dataclass(frozen=True)
class TargetsInWords:
    """The targets. `classes` maps the field of a target whose values count classes from 0 to their names;
    `compositions` holds the fields of the targets that are parts of one whole."""

    targets: tuple[SoilProperty, ...]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    compositions: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        fields = [target.field for target in self.targets]
        parts = [part for composition in self.compositions for part in composition]
        if len(set(fields)) < len(fields) or len(set(parts)) < len(parts) or not set(parts) <= set(fields):
            raise ValueError("two targets have one name, or a composition other parts")
        if any(len(composition) < 2 for composition in self.compositions):
            raise ValueError("a composition has one part")
        if not set(self.classes) <= set(fields) - set(parts):
            raise ValueError("classes belong to no target, or to a part of a composition")
        for names in self.classes.values():
            is_odd = len(set(names)) < len(names) or len(names) > MOST_CLASSES + 1  # and the others
            if not names or is_odd or not all(names):
                raise ValueError("the classes make no sense")

    @property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """Indices of the targets that are learned together: parts of a composition, each other target alone."""
        fields = [target.field for target in self.targets]
        whole_of = {part: composition for composition in self.compositions for part in composition}
        groups = dict.fromkeys(whole_of.get(field, (field,)) for field in fields)
        return tuple(tuple(fields.index(field) for field in group) for group in groups)

    @property
    def classes_of(self) -> tuple[tuple[str, ...], ...]:
        """Names of the classes of each target, empty for a number."""
        return tuple(self.classes.get(target.field, ()) for target in self.targets)
