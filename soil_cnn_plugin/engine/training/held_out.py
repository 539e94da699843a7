"""What a method predicted for observations that were held out, gathered fold by fold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.targets.kinds import ClassOutcome, Outcome
from soil_cnn_plugin.engine.targets.learned import column_slices
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, Scores
from soil_cnn_plugin.engine.targets.reported import reported_mean, score_reported
from soil_cnn_plugin.engine.training.fitting import Design


class Predictions(Protocol):
    """NaN where nothing is predicted yet."""

    def store(self, design: Design, rows: Rows, location: Array, scale: Array, outcomes: tuple[Outcome, ...]) -> None:
        """Of `rows` (n,), from the learned columns (n, R)."""
        ...

    def store_mean(self, design: Design, train: Rows, test: Rows) -> None:
        """What is known of the `test` observations without looking at them: how the training ones are distributed."""
        ...

    def errors_in_words(self, design: Design, rows: Rows) -> list[str]:
        """Of each target, empty where none of the rows has it."""
        ...


@dataclass(frozen=True)
class Numbers:
    """In the targets' units: (N, T), quantiles (N, T, 99). Interval and quantiles are those of what is measured, with
    the error of that measurement; the mean is that of the truth, around which a fair measurement scatters."""

    mean: Array
    lower: Array
    upper: Array
    quantiles: Array

    @classmethod
    def empty(cls, shape: tuple[int, ...]) -> Numbers:
        mean, lower, upper = (np.full(shape, np.nan) for _ in range(3))
        return cls(mean, lower, upper, np.full((*shape, len(QUANTILE_LEVELS)), np.nan))

    def store(self, design: Design, rows: Rows, location: Array, scale: Array, outcomes: tuple[Outcome, ...]) -> None:
        tail = (1 - design.coverage) / 2
        columns = column_slices([outcome.columns for outcome in outcomes])
        for outcome, group, own in zip(outcomes, design.words.groups, columns):
            if isinstance(outcome, ClassOutcome):
                continue
            place = location[:, own].T, scale[:, own].T
            index = np.ix_(rows, np.array(group))
            errors = outcome.forward_errors(design.measured.values[index].T, design.measured.errors[index].T)
            self.mean[index] = outcome.mean_and_deviation(*place)[0].T
            found = outcome.quantiles(*place, [tail, 1 - tail, *QUANTILE_LEVELS], errors)  # (levels, D, n)
            self.lower[index], self.upper[index] = found[0].T, found[1].T
            self.quantiles[index] = found[2:].transpose(2, 1, 0)  # -> (n, D, levels)

    def store_mean(self, design: Design, train: Rows, test: Rows) -> None:
        tail = (1 - design.coverage) / 2
        for t in range(len(design.fields)):
            values = design.measured.values[train, t]
            # Of what is below its limit half the limit is taken, as is common where nothing better is done.
            halved = np.where(design.measured.is_censored[train, t], values / 2, values)
            known = halved[np.isfinite(halved)]
            self.mean[test, t] = known.mean()
            limits = np.quantile(known, [tail, 1 - tail], method="weibull")
            self.lower[test, t], self.upper[test, t] = limits
            self.quantiles[test, t] = np.quantile(known, QUANTILE_LEVELS, method="weibull")

    def errors_in_words(self, design: Design, rows: Rows) -> list[str]:
        words = []
        for t in range(len(design.fields)):
            known = rows[np.isfinite(design.measured.values[rows, t])]
            observed = design.measured.values[known, t]
            mean = reported_mean(self.mean[known, t], self.quantiles[known, t], design.limits[known, t])
            words.append(f"{np.sqrt(np.mean((mean - observed) ** 2)):.4g}" if len(known) else "")
        return words

    def held_out(self, design: Design, t: int) -> HeldOut:
        """Of one target's observations, in the order of the rows, with scores."""
        rows = np.flatnonzero(np.isfinite(design.measured.values[:, t]))
        observed, fold = design.measured.values[rows, t], design.fold[rows]
        is_censored, limits = design.measured.is_censored[rows, t], design.limits[rows, t]
        parts = tuple(part[rows, t] for part in (self.mean, self.lower, self.upper, self.quantiles))

        def score_of(own: Flags) -> Scores:
            mean, lower, upper, quantiles = (part[own] for part in parts)
            predicted = mean, lower, upper, quantiles
            return score_reported(observed[own], predicted, design.coverage, is_censored[own], limits[own])

        fold_scores = tuple(score_of(fold == number) for number in np.unique(fold))
        mean, lower, upper, quantiles = parts
        return HeldOut(mean, lower, upper, quantiles, score_of(np.ones(len(rows), np.bool_)), fold_scores)


@dataclass(frozen=True)
class Probabilities:
    """Calibrated, of classes (N, K)."""

    probabilities: Array

    @classmethod
    def empty(cls, count: int, classes: int) -> Probabilities:
        return cls(np.full((count, classes), np.nan))

    def store(self, design: Design, rows: Rows, location: Array, scale: Array, outcomes: tuple[Outcome, ...]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, ClassOutcome):
                self.probabilities[rows] = outcome.probabilities(location.T).T

    def store_mean(self, design: Design, train: Rows, test: Rows) -> None:
        """The frequencies of the classes, with half an observation more of each."""
        classes = self.probabilities.shape[1]
        counts = np.bincount(design.measured.values[train, 0].astype(np.int64), minlength=classes) + 0.5
        self.probabilities[test] = counts / counts.sum()

    def errors_in_words(self, design: Design, rows: Rows) -> list[str]:
        wrong = self.probabilities[rows].argmax(axis=1) != design.measured.values[rows, 0]
        return [f"{wrong.mean():.1%}"]
