"""Jobs that make maps with a trained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .job import DEVICES, FULL_GPU, RASTER_ENDINGS, Covariate, Job, JobError, check_extent, no_twins, one_of
from .language import tr
from .prepare_jobs import ExtractPatches
from .threshold import Threshold, pair_thresholds
from .train_jobs import TrainNetwork


@dataclass(frozen=True)
class PredictMap(Job):
    """Predict every pixel of the covariates with a trained network."""

    network: str
    prediction: str
    median: str = ""
    lower: str = ""
    upper: str = ""
    standard_deviation: str = ""
    dissimilarity: str = ""  # how far a pixel lies from the observations (Meyer & Pebesma 2021)
    dissimilarity_space: str = "covariates"
    classes: str = ""  # the most probable soil class, for a network that also predicts numbers
    probabilities: str = ""  # for soil classes, one band per class
    confusion_index: str = ""  # for soil classes: 1 - (first probability - second)
    exceedance: tuple[Threshold, ...] = ()
    exceedance_probability: str = ""
    texture_classes: str = ""
    texture_system: str = "usda"
    covariates: tuple[Covariate, ...] = ()  # empty: the files that the network was trained on
    extent: tuple[float, float, float, float] | None = None  # west, south, east, north
    extent_crs: str = ""  # WKT; empty: the covariates' CRS
    area: str = ""  # polygons; nothing is predicted outside
    block_size: int | None = None  # pixels; None: from free memory
    precision: str = "auto"  # half precision where it is faster and changes little
    cluster: str = ""  # address of a Dask scheduler, whose workers predict the blocks; empty: this machine
    device: str = "auto"
    where_fitting: tuple[str, ...] = ()  # outputs that are left out, not refused, where the targets cannot fill them
    full_gpu: str = FULL_GPU[0]

    OUTPUTS = (
        "prediction",
        "median",
        "lower",
        "upper",
        "standard_deviation",
        "dissimilarity",
        "classes",
        "probabilities",
        "confusion_index",
        "exceedance_probability",
        "texture_classes",
    )
    ENDINGS = dict.fromkeys(OUTPUTS, RASTER_ENDINGS)
    DISSIMILARITY_SPACES: ClassVar[tuple[str, ...]] = ("covariates", "embedding")
    PRECISIONS: ClassVar[tuple[str, ...]] = ("auto", "float32", "half")
    TEXTURE_SYSTEMS: ClassVar[tuple[str, ...]] = ("usda", "wrb")

    def __post_init__(self) -> None:
        one_of(tr("device"), self.device, DEVICES)
        one_of(tr("choice for a full GPU"), self.full_gpu, FULL_GPU)
        one_of(tr("dissimilarity space"), self.dissimilarity_space, self.DISSIMILARITY_SPACES)
        one_of(tr("precision"), self.precision, self.PRECISIONS)
        one_of(tr("texture system"), self.texture_system, self.TEXTURE_SYSTEMS)
        for name in self.where_fitting:
            one_of(tr("output that may be left out"), name, self.OUTPUTS)
        no_twins(tr("covariate"), [covariate.name for covariate in self.covariates])
        if bool(self.exceedance) != bool(self.exceedance_probability):
            raise JobError(
                tr(
                    "Thresholds are given, but no raster for the probabilities of exceeding them. Choose a file"
                    " or a temporary file for EXCEEDANCE_PROBABILITY, or leave EXCEEDANCE empty."
                )
                if self.exceedance
                else tr(
                    "A raster of exceedance probabilities is asked for, but no threshold is given. Enter one in"
                    " EXCEEDANCE, for example copper > 150."
                )
            )
        if self.block_size is not None and self.block_size < 16:
            raise JobError(tr("The block size is {} pixels; it must be at least 16.").format(self.block_size))
        check_extent(self.extent)


@dataclass(frozen=True)
class MapSoilProperties(Job):
    """The whole chain in one worker: extract, train, predict."""

    extract: ExtractPatches
    train: TrainNetwork
    predict: PredictMap

    ENDINGS = {**ExtractPatches.ENDINGS, **TrainNetwork.ENDINGS, **PredictMap.ENDINGS}

    def __post_init__(self) -> None:
        thresholds = (*self.train.exceedance, *self.predict.exceedance)
        if thresholds and self.extract.target_type == "class":
            raise JobError(tr("Thresholds are given, but soil classes cannot exceed them. Leave EXCEEDANCE empty."))
        pair_thresholds(thresholds, self.extract.targets)  # now, not only after all patches are extracted

    def output_paths(self) -> dict[str, str]:
        return {**self.extract.output_paths(), **self.train.output_paths(), **self.predict.output_paths()}

    def empty_outputs(self) -> list[str]:
        return [name for part in (self.extract, self.train, self.predict) for name in part.empty_outputs()]

    def input_paths(self) -> list[str]:
        """Return the files that were there before the run: the parts also read what those before them write."""
        made = (self.extract.patches, self.train.network)
        parts = (self.extract, self.train, self.predict)
        return [path for part in parts for path in part.input_paths() if path not in made]
