"""What the engine can be asked: one frozen dataclass a job, with its defaults and its rules, to and from JSON.

Every path is absolute. An empty path means "not wanted". Every output is written as `<path>.part` first and renamed
when it is whole, so that whatever matches `<path>.part*` may be deleted once no worker runs.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

from .decode import DecodeError, decode
from .job import DEVICES as DEVICES
from .job import Covariate as Covariate
from .job import Job as Job
from .job import JobError as JobError
from .job import check_extent, check_folds, no_twins, one_of
from .job import part as part
from .job import remove_parts as remove_parts
from .soil_property import SoilProperty

VERSION = 1
"""Of the job file; raised whenever a worker of another version would misread it."""


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


@dataclass(frozen=True)
class TrainNetwork(Job):
    """Train networks on a patch file and assess them on held-out folds beside random forests."""

    patches: str
    network: str
    report: str = ""
    held_out: str = ""
    metrics: str = ""
    architecture: str = "both"
    predictor: str = "blend"
    location: bool = False  # coordinates as an input
    preset: str = "standard"
    members: int | None = None  # None here and below: what the preset and the architecture say
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate: float | None = None
    weight_decay: float | None = None
    patience: int | None = None
    transform: str = "auto"
    validation: str = "knndm"
    domain: str = ""  # raster or polygons where maps will be made, for knndm; empty: where the covariates have data
    folds: int = 5
    coverage: float = 0.9
    device: str = "auto"
    seed: int = 0

    OUTPUTS = ("network", "report", "held_out", "metrics")
    ARCHITECTURES: ClassVar[tuple[str, ...]] = ("ring", "padarian", "both")
    PRESETS: ClassVar[tuple[str, ...]] = ("fast", "standard", "best")
    TRANSFORMS: ClassVar[tuple[str, ...]] = ("auto", "none", "log", "logit")
    PREDICTORS: ClassVar[tuple[str, ...]] = ("network", "blend")
    VALIDATIONS: ClassVar[tuple[str, ...]] = ("knndm", "spatial_blocks", "random", "groups")

    def __post_init__(self) -> None:
        one_of("architecture", self.architecture, self.ARCHITECTURES)
        one_of("predictor", self.predictor, self.PREDICTORS)
        if self.location and self.architecture == "padarian" and self.predictor == "network":
            raise JobError(
                "The location is an input of the ring network and of the forest, not of the convolutions of padarian."
                " Choose the architecture ring or both, the predictor blend, or no location."
            )
        one_of("preset", self.preset, self.PRESETS)
        one_of("transform", self.transform, self.TRANSFORMS)
        one_of("validation", self.validation, self.VALIDATIONS)
        one_of("device", self.device, DEVICES)
        check_folds(self.folds)
        if not 0.5 <= self.coverage <= 0.99:
            raise JobError(
                f"The coverage of the prediction interval is {self.coverage:g}; it must be from 0.5 to 0.99."
            )
        for name in ("members", "epochs", "batch_size", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise JobError(f"{name} is {value}; it must be at least 1, or empty for the preset's value.")
        if self.members is not None and self.members < 2:
            raise JobError(
                "members is 1; at least 2 are needed, because each member is checked on observations it has not seen."
            )
        if self.learning_rate is not None and not 0 < self.learning_rate < 1:
            raise JobError(f"The learning rate is {self.learning_rate:g}; it must lie between 0 and 1.")
        if self.weight_decay is not None and not 0 <= self.weight_decay < math.inf:
            raise JobError(f"The weight decay is {self.weight_decay:g}; it must not be negative.")


@dataclass(frozen=True)
class PredictMap(Job):
    """Predict every pixel of the covariates with a trained network."""

    network: str
    prediction: str
    lower: str = ""
    upper: str = ""
    standard_deviation: str = ""
    dissimilarity: str = ""  # how far a pixel lies from the observations (Meyer & Pebesma 2021)
    dissimilarity_space: str = "covariates"
    covariates: tuple[Covariate, ...] = ()  # empty: the files the network was trained on
    extent: tuple[float, float, float, float] | None = None  # west, south, east, north
    extent_crs: str = ""  # WKT; empty: the covariates' CRS
    area: str = ""  # polygons; nothing is predicted outside
    block_size: int | None = None  # pixels; None: from free memory
    device: str = "auto"

    OUTPUTS = ("prediction", "lower", "upper", "standard_deviation", "dissimilarity")
    DISSIMILARITY_SPACES: ClassVar[tuple[str, ...]] = ("covariates", "embedding")

    def __post_init__(self) -> None:
        one_of("device", self.device, DEVICES)
        one_of("dissimilarity space", self.dissimilarity_space, self.DISSIMILARITY_SPACES)
        no_twins("covariate", [covariate.name for covariate in self.covariates])
        if self.block_size is not None and self.block_size < 16:
            raise JobError(f"The block size is {self.block_size} pixels; it must be at least 16.")
        check_extent(self.extent)


@dataclass(frozen=True)
class MapSoilProperties(Job):
    """The whole chain in one worker: extract, train, predict."""

    extract: ExtractPatches
    train: TrainNetwork
    predict: PredictMap

    def output_paths(self) -> dict[str, str]:
        return {**self.extract.output_paths(), **self.train.output_paths(), **self.predict.output_paths()}


@dataclass(frozen=True)
class AssessMap(Job):
    """Compare any map with observations that it was not made from.

    `sample` says how their places were chosen: `none` is no probability sample, `simple` a simple random one,
    `stratified` a random one in each of the strata of the field `stratum`; the field `weight` then holds the area of an
    observation's stratum, or its share of the map, in any unit.
    """

    observations: str
    target: SoilProperty
    map: Covariate
    lower: Covariate | None = None  # limits of the prediction interval
    upper: Covariate | None = None
    report: str = ""
    metrics: str = ""
    residuals: str = ""
    coverage: float | None = None  # of the interval; None: what the raster's COVERAGE tag says, else 0.9
    sample: str = "none"
    stratum: str = ""
    weight: str = ""

    OUTPUTS = ("report", "metrics", "residuals")
    SAMPLES: ClassVar[tuple[str, ...]] = ("none", "simple", "stratified")

    def __post_init__(self) -> None:
        one_of("kind of sample", self.sample, self.SAMPLES)
        if (self.lower is None) != (self.upper is None):
            missing = "lower" if self.lower is None else "upper"
            raise JobError(f"An interval has two limits, but the {missing} one is missing. Choose both or neither.")
        if self.coverage is not None and not 0 < self.coverage < 1:
            raise JobError(f"The coverage of the interval is {self.coverage:g}; it must lie between 0 and 1.")
        if self.sample == "stratified" and not (self.stratum and self.weight):
            raise JobError(
                "A stratified sample needs two fields of the observations: the stratum, and the area of that stratum"
                " (weight). Choose both."
            )
        if self.sample != "stratified" and (self.stratum or self.weight):
            raise JobError(
                f"A stratum or weight field is chosen, but the kind of sample is {self.sample!r}. Choose stratified, or"
                " leave both fields empty."
            )


@dataclass(frozen=True)
class ExplainNetwork(Job):
    """Tell which covariates and how much of the surroundings a trained network uses, and where on the map."""

    network: str
    patches: str
    report: str
    importance: str = ""  # table: .gpkg without geometry, or .csv
    attribution: str = ""  # raster, one band a covariate
    metrics: str = ""
    target: str = ""  # field that the attribution is about; empty: the first target
    covariates: tuple[Covariate, ...] = ()  # of the attribution; empty: the files the network was trained on
    extent: tuple[float, float, float, float] | None = None  # of the attribution: west, south, east, north
    extent_crs: str = ""  # WKT; empty: the covariates' CRS
    device: str = "auto"
    seed: int = 0

    OUTPUTS = ("report", "importance", "attribution", "metrics")

    def __post_init__(self) -> None:
        one_of("device", self.device, DEVICES)
        no_twins("covariate", [covariate.name for covariate in self.covariates])
        check_extent(self.extent)
        if self.importance and Path(self.importance).suffix.lower() not in (".gpkg", ".csv"):
            raise JobError(f"The table {self.importance} must end in .gpkg or .csv.")


@dataclass(frozen=True)
class ComparePatchSizes(Job):
    """Measure the held-out error against the patch size, on the same folds, beside random forests."""

    patches: str  # extracted with the largest size wanted
    report: str = ""
    metrics: str = ""
    sizes: tuple[int, ...] = (3, 7, 15, 31)  # pixels; those above the patch file's are left out
    architecture: str = TrainNetwork.architecture
    validation: str = TrainNetwork.validation
    domain: str = ""  # raster or polygons where maps will be made, for knndm
    folds: int = TrainNetwork.folds
    device: str = "auto"
    seed: int = 0

    OUTPUTS = ("report", "metrics")

    def __post_init__(self) -> None:
        one_of("architecture", self.architecture, TrainNetwork.ARCHITECTURES)
        one_of("validation", self.validation, TrainNetwork.VALIDATIONS)
        one_of("device", self.device, DEVICES)
        check_folds(self.folds)
        if not self.sizes:
            raise JobError("No patch size is given. Write one or more, for example 3,7,15,31.")
        for size in self.sizes:
            if size < 3 or size % 2 == 0:
                raise JobError(
                    f"{size} is among the patch sizes, but each must be odd and at least 3, so that the observation"
                    " lies in the middle pixel. The random forest at the point stands for a size of 1."
                )


@dataclass(frozen=True)
class DescribeNetwork(Job):
    """Tell what a network file holds."""

    network: str
    report: str

    OUTPUTS = ("report",)


@dataclass(frozen=True)
class CheckEnvironment(Job):
    """Report versions, device and memory, and train and evaluate a tiny network."""

    report: str = ""
    metrics: str = ""
    device: str = "auto"

    OUTPUTS = ("report", "metrics")

    def __post_init__(self) -> None:
        one_of("device", self.device, DEVICES)


JOBS: dict[str, type[Job]] = {
    "extract_patches": ExtractPatches,
    "train_network": TrainNetwork,
    "predict_map": PredictMap,
    "map_soil_properties": MapSoilProperties,
    "assess_map": AssessMap,
    "explain_network": ExplainNetwork,
    "compare_patch_sizes": ComparePatchSizes,
    "describe_network": DescribeNetwork,
    "check_environment": CheckEnvironment,
}


def to_json(job: Job) -> str:
    """The job file's text."""
    name = next(name for name, kind in JOBS.items() if type(job) is kind)
    return json.dumps({"job": name, "version": VERSION, **asdict(job)}, indent=1)


def from_json(text: str) -> Job:
    """The job in a job file; raises JobError when the text is no job of this version or breaks a job's rules."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise JobError(f"The job file is not JSON: {error}.") from error
    if not isinstance(content, dict) or content.get("job") not in JOBS:
        raise JobError(f'The job file names no job. "job" must be one of: {", ".join(JOBS)}.')
    if content.get("version") != VERSION:
        raise JobError(f"The job file has version {content.get('version')}; this engine reads version {VERSION}.")
    kind = JOBS[content.pop("job")]
    del content["version"]
    try:
        return decode(kind, content, kind.__name__)
    except DecodeError as error:
        raise JobError(str(error)) from error
