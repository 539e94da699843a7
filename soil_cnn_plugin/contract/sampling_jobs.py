"""The job that plans where to take samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from .job import DEVICES, FULL_GPU, LAYER_ENDINGS, Covariate, Job, JobError, check_seed, no_twins, one_of
from .language import tr
from .soil_property import SoilProperty


@dataclass(frozen=True)
class PlanSampling(Job):
    """Choose the pixels in which to take samples.

    `reference` is the raster whose pixels are the places; without it, they are those of the first covariate or of the
    network's training. `legacy` are points where the soil is known already. `strata` is a raster of codes or a layer of
    polygons, whose field `stratum` names them; without it, strata are made. `focus` are the polygons whose uncertainty
    counts. `variogram` holds nugget, sill and range.
    """

    plan: str
    design: str = "spatial_coverage"
    points: int = 50
    reference: str = ""
    covariates: tuple[Covariate, ...] = ()
    area: str = ""
    excluded: str = ""
    legacy: str = ""
    target: SoilProperty | None = None  # measured at the legacy points
    strata: str = ""
    stratum: str = ""
    strata_count: int | None = None  # strata to make; None: one for two points
    network: str = ""
    network_target: str = ""  # field; empty: all targets count alike
    focus: str = ""
    cost: Covariate | None = None
    cost_weight: float = 1.0  # cost of reaching a place at the mean of `cost`, over that of the sample itself
    min_spacing: float = 0.0  # metres
    variogram: str = ""
    iterations: int = 10_000  # of the annealing of a Latin hypercube
    report: str = ""
    gpx: str = ""
    csv: str = ""
    metrics: str = ""
    device: str = "auto"
    full_gpu: str = FULL_GPU[0]
    seed: int = 0

    OUTPUTS = ("plan", "report", "gpx", "csv", "metrics")
    ENDINGS = {"plan": LAYER_ENDINGS}
    DESIGNS: ClassVar[tuple[str, ...]] = (
        "spatial_coverage",
        "feature_coverage",
        "latin_hypercube",
        "simple_random",
        "stratified_random",
        "balanced",
        "where_next",
    )
    PROBABILITY: ClassVar[tuple[str, ...]] = ("simple_random", "stratified_random", "balanced")
    """Designs whose inclusion probabilities are known."""

    def __post_init__(self) -> None:
        one_of(tr("device"), self.device, DEVICES)
        one_of(tr("choice for a full GPU"), self.full_gpu, FULL_GPU)
        check_seed(self.seed)
        one_of(tr("design"), self.design, self.DESIGNS)
        no_twins(tr("covariate"), [covariate.name for covariate in self.covariates])
        if self.points < 1:
            raise JobError(tr("{} points are asked for; at least 1 is needed.").format(self.points))
        if self.design in self.PROBABILITY and self.points < 2:
            raise JobError(tr("One random point gives no estimate with an interval. Ask for at least 2 points."))
        if self.iterations < 100:
            raise JobError(
                tr("{} iterations are asked for; a Latin hypercube needs at least 100.").format(self.iterations)
            )
        for what, value in ((tr("smallest spacing"), self.min_spacing), (tr("weight of the cost"), self.cost_weight)):
            if not (math.isfinite(value) and value >= 0):
                raise JobError(tr("The {} is {:g}; it must be 0 or more.").format(what, value))
        if self.csv and Path(self.csv).suffix.lower() != ".csv":
            raise JobError(tr("The table {} must end in .csv.").format(self.csv))
        self._check_design()
        self._check_strata()
        self.variogram_numbers()

    def variogram_numbers(self) -> tuple[float, float, float] | None:
        """Return nugget, sill and range (metres) of the spherical variogram; None where none is given."""
        if not self.variogram.strip():
            return None
        parts = self.variogram.replace(";", ",").split(",")
        try:
            nugget, sill, reach = (float(part) for part in parts)
        except ValueError:
            raise JobError(
                tr(
                    "The variogram {!r} cannot be read. Write three numbers: the nugget and the sill in the"
                    " square of the property's unit, and the range in metres, such as 0.2, 1.0, 800."
                ).format(self.variogram)
            ) from None
        if not (0 <= nugget < sill < math.inf and 0 < reach < math.inf):
            raise JobError(
                tr(
                    "The variogram has the nugget {:g}, the sill {:g} and the range {:g} m. The nugget must be"
                    " at least 0 and below the sill, and the range above 0."
                ).format(nugget, sill, reach)
            )
        return nugget, sill, reach

    def _check_design(self) -> None:
        if self.design == "where_next" and not self.network:
            raise JobError(
                tr(
                    "Where next asks what a trained network does not know yet, but no network is chosen. Choose"
                    " one in NETWORK, or another design, such as spatial_coverage."
                )
            )
        if self.design in ("feature_coverage", "latin_hypercube") and not self.covariates:
            raise JobError(
                tr(
                    "The design {} spreads points over the covariates, but none is chosen. Choose rasters in"
                    " COVARIATES, or the design spatial_coverage."
                ).format(self.design)
            )
        if not (self.reference or self.covariates or self.network):
            raise JobError(
                tr(
                    "Nothing says which pixels may be sampled. Choose a raster in REFERENCE, or covariates in"
                    " COVARIATES."
                )
            )
        if (self.network or self.network_target) and self.design != "where_next":
            raise JobError(
                tr(
                    "A network or a target of it is chosen, but the design is {}, which asks no network. Choose"
                    " the design where_next, or leave NETWORK and NETWORK_TARGET empty."
                ).format(self.design)
            )
        if self.focus and self.design != "where_next":
            raise JobError(
                tr(
                    "Polygons are chosen whose uncertainty counts, but the design is {}. Choose the design"
                    " where_next, or leave FOCUS empty; to keep points inside polygons, choose them in AREA."
                ).format(self.design)
            )
        if self.design == "simple_random" and self.cost is not None:
            raise JobError(
                tr(
                    "A simple random sample has the same chance everywhere, so that no cost can count. Choose"
                    " the design stratified_random or balanced, or leave COST empty."
                )
            )
        if self.target is not None and not self.legacy:
            raise JobError(tr("A field of measured values is chosen, but no layer of existing points. Choose both."))

    def _check_strata(self) -> None:
        is_stratified = self.design == "stratified_random"
        if (self.strata or self.strata_count is not None) and not is_stratified:
            raise JobError(
                tr(
                    "Strata are given, but the design is {}. Choose stratified_random, or leave STRATA and"
                    " STRATA_COUNT empty."
                ).format(self.design)
            )
        if self.stratum and not self.strata:
            raise JobError(tr("A field of strata is chosen, but no polygons of strata. Choose both or neither."))
        if self.strata and self.strata_count is not None:
            raise JobError(
                tr("Strata are given, and {} are to be made. Leave STRATA or STRATA_COUNT empty.").format(
                    self.strata_count
                )
            )
        if self.strata_count is not None and self.strata_count < 1:
            raise JobError(tr("{} strata are asked for; at least 1 is needed.").format(self.strata_count))
        if self.strata_count is not None and self.points < 2 * self.strata_count:
            raise JobError(
                tr(
                    "{} points in {} strata are fewer than two in each, and one point tells nothing of the"
                    " spread within its stratum. Ask for at least {} points, or for at most {} strata."
                ).format(self.points, self.strata_count, 2 * self.strata_count, self.points // 2)
            )
        if is_stratified and self.points < 4 and not self.strata and self.strata_count is None:
            raise JobError(
                tr("{} points make no strata: at least 4 are needed for two strata of two points.").format(self.points)
            )
