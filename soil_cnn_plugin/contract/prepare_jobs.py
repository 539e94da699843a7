"""Jobs that prepare data: from observations and covariates to a patch file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from .job import Covariate, Job, JobError, no_twins, one_of
from .soil_property import SoilProperty


@dataclass(frozen=True)
class ExtractPatches(Job):
    """Cut a patch of the covariates around each observation and write them to an HDF5 file.

    `composition` holds targets that are parts of a whole, 100 at each depth: sand, silt and clay. `detection_limits`
    and `errors` hold fields for some of the targets, see `partners`; `weight` a field that says how much an observation
    counts in training.
    """

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
    target_type: str = "auto"
    rare_classes: str = "drop"  # what is done with classes of few observations
    composition: tuple[str, ...] = ()
    detection_limits: tuple[str, ...] = ()  # fields; values below are known to be below, no more
    errors: tuple[str, ...] = ()  # fields: standard deviations of the measurement, in the target's unit
    weight: str = ""
    duplicates: str = "keep"  # observations of one pixel

    OUTPUTS = ("patches", "dropped")
    TARGET_TYPES: ClassVar[tuple[str, ...]] = ("auto", "continuous", "class")
    RARE_CLASSES: ClassVar[tuple[str, ...]] = ("drop", "merge")
    DUPLICATES: ClassVar[tuple[str, ...]] = ("keep", "average")

    def __post_init__(self) -> None:
        if not self.targets:
            raise JobError("No target is chosen. Choose at least one numeric field of the observations.")
        if not self.covariates:
            raise JobError("No covariate is chosen. Choose at least one raster.")
        one_of("target type", self.target_type, self.TARGET_TYPES)
        one_of("treatment of rare classes", self.rare_classes, self.RARE_CLASSES)
        one_of("treatment of duplicates", self.duplicates, self.DUPLICATES)
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
        partners(self.targets, self.detection_limits, "detection limit")
        partners(self.targets, self.errors, "measurement error")
        self._check_kinds()

    @property
    def compositions(self) -> tuple[tuple[str, ...], ...]:
        """The fields of `composition`, one tuple a depth."""
        by_depth: dict[object, list[str]] = {}
        for target in self.targets:
            if target.field in self.composition:
                by_depth.setdefault(target.depth_cm, []).append(target.field)
        return tuple(map(tuple, by_depth.values()))

    def _check_kinds(self) -> None:
        """What a target can be at the same time."""
        fields = [target.field for target in self.targets]
        strange = [field for field in self.composition if field not in fields]
        if strange:
            raise JobError(
                f"{', '.join(strange)}: parts of a composition must be among the targets. Choose them there."
            )
        lonely = [parts[0] for parts in self.compositions if len(parts) < 2]
        if lonely:
            raise JobError(
                f"{', '.join(lonely)} is the only part of its composition at that depth. Choose all parts of the whole,"
                " for example sand, silt and clay of each depth."
            )
        numeric = {"a composition": self.composition, "detection limits": self.detection_limits, "errors": self.errors}
        given = [name for name, chosen in numeric.items() if chosen]
        if self.target_type == "class" and (len(fields) > 1 or given):
            raise JobError(
                f"A map of classes has one target without {given[0]}."
                if given
                else f"{len(fields)} targets are chosen, but soil classes are learned from one field. Choose one."
            )
        for name, chosen in (("detection limit", self.detection_limits), ("measurement error", self.errors)):
            both = [field for field in partners(self.targets, chosen, name) if field in self.composition]
            if both:
                raise JobError(f"{both[0]} is a part of a composition and cannot have a {name} field. Leave it out.")


def partners(targets: Sequence[SoilProperty], fields: Sequence[str], what: str) -> dict[str, str]:
    """Target field -> the field that tells its `what`.

    A field belongs to the target whose name it begins with (copper_dl to copper); fields without such a name belong to
    the targets in their order, and then there must be one for each.
    """
    names = sorted((target.field for target in targets), key=len, reverse=True)
    by_name = {
        field: next((name for name in names if field != name and field.lower().startswith(name.lower())), "")
        for field in fields
    }
    owners = [owner for owner in by_name.values() if owner]
    if len(owners) == len(fields) == len(set(owners)):
        return {owner: field for field, owner in by_name.items()}
    if len(fields) != len(targets):
        raise JobError(
            f"{len(fields)} {what} fields ({', '.join(fields)}) are chosen for {len(targets)} targets. Choose one for"
            " each target, in their order, or name each after its target: copper_dl for copper."
        )
    return {target.field: field for target, field in zip(targets, fields)}
