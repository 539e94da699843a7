"""The result of an assessment of soil classes on held-out folds, as report, files and network file receive it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Rows
from soil_cnn_plugin.engine.assessment.assessment import HeldOutAssessment
from soil_cnn_plugin.engine.assessment.comparison import Measure, Verdict, verdict
from soil_cnn_plugin.engine.assessment.methods import MEAN, METHODS, NAMES, NETWORK
from soil_cnn_plugin.engine.targets.class_scores import ClassHeldOut

BRIER = Measure("Brier score", "the frequencies of the classes", "theirs", 19.0)
"""The Brier score is a squared error: 19 % below is 10 % below in its root, as for the RMSE of numbers."""
FREQUENCIES = "frequencies"
CLASS_METHODS = {**METHODS, MEAN: "Frequencies of the classes in the training observations"}
CLASS_NAMES = {**NAMES, MEAN: FREQUENCIES}
"""As NAMES, of a method within a sentence."""


@dataclass(frozen=True, kw_only=True)
class ClassAssessment(HeldOutAssessment):
    """Of the classes of one target. `observed` (N,) are the numbers of the observations' classes, which count `classes`
    from 0, `fold` (N,) those of the folds; `other_methods` are the methods under folds of the other kind."""

    target: SoilProperty
    classes: tuple[str, ...]
    observed: Rows
    fold: Rows
    methods: dict[str, ClassHeldOut]
    verdict: Verdict
    other_methods: dict[str, ClassHeldOut] = field(default_factory=dict)

    @property
    def map_method(self) -> ClassHeldOut:
        """What the map is predicted with."""
        return self.methods[self.predictor]

    @property
    def counts(self) -> Rows:
        """(K,) observations of each class."""
        return np.bincount(self.observed, minlength=len(self.classes))


def class_verdict(methods: Mapping[str, ClassHeldOut], predictor: str = NETWORK) -> Verdict:
    """As `verdict`, by the Brier score; the accuracies stand beside it, because they are what a map's reader meets."""
    found = verdict(methods, predictor, BRIER)
    names = dict.fromkeys((predictor, NETWORK, found.rival))
    shares = [f"{CLASS_NAMES[name]} {100 * methods[name].scores.accuracy:.1f} %" for name in names]
    alone = f"the most frequent class alone {100 * methods[MEAN].scores.accuracy:.1f} %"
    return replace(found, text=f"{found.text} Share of right classes: {', '.join(shares)}, {alone}.")
