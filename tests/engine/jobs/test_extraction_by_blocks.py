"""Extraction from rasters of several cells: what is sampled on the way, how files are shared, and how it fails."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.env import get_gdal_config
from rasterio.windows import Window

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.extract_patches import run
from soil_cnn_plugin.engine.machine.memory import Memory
from soil_cnn_plugin.engine.observations import patches as cutting
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters.block_reading import bounded_cache
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.sampling import DOMAIN_POINTS, read_sample
from soil_cnn_plugin.engine.rasters.summaries import read_summaries
from soil_cnn_plugin.engine.report import Report

HEIGHT, WIDTH, CELL = 1100, 1300, 10.0
TILED = {"tiled": True, "blockxsize": 128, "blockysize": 256, "compress": "deflate"}


def write_raster(path: Path, bands: NDArray[Any], shift: float = 0.0, **options: Any) -> str:
    count, height, width = bands.shape
    with rasterio.open(
        path, "w", driver="GTiff", count=count, height=height, width=width, dtype=bands.dtype, crs="EPSG:28992",
        transform=rasterio.Affine(CELL, 0, 1000 + shift, 0, -CELL, 20000 - shift), **{**TILED, **options},
    ) as dataset:  # fmt: skip
        dataset.write(bands)
    return str(path)


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ExtractPatches:
    """Two numbers in one file, classes in strips, and numbers on a grid of their own: more pixels than are sampled."""
    monkeypatch.setattr(cutting, "_BLOCK_BYTES", 3_000_000)
    rng = np.random.default_rng(4)
    numbers = rng.integers(0, 2000, (2, HEIGHT, WIDTH)).astype(np.int16)
    numbers[1, 300:400, :700] = -1
    classes = np.repeat(np.repeat(rng.integers(1, 5, (1, 55, 65)), 20, 1), 20, 2).astype(np.uint8)
    both = write_raster(tmp_path / "both.tif", numbers, nodata=-1, interleave="pixel")
    soil = write_raster(tmp_path / "soil.tif", classes, tiled=False, blockxsize=None, blockysize=11)
    shifted = write_raster(tmp_path / "shifted.tif", numbers[:1].astype(np.float32), shift=4.0)
    xy = np.column_stack([rng.uniform(1000, 1000 + WIDTH * CELL, 400), rng.uniform(20000 - HEIGHT * CELL, 20000, 400)])
    points = geopandas.GeoDataFrame({"ph": rng.uniform(4, 8, 400)}, geometry=geopandas.points_from_xy(*xy.T), crs=28992)
    points.to_file(tmp_path / "points.gpkg")
    return ExtractPatches(
        str(tmp_path / "points.gpkg"),
        (SoilProperty("ph"),),
        (
            Covariate(both, "a", band=1),
            Covariate(soil, "soil", kind="categorical"),
            Covariate(both, "b", band=2),
            Covariate(shifted, "shifted"),
        ),
        str(tmp_path / "patches.h5"),
        patch_size=31,
    )


def test_the_sample_is_the_same_as_when_it_is_read_alone(job: ExtractPatches) -> None:
    run(job, Report(lambda event: None))
    with open_stack(job.covariates, reference_grid(job.covariates[0].path)) as stack, PatchFile(job.patches) as file:
        assert file.covariates == read_summaries(stack)
        np.testing.assert_array_equal(file.domain, read_sample(stack, with_values=False).spread(DOMAIN_POINTS))


def test_patches_of_many_cells_equal_those_cut_from_one_read(job: ExtractPatches) -> None:
    run(job, Report(lambda event: None))
    halo = job.patch_size // 2
    with open_stack(job.covariates, reference_grid(job.covariates[0].path)) as stack, PatchFile(job.patches) as file:
        values = stack.read(next(stack.grid.blocks(HEIGHT + WIDTH)).with_halo(halo))
        assert file.count > 300
        for (row, col), patch in zip(file.rows_cols, file.read(0, file.count)):
            np.testing.assert_array_equal(patch, values[:, row : row + 2 * halo + 1, col : col + 2 * halo + 1])


def test_a_file_of_several_covariates_is_opened_once(job: ExtractPatches) -> None:
    with open_stack(job.covariates, reference_grid(job.covariates[0].path)) as stack:
        assert stack.rasters[0].dataset is stack.rasters[2].dataset
        assert len({id(raster.dataset) for raster in stack.rasters}) == 3


def spoil(path: str) -> None:
    """Overwrite the last tiles; the first ones and all headers stay readable."""
    with open(path, "r+b") as file:
        file.seek(-20_000, os.SEEK_END)
        file.write(b"\x00" * 20_000)


@pytest.mark.parametrize(("number", "cores"), [(0, 1), (0, 4), (3, 4)])
def test_a_covariate_that_ends_half_way_is_named_and_nothing_is_left(
    job: ExtractPatches, monkeypatch: pytest.MonkeyPatch, number: int, cores: int
) -> None:
    for module in ("rasters.block_reading", "rasters.covariates", "observations.patch_file"):
        monkeypatch.setattr(f"soil_cnn_plugin.engine.{module}.usable_cores", lambda: cores)
    path = job.covariates[number].path
    spoil(path)
    with rasterio.open(path) as dataset:
        dataset.read(1, window=Window(0, 0, WIDTH, 256))
    before = sorted(os.listdir(Path(job.patches).parent))
    with pytest.raises(EngineError, match="cannot be read to its end: .* Copy or export it again") as caught:
        run(job, Report(lambda event: None))
    assert str(caught.value).startswith(path)
    assert sorted(os.listdir(Path(job.patches).parent)) == before
    assert not [each for each in threading.enumerate() if each.name.startswith(("read", "compress"))]


@pytest.mark.parametrize(("free", "expected"), [(None, 384 * 2**20), (2**40, 384 * 2**20), (2**30, 2**28)])
def test_unpacked_blocks_take_a_bounded_part_of_the_memory(
    monkeypatch: pytest.MonkeyPatch, free: int | None, expected: int
) -> None:
    monkeypatch.setattr("soil_cnn_plugin.engine.rasters.block_reading.read_memory", lambda: Memory(None, free))
    with bounded_cache(1):
        assert get_gdal_config("GDAL_CACHEMAX") == expected
