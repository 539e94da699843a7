"""Jobs that answer questions about areas with a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .expressions import Expression
from .job import DEVICES, FULL_GPU, Covariate, Job, JobError, no_twins, one_of
from .threshold import Threshold


@dataclass(frozen=True)
class SummarizeAreas(Job):
    """Tell means, totals and shares of polygons, with intervals that know how alike errors of neighbouring pixels are.

    `stock` adds a stock of the network's own targets: `organic_carbon`, content x bulk density x thickness x
    (1 - stones), or `equivalent_soil_mass`, the carbon in the upper `soil_mass` of fine soil. `carbon`, `bulk_density`
    and `stones` name its targets, layer by layer from the top.
    """

    network: str
    polygons: str
    areas: str  # the polygons with their answers, .gpkg
    report: str = ""
    metrics: str = ""
    covariates: tuple[Covariate, ...] = ()  # empty: the files that the network was trained on
    lower: str = ""  # limits of a map that this network made before; then nothing is predicted
    upper: str = ""
    name_field: str = ""  # field that names the polygons in the report; empty: their numbers
    exceedance: tuple[Threshold, ...] = ()
    stock: str = "none"
    carbon: tuple[str, ...] = ()
    bulk_density: tuple[str, ...] = ()
    stones: tuple[str, ...] = ()  # empty: there are none
    thickness_cm: float | None = None  # of the only layer; None: from the depths in the fields' names
    soil_mass: float | None = None  # t/ha of fine soil
    expressions: tuple[Expression, ...] = ()
    coverage: float = 0.9
    patches: str = ""  # tells where the observations lie, where the network file does not
    block_size: int | None = None
    device: str = "auto"
    full_gpu: str = FULL_GPU[0]
    seed: int = 0

    OUTPUTS = ("areas", "report", "metrics")
    extent: ClassVar[None] = None  # the areas are the extent
    extent_crs: ClassVar[str] = ""
    STOCKS: ClassVar[tuple[str, ...]] = ("none", "organic_carbon", "equivalent_soil_mass")

    def __post_init__(self) -> None:
        one_of("device", self.device, DEVICES)
        one_of("choice for a full GPU", self.full_gpu, FULL_GPU)
        one_of("stock", self.stock, self.STOCKS)
        no_twins("covariate", [covariate.name for covariate in self.covariates])
        if bool(self.lower) != bool(self.upper):
            missing = "upper" if self.lower else "lower"
            raise JobError(f"A map has two limits, but the {missing} one is missing. Choose both or neither.")
        if self.lower and self.covariates:
            raise JobError(
                "Covariates and limits of a map are given, but pixels come from one of the two. Leave COVARIATES empty"
                " to use the map, or LOWER and UPPER to predict."
            )
        if not self.areas.lower().endswith(".gpkg"):
            raise JobError(f"The polygon layer {self.areas} must end in .gpkg.")
        if not 0.5 <= self.coverage < 1:
            raise JobError(f"The coverage of intervals is {self.coverage:g}; it must be at least 0.5 and below 1.")
        if self.block_size is not None and self.block_size < 16:
            raise JobError(f"The block size is {self.block_size} pixels; it must be at least 16.")
        self._check_stock()

    def _check_stock(self) -> None:
        named = (self.carbon, self.bulk_density, self.stones, self.thickness_cm, self.soil_mass)
        if self.stock == "none":
            if any(named):
                raise JobError(
                    "Targets, a thickness or a soil mass of a stock are given, but no stock is asked for. Choose the"
                    " stock (STOCK), or leave them empty."
                )
            return
        if not self.carbon or not self.bulk_density:
            raise JobError(
                "A stock needs the targets of carbon content and of bulk density. Write their fields in CARBON and"
                " BULK_DENSITY, layer by layer from the top."
            )
        if len(self.bulk_density) != len(self.carbon) or (self.stones and len(self.stones) != len(self.carbon)):
            raise JobError(
                f"The stock has {len(self.carbon)} layers of carbon, {len(self.bulk_density)} of bulk density and"
                f" {len(self.stones)} of stones. Name one target a layer, in the same order; STONES may be empty."
            )
        if self.thickness_cm is not None and len(self.carbon) > 1:
            raise JobError(
                f"One thickness is given for {len(self.carbon)} layers. Leave THICKNESS empty: it is then that of the"
                " depths in the fields' names, such as soc_0_30."
            )
        if self.thickness_cm is not None and not 0 < self.thickness_cm <= 1000:
            raise JobError(f"The thickness is {self.thickness_cm:g} cm; it must be above 0 and at most 1000.")
        if (self.soil_mass is not None) != (self.stock == "equivalent_soil_mass"):
            raise JobError(
                "Carbon in an equivalent soil mass needs that mass in t/ha (SOIL_MASS), for example 4000; other stocks"
                " have none."
            )
        if self.soil_mass is not None and not 0 < self.soil_mass < 1e6:
            raise JobError(f"The soil mass is {self.soil_mass:g} t/ha; it must be above 0 and below 1,000,000.")
