"""Rasters and grids that the tests of the engine's data make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

RasterWriter = Callable[..., str]


@pytest.fixture
def write_raster(tmp_path: Path) -> RasterWriter:
    """write_raster(name, (H, W) or (C, H, W) array, transform=..., crs=..., nodata=..., scale=..., offset=...)."""

    def write(
        name: str,
        values: NDArray[Any],
        transform: tuple[float, ...] = (10.0, 0.0, 1000.0, 0.0, -10.0, 2000.0),
        crs: str | None = "EPSG:28992",
        scale: float | None = None,
        offset: float | None = None,
        mask: NDArray[Any] | None = None,
        **options: Any,
    ) -> str:
        path = tmp_path / name
        bands = values if values.ndim == 3 else values[np.newaxis]
        count, height, width = bands.shape
        with rasterio.open(
            path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype,
            crs=crs, transform=rasterio.Affine(*transform), **options,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
            if scale is not None:
                dataset.scales, dataset.offsets = (scale,) * count, (offset or 0.0,) * count
            if mask is not None:
                dataset.write_mask(mask)
        return str(path)

    return write
