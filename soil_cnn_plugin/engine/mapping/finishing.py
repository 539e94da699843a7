"""The step from a predicted block to the values that the map's rasters hold, in the targets' units. It also runs on the
workers of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.arrays import Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.layers import MapLayers
from soil_cnn_plugin.engine.mapping.one_block import PredictedBlock
from soil_cnn_plugin.engine.mapping.ranges import Seen
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.training.dissimilarity import BlockIndex
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork


@dataclass(frozen=True)
class FinishedBlock:
    """A block to be written: `values` are (bands, h, w) of each output, NaN where there is nothing. `predicted` is the
    number of the block's pixels with a prediction, and `applicable` the number of those that are applicable."""

    block: Block
    values: dict[str, Singles]
    seen: Seen
    predicted: int
    applicable: int


@dataclass(frozen=True)
class Finisher:
    """The step that turns a predicted block into the values of the map's `layers`."""

    layers: MapLayers
    index: BlockIndex | None

    def finish(self, block: PredictedBlock) -> FinishedBlock:
        values = self.layers.values(block.location, block.scale)
        applicable = 0
        if block.dissimilarity is not None and self.index:
            values["dissimilarity"] = block.dissimilarity[None]
            applicable = int((block.dissimilarity <= self.index.threshold).sum())
        stored = {name: array.astype(np.float32) for name, array in values.items()}
        return FinishedBlock(block.block, stored, block.seen, int(np.isfinite(block.location[0]).sum()), applicable)


def choose_index(job: PredictMap, trained: TrainedNetwork, device: torch.device) -> BlockIndex | None:
    """Return what measures the dissimilarity that the job asks for, or None where it asks for none."""
    if not job.dissimilarity:
        return None
    for space in trained.spaces:
        if space.words.space == job.dissimilarity_space:
            return BlockIndex(space, trained.encoder, device)
    raise EngineError(
        f"{job.network} does not tell how dissimilar a pixel is from its observations ({job.dissimilarity_space}):"
        " it was written by an older version, or its observations have too few folds or the same covariates everywhere."
        " Train the network again, or leave DISSIMILARITY empty."
    )
