"""Observations on the covariates: their pixels, those outside or without data, and where all covariates have data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyproj

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.contract.language import some_of, tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.places import Places
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block, Grid, bounds_in_words

_CELLS, _COARSE_CELLS = 64, 24
"""Cells along the grid's longer side, in which it is told where covariates have data; fewer for large grids."""
_READ_WHOLE = 1_000_000  # pixels
_SAMPLED = 16  # pixels along a side of the part that is read of each cell of a large grid
_BLOCK = 512


@dataclass(frozen=True)
class Cells:
    """Squares of the grid with the share of their pixels, 0 to 1, where all covariates have data, (M,) each."""

    row: Array
    col: Array
    height: Array
    width: Array
    share: Array


@dataclass(frozen=True)
class Coverage:
    """Where observations lie on the covariates.

    `pixels` (N,) are the numbers of the pixels that hold the observations, -1 outside. `without_data` are the
    covariates that lack data, each with the number of observations there. `cells` are those with data.
    """

    grid: Grid
    pixels: Rows
    inside: int
    outside: int
    blind: int
    without_data: tuple[tuple[str, int], ...]
    cells: Cells


def check_coverage(places: Places, covariates: Sequence[Covariate]) -> tuple[Coverage, list[Finding]]:
    """Check where observations lie on the covariates.

    Raises:
        EngineError: a raster cannot be read or lies beside the first one, or the points cannot be brought to its CRS.
    """
    grid = reference_grid(covariates[0].path)
    xy = _on_grid(places, grid)
    known = np.flatnonzero(places.is_placed)
    inside = known[grid.contains(*xy[known].T)]
    rows, cols = grid.pixels(*xy[inside].T)
    pixels = np.full(len(xy), -1, np.int64)
    pixels[inside] = rows * grid.width + cols
    with open_stack(covariates, grid) as stack:
        gaps = _gaps(stack, rows, cols)
        cells = _cells(stack)
    blind = gaps.any(axis=1)
    names = [covariate.name for covariate in covariates]
    counts = sorted(zip(names, gaps.sum(axis=0).tolist()), key=lambda item: -item[1])
    outside = np.setdiff1d(known, inside)
    found = _outside(outside, known, xy, grid) if outside.size else []
    if blind.any():
        found.append(_without_data(inside[blind], gaps[blind], names, len(xy)))
    without = tuple((name, count) for name, count in counts if count)
    return Coverage(grid, pixels, len(inside), len(outside), int(blind.sum()), without, cells), found


def _on_grid(places: Places, grid: Grid) -> Array:
    try:
        moved = np.column_stack(grid.place(places.xy[:, 0], places.xy[:, 1], places.crs.to_wkt()))
    except pyproj.exceptions.ProjError as error:
        raise EngineError(
            tr(
                "The observations cannot be transformed from {} to {}, the CRS of the covariates. Set the"
                " layer's CRS and run again."
            ).format(places.crs.name, grid.crs_name)
        ) from error
    return np.where(np.isfinite(moved), moved, np.nan)


def _gaps(stack: CovariateStack, rows: Rows, cols: Rows) -> Flags:
    """Return (n, C) True where the pixel has no data; only blocks that hold observations are read."""
    gaps = np.zeros((len(rows), len(stack.covariates)), np.bool_)
    blocks = (rows // _BLOCK) * (stack.grid.width // _BLOCK + 1) + cols // _BLOCK
    order = np.argsort(blocks, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(blocks[order])) + 1):
        if some.size:
            top, left = int(rows[some].min()), int(cols[some].min())
            block = Block(top, left, int(rows[some].max()) - top + 1, int(cols[some].max()) - left + 1)
            gaps[some] = np.isnan(stack.read(block)[:, rows[some] - top, cols[some] - left]).T
    return gaps


