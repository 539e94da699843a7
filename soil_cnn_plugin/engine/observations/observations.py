"""Observations on the grid: their target values, pixels and sites."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows


@dataclass(frozen=True)
class Observations:
    """Points with their measured values.

    `values` (N, T) are the measured values or the numbers of the classes, NaN where a target was not measured;
    `is_censored` (N, T) is True where a value is only known to be below that number; `errors` (N, T) are standard
    deviations of the measurement, 0 where none is known; `weights` (N,) are above 0 and about 1. `coordinates` (N, 2)
    are x and y in the grid's CRS; `rows` and `cols` (N,) give the pixel that holds the point; `sites` (N,) are equal
    for observations of one group, and for those of one pixel, whose patches are the same; `ids` (N,) are feature ids of
    the layer.
    """

    values: Array
    is_censored: Flags
    errors: Array
    weights: Array
    coordinates: Array
    rows: Rows
    cols: Rows
    sites: Rows
    ids: Rows

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, index: NDArray[Any]) -> Observations:
        """Return the observations that an index array or a boolean array chooses."""
        return Observations(*(getattr(self, name)[index] for name in self.__dataclass_fields__))
