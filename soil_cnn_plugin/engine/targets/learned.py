"""What networks and forests learn of observations: columns of standardized numbers, or one column a class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.targets.censored import reporting_limits


@dataclass(frozen=True)
class Learned:
    """Of N observations in R columns. `values` (N, R) are standardized, NaN where missing, or 1 in the column of the
    class and 0 in the others; where `is_censored` (N, R) the value is only known to be below; `errors` (N, R) are
    standard deviations of the measurement, 0 where none is known; `weights` (N,) say how much an observation counts.

    `estimate` (N, R) may have, in place of a censored value, one below it: for what needs a number.
    """

    values: Array
    is_censored: Flags
    errors: Array
    weights: Array
    estimate: Array
    is_class: bool = False

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    def lesson(self, device: torch.device) -> Lesson:
        """The same as tensors for training."""

        def tensor(array: Array) -> Tensor:
            return torch.from_numpy(array).to(device, torch.float32)

        by_likelihood = (self.is_censored | (self.errors > 0)).any(axis=0)
        columns = zip(self.values.T, self.is_censored.T)
        limits = np.column_stack([reporting_limits(values, is_censored) for values, is_censored in columns])
        return Lesson(
            values=tensor(self.values),
            is_censored=torch.from_numpy(self.is_censored).to(device) if self.is_censored.any() else None,
            errors=tensor(self.errors) if self.errors.any() else None,
            weights=tensor(self.weights) if (self.weights != 1).any() else None,
            by_likelihood=torch.from_numpy(by_likelihood).to(device) if by_likelihood.any() else None,
            limits=tensor(limits) if np.isfinite(limits).any() else None,
        )


@dataclass(frozen=True)
class Lesson:
    """`Learned` on the device, or a batch of it for each member: (..., R), `weights` (...); None where nothing is
    censored, has an error, or counts differently. `by_likelihood` (R,) are the columns in which something is censored
    or has an error, or None: these are learned by a normal distribution's likelihood. `limits` (..., R) are those of
    reporting, minus infinity where none is known; for scores."""

    values: Tensor
    is_censored: Tensor | None
    errors: Tensor | None
    weights: Tensor | None
    by_likelihood: Tensor | None
    limits: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Tensor) -> Lesson:
        """Of observations chosen by an index of any shape."""
        is_censored, errors, weights, limits = (
            None if part is None else part[rows] for part in (self.is_censored, self.errors, self.weights, self.limits)
        )
        return Lesson(self.values[rows], is_censored, errors, weights, self.by_likelihood, limits)


def column_slices(counts: list[int]) -> list[slice]:
    """Where the learned columns of each group lie."""
    ends = np.cumsum(counts).tolist()
    return [slice(end - count, end) for end, count in zip(ends, counts)]
