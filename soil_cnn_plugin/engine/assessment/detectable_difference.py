"""Where two maps differ by more than their intervals leave in doubt, as rasters on the first map's grid.

The interval of a difference comes from those of its parts (MOVER; Zou & Donner 2008, 10.1002/sim.3095, with the
correlation of Zou 2007, 10.1037/1082-989X.12.4.399): they may be skewed, and no distribution is assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np

from soil_cnn_plugin.contract.jobs import CompareMaps
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.block_reading import bounded_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile, finish_together

LOWER, NEITHER, HIGHER = 1, 2, 3
DIFFERENCE_CLASSES = ("second map lower", "not detectable", "second map higher")
_BLOCK = 512
_SAMPLED = 200_000
_IMAGE_SIDE = 400


@dataclass
class DifferenceFacts:
    """What both maps say of their difference, second minus first, over all pixels where both have data: the mean, the
    root of the mean square, and some values for quantiles; `counts` (3,) of lower, not detectable and higher pixels;
    `smallest` are half widths of the difference's interval at some pixels."""

    pixels: int = 0
    crossed: int = 0
    total: float = 0.0
    squares: float = 0.0
    counts: Rows = field(default_factory=lambda: np.zeros(3, np.int64))
    values: list[Array] = field(default_factory=list)
    image: Array = field(default_factory=lambda: np.empty((0, 0)))  # coarse: classes, or differences without intervals
    smallest: list[Array] = field(default_factory=list)

    @property
    def mean(self) -> float:
        return self.total / max(1, self.pixels)

    @property
    def root_mean_square(self) -> float:
        return float((self.squares / max(1, self.pixels)) ** 0.5)

    def quantiles(self, levels: list[float]) -> Array:
        return np.quantile(np.concatenate(self.values), levels)

    @property
    def typical_smallest(self) -> float | None:
        """The median over pixels of the smallest difference that is detectable; None without intervals."""
        return float(np.median(np.concatenate(self.smallest))) if self.smallest else None

    def share(self, number: int) -> float:
        return float(self.counts[number - 1] / max(1, self.counts.sum()))


