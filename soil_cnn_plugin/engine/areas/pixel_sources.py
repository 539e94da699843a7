"""Where the pixels of areas come from: predicted now from covariates, or from the limits of a map made before."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import rasterio
import torch
from rasterio.windows import Window

from soil_cnn_plugin.contract.jobs import SummarizeAreas
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.blocks import bounded_block_size, predict_blocks
from soil_cnn_plugin.engine.mapping.matching import place_map, why_nothing
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.block_reading import bounded_stack
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.opening import grid_of, open_raster
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.numbers import NumberOutcome
from soil_cnn_plugin.engine.training.dissimilarity import COVARIATES, BlockIndex
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

Inside = Callable[[Block], Flags]
_SIDE = 512  # pixels of a block of a map


@dataclass(frozen=True)
class PixelRead:
    """Learned columns `location` and `scale` (R, h, w) of a block, NaN where nothing is known, and which pixels (h, w)
    are applicable; all are where that is not measured."""

    block: Block
    location: Array
    scale: Array
    is_applicable: Flags


class PixelSource(Protocol):
    """A map block by block. `has_index` says whether it is measured where the map is applicable."""

    @property
    def grid(self) -> Grid: ...
    @property
    def has_index(self) -> bool: ...
    def blocks(self, inside: Inside) -> Generator[PixelRead | Block, None, None]:
        """Yield all blocks of the grid; the bare Block where no pixel `inside` (h, w) is known."""
        ...

    def why_nothing(self, inside: Inside) -> str:
        """Say why no pixel is known."""
        ...


@contextmanager
def open_pixels(
    job: SummarizeAreas, trained: TrainedNetwork, device: torch.device, report: Report
) -> Iterator[PixelSource]:
    """Open the source of the job's pixels, and check at the end that its files have not changed."""
    if job.lower:
        with open_raster(job.lower) as lower, open_raster(job.upper) as upper:
            yield MappedPixels.of(job, trained, lower, upper)
        return
    covariates, grid = place_map(job, trained.description, report)
    with bounded_stack(covariates, grid) as stack:
        spaces = [space for space in trained.spaces if space.words.space == COVARIATES]
        index = BlockIndex(spaces[0], trained.encoder, device) if spaces else None
        yield PredictedPixels(stack, BlockPredictor(trained, grid, device, index, tell=report.info), job.block_size)
        stack.check_unchanged()


@dataclass(frozen=True)
class PredictedPixels:
    """Pixels that the network predicts now."""

    stack: CovariateStack
    predictor: BlockPredictor
    block_size: int | None

    @property
    def grid(self) -> Grid:
        return self.stack.grid

    @property
    def has_index(self) -> bool:
        return self.predictor.index is not None

    def blocks(self, inside: Inside) -> Generator[PixelRead | Block, None, None]:
        size = bounded_block_size(self.block_size, self.predictor.trained, self.grid, self.predictor.device)
        with closing(predict_blocks(self.predictor, self.stack, size, inside)) as blocks:
            for found in blocks:
                yield self._read(found) if isinstance(found, PredictedBlock) else found

    def why_nothing(self, inside: Inside) -> str:
        return why_nothing(self.stack, inside)

    def _read(self, found: PredictedBlock) -> PixelRead:
        is_applicable = np.ones(found.location.shape[1:], np.bool_)
        if self.predictor.index is not None and found.dissimilarity is not None:
            is_applicable = found.dissimilarity <= self.predictor.index.threshold
        return PixelRead(found.block, found.location, found.scale, is_applicable)


_NOT_THE_LIMIT = {
    "lower": tr(
        "{} is not the lower limit of a map: Predict map marks these in their metadata (CONTENT). Choose its LOWER."
    ),
    "upper": tr(
        "{} is not the upper limit of a map: Predict map marks these in their metadata (CONTENT). Choose its UPPER."
    ),
}


@dataclass(frozen=True)
class MappedPixels:
    """Pixels of a map of numbers that this network made before: its limits tell location and scale."""

    grid: Grid
    lower: rasterio.DatasetReader
    upper: rasterio.DatasetReader
    outcomes: tuple[NumberOutcome, ...]
    coverage: float

    has_index = False

    @classmethod
    def of(
        cls, job: SummarizeAreas, trained: TrainedNetwork, lower: rasterio.DatasetReader, upper: rasterio.DatasetReader
    ) -> MappedPixels:
        """Check that these are limits of a map by this network.

        Raises:
            EngineError: they are of other targets, another coverage or two grids.
        """
        description, grid = trained.description, grid_of(lower, job.lower)
        outcomes = tuple(each for each in description.outcomes if isinstance(each, NumberOutcome))
        if len(outcomes) < len(description.outcomes):
            raise EngineError(
                tr(
                    "{} also predicts classes or compositions, whose errors the limits of a map do not tell."
                    " Leave LOWER and UPPER empty, so that the areas are predicted from covariates."
                ).format(job.network)
            )
        for content, path, raster in (("lower", job.lower, lower), ("upper", job.upper, upper)):
            names = [name or "" for name in raster.descriptions]
            wanted = [target.label for target in description.targets]
            if len(names) != len(wanted) or any(not a.startswith(b) for a, b in zip(names, wanted)):
                raise EngineError(
                    tr(
                        "{} has the bands {}, but the limits of a map by {} have those of {}. Choose LOWER and"
                        " UPPER of a map by this network."
                    ).format(path, ", ".join(map(repr, names)), job.network, ", ".join(map(repr, wanted)))
                )
            if raster.tags().get("CONTENT") != content:
                raise EngineError(_NOT_THE_LIMIT[content].format(path))
            told = raster.tags().get("COVERAGE", "")
            if told != f"{description.coverage:g}":
                raise EngineError(
                    tr(
                        "{} has the coverage {}, the network's is {:g}. Choose LOWER and UPPER of a map by this"
                        " network."
                    ).format(path, told or tr("unknown"), description.coverage)
                )
        if grid_of(upper, job.upper).offset_of(grid) != (0, 0) or lower.shape != upper.shape:
            raise EngineError(
                tr("{} and {} have different grids. Choose limits of one map.").format(job.lower, job.upper)
            )
        return cls(grid, lower, upper, outcomes, description.coverage)

    def blocks(self, inside: Inside) -> Generator[PixelRead | Block, None, None]:
        for block in self.grid.blocks(_SIDE):
            wanted = inside(block)
            yield self._read(block, wanted) if wanted.any() else block

    def why_nothing(self, inside: Inside) -> str:
        return tr("The map has no data in any of the areas. Choose areas where it has, or another map.")

    def _read(self, block: Block, wanted: Flags) -> PixelRead:
        window = Window(block.col, block.row, block.width, block.height)
        low, high = (
            raster.read(window=window, masked=True).astype(np.float64).filled(np.nan)
            for raster in (self.lower, self.upper)
        )
        found = [
            outcome.calibration.from_limits(below, above, self.coverage, outcome.scale)
            for outcome, below, above in zip(self.outcomes, low, high)
        ]
        location, scale = (np.where(wanted, np.stack(each), np.nan) for each in zip(*found))
        return PixelRead(block, location, scale, np.ones(wanted.shape, np.bool_))
