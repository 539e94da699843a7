"""The assessment of a map of classes: how often it is right at observations, or, by design, on the whole map."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from soil_cnn_plugin.contract.jobs import AssessMap
from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.assessment.design_based import Estimate, design_in_words, estimate_mean, estimate_share
from soil_cnn_plugin.engine.assessment.probability_sample import ProbabilitySample
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.observations.notes import Notes, comma_separated
from soil_cnn_plugin.engine.targets.class_scores import confusion, kappa

FEWEST_IN_STRATUM = 2


@dataclass(frozen=True)
class Land:
    """The area that estimates speak of, and the share of the map's area that it is."""

    area: float
    unit: str
    share: float = 1.0


@dataclass(frozen=True)
class ClassEstimates:
    """Design-based estimates of K classes, from `n` observations, for the `land`.

    `purity` and `representation` are None for a class that the sample never met on the map, or in the soil. `share` is
    the share of the area that belongs to the class; `matrix` (K, K) holds shares of the area, a row is an observed
    class. `confidence` is that of the intervals; `sentence` says which design the estimates rest on.
    """

    accuracy: Estimate
    purity: tuple[Estimate | None, ...]
    representation: tuple[Estimate | None, ...]
    share: tuple[Estimate, ...]
    matrix: Array
    n: int
    land: Land
    confidence: float
    sentence: str


@dataclass(frozen=True)
class ClassMapAssessment:
    """The assessment of a map of classes. `observed` and `predicted` (n,) number the `classes` from 0; `map_areas` (K,)
    are the hectares on which the map shows each class, `map_pixels` (K,) its pixels. `dropped` counts observations that
    were not used, by reason, `unmapped` observations of classes that the map does not have. `estimates` is None unless
    the observations are a probability sample.
    """

    soil_property: SoilProperty
    observed: Rows
    predicted: Rows
    classes: tuple[str, ...]
    map_areas: Array
    map_pixels: Rows
    estimates: ClassEstimates | None
    ids: Rows
    coordinates: Array
    crs_name: str
    dropped: dict[str, int]
    map_name: str
    unmapped: dict[str, int]
    settings: dict[str, str]
    versions: dict[str, str]
    notes: tuple[str, ...] = ()

    @property
    def matrix(self) -> Rows:
        """Confusion matrix (K, K): how many observations of the row's class are predicted as the column's class."""
        return confusion(self.observed, self.predicted, len(self.classes))

    @property
    def is_right(self) -> Flags:
        return np.asarray(self.observed == self.predicted)

    @property
    def accuracy(self) -> float:
        """The share of the observations at which the map is right."""
        return float(self.is_right.mean())

    @property
    def hidden(self) -> Rows:
        """The numbers of observed classes that the map's legend has and none of its pixels shows."""
        is_hidden = (self.map_areas == 0) & ~np.isin(self.classes, list(self.unmapped))
        return np.flatnonzero(is_hidden)

    @property
    def kappa(self) -> float | None:
        return kappa(self.matrix)

    @property
    def main_scores(self) -> dict[str, float]:
        """The accuracy at the observations or, where the design gives it, of the whole map."""
        return {"accuracy": self.estimates.accuracy.value if self.estimates else self.accuracy}


def tell_unlike_classes(assessment: ClassMapAssessment, is_stretched: bool, notes: Notes) -> None:
    """Tell which classes were never observed, which the map shows nowhere, and how areas were measured."""
    counts, areas, names = assessment.matrix.sum(axis=1), assessment.map_areas, assessment.classes
    unseen = np.flatnonzero((counts == 0) & (areas > 0))
    if len(unseen):
        shares = (
            tr("{} {:.2g} % of the map").format(names[index], 100 * areas[index] / areas.sum()) for index in unseen
        )
        subject = tr_n(
            "{} class of the map was never observed: {}.", "{} classes of the map were never observed: {}.", len(unseen)
        ).format(len(unseen), comma_separated(shares, 20))
        meaning = tr(
            "What the map shows as such a class is wrong at these observations, and their representation is not known."
        )
        notes.doubts.append(f"{subject} {meaning}")
    hidden = [f"{names[index]} {counts[index]}" for index in assessment.hidden]
    if hidden:
        notes.doubts.append(
            tr(
                "The map's legend names classes that none of its pixels shows (with their observations): {}."
                " The map is wrong at these observations."
            ).format(comma_separated(hidden, 20))
        )
    if is_stretched:
        notes.facts.append(
            tr("{}, the CRS of the map, distorts areas: pixels count with their area on the ground.").format(
                assessment.crs_name
            )
        )


