"""Why no pixel of a map could be predicted: which rasters are empty there."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.data.covariates import CovariateStack, several
from soil_cnn_plugin.engine.data.grid import Block
from soil_cnn_plugin.engine.data.raster import CovariateRaster

_SIDE = 512  # pixels of what is looked at together


def why_nothing(stack: CovariateStack, inside: Callable[[Block], NDArray[np.bool_]] | None) -> str:
    """A sentence; reads rasters once more, each until its first pixel with data. `inside` tells (h, w) which pixels of
    a block lie in the area."""
    empty = list(stack.rasters)
    for block in stack.grid.blocks(_SIDE):
        area = np.ones((block.height, block.width), np.bool_) if inside is None else inside(block)
        if area.any():
            empty = [raster for raster in empty if not _has_data(raster, block, area)]
    if not empty or len(empty) == len(stack.rasters) > 1:
        return (
            "No pixel of the map can be predicted: everywhere a covariate is missing or has an unknown class code, or"
            " the area or extent lies elsewhere. Check the covariates' nodata values and that they overlap."
        )
    names = [f"{raster.covariate.path}, band {raster.covariate.band}," for raster in empty]
    return (
        f"No pixel of the map can be predicted: {several(names)} without data in the map's whole area. Check the"
        " nodata value and where there is data, or choose another area, extent or raster."
    )


def _has_data(raster: CovariateRaster, block: Block, area: NDArray[np.bool_]) -> bool:
    values = np.empty((block.height, block.width), np.float32)
    raster.read(block, values)
    return bool(np.isfinite(values[area]).any())
