"""Cutting patches: the same numbers as cutting each one by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.data import patches as module
from soil_cnn_plugin.engine.data.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.data.observations import Observations
from soil_cnn_plugin.engine.data.patches import cut_patches, missing_at_centre, missing_share

Write = Callable[..., str]
RNG = np.random.default_rng(11)


def observations_at(rows: list[int], cols: list[int]) -> Observations:
    numbers = np.arange(len(rows))
    return Observations(
        np.zeros((len(rows), 1)), np.zeros((len(rows), 2)), np.array(rows), np.array(cols), numbers, numbers
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


def test_each_part_of_the_covariates_is_read_once(write_raster: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_raster("a.tif", RNG.normal(size=(300, 300)).astype(np.float32))
    reads = []
    with open_stack([Covariate(path, "a")], reference_grid(path)) as stack:
        read = stack.read
        monkeypatch.setattr(stack, "read", lambda block: (reads.append(block), read(block))[1])
        index = RNG.integers(0, 300, (2, 500)).tolist()
        assert sum(len(some) for some, _ in cut_patches(stack, observations_at(*index), 31)) == 500
    assert len(reads) == 1


def test_missing_pixels_are_counted() -> None:
    patches = np.zeros((2, 2, 3, 3), np.float32)
    patches[0, 1, 1, 1] = np.nan
    patches[1, 0] = np.nan
    assert missing_share(patches).tolist() == [pytest.approx(1 / 18), 0.5]
    assert missing_at_centre(patches).tolist() == [[False, True], [True, False]]
