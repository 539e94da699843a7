"""What a network file says of itself, in words and numbers, and the checks that this makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.assessment.methods import NETWORK, PREDICTORS
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.rasters.grid import LARGEST_PATCH, Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.groups import AnyOutcome, column_layout, kinds_of, words_of
from soil_cnn_plugin.engine.targets.kinds import Kind
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, column_count
from soil_cnn_plugin.engine.targets.measured import TargetsInWords
from soil_cnn_plugin.engine.targets.metrics import Scores
from soil_cnn_plugin.engine.training.plan import Shape

_MOST_MEMBERS = 10_000


@dataclass(frozen=True)
class NetworkDescription:
    """What a network file says of itself. `compositions` are as in `TargetsInWords`; `outcomes`, one for each group of
    targets, define the learned columns; `weights` (networks [+ forest, process], columns) blend their predictions.
    `predictor` is the method of the map, blend or network; scores and verdicts are by target field, scores by method
    (assessment.METHODS), from held-out folds. `spaces` are those in which a map's dissimilarity can be told. Answers
    about areas rest on `error_correlation`."""

    targets: tuple[SoilProperty, ...]
    covariates: tuple[CovariateSummary, ...]
    grid: Grid
    patch_size: int
    shapes: tuple[Shape, ...]
    predictor: str
    weights: tuple[tuple[float, ...], ...]
    location: Location | None
    outcomes: tuple[AnyOutcome, ...]
    coverage: float
    observation_count: int
    folds_sentence: str
    scores: dict[str, dict[str, Scores | ClassScores]]
    verdicts: dict[str, str]
    settings: dict[str, str]
    versions: dict[str, str]
    provenance: dict[str, str]
    compositions: tuple[tuple[str, ...], ...] = ()
    spaces: tuple[SpaceInWords, ...] = ()
    seed: int = 0
    error_correlation: ErrorCorrelation | None = None

    def __post_init__(self) -> None:
        """Raise ValueError where the declared types cannot say what is wrong."""
        targets, shapes = len(self.targets), self.shapes
        if not targets or not shapes or not self.covariates:
            raise ValueError("targets, networks or covariates are missing")
        if len({target.field for target in self.targets}) != targets:
            raise ValueError("two targets have one name")
        if len({summary.covariate.name for summary in self.covariates}) != len(self.covariates):
            raise ValueError("two covariates have one name")
        if len({shape.name for shape in shapes}) != len(shapes):
            raise ValueError("an architecture occurs twice")
        self._check_outcomes()
        self._check_weights()
        if not 0 < self.coverage < 1:
            raise ValueError(f"the coverage is {self.coverage}")
        self._check_sizes()

    @property
    def architectures(self) -> dict[str, int]:
        """Map each architecture's name to its number of members."""
        return {shape.name: shape.members for shape in self.shapes}

    @cached_property
    def words(self) -> TargetsInWords:
        return words_of(self.targets, self.compositions, self.outcomes)

    @cached_property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of the targets, one for each outcome."""
        return kinds_of(self.words)

    @cached_property
    def layout(self) -> ColumnLayout:
        """The learned columns."""
        return column_layout([outcome.scaled for outcome in self.outcomes])

    @property
    def columns(self) -> int:
        """How many columns are learned."""
        return column_count(self.layout)

    @property
    def transforms(self) -> dict[str, str]:
        """Map each target field to the scale on which it was learned."""
        return {field: outcome.transform for kind, outcome in zip(self.kinds, self.outcomes) for field in kind.fields}

    def _check_outcomes(self) -> None:
        if len(self.kinds) != len(self.outcomes):
            raise ValueError("outcomes are not one a group of targets")
        for kind, outcome in zip(self.kinds, self.outcomes):
            outcome.check(kind)
            scores = [each for field in kind.fields for each in self.scores.get(field, {}).values()]
            if not all(isinstance(each, kind.score_type) for each in scores):
                raise ValueError(f"the scores of {', '.join(kind.fields)} are those of another kind of target")

        errors = self.error_correlation
        groups = tuple(kind.fields for kind in self.kinds)
        if errors and (errors.groups != groups or len(errors.between) != self.columns):
            raise ValueError("the correlation of errors is that of other targets")

    def _check_weights(self) -> None:
        if self.predictor not in PREDICTORS:
            raise ValueError(f"the predictor {self.predictor!r} is unknown")
        components = len(self.shapes) + 2 * (self.predictor != NETWORK)
        if len(self.weights) != components or any(len(row) != self.columns for row in self.weights):
            raise ValueError("blending weights are not one a component and target")
        weights = np.array(self.weights)
        if not (weights >= 0).all() or not np.allclose(weights.sum(0), 1):
            raise ValueError("blending weights do not sum to 1")

    def _check_sizes(self) -> None:
        """Bound the sizes: a halo or an ensemble without bounds would take all memory."""
        widest = self.patch_size
        if not 3 <= widest <= LARGEST_PATCH or widest % 2 == 0:
            raise ValueError(f"the patch size is {widest}")
        for shape in self.shapes:
            if shape.patch_size > widest or shape.members > _MOST_MEMBERS:
                raise ValueError(f"{shape.members} members of {shape.name} see {shape.patch_size} of {widest} pixels")
