"""Targets that are the parts of a whole, such as sand, silt and clay, learned together as log-ratios."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from soil_cnn_plugin.contract.language import all_of, tr
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.blending import learn_weights
from soil_cnn_plugin.engine.targets.distributions import (
    NUMBERS_IN_WORDS,
    RMSE,
    NumberPredictions,
    assess_numbers,
    layers_of,
    number_bands,
    number_spreads,
    numbers_as_known,
)
from soil_cnn_plugin.engine.targets.joint_calibration import JointCalibration, calibrate_jointly
from soil_cnn_plugin.engine.targets.kinds import Band, Given, Kind, LearnedAs, MapRequest
from soil_cnn_plugin.engine.targets.learned import NUMBERS, Columns, Learned
from soil_cnn_plugin.engine.targets.measured import TargetValues
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.targets.scales import CompositionScale, aitchison_distances, fit_composition
from soil_cnn_plugin.engine.targets.texture import (
    TEXTURE_CLASSES,
    TITLES,
    USDA,
    Texture,
    find_texture,
    need_texture,
    neighbours,
)

TEXTURE = "texture_classes"


@dataclass(frozen=True)
class CompositionKind:
    """The parts of one whole. `number` counts the wholes of all targets, and `name` tells this one from the others;
    it is empty where there is only one."""

    targets: tuple[int, ...]
    properties: tuple[SoilProperty, ...]
    number: int
    name: str

    measure = RMSE
    score_type = Scores
    fold_words = ("RMSE", tr("mean"))
    offers = ("prediction", "median", "lower", "upper", "standard_deviation", "exceedance_probability", TEXTURE)
    is_measured_as = NUMBERS_IN_WORDS

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(part.field for part in self.properties)

    @property
    def transforms(self) -> tuple[str, ...]:
        return ("log-ratio",) * len(self.targets)

    @property
    def error_names(self) -> tuple[str, ...]:
        return ("RMSE",) * len(self.targets)

    def on_scale(self, wanted: str, measured: TargetValues) -> CompositionKind:
        return self

    def scale_in_words(self, wanted: str, measured: TargetValues) -> tuple[str, str]:
        return "", ""

    def in_words(self) -> list[str]:
        return [tr("{} (scale: log-ratio)").format(part.label) for part in self.properties]

    def fit(self, measured: TargetValues, rows: Rows) -> ScaledComposition:
        return ScaledComposition(fit_composition(measured.values[rows]))

    def predictions(self, measured: TargetValues, fold: Rows, coverage: float) -> NumberPredictions:
        return NumberPredictions(measured, fold, coverage)

    def bands(self, request: MapRequest) -> dict[str, list[Band]]:
        bands = number_bands(request, self.targets, self.properties)
        if TEXTURE in request.wanted:
            system = request.texture_system
            name = " ".join(["texture class", *self.name.split(), f"({TITLES[system]})"])
            bands[TEXTURE] = [Band((self.number,), name, classes=TEXTURE_CLASSES[system])]
        return bands

    def check_offer(self, raster: str, source: str) -> None:
        """Raise EngineError where texture classes are wanted and the parts are not sand, silt and clay."""
        if raster == TEXTURE:
            need_texture([part.name for part in self.properties], source)

    def strata(self, values: Array) -> list[Rows]:
        return []

    def as_known(self, values: Array, other: Kind, source: str) -> Array:
        return numbers_as_known(values, self.fields, other, source)

    def observed(self, values: Array) -> Array:
        return values

    def spreads(self, values: Array) -> list[float]:
        return number_spreads(values)

    def assess(self, given: Given) -> list[NumberTarget]:
        return assess_numbers(given, self.properties, self.transforms)

    def assess_whole(self, assessed: Sequence[NumberTarget]) -> CompositionAssessment:
        """Assess the parts together; all of them have the same observations."""
        observed = np.column_stack([part.observed for part in assessed])
        predicted = {
            name: np.column_stack([part.methods[name].mean for part in assessed]) for name in assessed[0].methods
        }
        return assess_composition(self.name, self.properties, observed, predicted)

    def told_together(self) -> list[slice]:
        return [slice(part, part + 1) for part in range(len(self.targets))]


@dataclass(frozen=True)
class ScaledComposition:
    """The parts as standardized log-ratios."""

    scale: CompositionScale

    @property
    def columns(self) -> Columns:
        return Columns(NUMBERS, self.scale.columns)

    def learn(self, measured: TargetValues) -> Learned:
        values = self.scale.forward(measured.values)
        nothing = np.zeros(values.shape)
        return Learned(values, nothing.astype(np.bool_), nothing, measured.weights, values, (self.columns,))

    def blend(self, predicted: Array, learned: Array, fair: Array) -> Array:
        return learn_weights(predicted, learned, fair)

    def calibrate(
        self, learned: Learned, location: Array, scale: Array, independent: float = 1.0
    ) -> CompositionOutcome:
        return CompositionOutcome(self.scale, calibrate_jointly(learned.values, location, scale, independent))


@dataclass(frozen=True)
class CompositionOutcome:
    """The joint distribution of the parts."""

    scale: CompositionScale
    calibration: JointCalibration

    wild: ClassVar[tuple[int, ...]] = ()

    @property
    def scaled(self) -> ScaledComposition:
        return ScaledComposition(self.scale)

    @property
    def transform(self) -> str:
        return "log-ratio"

    def check(self, kind: object) -> None:
        if not isinstance(kind, CompositionKind):
            raise ValueError("what is learned together does not belong together")
        if {len(self.calibration.scales), len(kind.targets) - 1} != {self.scale.columns}:
            raise ValueError("a composition has other parts")

    def forward_errors(self, values: Array, errors: Array) -> Array:
        return np.zeros((self.scale.columns, values.shape[1]))  # parts of a composition have no errors

    def mean_and_deviation(self, location: Array, scale: Array, errors: Array | None = None) -> tuple[Array, Array]:
        return self.calibration.mean_and_deviation(location, scale, self.scale)

    def quantiles(self, location: Array, scale: Array, levels: Sequence[float], errors: Array | None = None) -> Array:
        return self.calibration.quantiles(location, scale, levels, self.scale)

    def describe(self, location: Array, scale: Array, levels: Sequence[float]) -> Array:
        return self.calibration.describe(location, scale, levels, self.scale)

    def probability_above(self, location: Array, scale: Array, target: int, threshold: float) -> Array:
        return self.calibration.probability_above(location, scale, target, threshold, self.scale)

    def scores(self, learned: Learned, location: Array, scale: Array) -> tuple[Array, Array]:
        scores = self.calibration.scores(learned.values, location, scale)
        return scores, np.zeros_like(scores)

    def values(self, location: Array, scale: Array) -> Array:
        return self.mean_and_deviation(location, scale)[0]

    def draw(self, location: Array, scale: Array, scores: Array) -> Array:
        return self.scale.back(self.calibration.at_scores(location, scale, scores))

    def layers(self, kind: CompositionKind, request: MapRequest, location: Array, scale: Array) -> dict[str, Array]:
        asked = replace(request, wanted=request.wanted | {"prediction"})
        found = layers_of(self, asked, kind.targets, location, scale)
        texture = find_texture([part.name for part in kind.properties])
        if TEXTURE in request.wanted and texture:
            codes = texture.classes(found["prediction"], request.texture_system).astype(np.float64)
            found[TEXTURE] = np.where(codes > 0, codes, np.nan)[None]
        return {name: array for name, array in found.items() if name in request.wanted}

    def explained(self, target: int, class_name: str) -> LearnedAs:
        """A part counts as its centred log-ratio, the logarithm of the part divided by the geometric mean of all
        (Aitchison 1982, 10.1111/j.2517-6161.1982.tb01195.x), which is linear in the learned columns."""
        of_parts, offsets = self.scale.centred()
        return LearnedAs("log-ratio", of_parts[target], float(offsets[target]))


@dataclass(frozen=True)
class CompositionScores:
    """Scores of `n` observations. `aitchison_distance` is the root of the mean square distance; `right_class` is the
    share of observations whose texture class (USDA) is predicted, `right_or_next` counts a class that shares a border
    with it as well; both are None where the parts are not sand, silt and clay."""

    n: int
    aitchison_distance: float
    right_class: float | None
    right_or_next: float | None


@dataclass(frozen=True)
class CompositionAssessment:
    """The parts of one whole: `observed` (n, D), and the predictions (n, D) of each method that had not seen them.
    `name` tells it from those of other depths; it is empty where there is only one."""

    name: str
    parts: tuple[SoilProperty, ...]
    texture: Texture | None
    observed: Array
    predicted: dict[str, Array]
    scores: dict[str, CompositionScores]

    @property
    def has_depth(self) -> bool:
        return self.parts[0].depth_cm is not None

    @property
    def names(self) -> list[str]:
        """Names of the parts: `sand`, `silt` and `clay`."""
        return [part.name if self.has_depth else part.field for part in self.parts]

    @property
    def title(self) -> str:
        """The composition in words: `sand, silt and clay 0-30 cm`."""
        return f"{all_of(self.names)} {self.name if self.has_depth else ''}".strip()


def assess_composition(
    name: str, parts: tuple[SoilProperty, ...], observed: Array, predicted: dict[str, Array]
) -> CompositionAssessment:
    """Assess the parts of one whole; arrays as in `CompositionAssessment`."""
    texture = find_texture([part.name for part in parts])
    scores = {method: score_composition(observed, found, texture) for method, found in predicted.items()}
    return CompositionAssessment(name, parts, texture, observed, predicted, scores)


def score_composition(observed: Array, predicted: Array, texture: Texture | None) -> CompositionScores:
    """Score parts (n, D) that sum to the whole."""
    distances = aitchison_distances(observed, predicted, fit_composition(observed))
    right = near = None
    if texture:
        classes = [texture.classes(parts.T, USDA).astype(np.int64) - 1 for parts in (observed, predicted)]
        right = float(np.mean(classes[0] == classes[1]))
        near = float(np.mean(neighbours(USDA)[classes[0], classes[1]]))
    return CompositionScores(len(observed), float(np.sqrt(np.mean(distances**2))), right, near)
