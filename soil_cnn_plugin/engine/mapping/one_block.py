"""Dense prediction of one block: on a GPU beside other blocks, and in parts where its memory is too small."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags, Singles
from soil_cnn_plugin.engine.errors import GpuFull
from soil_cnn_plugin.engine.machine.gpu import bring, forget_freed, own_stream
from soil_cnn_plugin.engine.machine.memory import is_memory_of_gpu
from soil_cnn_plugin.engine.mapping.ranges import Seen, look
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.training.dissimilarity import BlockIndex
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork

_SMALLEST = 32  # pixels: a side this short is not halved


@dataclass(frozen=True)
class PredictedBlock:
    """A predicted block. `location` and `scale` (T, h, w) are NaN where a covariate is missing, and outside the area.
    `seen` describes the covariates there, and counts the pixels that are missing because training did not know their
    class codes. `dissimilarity` (h, w) is the index there, if it is asked for; `near_beyond` counts the pixels that lie
    beyond the range of a covariate, but near enough to be applicable without that."""

    block: Block
    location: Array
    scale: Array
    seen: Seen
    dissimilarity: Array | None = None
    near_beyond: int = 0


@dataclass
class BlockPredictor:
    """A predictor of single blocks. `index` measures the dissimilarity of the same pixels, if it is asked for. Networks
    compute in `dtype`. `tell` gets a sentence when the GPU lacks memory and blocks are predicted in parts."""

    trained: TrainedNetwork
    grid: Grid
    device: torch.device
    index: BlockIndex | None = None
    dtype: torch.dtype = torch.float32
    tell: Callable[[str], None] = field(default=lambda sentence: None)
    _most_pixels: int | None = None  # of a part that fits into memory

    def predict(self, block: Block, raw: Singles, valid: Flags) -> PredictedBlock:
        """Predict a block from its covariates (C, h + 2 halo, w + 2 halo) and the pixels (h, w) to predict.

        Raises:
            GpuFull: the GPU has no room even for the smallest block.
        """
        pixels = block.height * block.width
        if self._most_pixels is None or pixels <= self._most_pixels:
            try:
                return self._at_once(block, raw, valid, self.dtype)
            except RuntimeError as error:
                if not is_memory_of_gpu(error):
                    raise
                if max(block.height, block.width) <= _SMALLEST:
                    raise GpuFull(
                        tr(
                            "The GPU has no room even for blocks of {} x {} pixels: {}. Close other programs"
                            " that use it, or set the device to cpu."
                        ).format(
                            block.height, block.width, textwrap.shorten(str(error), 200, placeholder=" ...").rstrip(".")
                        )
                    ) from error
            # This stands outside `except`, which would keep what the failed computation holds.
            self._halve(block)
        return _joined(block, [self.predict(*part) for part in self._halves(block, raw, valid)])

    def _at_once(self, block: Block, raw: Singles, valid: Flags, dtype: torch.dtype) -> PredictedBlock:
        halo = self.trained.predictor.halo
        index = self.index.for_one_block() if self.index else None
        centre = raw[:, halo : halo + block.height, halo : halo + block.width].copy()
        centre[:, ~valid] = np.nan
        with own_stream(self.device):
            channels, known = encode_block(self.trained, self.grid, block, raw, valid, self.device)
            watches = index.watches if index else ()
            location, scale = self.trained.predictor.predict_block(channels, known, watches, dtype)
            if dtype != torch.float32 and not np.isfinite([location[:, known], scale[:, known]]).all():
                # Numbers here are too large for half precision, which was tried elsewhere in the map.
                return self._at_once(block, raw, valid, torch.float32)
            seen_by_networks = channels.location if self.trained.encoder.shows_location else None
            dissimilarity, near = index.take(centre, seen_by_networks, known) if index else (None, 0)
        seen = look(self.trained.description.covariates, centre)
        return PredictedBlock(block, location, scale, seen, dissimilarity, near)

    def _halve(self, block: Block) -> None:
        forget_freed(self.device)
        pixels = block.height * block.width // 2 + max(block.height, block.width)
        if self._most_pixels is None or pixels < self._most_pixels:
            self._most_pixels = pixels
            self.tell(
                tr(
                    "The GPU's memory is too small for blocks of {} x {} pixels: they are predicted in halves."
                    " Another program may use it, too."
                ).format(block.height, block.width)
            )

    def _halves(self, block: Block, raw: Singles, valid: Flags) -> Iterator[tuple[Block, Singles, Flags]]:
        margin = 2 * self.trained.predictor.halo
        if block.height >= block.width:
            middle = block.height // 2
            yield Block(block.row, block.col, middle, block.width), raw[:, : middle + margin], valid[:middle]
            rest = Block(block.row + middle, block.col, block.height - middle, block.width)
            yield rest, raw[:, middle:], valid[middle:]
        else:
            middle = block.width // 2
            yield Block(block.row, block.col, block.height, middle), raw[..., : middle + margin], valid[:, :middle]
            rest = Block(block.row, block.col + middle, block.height, block.width - middle)
            yield rest, raw[..., middle:], valid[:, middle:]


def encode_block(
    trained: TrainedNetwork, grid: Grid, block: Block, raw: Singles, valid: Flags, device: torch.device
) -> tuple[Channels, Flags]:
    """Encode the channels with their halo, and find the pixels to predict. A class that training did not know makes its
    own pixel unpredictable, as missing data does."""
    halo = trained.predictor.halo
    with torch.inference_mode():
        values = bring(torch.from_numpy(np.ascontiguousarray(raw)[None]), device)
        channels = trained.encoder(values, _coordinates(trained, grid, block))
        own = channels.known[0, :, halo : halo + block.height, halo : halo + block.width]
        return channels, valid & (own > 0).all(0).cpu().numpy()


def _coordinates(trained: TrainedNetwork, grid: Grid, block: Block) -> torch.Tensor | None:
    """Return x, y of the block's pixels in the CRS of the training, (1, 2, h, w), or None where the location is no
    input."""
    if trained.encoder.location is None:
        return None
    rows, cols = np.mgrid[block.row : block.row + block.height, block.col : block.col + block.width]
    return torch.from_numpy(np.stack(grid.xy(rows, cols, trained.description.grid.crs_wkt))[None])


def _joined(block: Block, parts: list[PredictedBlock]) -> PredictedBlock:
    axis = 1 if parts[0].block.width == block.width else 2
    location, scale = (np.concatenate(each, axis) for each in zip(*((part.location, part.scale) for part in parts)))
    seen = sum((part.seen for part in parts[1:]), parts[0].seen)
    dissimilarity = [part.dissimilarity for part in parts if part.dissimilarity is not None]
    joined = np.concatenate(dissimilarity, axis - 1) if dissimilarity else None
    return PredictedBlock(block, location, scale, seen, joined, sum(part.near_beyond for part in parts))
