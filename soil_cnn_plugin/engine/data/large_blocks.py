"""Rasters that are stored in very large blocks, such as one strip for the whole image."""

from __future__ import annotations

import numpy as np
import rasterio

from soil_cnn_plugin.engine.data.block_reading import cache_bytes
from soil_cnn_plugin.engine.data.covariates import CovariateStack, several
from soil_cnn_plugin.engine.memory import gibibytes

_FEW = 8  # files: of more, each has its share of what GDAL keeps


def doubt_large_blocks(stack: CovariateStack) -> str:
    """A warning where blocks are so large that GDAL cannot keep those of all files: it holds the whole of each while it
    unpacks it, and does so again for each block of the map. Empty where none is."""
    files = {raster.covariate.path: raster.dataset for raster in stack.rasters}
    sizes = {path: _block_bytes(dataset) for path, dataset in files.items()}
    share = cache_bytes() // max(_FEW, len(files))
    large = sorted((path for path in files if sizes[path] > share), key=lambda path: -sizes[path])
    if not large:
        return ""
    height, width = files[large[0]].block_shapes[0]
    return (
        f"{several(large)} stored in blocks of up to {height} x {width} pixels, each of which has to be unpacked as a"
        f" whole ({gibibytes(sizes[large[0]])}), and again for each part of the map, as only {gibibytes(share)} a file"
        " stay unpacked: that takes time and memory. Save such rasters in tiles (in QGIS: Raster > Conversion >"
        " Translate, with the creation option TILED=YES) and use the results."
    )


def _block_bytes(dataset: rasterio.DatasetReader) -> int:
    """Of a block, unpacked; where bands are interleaved by pixel, all of them are unpacked together."""
    together = dataset.count if dataset.profile.get("interleave") == "pixel" else 1
    (height, width), dtype = dataset.block_shapes[0], dataset.dtypes[0]
    return int(height * width * np.dtype(dtype).itemsize * together)
