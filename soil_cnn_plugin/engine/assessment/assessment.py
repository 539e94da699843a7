"""The result of an assessment on held-out folds, as the report, the JSON file and the network file receive it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.assessment.error_correlation import ErrorCorrelation
from soil_cnn_plugin.engine.assessment.methods import NETWORK
from soil_cnn_plugin.engine.assessment.nearness import Nearness
from soil_cnn_plugin.engine.assessment.significance import Likeness, likeness
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.targets.assessed import ClassTarget, NumberTarget
from soil_cnn_plugin.engine.targets.compositions import CompositionAssessment


@dataclass(frozen=True)
class LossCurve:
    """Loss against training steps of one ensemble: means over its members, and the step that they were kept at."""

    architecture: str
    steps: tuple[int, ...]
    training: tuple[float, ...]
    held_out: tuple[float, ...]
    kept_step: int


@dataclass(frozen=True)
class FoldsInWords:
    """How observations were held out. `kind` is as in the job; `sentence` says how and why; `is_random` says whether
    kNNDM came to random folds; `other_kind` is that of the folds set beside these: random beside spatial, blocks beside
    random, empty where there are none. `repeats` counts the times that all observations were held out, each with folds
    of its own."""

    kind: str
    count: int
    sentence: str
    overlap_percent: float  # share of held-out observations whose patch overlaps a training patch
    other_kind: str = ""
    is_random: bool = False
    repeats: int = 1
    nearness: Nearness | None = None


@dataclass(frozen=True, kw_only=True)
class Assessment:
    """The whole assessment. `targets` are in the patch file's order, `coordinates` (N, 2) are x, y of all observations
    of the patch file in `crs_name`. `weights` (N,) say how much observations count in training; empty: all alike."""

    targets: tuple[NumberTarget | ClassTarget, ...]
    compositions: tuple[CompositionAssessment, ...] = ()  # one for each whole that has parts among the targets
    folds: FoldsInWords
    coordinates: Array
    crs_name: str
    cell_size: float
    patch_size: int
    loss_curves: tuple[LossCurve, ...]
    coverage: float
    weights: Array = field(default_factory=lambda: np.ones(0))
    metres: tuple[float, float] = (1.0, 1.0)  # in one unit of x and of y
    settings: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    predictor: str = NETWORK  # the method that the map is predicted with
    error_correlation: ErrorCorrelation | None = None
    spaces: tuple[SpaceInWords, ...] = ()  # in which a map's dissimilarity can be told
    covariates: tuple[CovariateSummary, ...] = ()

    def likeness(self, target: NumberTarget | ClassTarget) -> Likeness | None:
        """Whether the residuals of neighbours are alike, under the map's predictor. Distances are in metres where the
        CRS has a unit of length or degrees."""
        left = target.left_over(self.predictor)
        return likeness(left, self.coordinates[target.rows] * np.array(self.metres))

    @property
    def numbers(self) -> tuple[NumberTarget, ...]:
        return tuple(target for target in self.targets if isinstance(target, NumberTarget))

    @property
    def classes(self) -> tuple[ClassTarget, ...]:
        return tuple(target for target in self.targets if isinstance(target, ClassTarget))
