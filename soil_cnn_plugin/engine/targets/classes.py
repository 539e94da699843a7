"""Targets that are classes: the classes of one field, learned together as probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.special import ndtr

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.targets.assessed import ClassTarget
from soil_cnn_plugin.engine.targets.blending import learn_class_weights
from soil_cnn_plugin.engine.targets.class_scores import (
    ClassHeldOut,
    ClassScores,
    LogOdds,
    calibrate_classes,
    score_classes,
    sharpen,
)
from soil_cnn_plugin.engine.targets.distributions import other_kind_error
from soil_cnn_plugin.engine.targets.kinds import Band, Given, Kind, MapRequest, Measure
from soil_cnn_plugin.engine.targets.learned import CLASSES, Columns, Learned
from soil_cnn_plugin.engine.targets.measured import TargetValues

BRIER = Measure(
    tr("Brier score"),
    tr("the frequencies of the classes"),
    tr("theirs"),
    19.0,
    beside=tr("Share of right classes"),
    beside_alone=tr("the most frequent class alone"),
)
"""The Brier score is a squared error: 19 % lower is 10 % lower in its root, as for the RMSE of numbers."""
CLASSES_IN_WORDS = tr("soil classes")
MOST_NUMBERS = 255
"""The most classes that a raster of one byte a pixel can hold."""
_LEAST_DOUBT = 0.02
"""Expected squared residual of the indicators that counts at least: one surprise must not outweigh all else."""
PREDICTED, PROBABILITIES, CONFUSION = "classes", "probabilities", "confusion_index"


@dataclass(frozen=True)
class ClassKind:
    """The classes of one field, whose values count `names` from 0."""

    target: int
    soil_property: SoilProperty
    names: tuple[str, ...]

    measure = BRIER
    score_type = ClassScores
    fold_words = (tr("misclassified"), tr("most frequent class"))
    error_names = (tr("root Brier score"),)
    offers = (PREDICTED, PROBABILITIES, CONFUSION)
    is_measured_as = CLASSES_IN_WORDS

    @property
    def targets(self) -> tuple[int, ...]:
        return (self.target,)

    @property
    def fields(self) -> tuple[str, ...]:
        return (self.soil_property.field,)

    @property
    def transforms(self) -> tuple[str, ...]:
        return ("classes",)

    def on_scale(self, wanted: str, measured: TargetValues) -> ClassKind:
        return self

    def scale_in_words(self, wanted: str, measured: TargetValues) -> tuple[str, str]:
        return "", ""

    def in_words(self) -> list[str]:
        return [tr("{} classes of {}").format(len(self.names), self.soil_property.label)]

    def fit(self, measured: TargetValues, rows: Rows) -> ScaledClasses:
        return ScaledClasses(self.names)

    def predictions(self, measured: TargetValues, fold: Rows, coverage: float) -> ClassPredictions:
        return ClassPredictions(measured.values[:, 0], fold, len(self.names))

    def bands(self, request: MapRequest) -> dict[str, list[Band]]:
        bands = {
            PREDICTED: [Band((self.target,), self.soil_property.title, classes=self.names)],
            PROBABILITIES: [Band((self.target, k), f"probability of {name}") for k, name in enumerate(self.names)],
            CONFUSION: [Band((self.target,), f"{self.soil_property.title}, confusion index")],
        }
        return {name: own for name, own in bands.items() if name in request.wanted}

    def check_offer(self, raster: str, source: str) -> None:
        """Never raises: classes give all the rasters that they offer."""

    def strata(self, values: Array) -> list[Rows]:
        return [np.where(np.isfinite(values[:, 0]), values[:, 0], -1).astype(np.int64)]

    def as_known(self, values: Array, other: Kind, source: str) -> Array:
        field = self.soil_property.field
        if not isinstance(other, ClassKind):
            raise other_kind_error(field, tr("classes"), other.is_measured_as, source, "class")
        try:
            return renumber(values[:, 0], other.names, self.names)[:, None]
        except ValueError as error:
            raise EngineError(
                tr(
                    "{} holds classes of {} that the network does not know: {}. It knows: {}. Leave"
                    " observations of other classes out."
                ).format(source, field, error, ", ".join(self.names))
            ) from error

    def observed(self, values: Array) -> Array:
        return indicators(values[:, 0], len(self.names))

    def spreads(self, values: Array) -> list[float]:
        """The Brier score of the frequencies."""
        known = values[np.isfinite(values[:, 0]), 0].astype(np.int64)
        shares = np.bincount(known, minlength=len(self.names)) / max(len(known), 1)
        return [float(1 - (shares**2).sum()) or 1.0]

    def assess(self, given: Given) -> list[ClassTarget]:
        values = given.measured.values[:, 0]
        rows = np.flatnonzero(np.isfinite(values))
        return [
            ClassTarget(
                soil_property=self.soil_property,
                rows=rows,
                observed=values[rows].astype(np.int64),
                fold=given.fold[rows],
                classes=self.names,
                methods=dict(given.methods[0]),
                verdict=given.verdicts[0],
                other_methods=dict(given.other_methods[0]),
            )
        ]

    def assess_whole(self, assessed: Sequence[ClassTarget]) -> None:
        return None

    def told_together(self) -> list[slice]:
        return [slice(0, len(self.names))]


@dataclass(frozen=True)
class ScaledClasses:
    """The names of the classes; nothing is fitted to rows."""

    names: tuple[str, ...]

    @property
    def columns(self) -> Columns:
        return Columns(CLASSES, len(self.names))

    def learn(self, measured: TargetValues) -> Learned:
        values = indicators(measured.values[:, 0], len(self.names))
        nothing = np.zeros(values.shape)
        return Learned(values, nothing.astype(np.bool_), nothing, measured.weights, values, (self.columns,))

    def blend(self, predicted: Array, learned: Array, fair: Array) -> Array:
        return learn_class_weights(predicted, learned, fair)

    def calibrate(self, learned: Learned, location: Array, scale: Array, independent: float = 1.0) -> ClassOutcome:
        return ClassOutcome(self.names, calibrate_classes(learned.values, location))


@dataclass(frozen=True)
class ClassOutcome:
    """Soil classes. `temperature` flattens (above 1) or sharpens the probabilities that the components give."""

    names: tuple[str, ...]
    temperature: float

    wild: ClassVar[tuple[int, ...]] = ()

    def __post_init__(self) -> None:
        if not 2 <= len(self.names) <= MOST_NUMBERS or not 0 < self.temperature < np.inf:
            raise ValueError("the classes make no sense")

    @property
    def scaled(self) -> ScaledClasses:
        return ScaledClasses(self.names)

    @property
    def transform(self) -> str:
        return "classes"

    def check(self, kind: object) -> None:
        if not isinstance(kind, ClassKind):
            raise ValueError("what is learned together does not belong together")

    def scores(self, learned: Learned, location: Array, scale: Array) -> tuple[Array, Array]:
        probabilities = self.values(location.T, scale.T).T
        expected = (probabilities * (1 - probabilities)).sum(axis=1, keepdims=True)
        scores = (learned.values - probabilities) / np.sqrt(np.maximum(expected, _LEAST_DOUBT))
        return scores, np.zeros_like(scores)

    def values(self, location: Array, scale: Array) -> Array:
        """Calibrated probabilities (C, ...), summing to 1, from the mixed ones of the components."""
        return sharpen(location, self.temperature)

    def draw(self, location: Array, scale: Array, scores: Array) -> Array:
        # The largest of logarithms with Gumbel noise is class k with exactly its probability (Gumbel 1954).
        noise = -np.log(-np.log(np.clip(ndtr(scores), 1e-12, 1 - 1e-12)))
        chosen = (np.log(np.maximum(self.values(location, scale), 1e-12)) + noise).argmax(axis=0)
        found: Array = (chosen == np.arange(len(self.names)).reshape(-1, *[1] * chosen.ndim)).astype(np.float64)
        return found

    def layers(self, kind: ClassKind, request: MapRequest, location: Array, scale: Array) -> dict[str, Array]:
        probabilities = self.values(location, scale)
        found = {PROBABILITIES: probabilities}
        if PREDICTED in request.wanted:
            most = np.nan_to_num(probabilities, nan=0.0).argmax(axis=0) + 1.0
            found[PREDICTED] = np.where(np.isfinite(probabilities[0]), most, np.nan)[None]
        if CONFUSION in request.wanted:
            found[CONFUSION] = confusion_index(probabilities)[None]
        return {name: array for name, array in found.items() if name in request.wanted}

    def explained(self, target: int, class_name: str) -> LogOdds:
        return LogOdds(self.names.index(class_name), self.temperature)


class ClassPredictions:
    """Held-out calibrated probabilities (N, K) of the observations' classes (N,), NaN where none is known."""

    def __init__(self, observed: Array, fold: Rows, classes: int) -> None:
        self._observed, self._fold = observed, fold
        self._probabilities = np.full((len(observed), classes), np.nan)

    def store(self, rows: Rows, outcome: ClassOutcome, location: Array, scale: Array) -> None:
        self._probabilities[rows] = outcome.values(location.T, scale.T).T

    def store_baseline(self, train: Rows, test: Rows) -> None:
        """Keep the frequencies of the classes, with half an observation added to each."""
        known = self._observed[train][np.isfinite(self._observed[train])].astype(np.int64)
        counts = np.bincount(known, minlength=self._probabilities.shape[1]) + 0.5
        self._probabilities[test] = counts / counts.sum()

    def errors_in_words(self, rows: Rows) -> list[str]:
        known = rows[np.isfinite(self._observed[rows])]
        wrong = self._probabilities[known].argmax(axis=1) != self._observed[known]
        return [f"{wrong.mean():.1%}" if len(known) else ""]

    def held_out(self) -> list[ClassHeldOut]:
        rows = np.flatnonzero(np.isfinite(self._observed))
        observed, fold = self._observed[rows].astype(np.int64), self._fold[rows]
        found: Array = self._probabilities[rows]

        def score_of(own: Flags) -> ClassScores:
            return score_classes(observed[own], found[own])

        fold_scores = tuple(score_of(fold == number) for number in np.unique(fold))
        return [ClassHeldOut(found, score_of(np.ones(len(rows), np.bool_)), fold_scores)]

    def arrays(self) -> list[Array]:
        return [self._probabilities]


