"""Jobs that prepare data: observations and covariates -> a patch file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from .composition import check_parts, group_parts
from .job import LAYER_ENDINGS, Covariate, Job, JobError, no_twins, one_of
from .language import tr
from .partners import IN_WORDS, partners
from .soil_property import SoilProperty


@dataclass(frozen=True)
class ExtractPatches(Job):
    """Cut a patch of the covariates around each observation and write them to an HDF5 file.

    `composition` holds targets that are parts of a whole, such as sand, silt and clay, which sum to 100 at each depth;
    `class_targets` holds those that are soil classes whatever the target type.
    `detection_limits` and `errors` hold fields for some of the targets, see `partners`. `weight` is a field that says
    how much an observation counts in training.
    """

    observations: str
    targets: tuple[SoilProperty, ...]
    covariates: tuple[Covariate, ...]
    patches: str
    dropped: str = ""
    reference: str = ""  # raster whose grid is used; empty: the first covariate's
    cell_size: float | None = None  # CRS units; None: the reference's
    patch_size: int = 31  # pixels, as the ring network's outermost ring; the convolutions see the middle 15
    group: str = ""  # field that names the profile or site of an observation
    max_missing: float = 0.9  # share of a patch's values that may be missing
    target_type: str = "auto"
    rare_classes: str = "drop"  # what to do with classes of few observations
    composition: tuple[str, ...] = ()
    class_targets: tuple[str, ...] = ()
    detection_limits: tuple[str, ...] = ()  # fields; a value below its limit is only known to lie below
    errors: tuple[str, ...] = ()  # fields: standard deviations of the measurement, in the target's unit
    weight: str = ""
    duplicates: str = "keep"  # what to do with observations in one pixel
    snap_cells: int = 0  # rows and columns within which an observation without data takes the nearest pixel with data

    OUTPUTS = ("patches", "dropped")
    ENDINGS = {"dropped": LAYER_ENDINGS}
    MOST_SNAP_CELLS: ClassVar[int] = 50
    TARGET_TYPES: ClassVar[tuple[str, ...]] = ("auto", "continuous", "class")
    RARE_CLASSES: ClassVar[tuple[str, ...]] = ("drop", "merge")
    DUPLICATES: ClassVar[tuple[str, ...]] = ("keep", "average")

    def __post_init__(self) -> None:
        if not self.targets:
            raise JobError(tr("No target is chosen. Choose at least one field of the observations."))
        if not self.covariates:
            raise JobError(tr("No covariate is chosen. Choose at least one raster."))
        one_of(tr("target type"), self.target_type, self.TARGET_TYPES)
        one_of(tr("treatment of rare classes"), self.rare_classes, self.RARE_CLASSES)
        one_of(tr("treatment of duplicates"), self.duplicates, self.DUPLICATES)
        no_twins(tr("target"), [target.field for target in self.targets])
        no_twins(tr("covariate"), [covariate.name for covariate in self.covariates])
        if self.patch_size < 3 or self.patch_size % 2 == 0:
            below, above = max(3, self.patch_size // 2 * 2 - 1), max(3, self.patch_size // 2 * 2 + 1)
            raise JobError(
                tr(
                    "The patch size is {} pixels, but it must be odd and at least 3, so that the observation"
                    " lies in the middle pixel. Use {} or {}."
                ).format(self.patch_size, below, above)
            )
        if self.cell_size is not None and not 0 < self.cell_size < math.inf:
            raise JobError(tr("The cell size is {:g}; it must be above 0.").format(self.cell_size))
        if not 0 <= self.max_missing < 1:
            raise JobError(
                tr("The tolerated share of missing pixels is {:g}; it must be from 0 to below 1.").format(
                    self.max_missing
                )
            )
        if not 0 <= self.snap_cells <= self.MOST_SNAP_CELLS:
            raise JobError(
                tr(
                    "An observation without data may be moved by {} cells; it must be from 0, which moves none, to {}."
                ).format(self.snap_cells, self.MOST_SNAP_CELLS)
            )
        self._check_kinds()

    @property
    def compositions(self) -> tuple[tuple[str, ...], ...]:
        """The fields of `composition`, one tuple per depth."""
        return group_parts([target for target in self.targets if target.field in self.composition])

    def _check_kinds(self) -> None:
        """Check what a target may be at the same time."""
        fields = [target.field for target in self.targets]
        for text, chosen in (
            (tr("{}: parts of a composition must be among the targets. Choose them there."), self.composition),
            (tr("{}: soil classes must be among the targets. Choose them there."), self.class_targets),
        ):
            strange = [field for field in chosen if field not in fields]
            if strange:
                raise JobError(text.format(", ".join(strange)))
        both = [field for field in self.class_targets if field in self.composition]
        if both:
            raise JobError(
                tr("{} is chosen as a soil class and as a part of a composition. Choose one of them.").format(both[0])
            )
        classes = fields if self.target_type == "class" else list(self.class_targets)
        without, is_final = {*classes, *self.composition}, self.target_type != "auto"  # a text field may be of classes
        pairs = {
            name: partners(self.targets, chosen, name, without, is_final)
            for name, chosen in (("detection limit", self.detection_limits), ("measurement error", self.errors))
        }
        for name, found in pairs.items():
            odd = [field for field in found if field in classes]
            if odd:
                raise JobError(
                    tr(
                        "{} holds soil classes, which have no {}. Leave its {} field out, or choose the target"
                        " type 'continuous'."
                    ).format(odd[0], IN_WORDS[name], IN_WORDS[name])
                )
        check_parts(self.compositions)
        for name, found in pairs.items():
            both = [field for field in found if field in self.composition]
            if both:
                raise JobError(
                    tr("{} is part of a composition and cannot have a {} field. Leave that field out.").format(
                        both[0], IN_WORDS[name]
                    )
                )
