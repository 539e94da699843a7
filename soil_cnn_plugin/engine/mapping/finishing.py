"""From a predicted block to what the map's rasters hold of it, in the targets' units; also on workers of a cluster."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.class_maps import class_values
from soil_cnn_plugin.engine.mapping.exceedance_maps import ExceedanceMap, plan_exceedance_map
from soil_cnn_plugin.engine.mapping.in_units import of_targets
from soil_cnn_plugin.engine.mapping.one_block import PredictedBlock
from soil_cnn_plugin.engine.mapping.ranges import Seen
from soil_cnn_plugin.engine.mapping.texture_maps import TextureMap, plan_texture_map
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training.dissimilarity import BlockIndex
from soil_cnn_plugin.engine.training.network_file import NetworkDescription, TrainedNetwork


@dataclass(frozen=True)
class FinishedBlock:
    """`values` are (bands, h, w) of each output, NaN where there is nothing; so many of the block's pixels are
    `predicted`, and of these `applicable`."""

    block: Block
    values: dict[str, Singles]
    seen: Seen
    predicted: int
    applicable: int


@dataclass(frozen=True)
class Finisher:
    """`wanted` are the outputs' names; `textures` and `exceedance` are made of the distributions, where wanted."""

    description: NetworkDescription
    wanted: frozenset[str]
    index: BlockIndex | None
    textures: TextureMap | None
    exceedance: ExceedanceMap | None

    def finish(self, block: PredictedBlock) -> FinishedBlock:
        values = self._of_classes(block) if self.description.classes else self._of_numbers(block)
        applicable = 0
        if block.dissimilarity is not None and self.index:
            values["dissimilarity"] = block.dissimilarity[None]
            applicable = int((block.dissimilarity <= self.index.threshold).sum())
        stored = {name: array.astype(np.float32) for name, array in values.items()}
        return FinishedBlock(block.block, stored, block.seen, int(np.isfinite(block.location[0]).sum()), applicable)

    def _of_classes(self, block: PredictedBlock) -> dict[str, Array]:
        return class_values(self.description, block.location, set(self.wanted))

    def _of_numbers(self, block: PredictedBlock) -> dict[str, Array]:
        tail = (1 - self.description.coverage) / 2
        limits = {name: level for name, level in (("lower", tail), ("upper", 1 - tail)) if name in self.wanted}
        described = of_targets(  # (T, numbers, h, w)
            self.description,
            block.location,
            block.scale,
            lambda outcome, *place: outcome.describe(*place, list(limits.values())).swapaxes(0, 1),
        )
        names = ("prediction", "standard_deviation", *limits)
        values = {name: described[:, index] for index, name in enumerate(names) if name in self.wanted}
        if self.textures:
            values["texture_classes"] = self.textures.classes(described[:, 0])
        if self.exceedance:
            values["exceedance_probability"] = self.exceedance.probabilities(block.location, block.scale)
        return values


def plan_finish(job: PredictMap, description: NetworkDescription, index: BlockIndex | None, report: Report) -> Finisher:
    """Raises EngineError when an output is wanted that the network's targets cannot give."""
    textures, exceedance = plan_texture_map(job, description, report), plan_exceedance_map(job, description)
    return Finisher(description, frozenset(job.output_paths()), index, textures, exceedance)


def choose_index(job: PredictMap, trained: TrainedNetwork, device: torch.device) -> BlockIndex | None:
    """What measures the dissimilarity that is asked for; None where none is."""
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