def estimate_map_classes(
    assessment: ClassMapAssessment, job: AssessMap, sample: ProbabilitySample | None, notes: Notes
) -> ClassMapAssessment:
    """Add estimates for the whole map, unless the observations are no probability sample."""
    observed, predicted, areas = assessment.observed, assessment.predicted, assessment.map_areas
    land = Land(float(areas.sum()), "ha")
    if job.sample == "map_classes":
        sample, kept, spoken = sample_of_map_classes(predicted, areas, assessment.classes, notes.doubts)
        observed, predicted, land = observed[kept], predicted[kept], Land(spoken * land.area, "ha", spoken)
    if sample is None:
        return assessment
    if sample.areas is not None and job.sample == "stratified":
        land = Land(sum(sample.areas.values()), tr("unit of the field {}").format(job.weight))
    found = estimate_classes(observed, predicted, len(assessment.classes), sample, land)
    return replace(assessment, estimates=found)


def estimate_classes(
    observed: Rows, predicted: Rows, classes: int, sample: ProbabilitySample, land: Land
) -> ClassEstimates:
    """Estimate the accuracy of the whole map from a sample (Olofsson et al. 2014, 10.1016/j.rse.2014.02.015; Stehman
    2014, 10.1080/01431161.2014.930207, where the strata are not the map's classes).

    Raises:
        EngineError: the design does not fit the observations.
    """
    is_right = np.asarray(observed == predicted)

    def of_each(numbers: Rows) -> tuple[Estimate | None, ...]:
        parts = (np.asarray(numbers == number) for number in range(classes))
        return tuple(estimate_share(is_right, among=own, **sample.design) if own.any() else None for own in parts)

    matrix = np.zeros((classes, classes))
    for row, column in np.unique(np.stack([observed, predicted], axis=1), axis=0).tolist():
        of_cell = np.asarray((observed == row) & (predicted == column), np.float64)
        matrix[row, column] = estimate_mean(of_cell, **sample.design).value
    return ClassEstimates(
        accuracy=estimate_share(is_right, **sample.design),
        purity=of_each(predicted),
        representation=of_each(observed),
        share=tuple(estimate_share(np.asarray(observed == number), **sample.design) for number in range(classes)),
        matrix=matrix,
        n=len(observed),
        land=land,
        confidence=0.95,
        sentence=design_in_words(len(observed), **sample.design),
    )


def sample_of_map_classes(
    predicted: Rows, areas: Array, classes: Sequence[str], notes: list[str]
) -> tuple[ProbabilitySample, Flags, float]:
    """Return the sample whose strata are the map's classes, which observations (n,) are of it, and the share of the map
    that it speaks of: a class with fewer than two observations tells nothing of its accuracy.

    Raises:
        EngineError: no class has two observations.
    """
    counts = np.bincount(predicted, minlength=len(classes))
    is_silent = (areas > 0) & (counts < FEWEST_IN_STRATUM)
    kept = np.asarray(~is_silent[predicted])
    if not kept.any():
        raise EngineError(
            tr(
                "No class of the map has {} observations or more, so nothing can be said of any. Choose 'none'"
                " as the kind of sample, or add observations."
            ).format(FEWEST_IN_STRATUM)
        )
    spoken = float(areas[~is_silent].sum() / areas.sum())
    if is_silent.any():
        silent = comma_separated(
            (f"{classes[index]} {counts[index]}" for index in np.flatnonzero(is_silent).tolist()), 20
        )
        notes.append(
            tr(
                "The map has classes where fewer than {} observations lie: {}. The estimates say nothing of"
                " these; they hold for the other {:.3g} % of the map."
            ).format(FEWEST_IN_STRATUM, silent, 100 * spoken)
        )
    strata = [classes[index] for index in predicted[kept].tolist()]
    sizes: dict[Hashable, float] = {
        classes[index]: float(areas[index]) for index in np.unique(predicted[kept]).tolist()
    }
    return ProbabilitySample(strata, {**sizes}), kept, spoken
