"""Observations and pixels: those that share one, and those moved to the nearest pixel with data."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.arrays import Array, Flags, Rows
from soil_cnn_plugin.engine.observations.notes import Notes
from soil_cnn_plugin.engine.observations.patches import Observations
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid

_BLOCK = 256


def tell_duplicates(found: Observations, is_class: Flags, is_averaged: bool, notes: Notes) -> None:
    """Report how many observations share a pixel; `is_class` (T,) marks the targets that are classes."""
    _, counts = np.unique(np.column_stack([found.rows, found.cols]), axis=0, return_counts=True)
    several = counts[counts > 1]
    if not len(several):
        return
    text = tr("{} observations share their pixel with another one.").format(several.sum())
    if is_averaged:
        what = tr("the mean and the most frequent class")
        if is_class.all() or not is_class.any():
            what = tr("the most frequent class") if is_class.all() else tr("the mean")
        notes.facts.append(
            tr("{} Each pixel counts as one observation with {} of its own: {} become {}.").format(
                text, what, len(found), len(counts)
            )
        )
    else:
        notes.facts.append(tr("{} They are kept, and no fold tears them apart.").format(text))


def average_duplicates(found: Observations, is_class: Flags) -> Observations:
    """Return one observation for each pixel, at the mean place, with the id and site of the pixel's first one.

    Numbers are averaged, with values below a detection limit as half of it; where all are below, the mean limit stays a
    limit. The most frequent class is taken; of equally frequent ones, the first in the list.
    """
    pixels = np.column_stack([found.rows, found.cols])
    _, first, inverse = np.unique(pixels, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.reshape(-1)
    values, is_censored = found.values, found.is_censored
    all_below = _mean(np.where(np.isfinite(values), is_censored.astype(float), np.nan), inverse) == 1
    halved = _mean(np.where(is_censored, values / 2, values), inverse)
    new_values, new_censored = np.where(all_below, _mean(values, inverse), halved), all_below
    for target in np.flatnonzero(is_class):
        new_values[:, target] = _most_frequent(values[:, target], inverse)
    known = np.isfinite(values).astype(float)
    number = np.maximum(_total(known, inverse), 1)
    merged = found.take(first)
    order = np.argsort(first)  # the order in which the observations came
    return type(found)(
        values=new_values,
        is_censored=new_censored,
        errors=np.sqrt(_total(np.where(known > 0, found.errors, 0.0) ** 2, inverse)) / number,
        weights=_mean(found.weights[:, None], inverse)[:, 0],
        coordinates=_mean(found.coordinates, inverse),
        rows=merged.rows,
        cols=merged.cols,
        sites=merged.sites,
        ids=merged.ids,
    ).take(order)


def _most_frequent(values: Array, pixel: Rows) -> Array:
    """Return each pixel's most frequent class from those (N,) of its observations; NaN where none is known."""
    known = np.isfinite(values)
    numbers = values[known].astype(np.int64)
    counts = np.zeros((pixel.max() + 1, numbers.max(initial=0) + 1), np.int64)
    np.add.at(counts, (pixel[known], numbers), 1)
    return np.where(counts.any(axis=1), counts.argmax(axis=1), np.nan)


def _total(values: Array, pixel: Rows) -> Array:
    total: Array = np.column_stack([np.bincount(pixel, weights=column) for column in values.T])
    return total


def _mean(values: Array, pixel: Rows) -> Array:
    """Return the means (pixels, T) of the known values (N, T); NaN where none is known."""
    known = np.isfinite(values)
    total, count = _total(np.where(known, values, 0.0), pixel), _total(known.astype(float), pixel)
    with np.errstate(invalid="ignore"):
        mean: Array = total / count
    return mean


def snap_to_data(found: Observations, stack: CovariateStack, cells: int, notes: Notes) -> Observations:
    """Move observations whose pixel lacks data of a covariate to the nearest pixel with data of all covariates.

    It lies within `cells` rows and columns. Observations that find none stay, as do all others. Coordinates are not
    changed.
    """
    rows, cols = found.rows.copy(), found.cols.copy()
    metres, lost = [], 0
    across = stack.grid.width // _BLOCK + 1
    numbers = (rows // _BLOCK) * across + cols // _BLOCK
    order = np.argsort(numbers, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1):
        if not some.size:
            continue
        top, left = int(rows[some].min()), int(cols[some].min())
        block = Block(top, left, int(rows[some].max()) - top + 1, int(cols[some].max()) - left + 1).with_halo(cells)
        has_data = np.isfinite(stack.read(block)).all(axis=0) & _in_grid(block, stack.grid)
        for number in some.tolist():
            row, col = int(found.rows[number]) - block.row, int(found.cols[number]) - block.col
            if has_data[row, col]:
                continue
            window = Block(row - cells, col - cells, 2 * cells + 1, 2 * cells + 1)
            near = np.argwhere(has_data[window.slices]) + (window.row + block.row, window.col + block.col)
            if not len(near):
                lost += 1
                continue
            away = _metres(near, found, number, stack.grid)
            rows[number], cols[number] = near[away.argmin()]
            metres.append(float(away.min()))
    _tell(metres, lost, cells, notes)
    return replace(found, rows=rows, cols=cols)


def _in_grid(block: Block, grid: Grid) -> Flags:
    """Return (height, width) True where the block's pixels belong to the grid."""
    rows, cols = np.arange(block.height) + block.row, np.arange(block.width) + block.col
    return np.asarray(((rows >= 0) & (rows < grid.height))[:, None] & ((cols >= 0) & (cols < grid.width)))


def _metres(pixels: Rows, found: Observations, number: int, grid: Grid) -> np.ndarray:
    """Return the metres (n,) from an observation to the middles of pixels (n, 2)."""
    own = grid.at(Block(int(found.rows[number]), int(found.cols[number]), 1, 1))
    east, north = own.metres_per_cell()
    x, y = found.coordinates[number]
    row, col = grid.rows_cols(x, y)
    return np.hypot((pixels[:, 0] + 0.5 - row) * north, (pixels[:, 1] + 0.5 - col) * east)


def _tell(metres: list[float], lost: int, cells: int, notes: Notes) -> None:
    if not metres and not lost:
        return
    within = tr_n("within {} cell", "within {} cells", cells).format(cells)
    if metres:
        away = tr("{:.3g} m") if len(metres) == 1 else tr("{:.3g} to {:.3g} m")
        notes.doubts.append(
            tr(
                "{} observations lie in pixels without data, and the patch is cut around the nearest pixel with"
                " data {}: its middle is {} away (median {:.3g} m)."
            ).format(len(metres), within, away.format(min(metres), max(metres)), np.median(metres))
        )
    if lost:
        notes.doubts.append(
            tr("{} observations lie in pixels without data and have none with data {}.").format(lost, within)
        )
