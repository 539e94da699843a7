"""The sampling frame: which pixels of a grid may be sampled, block by block, and what becomes of the others."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.rasters.block_reading import bounded_stack
from soil_cnn_plugin.engine.rasters.class_areas import cell_areas
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

_BLOCK = 512
IsInside = Callable[[Block], Flags]


@dataclass(frozen=True)
class Lattice:
    """The pixels whose row and column leave these remainders when divided by `step`: neighbours lie `step` pixels
    apart. The remainders are drawn at random, so that each pixel has the chance 1 / `step`^2."""

    step: int
    row: int
    col: int

    def holds(self, block: Block) -> Flags:
        rows = (np.arange(block.row, block.row + block.height) - self.row) % self.step == 0
        cols = (np.arange(block.col, block.col + block.width) - self.col) % self.step == 0
        return np.asarray(rows[:, None] & cols)


@dataclass(frozen=True)
class Frame:
    """What limits the places: covariates that must have data, polygons, and a raster of costs that must be known.

    `strata` is a raster of codes or numbers polygons, as a function from a block to codes (h, w), below 0 in no
    stratum. `lattice` keeps random points apart.
    """

    grid: Grid
    covariates: tuple[Covariate, ...]
    reference: Covariate | None = None  # must have data, too
    area: IsInside | None = None
    excluded: IsInside | None = None
    cost: Covariate | None = None
    strata: Callable[[Block], Rows] | None = None
    lattice: Lattice | None = None


@dataclass(frozen=True)
class Counts:
    """Pixels of the grid by what becomes of them; `places` may be sampled, `on_lattice` of these lie on the lattice."""

    pixels: int
    without_data: int
    outside: int
    excluded: int
    without_cost: int
    without_stratum: int
    places: int
    on_lattice: int

    def in_words(self) -> str:
        reasons = (
            (self.without_data, tr("{} without data")),
            (self.outside, tr("{} outside the area")),
            (self.excluded, tr("{} in excluded areas")),
            (self.without_cost, tr("{} without a cost")),
            (self.without_stratum, tr("{} in no stratum")),
        )
        lost = "; ".join(why.format(count) for count, why in reasons if count)
        return tr("{} of {} pixels may be sampled").format(self.places, self.pixels) + (f" ({lost})" if lost else "")


def draw_lattice(grid: Grid, metres: float, seed: int) -> Lattice | None:
    """Draw a lattice at random whose pixels lie at least so many metres apart; None where all pixels do."""
    step = math.ceil(metres / min(grid.metres_per_cell()) - 1e-9)
    if step <= 1:
        return None
    row, col = np.random.default_rng([seed, 1]).integers(0, step, 2).tolist()
    return Lattice(step, row, col)


@dataclass(frozen=True)
class FrameBlock:
    """A block of the frame: what is known of its pixels (h, w)."""

    block: Block
    values: Singles
    cost: Array
    codes: Rows
    lost: dict[str, int]
    is_place: Flags
    is_listed: Flags
    row_areas: Array

    def pixels(self, chosen: Flags) -> tuple[Rows, Rows]:
        rows, cols = np.nonzero(chosen)
        return rows + self.block.row, cols + self.block.col

    def pixel_areas(self, chosen: Flags) -> Array:
        areas: Array = self.row_areas[np.nonzero(chosen)[0]]
        return areas


def read_blocks(frame: Frame, progress: Callable[[float], None]) -> Iterator[FrameBlock]:
    bands = [*frame.covariates, *(each for each in (frame.reference, frame.cost) if each)]
    blocks = list(frame.grid.blocks(_BLOCK))
    with bounded_stack(bands, frame.grid) as stack:
        for number, block in enumerate(blocks):
            yield _find(frame, block, stack.read(block))
            progress((number + 1) / len(blocks))


def _find(frame: Frame, block: Block, read: Singles) -> FrameBlock:
    shape = (block.height, block.width)
    values, cost = read[: len(frame.covariates)], np.zeros(shape)
    is_place = np.ones(shape, np.bool_)
    lost: dict[str, int] = {"pixels": is_place.size}

    def keep(name: str, flags: Flags) -> None:
        lost[name] = int((is_place & ~flags).sum())
        np.logical_and(is_place, flags, out=is_place)

    masks = read[: len(frame.covariates) + (frame.reference is not None)]
    keep("without_data", np.asarray(np.isfinite(masks).all(axis=0)))
    keep("outside", frame.area(block) if frame.area else np.ones(shape, np.bool_))
    keep("excluded", ~frame.excluded(block) if frame.excluded else np.ones(shape, np.bool_))
    if frame.cost is not None:
        cost = read[-1].astype(np.float64)
        keep("without_cost", np.isfinite(cost))
    codes = frame.strata(block) if frame.strata else np.zeros(shape, np.int64)
    keep("without_stratum", codes >= 0)
    is_listed = is_place & frame.lattice.holds(block) if frame.lattice else is_place
    return FrameBlock(block, values, cost, codes, lost, is_place, is_listed, cell_areas(frame.grid, block))
