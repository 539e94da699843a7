"""What was measured of the targets: values, detection limits, errors, weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.censored import reporting_limits


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
