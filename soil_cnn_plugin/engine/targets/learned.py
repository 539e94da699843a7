"""What networks and forests learn of observations: columns of standardized numbers, or one column a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.targets.measured import reporting_limits

NUMBERS, CLASSES = "numbers", "classes"
"""The heads of a network: numbers, each column by itself; or the classes of one target, all columns together."""
_UNEXPLAINED = 0.5  # share of a target's variance, against which errors of measurement are weighed


@dataclass(frozen=True)
class Columns:
    """Columns that lie beside each other and that one `head` learns."""

    head: str
    count: int


ColumnLayout = tuple[Columns, ...]
"""All learned columns, from the left; numbers that lie beside each other are one entry."""


def number_columns(count: int) -> ColumnLayout:
    """The layout of `count` numbers."""
    return (Columns(NUMBERS, count),)


def class_columns(count: int) -> ColumnLayout:
    """The layout of one target with `count` classes."""
    return (Columns(CLASSES, count),)


def lay_out(parts: Sequence[Columns]) -> ColumnLayout:
    """The layout of these columns: numbers that lie beside each other become one entry."""
    layout: list[Columns] = []
    for each in parts:
        if layout and each.head == layout[-1].head == NUMBERS:
            layout[-1] = Columns(NUMBERS, layout[-1].count + each.count)
        else:
            layout.append(each)
    return tuple(layout)


def column_count(layout: ColumnLayout) -> int:
    return sum(each.count for each in layout)


def column_slices(counts: Sequence[int]) -> list[slice]:
    """Where columns lie that follow each other in groups of these sizes."""
    ends = np.cumsum(counts).tolist()
    return [slice(end - count, end) for end, count in zip(ends, counts)]


def units(layout: ColumnLayout) -> list[slice]:
    """The columns that belong together: each number by itself, all classes of a target at once."""
    counts = [count for each in layout for count in ([1] * each.count if each.head == NUMBERS else [each.count])]
    return column_slices(counts)


@dataclass(frozen=True)
class ForestLesson:
    """What one forest learns: `targets` (N, outputs), `weights` (N,), and whether the outputs are the classes of one
    target: a regression forest of class indicators is a classification forest, because the sum of their variances is
    Gini's index."""

    targets: Array
    weights: Array
    is_choice: bool


@dataclass(frozen=True)
class Learned:
    """What is learned of N observations, in R columns that stand as `layout` says.

    `values` (N, R) are standardized, NaN where missing, or 1 in the column of the class and 0 in the others. Where
    `is_censored` (N, R), the value is only known to be below. `errors` (N, R) are standard deviations of the
    measurement, 0 where none is known; `weights` (N,) say how much an observation counts.

    `estimate` (N, R) may hold a lower value in place of a censored one, for code that needs a number.
    """

    values: Array
    is_censored: Flags
    errors: Array
    weights: Array
    estimate: Array
    layout: ColumnLayout

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    def of(self, own: slice) -> Learned:
        """The columns of one kind alone."""
        layout = tuple(
            replace(each, count=min(own.stop, at.stop) - max(own.start, at.start))
            for each, at in zip(self.layout, column_slices([each.count for each in self.layout]))
            if at.start < own.stop and own.start < at.stop
        )
        arrays = (self.values[:, own], self.is_censored[:, own], self.errors[:, own])
        return Learned(*arrays, self.weights, self.estimate[:, own], layout)

    def take(self, rows: Rows) -> Learned:
        """Some of the observations."""
        arrays = (self.values[rows], self.is_censored[rows], self.errors[rows], self.weights[rows], self.estimate[rows])
        return Learned(*arrays, self.layout)

    def lesson(self, device: torch.device) -> Lesson:
        """The same values as tensors for training."""

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

    def forest_lessons(self) -> list[ForestLesson]:
        """One lesson for each unit of columns.

        An error of measurement adds to the variance that a forest leaves unexplained; weights are inverse to the sum.
        """
        lessons = []
        for own in units(self.layout):
            trust = self.weights * _UNEXPLAINED / (_UNEXPLAINED + self.errors[:, own.start] ** 2)
            is_choice = own.stop - own.start > 1
            lessons.append(ForestLesson(self.estimate[:, own], self.weights if is_choice else trust, is_choice))
        return lessons


@dataclass(frozen=True)
class Lesson:
    """`Learned` on the device, or a batch of it for each member: (..., R), `weights` (...).

    An entry is None where nothing is censored, has an error, or counts differently. `by_likelihood` (R,) are the
    columns in which something is censored or has an error, or None: these are learned by the likelihood of a normal
    distribution. `limits` (..., R), for scores, are those of reporting, minus infinity where none is known.
    """

    values: Tensor
    is_censored: Tensor | None
    errors: Tensor | None
    weights: Tensor | None
    by_likelihood: Tensor | None
    limits: Tensor | None = None

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: Tensor) -> Lesson:
        """The observations chosen by an index of any shape."""
        is_censored, errors, weights, limits = (
            None if part is None else part[rows] for part in (self.is_censored, self.errors, self.weights, self.limits)
        )
        return Lesson(self.values[rows], is_censored, errors, weights, self.by_likelihood, limits)

    def of(self, own: slice) -> Lesson:
        """These columns alone."""
        is_censored, errors, by_likelihood, limits = (
            None if part is None else part[..., own]
            for part in (self.is_censored, self.errors, self.by_likelihood, self.limits)
        )
        return Lesson(self.values[..., own], is_censored, errors, self.weights, by_likelihood, limits)