def _cells(stack: CovariateStack) -> Cells:
    found = [
        (cell.row, cell.col, cell.height, cell.width, np.isfinite(stack.read(sample)).all(axis=0).mean())
        for cell, sample in _samples(stack.grid)
    ]
    cells = np.array(found, np.float64)
    return Cells(*cells[cells[:, 4] > 0].T)


def _samples(grid: Grid) -> Iterator[tuple[Block, Block]]:
    """Yield cells, each with the part of it that is read: all of it unless the grid is large."""
    is_small = grid.height * grid.width <= _READ_WHOLE
    size = math.ceil(max(grid.height, grid.width) / (_CELLS if is_small else _COARSE_CELLS))
    for cell in grid.blocks(size):
        if is_small or size <= _SAMPLED:
            yield cell, cell
        else:
            height, width = min(_SAMPLED, cell.height), min(_SAMPLED, cell.width)
            row, col = cell.row + (cell.height - height) // 2, cell.col + (cell.width - width) // 2
            yield cell, Block(row, col, height, width)


def _outside(outside: Rows, known: Rows, xy: Array, grid: Grid) -> list[Finding]:
    distance = _beyond(xy[outside], grid)
    sentence = tr_n(
        "{} of {} observations lies outside the covariates.",
        "{} of {} observations lie outside the covariates.",
        len(outside),
    ).format(len(outside), len(xy))
    remedy = tr("Extract patches drops them. Choose covariates that reach farther if these places matter to the map.")
    if len(outside) == len(known):
        here = xy[outside][np.isfinite(xy[outside]).all(axis=1)]
        reach = (
            bounds_in_words((*here.min(axis=0).tolist(), *here.max(axis=0).tolist()))
            if len(here)
            else tr("no place there")
        )
        sentence = tr(
            "All {} observations lie outside the covariates: they reach over {}, the covariates over {} ({})."
        ).format(len(outside), reach, bounds_in_words(grid.bounds), grid.crs_name)
        remedy = tr("Check the CRS of the layer and of the covariates: one of them is probably another.")
    texts = [
        tr("The observation lies outside the covariates{}.").format(_how_far(each, grid)) for each in distance.tolist()
    ]
    return [Finding("outside_covariates", "", sentence, remedy, outside, texts, [f"{each:.6g}" for each in distance])]


def _beyond(xy: Array, grid: Grid) -> Array:
    """Return the distance (N,) from the grid's rectangle in CRS units."""
    west, south, east, north = grid.bounds
    across = np.maximum(np.maximum(west - xy[:, 0], xy[:, 0] - east), 0)
    along = np.maximum(np.maximum(south - xy[:, 1], xy[:, 1] - north), 0)
    distance: Array = np.hypot(across, along)
    return distance


def _how_far(distance: float, grid: Grid) -> str:
    if grid.unit != "metre" or not math.isfinite(distance) or distance == 0:
        return ""
    return (
        tr(", {:.1f} km away").format(distance / 1000) if distance >= 1000 else tr(", {:.0f} m away").format(distance)
    )


def _without_data(rows: Rows, gaps: Flags, names: Sequence[str], total: int) -> Finding:
    texts = []
    for gap in gaps:
        missing = [name for name, is_missing in zip(names, gap) if is_missing]
        texts.append(tr("all covariates") if len(missing) == len(names) > 1 else some_of(missing, 8))
    counts = sorted(zip(names, gaps.sum(axis=0).tolist()), key=lambda item: -item[1])
    words = some_of([tr("{} at {}").format(name, count) for name, count in counts if count], 6)
    sentence = tr_n(
        "{} of {} observations lies in a pixel where covariates have no data: {}.",
        "{} of {} observations lie in pixels where covariates have no data: {}.",
        len(rows),
    ).format(len(rows), total, words)
    remedy = tr(
        "Extract patches drops them. Fill the gaps (Fill NoData), or leave out a covariate that is missing at many."
    )
    sentences = [tr("The pixel has no data of {}.").format(text) for text in texts]
    return Finding("no_covariate_data", "", sentence, remedy, rows, sentences, texts)
