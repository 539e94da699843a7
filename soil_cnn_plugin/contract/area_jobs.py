"""Jobs that answer questions about areas with a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .expressions import Expression
from .job import DEVICES, FULL_GPU, LAYER_ENDINGS, Covariate, Job, JobError, check_seed, no_twins, one_of
from .language import tr
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
    ENDINGS = {"areas": LAYER_ENDINGS}
    extent: ClassVar[None] = None  # the areas are the extent
    extent_crs: ClassVar[str] = ""
    STOCKS: ClassVar[tuple[str, ...]] = ("none", "organic_carbon", "equivalent_soil_mass")

    def __post_init__(self) -> None:
        one_of(tr("device"), self.device, DEVICES)
        one_of(tr("choice for a full GPU"), self.full_gpu, FULL_GPU)
        check_seed(self.seed)
        one_of(tr("stock"), self.stock, self.STOCKS)
        no_twins(tr("covariate"), [covariate.name for covariate in self.covariates])
        if bool(self.lower) != bool(self.upper):
            raise JobError(
                tr("A map has two limits, but the upper one is missing. Choose both or neither.")
                if self.lower
                else tr("A map has two limits, but the lower one is missing. Choose both or neither.")
            )
        if self.lower and self.covariates:
            raise JobError(
                tr(
                    "Covariates and limits of a map are given, but pixels come from one of the two. Leave"
                    " COVARIATES empty to use the map, or LOWER and UPPER to predict."
                )
            )
        if not 0.5 <= self.coverage < 1:
            raise JobError(
                tr("The coverage of intervals is {:g}; it must be at least 0.5 and below 1.").format(self.coverage)
            )
        if self.block_size is not None and self.block_size < 16:
            raise JobError(tr("The block size is {} pixels; it must be at least 16.").format(self.block_size))
        self._check_stock()

    def _check_stock(self) -> None:
        named = (self.carbon, self.bulk_density, self.stones, self.thickness_cm, self.soil_mass)
        if self.stock == "none":
            if any(named):
                raise JobError(
                    tr(
                        "Targets, a thickness or a soil mass of a stock are given, but no stock is asked for."
                        " Choose the stock (STOCK), or leave them empty."
                    )
                )
            return
        if not self.carbon or not self.bulk_density:
            raise JobError(
                tr(
                    "A stock needs the targets of carbon content and of bulk density. Write their fields in"
                    " CARBON and BULK_DENSITY, layer by layer from the top."
                )
            )
        if len(self.bulk_density) != len(self.carbon) or (self.stones and len(self.stones) != len(self.carbon)):
            raise JobError(
                tr(
                    "The stock has {} layers of carbon, {} of bulk density and {} of stones. Name one target a"
                    " layer, in the same order; STONES may be empty."
                ).format(len(self.carbon), len(self.bulk_density), len(self.stones))
            )
        if self.thickness_cm is not None and len(self.carbon) > 1:
            raise JobError(
                tr(
                    "One thickness is given for {} layers. Leave THICKNESS empty: it is then that of the depths"
                    " in the fields' names, such as soc_0_30."
                ).format(len(self.carbon))
            )
        if self.thickness_cm is not None and not 0 < self.thickness_cm <= 1000:
            raise JobError(
                tr("The thickness is {:g} cm; it must be above 0 and at most 1000.").format(self.thickness_cm)
            )
        if (self.soil_mass is not None) != (self.stock == "equivalent_soil_mass"):
            raise JobError(
                tr(
                    "Carbon in an equivalent soil mass needs that mass in t/ha (SOIL_MASS), for example 4000;"
                    " other stocks have none."
                )
            )
        if self.soil_mass is not None and not 0 < self.soil_mass < 1e6:
            raise JobError(
                tr("The soil mass is {:g} t/ha; it must be above 0 and below 1,000,000.").format(self.soil_mass)
            )
