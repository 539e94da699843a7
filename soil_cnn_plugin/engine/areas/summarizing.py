"""One pass over the map: each block is predicted once, and every area takes in its pixels; then each is summarized."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import pyproj
import shapely
import torch

from soil_cnn_plugin.contract.jobs import SummarizeAreas
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.areas.area_layer import Area
from soil_cnn_plugin.engine.areas.area_store import AreaStore, PixelRows
from soil_cnn_plugin.engine.areas.error_draws import ErrorDraws, Observed
from soil_cnn_plugin.engine.areas.pixel_shares import overlap_of, pixel_shares
from soil_cnn_plugin.engine.areas.pixel_sources import PixelRead, PixelSource
from soil_cnn_plugin.engine.areas.quantities import Quantities
from soil_cnn_plugin.engine.areas.summaries import AreaEstimate, AreaSummary, estimates_of
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.threads import run_side_by_side
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import own_columns
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork


@dataclass(frozen=True)
class _Part:
    """The part of an area that lies in a block: where it lies in the block, and shares (h, w) of its pixels."""

    number: int
    at: tuple[slice, slice]
    shares: Array


class _Parts:
    """Finds the parts of areas in a block. They are kept until the block is predicted."""

    def __init__(self, areas: Sequence[Area]) -> None:
        self._areas = [area for area in areas if area.block is not None]
        self._index = shapely.STRtree([area.polygon for area in self._areas])
        self._kept: dict[Block, list[_Part]] = {}

    def inside(self, block: Block) -> Flags:
        """Which pixels (h, w) of a block any area touches."""
        found = np.zeros((block.height, block.width), np.bool_)
        frame = shapely.box(block.col, block.row, block.col + block.width, block.row + block.height)
        parts = []
        for position in self._index.query(frame):
            area = self._areas[position]
            own = overlap_of(block, area.block) if area.block else None
            if own is None:
                continue
            shares = pixel_shares(area.polygon, own)
            if shares.any():
                at = own.within(block)
                found[at] |= shares > 0
                parts.append(_Part(area.number, at, shares))
        if parts:
            self._kept[block] = parts
        return found

    def take(self, block: Block) -> list[_Part]:
        return self._kept.pop(block, [])


@dataclass(frozen=True)
class Survey:
    """What the areas are summarized from: the network's quantities, the source of pixels, and all areas."""

    quantities: Quantities
    pixels: PixelSource
    areas: tuple[Area, ...]
    observed: Observed | None
    in_area: tuple[int | None, ...]


def summarize_all(survey: Survey, job: SummarizeAreas, report: Report) -> list[AreaSummary]:
    """Summarize all areas.

    Raises:
        EngineError: nothing can be predicted in any of them.
    """
    stores = _read(survey, job.seed, report.part(0.05, 0.7, tr("Predicting the pixels of the areas")))
    errors = survey.quantities.description.error_correlation
    if errors is None:
        raise EngineError(
            tr("The network file does not say how errors at different places are correlated. Train the network again.")
        )
    outcomes = survey.quantities.description.outcomes
    slices = own_columns([outcome.scaled for outcome in outcomes])
    step = report.part(0.7, 0.97, tr("Drawing errors of the areas"))
    done = [0]

    def summarize(area: Area) -> Callable[[], AreaSummary]:
        def run() -> AreaSummary:
            store = stores.get(area.number)
            estimates = None
            if store is not None and store.pixels:
                draws = ErrorDraws(errors, slices, survey.observed, job.seed + area.number)
                estimates = estimates_of(store, survey.quantities, draws, job.coverage, job.seed + area.number)
            done[0] += 1
            step.progress(done[0] / len(survey.areas))
            return _summary(area, store, survey, estimates)

        return run

    return run_side_by_side([summarize(area) for area in survey.areas], torch.device("cpu"))


def _read(survey: Survey, seed: int, report: Report) -> dict[int, AreaStore]:
    quantities, grid = survey.quantities, survey.pixels.grid
    stores = {
        area.number: AreaStore(area, quantities.description.columns, len(quantities.all))
        for area in survey.areas
        if area.block is not None
    }
    parts, pixels, done = _Parts(survey.areas), grid.height * grid.width, 0
    with closing(survey.pixels.blocks(parts.inside)) as blocks:
        for found in blocks:
            block = found.block if isinstance(found, PixelRead) else found
            own = parts.take(block)
            for part in own:
                weights = part.shares * _relative_areas(grid, block)[part.at[0], None]
                stores[part.number].weight += float(weights.sum())
                stores[part.number].shares += float(part.shares.sum())
            if isinstance(found, PixelRead) and own:
                _take_in(found, own, stores, quantities, grid, seed)
            done += block.height * block.width
            report.progress(done / pixels)
    if not any(store.pixels for store in stores.values()):
        raise EngineError(survey.pixels.why_nothing(parts.inside))
    return stores


