"""Jobs that train networks on a patch file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from .job import DEVICES, FULL_GPU, LAYER_ENDINGS, Job, JobError, check_folds, check_seed, one_of
from .language import tr
from .threshold import Threshold


@dataclass(frozen=True)
class TrainNetwork(Job):
    """Train networks on a patch file and assess them on held-out folds beside random forests."""

    patches: str
    network: str
    report: str = ""
    held_out: str = ""
    metrics: str = ""
    architecture: str = "both"
    predictor: str = "blend"  # of maps; best: the one of the others with the lowest held-out error
    location: str = "auto"  # who sees coordinates: forests and Gaussian process; on: all but convolutions; off: nobody
    preset: str = "standard"
    members: int | None = None  # None here and below: the preset and the architecture decide
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    patience: int | None = None
    transform: str = "auto"
    validation: str = "knndm"
    domain: str = ""  # raster or polygons of the area to be mapped, for knndm; empty: where covariates have data
    folds: int = 5
    repeats: int = 0  # of the cross-validation, each with folds of its own; 0: by preset and number of observations
    coverage: float = 0.9
    exceedance: tuple[Threshold, ...] = ()  # thresholds that the report checks; empty: some quantiles
    resume: bool = False  # keep checkpoints beside the network file; continue an interrupted run
    device: str = "auto"
    full_gpu: str = FULL_GPU[0]
    seed: int = 0

    OUTPUTS = ("network", "report", "held_out", "metrics")
    ENDINGS = {"held_out": LAYER_ENDINGS}
    ARCHITECTURES: ClassVar[tuple[str, ...]] = ("ring", "padarian", "both")
    PRESETS: ClassVar[tuple[str, ...]] = ("fast", "standard", "best")
    TRANSFORMS: ClassVar[tuple[str, ...]] = ("auto", "none", "log", "logit")
    LOCATIONS: ClassVar[tuple[str, ...]] = ("auto", "on", "off")
    PREDICTORS: ClassVar[tuple[str, ...]] = ("network", "blend", "forest", "best")
    MOST_REPEATS: ClassVar[int] = 50
    ENOUGH_FOR_BOTH: ClassVar[int] = 500
    """The fewest observations with which the preset `standard` trains both architectures where both may be trained;
    docs/choices.md has the measurements."""
    VALIDATIONS: ClassVar[tuple[str, ...]] = ("knndm", "spatial_blocks", "random", "groups")

    def __post_init__(self) -> None:
        one_of(tr("architecture"), self.architecture, self.ARCHITECTURES)
        one_of(tr("predictor"), self.predictor, self.PREDICTORS)
        one_of(tr("location"), self.location, self.LOCATIONS)
        if self.location == "on" and self.architecture == "padarian" and self.predictor == "network":
            raise JobError(
                tr(
                    "The location is an input of the ring network and the forest, not of the convolutions of"
                    " padarian. Choose the architecture ring or both, the predictor blend, or location auto."
                )
            )
        one_of(tr("preset"), self.preset, self.PRESETS)
        one_of(tr("transform"), self.transform, self.TRANSFORMS)
        one_of(tr("validation"), self.validation, self.VALIDATIONS)
        one_of(tr("device"), self.device, DEVICES)
        one_of(tr("choice for a full GPU"), self.full_gpu, FULL_GPU)
        check_seed(self.seed)
        check_folds(self.folds)
        if not 0 <= self.repeats <= self.MOST_REPEATS:
            raise JobError(
                tr(
                    "The number of repeats of the cross-validation is {}; it must be from 1 to {}, or 0 to let"
                    " the preset and the number of observations decide."
                ).format(self.repeats, self.MOST_REPEATS)
            )
        if not 0.5 <= self.coverage <= 0.99:
            raise JobError(
                tr("The coverage of the prediction interval is {:g}; it must be from 0.5 to 0.99.").format(
                    self.coverage
                )
            )
        for name in ("members", "epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise JobError(
                    tr("{} is {}; it must be at least 1, or empty for the preset's value.").format(name, value)
                )
        if self.members is not None and self.members < 2:
            raise JobError(
                tr(
                    "members is 1, but at least 2 are needed, because each member is checked on observations"
                    " that it has not seen."
                )
            )
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise JobError(tr("The learning rate is {:g}; it must lie between 0 and 1.").format(self.learning_rate))
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise JobError(tr("The weight decay is {:g}; it must not be negative.").format(self.weight_decay))


@dataclass(frozen=True)
class ComparePatchSizes(Job):
    """Measure the held-out error against the patch size, beside random forests on the same folds."""

    patches: str  # extracted with at least the largest of the sizes
    report: str = ""
    metrics: str = ""
    sizes: tuple[int, ...] = (3, 7, 15, 31)  # pixels; sizes above the patch file's are left out
    architecture: str = TrainNetwork.architecture
    validation: str = TrainNetwork.validation
    domain: str = ""  # raster or polygons of the area to be mapped, for knndm
    folds: int = TrainNetwork.folds
    device: str = "auto"
    full_gpu: str = FULL_GPU[0]
    seed: int = 0

    OUTPUTS = ("report", "metrics")

    def __post_init__(self) -> None:
        one_of(tr("architecture"), self.architecture, TrainNetwork.ARCHITECTURES)
        one_of(tr("validation"), self.validation, TrainNetwork.VALIDATIONS)
        one_of(tr("device"), self.device, DEVICES)
        one_of(tr("choice for a full GPU"), self.full_gpu, FULL_GPU)
        check_seed(self.seed)
        check_folds(self.folds)
        if not self.sizes:
            raise JobError(tr("No patch size is given. Write one or more, for example 3,7,15,31."))
        for size in self.sizes:
            if size < 3 or size % 2 == 0:
                raise JobError(
                    tr(
                        "{} is among the patch sizes, but each must be odd and at least 3, so that the"
                        " observation lies in the middle pixel. The random forest at the point represents a"
                        " size of 1."
                    ).format(size)
                )
