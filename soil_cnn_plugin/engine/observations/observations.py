"""Observations on the grid: target values, pixels and sites; and why others are dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows


@dataclass(frozen=True)
class Observations:
    """Points with their measured values.

    `values` (N, T), NaN where a target was not measured, or the number of the class; `is_censored` (N, T) True where a
    value is only known to be below that number; `errors` (N, T) standard deviations of the measurement, 0 where none is
    known; `weights` (N,), above 0, about 1; `coordinates` (N, 2), x and y in the grid's CRS; `rows`, `cols` (N,), of
    the pixel that holds the point; `sites` (N,), equal for observations of one group or one pixel, whose patches are
    the same; `ids` (N,), feature ids of the layer.
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
        """Those that an index array or a boolean array chooses."""
        return Observations(*(getattr(self, name)[index] for name in self.__dataclass_fields__))
