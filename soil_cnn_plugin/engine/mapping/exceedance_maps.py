"""Maps of the probability that a soil property exceeds a threshold, such as a legal limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from soil_cnn_plugin.contract.jobs import JobError, PredictMap, Threshold, pair_thresholds
from soil_cnn_plugin.engine.arrays import Array
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.in_units import outcome_of
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.raster_file import RasterFile
from soil_cnn_plugin.engine.training.network_file import NetworkDescription


@dataclass(frozen=True)
class ExceedanceMap:
    """One band a threshold and target: `pairs` name the target by its number."""

    description: NetworkDescription
    pairs: tuple[tuple[int, Threshold], ...]

    def probabilities(self, location: Array, scale: Array) -> Array:
        """(bands, h, w) from the learned columns (R, h, w)."""
        return np.stack([self._of(target, threshold, location, scale) for target, threshold in self.pairs])

    def _of(self, target: int, threshold: Threshold, location: Array, scale: Array) -> Array:
        outcome, number, own = outcome_of(self.description, target)
        above = outcome.probability_above(location[own], scale[own], number, threshold.value)
        return above if threshold.is_above else 1 - above

    def open(self, path: str, grid: Grid, tags: Mapping[str, str]) -> RasterFile:
        targets = self.description.targets
        bands = [f"{threshold.words(targets[target])}, probability" for target, threshold in self.pairs]
        return RasterFile(path, grid, bands, [""] * len(bands), tags)


def plan_exceedance_map(job: PredictMap, description: NetworkDescription) -> ExceedanceMap | None:
    """None where no probabilities are wanted.

    Raises:
        EngineError: a threshold names no target of the network.
    """
    if not job.exceedance:
        return None
    try:
        return ExceedanceMap(description, pair_thresholds(job.exceedance, description.targets))
    except JobError as error:
        raise EngineError(f"{job.network}: {error}") from error
