"""Cutting patches: the same numbers as cutting each one by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.observations import patches as module
from soil_cnn_plugin.engine.observations.patches import Observations, cut_patches, missing_at_centre, missing_share
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster

Write = Callable[..., str]
RNG = np.random.default_rng(11)


def observations_at(rows: list[int], cols: list[int]) -> Observations:
    numbers = np.arange(len(rows))
    values, none = np.zeros((len(rows), 1)), np.zeros((len(rows), 1), np.bool_)
    places = np.zeros((len(rows), 2))
    return Observations(
        values, none, values, values[:, 0] + 1, places, np.array(rows), np.array(cols), numbers, numbers
    )


@pytest.mark.parametrize(("block_bytes", "batch_bytes"), [(64_000_000, 32_000_000), (10_000, 5_000)])
def test_patches_equal_those_cut_one_by_one(
    write_raster: Write, monkeypatch: pytest.MonkeyPatch, block_bytes: int, batch_bytes: int
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", block_bytes)
    monkeypatch.setattr(module, "_BATCH_BYTES", batch_bytes)
    values = RNG.normal(size=(2, 60, 70)).astype(np.float32)
    values[0, 20:25] = -9999
    path = write_raster("a b.tif", values, nodata=-9999)
    covariates = [Covariate(path, "a", band=1), Covariate(path, "b", band=2)]
    rows = [0, 59, 22, 30, 30, *RNG.integers(0, 60, 100).tolist()]
    cols = [0, 69, 40, 30, 30, *RNG.integers(0, 70, 100).tolist()]
    padded = np.pad(np.where(values == -9999, np.nan, values), ((0, 0), (4, 4), (4, 4)), constant_values=np.nan)
    seen = []
    with open_stack(covariates, reference_grid(path)) as stack:
        for some, cut in cut_patches(stack, observations_at(rows, cols), 9):
            assert cut.shape == (len(some), 2, 9, 9) and cut.dtype == np.float32
            for number, patch in zip(some.ids, cut):
                row, col = rows[number], cols[number]
                np.testing.assert_array_equal(patch, padded[:, row : row + 9, col : col + 9])
            seen.extend(some.ids.tolist())
    assert sorted(seen) == list(range(105))


@pytest.mark.parametrize(("count", "patch_size"), [(3, 15), (40, 1), (40, 31), (2000, 15), (300, 101)])
@pytest.mark.parametrize("stored", [{}, {"tiled": True, "blockxsize": 64, "blockysize": 32}, {"blockysize": 7}])
def test_no_pixel_is_read_twice_and_none_far_from_observations(
    write_raster: Write, monkeypatch: pytest.MonkeyPatch, count: int, patch_size: int, stored: dict[str, Any]
) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 40_000)
    values, halo = RNG.normal(size=(300, 400)).astype(np.float32), patch_size // 2
    path = write_raster("a.tif", values, **stored)
    rows, cols = RNG.integers(0, 300, count), RNG.integers(0, 400, count)
    padded = np.pad(values, halo, constant_values=np.nan)
    times = np.zeros(padded.shape, int)
    read = CovariateRaster.read

    def count_pixels(raster: CovariateRaster, block: Block, out: NDArray[np.float32]) -> None:
        times[Block(block.row + halo, block.col + halo, block.height, block.width).slices] += 1
        read(raster, block, out)

    monkeypatch.setattr(CovariateRaster, "read", count_pixels)
    seen = 0
    with open_stack([Covariate(path, "a")], reference_grid(path)) as stack:
        for some, cut in cut_patches(stack, observations_at(rows.tolist(), cols.tolist()), patch_size):
            for number, patch in zip(some.ids, cut):
                row, col = rows[number], cols[number]
                np.testing.assert_array_equal(patch[0], padded[row : row + patch_size, col : col + patch_size])
            seen += len(some)
    assert seen == count
    needed = np.zeros(padded.shape, bool)
    for row, col in zip(rows, cols):
        needed[row : row + patch_size, col : col + patch_size] = True
    assert times.max() == 1
    assert (times[needed] == 1).all()
    if count == 3:
        assert times.sum() < 3 * 128 * 128


def test_missing_pixels_are_counted() -> None:
    patches = np.zeros((2, 2, 3, 3), np.float32)
    patches[0, 1, 1, 1] = np.nan
    patches[1, 0] = np.nan
    assert missing_share(patches).tolist() == [pytest.approx(1 / 18), 0.5]
    assert missing_at_centre(patches).tolist() == [[False, True], [True, False]]
