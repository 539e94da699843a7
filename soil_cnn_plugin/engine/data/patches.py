"""Cutting patches around observations: each part of the covariates that is needed is read once, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from .covariates import CovariateStack
from .grid import Block
from .observations import Observations

Floats = NDArray[np.float32]

_BLOCK_BYTES = 64_000_000
_BATCH_BYTES = 32_000_000


def cut_patches(
    stack: CovariateStack, observations: Observations, patch_size: int
) -> Iterator[tuple[Observations, Floats]]:
    """Observations, sorted by place, with their patches (n, C, P, P), a few megabytes at a time.

    The observation lies in a patch's middle pixel. NaN where a covariate has no data and beyond its border.
    """
    halo, covariates = patch_size // 2, len(stack.covariates)
    side = max(16, math.isqrt(_BLOCK_BYTES // (4 * covariates)) - 2 * halo)
    most = max(1, _BATCH_BYTES // (4 * covariates * patch_size**2))
    for near in _by_block(observations, side):
        block = _around(near)
        values = stack.read(block.with_halo(halo))
        windows = sliding_window_view(values, (patch_size, patch_size), axis=(1, 2))  # -> (C, height, width, P, P)
        for start in range(0, len(near), most):
            some = near.take(np.arange(start, min(start + most, len(near))))
            patches = windows[:, some.rows - block.row, some.cols - block.col]  # (C, ...) -> (C, n, P, P)
            yield some, np.ascontiguousarray(patches.swapaxes(0, 1))  # -> (n, C, P, P)


def missing_share(patches: Floats) -> NDArray[np.float64]:
    """(N, C, P, P) -> (N,): the share of a patch's values that is missing."""
    return np.asarray(np.isnan(patches).mean(axis=(1, 2, 3)))


def missing_at_centre(patches: Floats) -> NDArray[np.bool_]:
    """(N, C, P, P) -> (N, C): True where the observation's own pixel has no data."""
    middle = patches.shape[2] // 2
    return np.asarray(np.isnan(patches[:, :, middle, middle]))


def _by_block(observations: Observations, side: int) -> Iterator[Observations]:
    """Groups whose pixels share a square of `side` pixels, row by row of squares."""
    down, across = observations.rows // side, observations.cols // side
    order = np.lexsort((observations.cols, observations.rows, across, down))
    changes = np.flatnonzero(np.diff(down[order]) | np.diff(across[order])) + 1
    for index in np.split(order, changes):
        if index.size:
            yield observations.take(index)


def _around(observations: Observations) -> Block:
    rows, cols = observations.rows, observations.cols
    top, left = int(rows.min()), int(cols.min())
    return Block(top, left, int(rows.max()) - top + 1, int(cols.max()) - left + 1)
