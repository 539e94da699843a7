"""What is told of areas: values of all targets, shares beyond thresholds, and formulas, in pixels and in draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from soil_cnn_plugin.contract.jobs import SummarizeAreas, Threshold
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.areas.formulas import Formula, per_hectare, plan_formulas
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.correlogram import FEWEST_SCORES
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import comma_separated
from soil_cnn_plugin.engine.targets.distributions import NUMBERS_IN_WORDS
from soil_cnn_plugin.engine.targets.groups import own_columns, pair_with_targets
from soil_cnn_plugin.engine.training.network_description import NetworkDescription

_NODES = 32
"""Joint residuals of all targets by which a formula's mean is told at each pixel."""
_PIXELS_AT_ONCE = 2**13  # each with all residuals of all targets
VALUE, SHARE, CLASS = "value", "share", "class"


@dataclass(frozen=True)
class Quantity:
    """A number that each pixel has: a value, whether it lies beyond a threshold (share), or whether a class is
    there (class). `field` names its columns, `title` and `unit` are for readers. A value with `per_area` (factor, unit
    of a total) is one per area. `of` is the target's or the formula's number, by which a share belongs to a value."""

    kind: str
    field: str
    title: str
    unit: str
    of: int
    per_area: tuple[float, str] | None = None
    threshold: Threshold | None = None
    class_name: str = ""


