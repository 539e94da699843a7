"""Jobs that measure how good a map is and show what a network has learned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from .job import (
    DEVICES,
    FULL_GPU,
    LAYER_ENDINGS,
    RASTER_ENDINGS,
    TABLE_ENDINGS,
    Covariate,
    Job,
    JobError,
    check_extent,
    check_seed,
    no_twins,
    one_of,
)
from .language import tr
from .soil_property import SoilProperty


@dataclass(frozen=True)
class AssessMap(Job):
    """Compare any map with observations that it was not made from.

    `target_type` says what is compared: `class` or `continuous`, measured numbers; `auto` takes it from the map and the
    field. `detection_limit` is a field; a value below its limit is only known to lie below.
    `sample` says how their places were chosen: `none` is not a probability sample, `simple` is a simple random sample,
    `stratified` is a random sample in each stratum of the field `stratum`. The field `weight` then holds the area of
    the observation's stratum, or its share of the map, in any unit. `probabilities` is a random sample whose field
    `inclusion` holds the inclusion probabilities. `map_classes` is a random sample in each class of the map, whose
    area its pixels tell.
    """

    observations: str
    target: SoilProperty
    map: Covariate
    lower: Covariate | None = None  # limits of the prediction interval
    upper: Covariate | None = None
    report: str = ""
    metrics: str = ""
    residuals: str = ""
    coverage: float | None = None  # of the interval; None: the raster's COVERAGE tag, else 0.9
    sample: str = "none"
    stratum: str = ""
    weight: str = ""
    target_type: str = "auto"
    detection_limit: str = ""
    inclusion: str = ""

    OUTPUTS = ("report", "metrics", "residuals")
    ENDINGS = {"residuals": LAYER_ENDINGS}
    SAMPLES: ClassVar[tuple[str, ...]] = ("none", "simple", "stratified", "probabilities", "map_classes")
    TARGET_TYPES: ClassVar[tuple[str, ...]] = ("auto", "continuous", "class")

    def __post_init__(self) -> None:
        one_of(tr("target type"), self.target_type, self.TARGET_TYPES)
        if self.detection_limit and self.detection_limit == self.target.field:
            raise JobError(
                tr(
                    "{} is chosen both as the target and as its detection limit. Choose another field for one"
                    " of the two."
                ).format(self.detection_limit)
            )
        if self.target_type == "class" and self.detection_limit:
            raise JobError(
                tr(
                    "{} holds classes, which have no detection limit. Leave {} out, or choose the target type"
                    " 'continuous'."
                ).format(self.target.field, self.detection_limit)
            )
        if self.target_type == "class" and self.lower is not None:
            raise JobError(
                tr(
                    "{} holds classes, and a map of classes has no prediction interval. Leave both limits"
                    " empty, or choose the target type 'continuous'."
                ).format(self.target.field)
            )
        if self.target_type == "continuous" and self.sample == "map_classes":
            raise JobError(
                tr(
                    "The strata are the classes of the map, but the target type is 'continuous'. Choose"
                    " 'stratified' with the field of the strata, or the target type 'class'."
                )
            )
        if (self.lower is None) != (self.upper is None):
            raise JobError(
                tr("An interval has two limits, but the lower one is missing. Choose both or neither.")
                if self.lower is None
                else tr("An interval has two limits, but the upper one is missing. Choose both or neither.")
            )
        if self.coverage is not None and not 0 < self.coverage < 1:
            raise JobError(
                tr("The coverage of the interval is {:g}; it must lie between 0 and 1.").format(self.coverage)
            )
        check_sample(self.sample, self.SAMPLES, self.stratum, self.weight, self.inclusion)


def check_sample(sample: str, kinds: tuple[str, ...], stratum: str, weight: str, inclusion: str) -> None:
    """Raise JobError where the fields of a probability sample do not belong to its kind."""
    one_of(tr("kind of sample"), sample, kinds)
    if sample == "stratified" and not (stratum and weight):
        raise JobError(
            tr(
                "A stratified sample needs two fields of the observations: the stratum, and the area of that"
                " stratum (weight). Choose both."
            )
        )
    if sample != "stratified" and (stratum or weight):
        raise JobError(
            tr(
                "A stratum or weight field is chosen, but the kind of sample is {!r}. Choose stratified, or"
                " leave both fields empty."
            ).format(sample)
        )
    if (sample == "probabilities") != bool(inclusion):
        raise JobError(
            tr("A sample with inclusion probabilities needs their field. Choose it in INCLUSION.")
            if sample == "probabilities"
            else tr(
                "A field of inclusion probabilities is chosen, but the kind of sample is {!r}. Choose"
                " probabilities, or leave INCLUSION empty."
            ).format(sample)
        )


@dataclass(frozen=True)
class ExplainNetwork(Job):
    """Show which covariates and how much of the surroundings a trained network uses, and where on the map."""

    network: str
    patches: str
    report: str
    importance: str = ""  # table: .gpkg without geometry, or .csv
    attribution: str = ""  # raster, one band per covariate
    metrics: str = ""
    target: str = ""  # field of the target to attribute; empty: the first target
    target_class: str = ""  # class whose odds are attributed, of a target of classes; empty: the most common one
    covariates: tuple[Covariate, ...] = ()  # of the attribution; empty: the files that the network was trained on
    extent: tuple[float, float, float, float] | None = None  # of the attribution: west, south, east, north
    extent_crs: str = ""  # WKT; empty: the covariates' CRS
    device: str = "auto"
    full_gpu: str = FULL_GPU[0]
    seed: int = 0

    OUTPUTS = ("report", "importance", "attribution", "metrics")
    ENDINGS = {"importance": TABLE_ENDINGS, "attribution": RASTER_ENDINGS}

    def __post_init__(self) -> None:
        one_of(tr("device"), self.device, DEVICES)
        one_of(tr("choice for a full GPU"), self.full_gpu, FULL_GPU)
        check_seed(self.seed)
        no_twins(tr("covariate"), [covariate.name for covariate in self.covariates])
        check_extent(self.extent)


@dataclass(frozen=True)
class ExplainPixel(Job):
    """Show what a network predicts at one place, and why: what each covariate adds, and the nearest observations."""

    network: str
    x: float
    y: float
    crs: str = ""  # WKT of x and y; empty: the CRS of the network's grid
    patches: str = ""  # empty: the patch file beside the network that it was trained on
    report: str = ""
    metrics: str = ""  # the same in JSON
    covariates: tuple[Covariate, ...] = ()  # empty: the files that the network was trained on
    neighbours: int = 5
    device: str = "auto"
    full_gpu: str = FULL_GPU[0]

    OUTPUTS = ("report", "metrics")

    def __post_init__(self) -> None:
        one_of(tr("device"), self.device, DEVICES)
        one_of(tr("choice for a full GPU"), self.full_gpu, FULL_GPU)
        no_twins(tr("covariate"), [covariate.name for covariate in self.covariates])
        if not (math.isfinite(self.x) and math.isfinite(self.y)):
            raise JobError(tr("The point {}, {} is no place. Give two finite coordinates.").format(self.x, self.y))
        if not 1 <= self.neighbours <= 100:
            raise JobError(tr("{} neighbours are asked for; it must be from 1 to 100.").format(self.neighbours))


@dataclass(frozen=True)
class DescribeNetwork(Job):
    """Show what a network file holds."""

    network: str
    report: str

    OUTPUTS = ("report",)
