"""The map of contributions: what each covariate adds to the prediction of a pixel, one band per covariate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from soil_cnn_plugin.contract.jobs import ExplainNetwork
from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Rows, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.attribution import Attribution, choose_background
from soil_cnn_plugin.engine.explaining.contribution_scale import ContributionScale
from soil_cnn_plugin.engine.explaining.explanation import AttributionSummary
from soil_cnn_plugin.engine.explaining.known_observations import KnownObservations
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.machine.threads import run_side_by_side
from soil_cnn_plugin.engine.mapping.matching import place_map
from soil_cnn_plugin.engine.rasters.covariates import CovariateStack, open_stack
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.targets.groups import own_columns
from soil_cnn_plugin.engine.targets.kinds import Explained
from soil_cnn_plugin.engine.training.network_description import NetworkDescription
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

MOST_PIXELS = 10_000
"""The most pixels of a map that are explained. In a larger map every second, third, ... pixel is taken in each
direction."""
BACKGROUND = 24
"""The number of observations that each pixel is compared with."""
_SIDE = 16  # pixels of the explained map that are read at once
_PIXELS_TOGETHER = 32  # whose contributions one task computes


def check_class(job: ExplainNetwork, description: NetworkDescription, target: int) -> None:
    """Check that the class whose odds are to be attributed is one of the target's.

    Raises:
        EngineError: it is none of them, or the target has no classes.
    """
    field = description.targets[target].field
    names = description.words.classes.get(field, ())
    if job.target_class and not names:
        raise EngineError(
            tr(
                "The class {!r} is chosen for the contributions, but {} learned {} as a number. Leave CLASS"
                " empty, or choose the field of the classes as TARGET."
            ).format(job.target_class, job.network, field)
        )
    if job.target_class and job.target_class not in names:
        raise EngineError(
            tr(
                "{} has no class {!r}. Its classes are: {}. Write one of them, or leave CLASS empty for the"
                " most common one."
            ).format(field, job.target_class, ", ".join(names))
        )


def explain_map(
    job: ExplainNetwork, trained: TrainedNetwork, known: KnownObservations, target: int, report: Report
) -> AttributionSummary:
    """Write the raster of contributions to the prediction of one target, on the scale that it was learned on, or to the
    odds of one class."""
    description = trained.description
    covariates, grid = place_map(job, description, report)
    step = max(1, math.ceil(math.sqrt(grid.height * grid.width / MOST_PIXELS)))
    if step > 1:
        report.info(
            tr(
                "The map has {} pixels; one in {} x {} is explained. For all pixels of a part of it choose an extent."
            ).format(grid.height * grid.width, step, step)
        )
    coarse = _coarsen(grid, step)
    class_name = _class_name(job, description, known, target, report)
    explained, own = explained_target(description, target, class_name)
    location, _ = trained.predictor.predict(known.views.inputs, known.views.context)
    background = choose_background(explained.value(location[:, own]), BACKGROUND)
    attribution = Attribution(trained, known.views.take(background), explained, own)
    scale = ContributionScale(explained.transform, description.targets[target], class_name)
    report.info(tr("Contributions of covariates to {}. {}").format(scale.subject, scale.meaning))
    bands = [scale.band(name) for name in attribution.players]
    tags = {
        "CONTENT": "attribution",
        "BASE_VALUE": f"{attribution.base:.9g}",
        "SCALE": scale.transform,
        "MEANING": scale.meaning,
        **({"CLASS": class_name} if class_name else {}),
    }
    maps = np.full((len(bands), coarse.height, coarse.width), np.nan)
    with (
        open_stack(covariates, grid) as stack,
        RasterFile(job.attribution, coarse, bands, [scale.unit] * len(bands), tags) as file,
    ):
        for block in coarse.blocks(_SIDE):
            values = _contributions(trained, attribution, stack, block, step)
            file.write(block, values)
            maps[(slice(None), *block.slices)] = values
            done = block.row * coarse.width + (block.col + block.width) * block.height
            report.progress(done / (coarse.height * coarse.width))
        is_known = np.isfinite(maps[0])
        if not is_known.any():
            raise EngineError(
                tr(
                    "No pixel of the map can be explained: everywhere a covariate is missing, or the extent"
                    " lies elsewhere. Check the covariates and the extent."
                )
            )
        stack.check_unchanged()
        file.finish()
    magnitude = np.abs(maps[:, is_known]).mean(1)
    return AttributionSummary(scale, magnitude, maps, step, int(is_known.sum()), attribution.base)


def _class_name(
    job: ExplainNetwork, description: NetworkDescription, known: KnownObservations, target: int, report: Report
) -> str:
    """Return the class that is asked for, or else the most common one; empty where the target has no classes."""
    names = description.words.classes.get(description.targets[target].field, ())
    if job.target_class or not names:
        return job.target_class
    values = known.values[np.isfinite(known.values[:, target]), target].astype(np.int64)
    counts = np.bincount(values, minlength=len(names))
    name = names[int(counts.argmax())]
    report.info(
        tr("No class is chosen for the contributions: that of most observations is, {} ({}).").format(
            name, counts.max()
        )
    )
    return name


def explained_target(description: NetworkDescription, target: int, class_name: str) -> tuple[Explained, slice]:
    """Return a target on the scale that contributions have, and the learned columns that it is a function of."""
    own = own_columns([outcome.scaled for outcome in description.outcomes])
    for kind, outcome, at in zip(description.kinds, description.outcomes, own):
        if target in kind.targets:
            return outcome.explained(kind.targets.index(target), class_name), at
    raise ValueError(f"there is no target {target}")


def _coarsen(grid: Grid, step: int) -> Grid:
    """Return a grid from the same corner whose cells are `step` times as large."""
    a, b, c, d, e, f = grid.transform
    transform = (a * step, b * step, c, d * step, e * step, f)
    return Grid(grid.crs_wkt, transform, math.ceil(grid.height / step), math.ceil(grid.width / step))


def _contributions(
    trained: TrainedNetwork, attribution: Attribution, stack: CovariateStack, block: Block, step: int
) -> Array:
    """Return the contributions (players, h, w) to a block of the coarse grid, standardized, and NaN where a covariate
    is missing."""
    result = np.full((len(attribution.players), block.height, block.width), np.nan)
    lines = list(_lines(trained, stack, block, step))
    if not lines:
        return result
    rows, cols, patches, places = (np.concatenate(parts) for parts in zip(*lines))
    channels = encode(trained, patches, places)
    middle = trained.description.patch_size // 2
    # A class that training did not know makes its own pixel unpredictable, as missing data does.
    known = np.flatnonzero((channels.known[:, :, middle, middle] > 0).all(1).cpu().numpy())
    if len(known):
        views = see(trained, channels)
        pieces = [known[start : start + _PIXELS_TOGETHER] for start in range(0, len(known), _PIXELS_TOGETHER)]
        tasks = [partial(attribution.contributions, views.take(piece)) for piece in pieces]
        found = np.concatenate(run_side_by_side(tasks, channels.values.device))
        result[:, rows[known], cols[known]] = found.T
    return result


def _lines(
    trained: TrainedNetwork, stack: CovariateStack, block: Block, step: int
) -> Iterator[tuple[Rows, Rows, Singles, Array]]:
    """Yield, row by row of the block, the rows and columns in the block, the patches and the coordinates of the pixels
    that have data. They are the pixels in the middle of the coarse ones."""
    size = trained.description.patch_size
    grid = stack.grid
    cols = np.minimum(np.arange(block.col, block.col + block.width) * step + step // 2, grid.width - 1)
    for number in range(block.height):
        row = min((block.row + number) * step + step // 2, grid.height - 1)
        line = Block(row, int(cols[0]), 1, int(cols[-1] - cols[0]) + 1)
        raw = stack.read(line.with_halo(size // 2))
        windows = sliding_window_view(raw, (size, size), axis=(1, 2))[:, 0, cols - cols[0]]  # -> (C, w, P, P)
        patches = np.ascontiguousarray(windows.swapaxes(0, 1))
        valid = np.flatnonzero(np.isfinite(patches[:, :, size // 2, size // 2]).all(1))
        if len(valid):
            x, y = grid.xy(np.full(len(valid), row), cols[valid], trained.description.grid.crs_wkt)
            yield np.full(len(valid), number), valid, patches[valid], np.column_stack([x, y])
