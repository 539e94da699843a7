"""Jobs that prepare data: from observations and covariates to a patch file."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .job import Covariate, Job, JobError, no_twins
from .soil_property import SoilProperty


@dataclass(frozen=True)
class ExtractPatches(Job):
    """Cut a patch of the covariates around each observation and write them to an HDF5 file."""

    observations: str
    targets: tuple[SoilProperty, ...]
    covariates: tuple[Covariate, ...]
    patches: str
    dropped: str = ""
    reference: str = ""  # raster whose grid is used; empty: the first covariate's
    cell_size: float | None = None  # CRS units; None: the reference's
    patch_size: int = 31  # pixels: the ring network's outermost ring; the convolutions see the middle 15
    group: str = ""  # field: observations of one profile or site
    max_missing: float = 0.9  # share of a patch's values that may be missing

    OUTPUTS = ("patches", "dropped")

    def __post_init__(self) -> None:
        if not self.targets:
            raise JobError("No target is chosen. Choose at least one numeric field of the observations.")
        if not self.covariates:
            raise JobError("No covariate is chosen. Choose at least one raster.")
        no_twins("target", [target.field for target in self.targets])
        no_twins("covariate", [covariate.name for covariate in self.covariates])
        if self.patch_size < 3 or self.patch_size % 2 == 0:
            below, above = max(3, self.patch_size // 2 * 2 - 1), max(3, self.patch_size // 2 * 2 + 1)
            raise JobError(
                f"The patch size is {self.patch_size} pixels, but it must be odd and at least 3, so that the"
                f" observation lies in the middle pixel. Use {below} or {above}."
            )
        if self.cell_size is not None and not 0 < self.cell_size < math.inf:
            raise JobError(f"The cell size is {self.cell_size:g}; it must be above 0.")
        if not 0 <= self.max_missing < 1:
            raise JobError(
                f"The tolerated share of missing pixels is {self.max_missing:g}; it must be from 0 to below 1."
            )
