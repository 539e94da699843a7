"""The job that compares two maps, of one time or of two dates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .assess_jobs import check_sample
from .job import LAYER_ENDINGS, RASTER_ENDINGS, Covariate, Job, JobError, one_of
from .language import tr, tr_n
from .soil_property import SoilProperty


@dataclass(frozen=True)
class CompareMaps(Job):
    """Compare two maps of one soil property with each other and, pair by pair, with observations.

    `question` is `better`, which of two maps of one time is nearer to the observed `target`, or `change`, what has
    changed between the dates of two maps; the observations then hold `target` at the first and `target_2` at the
    second date. Limits are those of prediction intervals of the same `coverage`. `sample`, `stratum`, `weight` and
    `inclusion` are as in `AssessMap`.
    """

    map: Covariate
    map_2: Covariate
    question: str = "better"
    observations: str = ""
    target: SoilProperty | None = None
    target_2: SoilProperty | None = None
    lower: Covariate | None = None
    upper: Covariate | None = None
    lower_2: Covariate | None = None
    upper_2: Covariate | None = None
    coverage: float | None = None  # of the intervals; None: the rasters' COVERAGE tag, else 0.9
    sample: str = "none"
    stratum: str = ""
    weight: str = ""
    inclusion: str = ""
    report: str = ""
    metrics: str = ""
    pairs: str = ""  # point layer
    difference: str = ""  # raster: second map minus first
    detectable: str = ""  # raster of classes

    OUTPUTS = ("report", "metrics", "pairs", "difference", "detectable")
    ENDINGS = {"pairs": LAYER_ENDINGS, **dict.fromkeys(("difference", "detectable"), RASTER_ENDINGS)}
    QUESTIONS: ClassVar[tuple[str, ...]] = ("better", "change")
    SAMPLES: ClassVar[tuple[str, ...]] = ("none", "simple", "stratified", "probabilities")

    def __post_init__(self) -> None:
        one_of(tr("question"), self.question, self.QUESTIONS)
        check_sample(self.sample, self.SAMPLES, self.stratum, self.weight, self.inclusion)
        if self.coverage is not None and not 0 < self.coverage < 1:
            raise JobError(
                tr("The coverage of the intervals is {:g}; it must lie between 0 and 1.").format(self.coverage)
            )
        if (self.map.path, self.map.band) == (self.map_2.path, self.map_2.band):
            raise JobError(
                tr(
                    "Both maps are band {} of {}, so that there is nothing to compare. Choose another map or"
                    " band for one of them."
                ).format(self.map.band, self.map.path)
            )
        limits = (self.lower, self.upper, self.lower_2, self.upper_2)
        if any(limits) and not all(limits):
            names = [name for name, raster in zip(("LOWER", "UPPER", "LOWER_2", "UPPER_2"), limits) if raster is None]
            raise JobError(
                tr_n(
                    "To compare intervals, both limits of both maps are needed, but {} is missing. Choose all four"
                    " rasters or none.",
                    "To compare intervals, both limits of both maps are needed, but {} are missing. Choose all four"
                    " rasters or none.",
                    len(names),
                ).format(", ".join(names))
            )
        if self.detectable and not all(limits):
            raise JobError(
                tr(
                    "A map of detectable differences is asked for, but it needs both limits of both maps."
                    " Choose LOWER, UPPER, LOWER_2 and UPPER_2, or leave DETECTABLE empty."
                )
            )
        self._check_observations()

    def _check_observations(self) -> None:
        if bool(self.observations) != (self.target is not None):
            raise JobError(
                tr(
                    "Observations and the field with the measured values belong together. Choose both"
                    " OBSERVATIONS and TARGET, or neither."
                )
            )
        if self.question == "better" and not self.observations:
            raise JobError(
                tr(
                    "Only observations tell which of two maps is better, but none are chosen. Choose"
                    " OBSERVATIONS and TARGET, or the question change."
                )
            )
        if self.target_2 is not None and self.question == "better":
            raise JobError(
                tr(
                    "Values of a second date ({}) are chosen, but the question is which map is better. Choose"
                    " the question change, or leave TARGET_2 empty."
                ).format(self.target_2.field)
            )
        if self.question == "change" and self.observations and self.target_2 is None:
            raise JobError(
                tr(
                    "A change is seen at points that were measured at both dates, but the field of the second"
                    " date is missing. Choose TARGET_2, or leave the observations empty."
                )
            )
        if self.target is not None and self.target_2 is not None and self.target.field == self.target_2.field:
            raise JobError(
                tr("{} is chosen for both dates. Choose the field with the values of the other date.").format(
                    self.target.field
                )
            )
        if self.sample != "none" and not self.observations:
            raise JobError(
                tr("The kind of sample is {}, but no observations are chosen. Choose them.").format(self.sample)
            )
        if self.pairs and not self.observations:
            raise JobError(tr("A layer of pairs is asked for, but no observations are chosen. Choose them."))