def _take_in(
    found: PixelRead,
    parts: Sequence[_Part],
    stores: dict[int, AreaStore],
    quantities: Quantities,
    grid: Grid,
    seed: int,
) -> None:
    """Give the pixels of a block to the areas that they lie in."""
    block = found.block
    is_predicted = np.isfinite(found.location).all(axis=0)
    number = np.full(is_predicted.shape, -1, np.int64)
    number[is_predicted] = np.arange(is_predicted.sum())
    location, scale = found.location[:, is_predicted], found.scale[:, is_predicted]
    if not location.shape[1]:
        return
    expected = quantities.expected(location, scale)
    rows, cols = (
        each.astype(np.int64) + start for each, start in zip(np.nonzero(is_predicted), (block.row, block.col))
    )
    places = np.column_stack(grid.xy(rows, cols)) * metres_of(grid)
    is_applicable = found.is_applicable[is_predicted]
    relative = _relative_areas(grid, block)
    for part in parts:
        own, shares = number[part.at], part.shares * relative[part.at[0], None]
        chosen = (own >= 0) & (shares > 0)
        at: Rows = own[chosen]
        generator = np.random.default_rng([seed, part.number, block.row, block.col])
        pixels = PixelRows(
            weights=shares[chosen],
            rows=rows[at],
            cols=cols[at],
            places=places[at],
            location=location[:, at],
            scale=scale[:, at],
            expected=expected[:, at],
            is_applicable=is_applicable[at],
        )
        stores[part.number].add(pixels, generator)


def _relative_areas(grid: Grid, block: Block) -> Array:
    """Areas (h,) of the pixels of each row, relative to one at the equator where the CRS is in degrees; else 1."""
    if not grid.is_geographic:
        return np.ones(block.height)
    rows = np.arange(block.row, block.row + block.height)
    _, latitude = grid.xy(rows, np.full(len(rows), block.col))
    sizes: Array = np.cos(latitude * 2 * np.pi / grid.full_turn)
    return sizes


def metres_of(grid: Grid) -> Array:
    """Metres on the ground in one unit of x and of y, (2,)."""
    metres: Array = np.array(grid.metres_per_cell()) / np.array(grid.cell_size)
    return metres


def _summary(
    area: Area, store: AreaStore | None, survey: Survey, estimates: tuple[AreaEstimate, ...] | None
) -> AreaSummary:
    has_pixels = store is not None and store.pixels > 0
    return AreaSummary(
        number=area.number,
        hectares=area.hectares,
        mapped=store.predicted / store.weight * store.shares / area.polygon.area if store and store.weight else 0.0,
        applicable=store.applicable / store.predicted if store and has_pixels and survey.pixels.has_index else None,
        observations=survey.in_area[area.number],
        pixels=store.pixels if store else 0,
        side=store.side if store else 0,
        estimates=estimates,
    )


def read_observed(
    trained: TrainedNetwork, patches: str, grid: Grid, report: Report
) -> tuple[Observed | None, tuple[Array, Array] | None]:
    """Where the observations lie, in metres and in columns and rows of the grid, and their scores: from the network
    file, or else their places alone from the patch file.

    Raises:
        EngineError: the patch file is not the one that the network was trained on.
    """
    description = trained.description
    places, scores, crs = None, None, description.grid.crs_wkt
    if trained.errors is not None:
        places, scores = trained.errors.places, trained.errors.scores
    elif patches:
        with PatchFile(patches) as file:
            places, crs = file.coordinates, file.grid.crs_wkt
            if file.count != description.observation_count:
                raise EngineError(
                    tr(
                        "{} holds {} observations, but the network was trained on {}. Choose the patch file"
                        " that it was trained on, or none."
                    ).format(patches, file.count, description.observation_count)
                )
    if places is None:
        report.info(
            tr(
                "The network file does not say where its observations lie. Observations are therefore not"
                " counted in areas, and errors are drawn as if the observed errors had no known mean, so"
                " intervals are wider than necessary. Choose the patch file that the network was trained on"
                " (PATCHES)."
            )
        )
        return None, None
    try:
        x, y = grid.place(places[:, 0], places[:, 1], crs)
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr(
                "The observations cannot be transformed from the CRS of the training to {}, that of the map."
                " Choose covariates in the CRS of the training."
            ).format(grid.crs_name)
        ) from error
    is_there = np.isfinite(x) & np.isfinite(y)
    rows, cols = grid.rows_cols(x, y)
    placed = np.column_stack([x, y])[is_there] * metres_of(grid)
    return Observed(placed, None if scores is None else scores[is_there]), (rows[is_there], cols[is_there])


def count_inside(areas: Sequence[Area], places: tuple[Array, Array] | None) -> tuple[int | None, ...]:
    """The number of observations at rows and columns of the grid in each area; None where places are not known."""
    if places is None:
        return (None,) * len(areas)
    rows, cols = places
    points = shapely.points(cols, rows)
    tree = shapely.STRtree(points)
    return tuple(int(len(tree.query(area.polygon, predicate="intersects"))) for area in areas)
