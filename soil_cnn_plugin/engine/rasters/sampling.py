"""The contents of covariates on their grid, sampled: numbers, class codes, places with data, points of a domain."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.block_reading import read_ahead
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block, Bounds, Grid, bounds_in_words
from soil_cnn_plugin.engine.rasters.opening import layer_name
from soil_cnn_plugin.engine.rasters.polygons import read_polygons
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster
from soil_cnn_plugin.engine.report import Report

MOST_CATEGORIES = 255
LARGEST_CODE = 2**24
"""The largest code; beyond it, float32 no longer tells neighbouring codes apart."""
_SAMPLE_PIXELS = 1_000_000
_SAMPLE_VALUES = 50_000_000
"""Values of all covariates together, so that hundreds of covariates fit into memory."""
_SCAN_PIXELS = 200_000_000


@dataclass(frozen=True)
class CovariateSample:
    """A sample of covariates.

    `values` holds for each covariate the values of its valid pixels, none when it is categorical. `points` (M, 2) are
    x, y of pixels where all covariates have data.
    """

    values: tuple[Singles, ...]
    points: Array

    def spread(self, count: int) -> Array:
        """Return x, y (M, 2) of at most `count` of the points, spread evenly over the grid."""
        chosen = np.linspace(0, len(self.points) - 1, min(count, len(self.points))).astype(int)
        found: Array = self.points[chosen]
        return found


class Sampler:
    """A sample that is gathered while covariates are read, piece by piece in any order.

    It consists of blocks spread evenly over the grid, with a million pixels at most, or of the whole grid when that is
    smaller.
    """

    def __init__(self, stack: CovariateStack, with_values: bool = True) -> None:
        pixels = min(_SAMPLE_PIXELS, _SAMPLE_VALUES // len(stack.rasters))
        self.blocks = tuple(_spread_blocks(stack.grid, 64, pixels))
        self._grid = stack.grid
        self._is_wanted = [with_values and raster.covariate.kind != "categorical" for raster in stack.rasters]
        self._values: list[list[Singles]] = [[np.empty(0, np.float32)] for _ in self._is_wanted]
        self._is_valid = [np.zeros((block.height, block.width), np.bool_) for block in self.blocks]

    def take(self, number: int, piece: Block, values: Singles) -> None:
        """Take the `values` (C, height, width) of a piece of the block of that number."""
        is_known = np.isfinite(values)
        for own, one, known, is_wanted in zip(self._values, values, is_known, self._is_wanted):
            if is_wanted:
                own.append(one[known])
        self._is_valid[number][piece.within(self.blocks[number])] = is_known.all(0)

    def sample(self) -> CovariateSample:
        points = []
        for block, is_valid in zip(self.blocks, self._is_valid):
            rows, cols = np.nonzero(is_valid)
            points.append(np.column_stack(self._grid.xy(rows + block.row, cols + block.col)))
        return CovariateSample(tuple(map(np.concatenate, self._values)), np.concatenate(points))


def read_sample(
    stack: CovariateStack, with_values: bool = True, progress: Callable[[float], None] | None = None
) -> CovariateSample:
    """Read the sample alone, where nothing else is read."""
    sampler = Sampler(stack, with_values)
    tasks = (
        (number, block, np.empty((len(stack.rasters), block.height, block.width), np.float32))
        for number, block in enumerate(sampler.blocks)
    )
    for number, block, values in read_ahead(stack, tasks, _read, ahead=8):
        sampler.take(number, block, values)
        if progress:
            progress((number + 1) / len(sampler.blocks))
    return sampler.sample()


def read_codes(stack: CovariateStack, progress: Callable[[float], None] | None = None) -> dict[int, Singles]:
    """Return number of each categorical covariate -> its class codes, ascending, from up to 200 million pixels.

    Raises:
        EngineError: a covariate holds no class codes, or too many.
    """
    codes = {
        number: np.empty(0, np.float32)
        for number, raster in enumerate(stack.rasters)
        if raster.covariate.kind == "categorical"
    }

    def read(number: int, raster: CovariateRaster, block: Block) -> None:
        if number in codes:
            codes[number] = _with_codes(raster, codes[number], read_valid(raster, block))

    if codes:
        blocks = list(_spread_blocks(stack.grid, 512, _SCAN_PIXELS))
        for done, _ in enumerate(read_ahead(stack, blocks, read, ahead=8)):
            if progress:
                progress((done + 1) / len(blocks))
    return codes


def read_valid(raster: CovariateRaster, block: Block) -> Singles:
    values = np.empty((block.height, block.width), np.float32)
    raster.read(block, values)
    return values[np.isfinite(values)]


def _read(number: int, raster: CovariateRaster, task: tuple[int, Block, Singles]) -> None:
    _, block, values = task
    raster.read(block, values[number])


def _with_codes(raster: CovariateRaster, codes: Singles, values: Singles) -> Singles:
    covariate, found = raster.covariate, _distinct(values)
    broken = found[(found != np.rint(found)) | (np.abs(found) > LARGEST_CODE)]
    if broken.size:
        raise EngineError(
            tr(
                "{}, band {}, holds {:.9g}, which is not a class code: codes are whole numbers up to {}. Take"
                " it out of the categorical covariates, or reclassify it."
            ).format(covariate.path, covariate.band, broken[0], LARGEST_CODE)
        )
    codes = np.union1d(codes, found)
    if codes.size > MOST_CATEGORIES:
        raise EngineError(
            tr(
                "{}, band {}, holds more than {} different class codes. Take it out of the categorical"
                " covariates, or merge its classes."
            ).format(covariate.path, covariate.band, MOST_CATEGORIES)
        )
    return codes


def _distinct(values: Singles) -> Singles:
    """Return what np.unique does, many times faster for whole numbers close to each other."""
    if not values.size:
        return values
    low, high = values.min(), values.max()
    if not -LARGEST_CODE <= low <= high <= min(LARGEST_CODE, low + 65_535):
        return np.unique(values)
    whole = values.astype(np.int32)
    if not np.array_equal(whole, values):
        return np.unique(values)
    is_there = np.zeros(int(high) - int(low) + 1, np.bool_)
    is_there[whole - int(low)] = True
    return (np.flatnonzero(is_there) + int(low)).astype(np.float32)


def _spread_blocks(grid: Grid, size: int, most_pixels: int) -> Iterator[Block]:
    """Yield blocks that cover a grid of at most `most_pixels`, else so many of `size` spread evenly over it."""
    if grid.height * grid.width <= most_pixels:
        yield from grid.blocks(512)
        return
    height, width = min(size, grid.height), min(size, grid.width)
    count = most_pixels / (height * width)
    down = min(math.ceil(grid.height / height), max(1, round(math.sqrt(count * grid.height / grid.width))))
    across = min(math.ceil(grid.width / width), max(1, int(count / down)))
    for row in np.linspace(0, grid.height - height, down).astype(int):
        for col in np.linspace(0, grid.width - width, across).astype(int):
            yield Block(int(row), int(col), height, width)


DOMAIN_POINTS = 2000


def read_domain(path: str, grid: Grid, report: Report) -> Array:
    """Return x, y (M, 2) in the grid's CRS, spread evenly over the polygons or over the raster's pixels with data.

    Raises:
        EngineError: the file holds neither, or has no CRS.
    """
    polygons = read_polygons(path, tr("the domain of the map"), grid, report)
    if polygons is not None:
        return _points_in(shapely.union_all(polygons.values))
    raster_grid = reference_grid(path)
    with open_stack([Covariate(path, "domain")], raster_grid) as stack:
        points = read_sample(stack, with_values=False).spread(DOMAIN_POINTS)
    if not len(points):
        raise EngineError(
            tr("{}, the domain of the map, has no pixel with data. Choose another raster or polygons.").format(path)
        )
    try:
        moved = np.column_stack(grid.place(points[:, 0], points[:, 1], raster_grid.crs_wkt))
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr(
                "{}, the domain of the map, cannot be transformed from {} to {}, the CRS of the covariates. Set"
                " its CRS and run again."
            ).format(path, raster_grid.crs_name, grid.crs_name)
        ) from error
    found: Array = moved[np.isfinite(moved).all(axis=1)]
    if not len(found):
        raise EngineError(
            tr("{}, the domain of the map, has no place in {}, the CRS of the covariates.").format(path, grid.crs_name)
        )
    return found


def check_touch(path: str, points: Array, coordinates: Array, grid: Grid) -> None:
    """Raise EngineError when the domain's points and the observations, (N, 2) in the grid's CRS, lie apart."""
    west, south, east, north = _bounds(points)
    own = _bounds(coordinates)
    if west <= own[2] and own[0] <= east and south <= own[3] and own[1] <= north:
        return
    raise EngineError(
        tr(
            "'{}', the domain of the map, does not touch the observations: it reaches over {}, they over {}"
            " ({}). Check its CRS, or choose the area around the observations that will be mapped."
        ).format(layer_name(path), bounds_in_words((west, south, east, north)), bounds_in_words(own), grid.crs_name)
    )


def _bounds(points: Array) -> Bounds:
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    return float(west), float(south), float(east), float(north)


def _points_in(area: shapely.Geometry) -> Array:
    """Return about DOMAIN_POINTS points of a lattice, part by part; between parts far apart it would be empty."""
    step = math.sqrt(area.area / DOMAIN_POINTS)
    found = []
    for part in shapely.get_parts(area):
        west, south, east, north = part.bounds
        columns, rows = (np.arange(low // step, high // step + 1) for low, high in ((west, east), (south, north)))
        x, y = ((each.ravel() + 0.5) * step for each in np.meshgrid(columns, rows))
        inside = shapely.contains_xy(part, x, y)
        found.append(np.column_stack([x[inside], y[inside]]))
    points: Array = np.concatenate(found)
    return points
