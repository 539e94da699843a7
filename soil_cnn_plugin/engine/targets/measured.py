"""What was measured of the targets: values, detection limits, errors, weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array, Flags


@dataclass(frozen=True)
class TargetValues:
    """Of N features and T targets, as in `Observations`; `classes` are the names of the classes of the one target,
    whose values count them from 0."""

    values: Array
    is_censored: Flags
    errors: Array
    weights: Array
    classes: tuple[str, ...] = ()

    def take(self, rows: NDArray[Any]) -> TargetValues:
        """Of the features that an index or boolean array chooses."""
        return TargetValues(
            self.values[rows], self.is_censored[rows], self.errors[rows], self.weights[rows], self.classes
        )
