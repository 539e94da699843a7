"""Dense prediction of a whole map: blocks with their halo are read ahead, predicted side by side, given in order."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from soil_cnn_plugin.engine.data.covariates import CovariateStack
from soil_cnn_plugin.engine.data.grid import Block, Grid
from soil_cnn_plugin.engine.mapping.ahead import alone, work_ahead
from soil_cnn_plugin.engine.mapping.block_plan import in_order
from soil_cnn_plugin.engine.networks.dissimilarity import BlockIndex
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.networks.half_precision import Sample
from soil_cnn_plugin.engine.networks.network_file import TrainedNetwork

Array = NDArray[np.float64]
Read = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""The covariates (C, h + 2 halo, w + 2 halo) of a block, and the pixels (h, w) to predict."""

_SAMPLE = 128  # pixels a side
_PLACES = ((0.5, 0.5), (0.25, 0.25), (0.75, 0.75), (0.25, 0.75), (0.75, 0.25), (0.1, 0.5), (0.9, 0.5))
"""Of a sample, from top and left, in parts of the map."""


@dataclass(frozen=True)
class PredictedBlock:
    """`location` and `scale` (T, h, w), NaN where a covariate is missing or outside the area; `raw` (C, h, w) are the
    covariates there, NaN likewise, but with the class codes that training did not know and that count as missing;
    `dissimilarity` (h, w) is the index there, where it is asked for."""

    block: Block
    location: Array
    scale: Array
    raw: NDArray[np.float32]
    dissimilarity: Array | None = None


def predict_blocks(
    trained: TrainedNetwork,
    stack: CovariateStack,
    size: int,
    device: torch.device,
    inside: Callable[[Block], NDArray[np.bool_]] | None = None,
    index: BlockIndex | None = None,
    dtype: torch.dtype = torch.float32,
) -> Generator[PredictedBlock | Block, None, None]:
    """Yields every block of the stack's grid: predicted, or the bare Block where no pixel is to be predicted.

    `inside` tells (h, w) which pixels of a block lie in the area; the covariates around it are still seen. `index`
    measures the dissimilarity of the same pixels. Networks compute in `dtype`.
    """

    def read(block: Block) -> tuple[Block, Read | None]:
        return block, read_block(stack, block, trained.predictor.halo, inside)

    def predict(found: tuple[Block, Read | None]) -> PredictedBlock | Block:
        block, values = found
        return block if values is None else predict_one(trained, stack.grid, block, *values, device, index, dtype)

    # On a processor a thread predicts a block by itself: threads that share one operation wait for each other.
    cores = torch.get_num_threads()
    threads = cores if device.type == "cpu" else 1
    coming = work_ahead(read, in_order(stack, size), 1)
    with closing(work_ahead(alone(predict) if threads > 1 else predict, coming, threads)) as predicted:
        try:
            yield from predicted
        finally:
            torch.set_num_threads(cores)


def predict_one(
    trained: TrainedNetwork,
    grid: Grid,
    block: Block,
    raw: NDArray[np.float32],
    valid: NDArray[np.bool_],
    device: torch.device,
    index: BlockIndex | None = None,
    dtype: torch.dtype = torch.float32,
) -> PredictedBlock:
    """One block, from what `read_block` gives."""
    halo = trained.predictor.halo
    index = index.for_one_block() if index else None
    channels, known = _encode(trained, grid, block, raw, valid, device)
    location, scale = trained.predictor.predict_block(channels, known, index.watches if index else (), dtype)
    dissimilarity = index.take(channels, halo, known) if index else None
    centre = raw[:, halo : halo + block.height, halo : halo + block.width].copy()
    centre[:, ~valid] = np.nan
    return PredictedBlock(block, location, scale, centre, dissimilarity)


def read_sample(
    trained: TrainedNetwork,
    stack: CovariateStack,
    device: torch.device,
    inside: Callable[[Block], NDArray[np.bool_]] | None = None,
) -> Sample | None:
    """A small block of the map in which many pixels can be predicted; None where there is none at a few places."""
    grid, best = stack.grid, None
    for down, across in _PLACES:
        height, width = min(_SAMPLE, grid.height), min(_SAMPLE, grid.width)
        block = Block(int(down * (grid.height - height)), int(across * (grid.width - width)), height, width)
        read = read_block(stack, block, trained.predictor.halo, inside)
        if read is None:
            continue
        sample = Sample(*_encode(trained, grid, block, *read, device))
        if best is None or sample.wanted.sum() > best.wanted.sum():
            best = sample
        if best.wanted.mean() > 0.5:
            break
    return best if best is not None and best.wanted.any() else None


def _encode(
    trained: TrainedNetwork,
    grid: Grid,
    block: Block,
    raw: NDArray[np.float32],
    valid: NDArray[np.bool_],
    device: torch.device,
) -> tuple[Channels, NDArray[np.bool_]]:
    """The channels with halo, and the pixels to predict: a class that training did not know makes its own pixel
    unpredictable, like missing data."""
    halo = trained.predictor.halo
    with torch.inference_mode():
        channels = trained.encoder(torch.from_numpy(raw[None]).to(device), _coordinates(trained, grid, block))
        own = channels.known[0, :, halo : halo + block.height, halo : halo + block.width]
        return channels, valid & (own > 0).all(0).cpu().numpy()


def _coordinates(trained: TrainedNetwork, grid: Grid, block: Block) -> torch.Tensor | None:
    """x, y of the block's pixels in the CRS of the training: (1, 2, h, w); None where the location is no input."""
    if trained.encoder.location is None:
        return None
    rows, cols = np.mgrid[block.row : block.row + block.height, block.col : block.col + block.width]
    return torch.from_numpy(np.stack(grid.xy(rows, cols, trained.description.grid.crs_wkt))[None])


def read_block(
    stack: CovariateStack, block: Block, halo: int, inside: Callable[[Block], NDArray[np.bool_]] | None
) -> Read | None:
    """The covariates with halo and the pixels to predict, or None when there are none: outside the area nothing is
    read at all."""
    area = np.ones((block.height, block.width), np.bool_) if inside is None else inside(block)
    if not area.any():
        return None
    raw = stack.read(block.with_halo(halo))
    centre = raw[:, halo : halo + block.height, halo : halo + block.width]
    valid = area & np.isfinite(centre).all(0)
    return (raw, valid) if valid.any() else None