@dataclass(frozen=True)
class Quantities:
    """All quantities of a network, in this order: values kind by kind, formulas, shares.

    `thresholds` pair the numbers of targets with what they may exceed.
    """

    description: NetworkDescription
    formulas: tuple[Formula, ...]
    thresholds: tuple[tuple[int, Threshold], ...]

    @cached_property
    def all(self) -> tuple[Quantity, ...]:
        targets, found = self.description.targets, []
        for kind in self.description.kinds:
            if kind.is_measured_as == NUMBERS_IN_WORDS:
                for t in kind.targets:
                    total = per_hectare(targets[t].unit)
                    found.append(Quantity(VALUE, targets[t].field, targets[t].title, targets[t].unit, t, total))
                continue
            (t,) = kind.targets
            for name in self.description.words.classes[targets[t].field]:
                field = f"{targets[t].field}_{name}"
                found.append(Quantity(CLASS, field, f"{targets[t].title}: {name}", "", t, class_name=name))
        for number, formula in enumerate(self.formulas, start=len(targets)):
            total = per_hectare(formula.unit)
            found.append(Quantity(VALUE, formula.name, formula.title, formula.unit, number, total))
        for t, threshold in self.thresholds:
            sign = "above" if threshold.is_above else "below"
            field = f"{targets[t].field}_{sign}_{threshold.value:g}"
            found.append(Quantity(SHARE, field, threshold.words(targets[t]), "", t, threshold=threshold))
        return tuple(found)

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of targets that are numbers."""
        return tuple(each.field for each in self.all if each.kind == VALUE and each.of < len(self.description.targets))

    def needs(self, quantity: Quantity) -> tuple[str, ...]:
        """The fields of the targets that a quantity is made from."""
        count = len(self.description.targets)
        if quantity.of >= count:
            return self.formulas[quantity.of - count].fields
        return (self.description.targets[quantity.of].field,)

    def expected(self, location: Array, scale: Array) -> Array:
        """The quantities' means (Q, n) at pixels, from learned columns (R, n). Formulas leave out residuals that cannot
        go together."""
        outcomes = self.description.outcomes
        own = own_columns([outcome.scaled for outcome in outcomes])
        found = [outcome.values(location[at], scale[at]) for outcome, at in zip(outcomes, own)]
        if self.formulas:
            starts = range(0, location.shape[1], _PIXELS_AT_ONCE)
            pieces = [
                self._of_formulas(*(each[:, at : at + _PIXELS_AT_ONCE] for each in (location, scale))) for at in starts
            ]
            found.append(np.concatenate(pieces, axis=1))
        shares = []
        for t, threshold in self.thresholds:
            for kind, outcome, at in zip(self.description.kinds, outcomes, own):
                if t in kind.targets:
                    place = location[at], scale[at]
                    above = outcome.probability_above(*place, kind.targets.index(t), threshold.value)  # type: ignore[union-attr]
                    shares.append(above if threshold.is_above else 1 - above)
        return np.concatenate([*found, np.stack(shares)]) if shares else np.concatenate(found)

    def _of_formulas(self, location: Array, scale: Array) -> Array:
        drawn = self._values(location[:, :, None], scale[:, :, None], self._nodes[:, None, :])
        by_field = self._by_field(drawn)
        return np.stack([mean_of_possible(each.evaluate(by_field)) for each in self.formulas])

    def drawn(self, location: Array, scale: Array, scores: Array) -> Array:
        """The quantities (Q, ...) at scores (R, ...); NaN where the values of a formula cannot go together."""
        values = self._values(location, scale, scores)
        by_field = self._by_field(values)
        formulas = [each.evaluate(by_field) for each in self.formulas]
        targets = self.description.targets
        shares = []
        for t, threshold in self.thresholds:
            value = by_field[targets[t].field]
            shares.append(
                (value > threshold.value if threshold.is_above else value < threshold.value).astype(np.float64)
            )
        return np.stack([*values, *formulas, *shares])

    @cached_property
    def _nodes(self) -> Array:
        """Scores (R, nodes) that go together as residuals do, each column with mean 0 and standard deviation 1."""
        errors = self.description.error_correlation
        columns = self.description.columns
        between = np.array(errors.between) if errors else np.eye(columns)
        from scipy.stats import qmc  # takes long to load

        sobol = qmc.Sobol(columns, scramble=True, seed=0).random(_NODES // 2)
        half = ndtri(np.clip(sobol, 1e-6, 1 - 1e-6)).T
        both = np.concatenate([half, -half], axis=1)
        both /= both.std(axis=1, keepdims=True)
        nodes: Array = np.linalg.cholesky(between) @ both
        return nodes

    def _values(self, location: Array, scale: Array, scores: Array) -> list[Array]:
        outcomes = self.description.outcomes
        own = own_columns([outcome.scaled for outcome in outcomes])
        return [
            value for outcome, at in zip(outcomes, own) for value in outcome.draw(location[at], scale[at], scores[at])
        ]

    def _by_field(self, values: Sequence[Array]) -> Mapping[str, Array]:
        return {quantity.field: value for quantity, value in zip(self.all, values)}


def plan_quantities(job: SummarizeAreas, description: NetworkDescription) -> Quantities:
    """What the job wants of a network.

    Raises:
        EngineError: the network has no correlogram, a threshold names none of its targets, or a formula cannot be.
    """
    errors = description.error_correlation
    unknown = [
        field
        for fields, correlogram in zip(errors.groups, errors.correlograms)
        if correlogram is None
        for field in fields
    ] if errors else [target.field for target in description.targets]  # fmt: skip
    if unknown:
        raise EngineError(
            tr(
                "{} does not tell how alike errors are at two places (no correlogram of {}), so nothing can be"
                " said of areas. At least {} observations of a target must be held out together with others."
                " Train the network again with this version, and with more observations or fewer folds."
            ).format(job.network, comma_separated(unknown), FEWEST_SCORES)
        )
    numbers = [field for kind in description.kinds if kind.is_measured_as == NUMBERS_IN_WORDS for field in kind.fields]
    thresholds = pair_with_targets(job.exceedance, description.targets, description.kinds, f"{job.network}: ")
    return Quantities(description, tuple(plan_formulas(job, description.targets, numbers)), thresholds)


def mean_of_possible(values: Array) -> Array:
    """The mean over the last axis of what is possible; NaN where nothing is."""
    possible = np.isfinite(values)
    count = possible.sum(axis=-1)
    total = np.where(possible, values, 0.0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
