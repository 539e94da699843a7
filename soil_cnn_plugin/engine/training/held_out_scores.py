"""Errors of held-out folds as scores, and what they tell of the errors of the map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment.correlogram import Correlogram, fit_correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import (
    ErrorCorrelation,
    FoldErrors,
    correlation_between,
    noise_of_residuals,
)
from soil_cnn_plugin.engine.targets.groups import learn_all, own_columns, score_all
from soil_cnn_plugin.engine.targets.learned import CLASSES
from soil_cnn_plugin.engine.training.design import Design
from soil_cnn_plugin.engine.training.mixture import Mixture


@dataclass(frozen=True)
class HeldOutScores:
    """Errors of one method in learned columns (see `Outcome.scores`), NaN where missing.

    `outer` (N, R) are those of each observation by the fit without its fold, `shares` (N, R) the part of their variance
    that errors of measurement explain. `inner` holds, fold by fold, those (N, R) of the fit's own rows by the parts of
    it that had not seen them.
    """

    outer: Array
    shares: Array
    inner: list[Array]

    @classmethod
    def nothing(cls, design: Design) -> HeldOutScores:
        """Room for those of all observations."""
        rows = np.arange(len(design.fold))
        columns = sum(kind.fit(design.measured.of(kind.targets), rows).columns.count for kind in design.kinds)
        empty = np.full((len(rows), columns), np.nan)
        return cls(empty, empty.copy(), [empty.copy() for _ in range(design.fold_count)])

    def store(self, design: Design, fold: int, mixture: Mixture, place: tuple[Array, Array]) -> None:
        """Keep the errors of a fold whose observations a mixture of the fit without it predicted at `place`, locations
        and scales (n, R)."""
        train, test = np.flatnonzero(design.fold != fold), np.flatnonzero(design.fold == fold)
        scaled = [outcome.scaled for outcome in mixture.outcomes]
        learned = learn_all(design.kinds, scaled, design.measured.take(test))
        self.outer[test], self.shares[test] = score_all(mixture.outcomes, learned, *place)
        self.inner[fold][train] = mixture.scores()

    def arrays(self) -> list[Array]:
        """All of them; each fold fills its own elements."""
        return [self.outer, self.shares, *self.inner]


def error_correlation_of(designs: Sequence[Design], scores: Sequence[HeldOutScores], places: Array) -> ErrorCorrelation:
    """What the errors of all repeats, each with a design, tell; `places` (N, 2) are in metres."""
    first, kinds, everything = scores[0], designs[0].kinds, np.arange(len(places))
    scaled = [kind.fit(designs[0].measured.of(kind.targets), everything) for kind in kinds]
    outer, together = np.concatenate([each.outer for each in scores]), _together(designs)
    correlograms: list[Correlogram | None] = []
    noise: list[float | None] = []
    is_class = np.zeros(first.outer.shape[1], np.bool_)
    for each, own in zip(scaled, own_columns(scaled)):
        shares = first.shares[:, own]
        of_errors = float(shares[np.isfinite(shares)].mean()) if np.isfinite(shares).any() else 0.0
        correlogram = fit_correlogram(outer[:, own], places, together, of_errors, designs[0].seed)
        correlograms.append(correlogram)
        is_class[own] = each.columns.head == CLASSES
        tells = correlogram if not is_class[own].any() else None
        folds = [fold for design, held_out in zip(designs, scores) for fold in _folds(design, held_out, own, places)]
        noise.append(noise_of_residuals(folds, tells) if tells else None)
    of_numbers = np.where(is_class, np.nan, first.outer)
    return ErrorCorrelation(
        groups=tuple(kind.fields for kind in kinds),
        correlograms=tuple(correlograms),
        between=tuple(map(tuple, correlation_between(of_numbers).tolist())),
        noise=tuple(noise),
    )


def _together(designs: Sequence[Design]) -> list[Rows]:
    """The rows of each fold, those of later repeats counting on."""
    count = len(designs[0].fold)
    return [
        np.flatnonzero(design.fold == fold) + repeat * count
        for repeat, design in enumerate(designs)
        for fold in range(design.fold_count)
    ]


def _folds(design: Design, scores: HeldOutScores, own: slice, places: Array) -> list[FoldErrors]:
    """The folds of a design in the way that a map is made, with the errors of some columns."""
    found = []
    for fold, inner in enumerate(scores.inner):
        test, train = design.fold == fold, design.fold != fold
        found.append(FoldErrors(places[train], inner[train][:, own], places[test], scores.outer[test][:, own]))
    return found