def write_difference(
    job: CompareMaps, grid: Grid, unit: str, correlation: float, coverage: float, progress: Callable[[float], None]
) -> DifferenceFacts:
    """Compare the maps at all pixels of the first one's grid, and write the rasters that the job wants.

    `correlation` is that of the errors of both maps. The second map is resampled onto the grid of the first.

    Raises:
        EngineError: the maps have no pixel in common, or a lower limit lies above the upper one.
    """
    step = -(-max(grid.height, grid.width) // _IMAGE_SIDE)
    facts = DifferenceFacts(image=np.full((-(-grid.height // step), -(-grid.width // step)), np.nan))
    with ExitStack() as stack:
        files = _open(job, grid, unit, coverage, stack)
        for block, maps in _blocks(job, grid, progress):
            difference, low, high = _difference(maps, correlation)
            facts.crossed += _crossed(maps)
            classes = np.where(np.isfinite(difference), NEITHER, np.nan)
            if low is not None and high is not None:
                classes = np.where(low > 0, HIGHER, np.where(high < 0, LOWER, classes))
            _add(facts, difference, classes, low, high)
            _paint(facts, block, difference if low is None else classes, step)
            for file, values in zip(files, (difference, classes)):
                if file is not None:
                    file.write(block, values[None])
        _check(job, facts)
        finish_together([file for file in files if file is not None])
    return facts


def difference_interval(first: Singles, second: Singles, correlation: float) -> tuple[Array, Array]:
    """Return the limits of second minus first, of maps (3, ...) with their value, lower and upper limit."""
    (value, lower, upper), (value_2, lower_2, upper_2) = first.astype(np.float64), second.astype(np.float64)
    difference = value_2 - value
    down, up = np.maximum(value - lower, 0), np.maximum(upper - value, 0)
    down_2, up_2 = np.maximum(value_2 - lower_2, 0), np.maximum(upper_2 - value_2, 0)
    low = difference - np.sqrt(np.maximum(down_2**2 + up**2 - 2 * correlation * down_2 * up, 0))
    high = difference + np.sqrt(np.maximum(up_2**2 + down**2 - 2 * correlation * up_2 * down, 0))
    return low, high


def _open(
    job: CompareMaps, grid: Grid, unit: str, coverage: float, stack: ExitStack
) -> tuple[RasterFile | None, RasterFile | None]:
    words = {
        "better": "Difference, second map minus first",
        "change": "Difference, second date minus first",
    }[job.question]
    difference = detectable = None
    if job.difference:
        file = RasterFile(job.difference, grid, bands=[words], units=[unit], tags={})
        difference = stack.enter_context(file)
    if job.detectable:
        tags = {"COVERAGE": f"{coverage:g}"}
        name = f"Difference beyond both {100 * coverage:g} % intervals"
        classes = [DIFFERENCE_CLASSES]
        detectable = stack.enter_context(
            RasterFile(job.detectable, grid, bands=[name], units=[""], tags=tags, classes=classes)
        )
    return difference, detectable


def _blocks(job: CompareMaps, grid: Grid, progress: Callable[[float], None]) -> Iterator[tuple[Block, Singles]]:
    """Yield each block with its rasters (C, h, w): both maps, or each with its lower and upper limit."""
    given = (job.map, job.map_2, job.lower, job.upper, job.lower_2, job.upper_2)
    rasters = [raster for raster in given if raster is not None]
    blocks = list(grid.blocks(_BLOCK))
    with bounded_stack(rasters, grid) as stack:
        for number, block in enumerate(blocks):
            yield block, stack.read(block)
            progress((number + 1) / len(blocks))


def _difference(maps: Singles, correlation: float) -> tuple[Array, Array | None, Array | None]:
    difference = maps[1].astype(np.float64) - maps[0]
    if len(maps) < 6:
        return difference, None, None
    low, high = difference_interval(maps[[0, 2, 3]], maps[[1, 4, 5]], correlation)
    known = np.isfinite(low) & np.isfinite(high)
    return np.where(known, difference, np.nan), low, high


def _crossed(maps: Singles) -> int:
    if len(maps) < 6:
        return 0
    return int((maps[2] > maps[3]).sum() + (maps[4] > maps[5]).sum())


def _add(facts: DifferenceFacts, difference: Array, classes: Array, low: Array | None, high: Array | None) -> None:
    known = np.isfinite(difference)
    values = difference[known]
    facts.pixels += len(values)
    facts.total += float(values.sum())
    facts.squares += float((values**2).sum())
    if not len(values):
        return
    step = max(1, facts.pixels // _SAMPLED)
    facts.values.append(values[::step])
    if low is not None and high is not None:
        facts.counts += np.bincount(classes[known].astype(np.int64), minlength=4)[1:]
        beyond = np.where(difference > 0, difference - low, high - difference)
        facts.smallest.append(beyond[known][::step])


def _paint(facts: DifferenceFacts, block: Block, values: Array, step: int) -> None:
    """Keep every `step`th row and column for a figure."""
    first_row, first_col = -block.row % step, -block.col % step
    some = values[first_row::step, first_col::step]
    row, col = (block.row + first_row) // step, (block.col + first_col) // step
    facts.image[row : row + some.shape[0], col : col + some.shape[1]] = some


def _check(job: CompareMaps, facts: DifferenceFacts) -> None:
    if not facts.pixels:
        raise EngineError(
            tr(
                "{} and {} have no pixel with data in common. Check that they show the same area, and their"
                " nodata values."
            ).format(job.map.path, job.map_2.path)
        )
    if facts.crossed:
        raise EngineError(
            tr(
                "A lower limit lies above its upper one at {} pixels. Are the two rasters of a map swapped, or"
                " of another soil property?"
            ).format(facts.crossed)
        )