def indicators(values: Array, classes: int) -> Array:
    """Indicators (N, K) of class numbers (N,): 1 in the column of the class, NaN where none is known."""
    found: Array = (values[:, None] == np.arange(classes)).astype(np.float64)
    found[np.isnan(values)] = np.nan
    return found


def confusion_index(probabilities: Array) -> Array:
    """Confusion index (h, w) of probabilities (K, h, w): 1 - (highest - second highest), 0 where one class is sure, 1
    where two are alike (Burrough et al. 1997, 10.1016/S0016-7061(97)00018-9)."""
    second, first = np.partition(probabilities, -2, axis=0)[-2:]
    return np.asarray(1 - (first - second))


def renumber(values: Array, names: Sequence[str], wanted: Sequence[str]) -> Array:
    """Turn class numbers (N,) that count `names` into numbers that count `wanted`; NaN stays NaN.

    Raises:
        ValueError: classes occur that are not among the wanted ones; the message names them.
    """
    known = np.isfinite(values)
    unknown = [name for number, name in enumerate(names) if name not in wanted and (values[known] == number).any()]
    if unknown:
        raise ValueError(", ".join(unknown))
    index = {name: float(number) for number, name in enumerate(wanted)}
    numbers = np.array([index.get(name, np.nan) for name in names])
    found = np.full(len(values), np.nan)
    found[known] = numbers[values[known].astype(np.int64)]
    return found
