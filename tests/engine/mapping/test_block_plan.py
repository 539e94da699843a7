"""Blocks of a size that fits into memory, in an order that unpacks rasters once."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.machine.memory import Memory
from soil_cnn_plugin.engine.mapping import blocks as block_plan
from soil_cnn_plugin.engine.mapping.blocks import (
    BLOCK_SIZES,
    block_shape,
    bounded_block_size,
    choose_block_size,
    order_blocks,
)
from soil_cnn_plugin.engine.rasters import covariates, raster
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.rasters.raster import CovariateRaster
from tests.engine.landscape import SIDE, make_landscape, random_network, write_raster

CPU = torch.device("cpu")


def unwarped(stored: Block) -> SimpleNamespace:
    """A raster on the map's own grid, in so far as its blocks decide those of the map."""
    return SimpleNamespace(stored=stored, itemsize=4, resampling=None, kept_width=lambda height: np.inf)


def test_block_size_is_chosen_from_memory_within_bounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)
    large = landscape.grid.with_cell_size(0.05)
    sizes = []
    for free in (2**10, 2**28, 2**30, 2**31, 2**40, None):
        monkeypatch.setattr(block_plan, "read_memory", lambda free=free: Memory(free, free))
        sizes.append(choose_block_size(trained, large, CPU))
    assert set(sizes) <= set(BLOCK_SIZES) and sizes[:-1] == sorted(sizes[:-1])
    assert sizes[0] == 32 and sizes[2] > 32 and sizes[4] == sizes[5] > sizes[2]
    assert choose_block_size(trained, landscape.grid, CPU) == SIDE


def test_a_block_size_that_does_not_fit_into_memory_is_made_smaller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)
    large = landscape.grid.with_cell_size(0.05)
    monkeypatch.setattr(block_plan, "read_memory", lambda: Memory(2**34, 2**34))
    assert bounded_block_size(8192, trained, large, CPU) == choose_block_size(trained, large, CPU) <= 512
    assert bounded_block_size(48, trained, large, CPU) == 48


def test_blocks_of_wide_rows_are_so_flat_that_the_rows_around_them_stay_unpacked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = unwarped(Block(0, 0, 1, 24_000))
    stack = SimpleNamespace(grid=SimpleNamespace(height=200, width=24_000), rasters=[stored] * 60)
    monkeypatch.setattr(block_plan, "cache_bytes", lambda: 384 * 2**20)
    assert block_shape(stack, 128, 15)[0] < 128  # type: ignore[arg-type]
    seen = np.zeros((200, 24_000), np.uint8)
    for block in order_blocks(stack, 128, 15):  # type: ignore[arg-type]
        seen[block.slices] += 1
        around = block.with_halo(15)
        assert around.height * 24_000 * 4 * 60 <= 300 * 2**20 and around.height * around.width <= 158**2
    assert (seen == 1).all()


def test_blocks_of_tiles_that_stay_unpacked_across_the_map_are_square(monkeypatch: pytest.MonkeyPatch) -> None:
    stack = SimpleNamespace(
        grid=SimpleNamespace(height=20_000, width=20_000), rasters=[unwarped(Block(0, 0, 256, 256))] * 4
    )
    monkeypatch.setattr(block_plan, "cache_bytes", lambda: 384 * 2**20)
    assert block_shape(stack, 512, 7) == (512, 512)  # type: ignore[arg-type]
    assert len(list(order_blocks(stack, 512, 7))) == 40 * 40  # type: ignore[arg-type]


def test_threads_share_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    landscape = make_landscape(tmp_path)
    large = landscape.grid.with_cell_size(0.05)
    monkeypatch.setattr(block_plan, "read_memory", lambda: Memory(2**32, 2**32))
    trained = random_network(landscape)
    sizes = {}
    for threads in (1, 12):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        sizes[threads] = choose_block_size(trained, large, CPU)
    assert sizes[12] < sizes[1]


@pytest.mark.parametrize(
    ("tile", "cache", "strip"),
    [
        (Block(0, 0, 4, 4), 4 * 3 * 16 * 100, 96),  # 8 + 2 x 4 rows of 100 pixels fit: 96 in whole blocks
        (Block(0, 0, 4, 4), 4 * 3 * 16 * 10, 1000),  # less than four blocks: row by row
        (Block(0, 0, 1, 1000), 4 * 3 * 10 * 100, 1000),  # stored row by row
    ],
)
def test_each_pixel_lies_in_one_block_of_strips_that_the_cache_holds(
    tile: Block, cache: int, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(block_plan, "cache_bytes", lambda: cache)
    stored = unwarped(tile)
    stack = SimpleNamespace(grid=SimpleNamespace(height=30, width=1000), rasters=[stored] * 3)
    blocks = list(order_blocks(stack, 8, 2))  # type: ignore[arg-type]
    seen = np.zeros((30, 1000), int)
    for block in blocks:
        seen[block.slices] += 1
    assert (seen == 1).all()
    strips = [block.col // strip for block in blocks]
    assert strips == sorted(strips) and max(strips) == (1000 - 1) // strip
    for number in set(strips):
        own = [(block.row, block.col) for block, of in zip(blocks, strips) if of == number]
        assert own == sorted(own)


def test_a_small_map_comes_row_by_row(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    with open_stack(landscape.covariates, replace(landscape.grid)) as stack:
        assert list(order_blocks(stack, 16, 3)) == list(stack.grid.blocks(16))


def test_of_many_rasters_on_other_grids_a_tile_is_warped_once_for_neighbouring_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster, "_TILE", 16)
    monkeypatch.setattr(covariates, "_CACHE_BYTES", 3 * 30 * 4 * 16**2)  # 30 tiles a raster, of 25 side by side
    own = write_raster(tmp_path / "own.tif", np.zeros((80, 400)))
    path = write_raster(
        tmp_path / "warped.tif", np.random.default_rng(0).normal(size=(90, 410)), corner=(995.0, 2007.0)
    )
    stack_of = [Covariate(own, "own")] + [Covariate(path, f"warped {number}") for number in range(3)]
    warps: Counter[tuple[str, Block]] = Counter()
    warp = CovariateRaster._warp

    def counted(self: CovariateRaster, place: Block) -> np.ndarray:  # type: ignore[type-arg]
        warps[self.covariate.name, place] += 1
        return warp(self, place)

    monkeypatch.setattr(CovariateRaster, "_warp", counted)
    with open_stack(stack_of, reference_grid(own)) as stack:
        for block in order_blocks(stack, 16, 3):
            stack.read(block.with_halo(3))
    assert len(warps) >= 3 * 5 * 25
    assert warps.total() <= 1.3 * len(warps)  # once more where two strips meet
