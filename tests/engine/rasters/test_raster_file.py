"""Maps as Cloud Optimized GeoTIFF: layout, statistics, names, and nothing half-written."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.shutil

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.raster_file import NODATA, RasterFile

GRID = Grid(pyproj.CRS.from_epsg(28992).to_wkt(), (10, 0, 1000, 0, -10, 2000), 700, 650)


def values() -> np.ndarray:
    field = np.random.default_rng(0).normal(100, 20, (2, 700, 650))
    field[:, :50, 300:400] = np.nan
    field[1, 600] = np.nan
    return field


def write(path: Path, field: np.ndarray, grid: Grid = GRID, size: int = 256) -> None:
    bands = ["clay 0-5 cm (%)", "pH"]
    with RasterFile(str(path), grid, bands, ["%", ""], {"NETWORK": "n.safetensors"}) as file:
        for block in grid.blocks(size):
            file.write(block, field[(slice(None), *block.slices)])
        file.finish()


def test_a_map_is_a_cloud_optimized_geotiff(tmp_path: Path) -> None:
    path, field = tmp_path / "Karte 1.tif", values()
    write(path, field)
    with rasterio.open(path) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.block_shapes == [(512, 512)] * 2 and dataset.overviews(1) == [2] == dataset.overviews(2)
        assert dataset.compression.name == "deflate" and dataset.dtypes == ("float32", "float32")
        assert dataset.nodata == NODATA and dataset.crs.to_epsg() == 28992
        assert dataset.descriptions == ("clay 0-5 cm (%)", "pH") and dataset.units == ("%", None)
        assert dataset.transform[:6] == GRID.transform and dataset.tags()["NETWORK"] == "n.safetensors"
        found = dataset.read(masked=True)
        np.testing.assert_allclose(found.filled(np.nan), field, rtol=1e-6)
        for band in (1, 2):
            tags = {name: float(value) for name, value in dataset.tags(band).items()}
            assert tags["STATISTICS_MINIMUM"] == pytest.approx(np.nanmin(field[band - 1]))
            assert tags["STATISTICS_MAXIMUM"] == pytest.approx(np.nanmax(field[band - 1]))
            assert tags["STATISTICS_MEAN"] == pytest.approx(np.nanmean(field[band - 1]))
            assert tags["STATISTICS_STDDEV"] == pytest.approx(np.nanstd(field[band - 1]))
        overview = dataset.read(1, out_shape=(350, 325), masked=True)
        assert overview.min() > 20 and overview.mask.any()  # nodata is not averaged in
    assert [each.name for each in tmp_path.iterdir()] == ["Karte 1.tif"]


def test_directories_of_the_file_come_before_its_data_and_overviews_first(tmp_path: Path) -> None:
    """What a reader over the network relies on: GDAL's layout says so in the file's first bytes."""
    path = tmp_path / "map.tif"
    write(path, values())
    ghost = path.read_bytes()[:400]
    assert b"LAYOUT=IFDS_BEFORE_DATA" in ghost and b"BLOCK_LEADER=SIZE_AS_UINT4" in ghost


def test_blocks_of_any_size_and_order_give_one_file_content(tmp_path: Path) -> None:
    field = values()
    write(tmp_path / "a.tif", field, size=700)
    write(tmp_path / "b.tif", field, size=117)
    with rasterio.open(tmp_path / "a.tif") as a, rasterio.open(tmp_path / "b.tif") as b:
        np.testing.assert_array_equal(a.read(), b.read())
        for band in (1, 2):
            for name, value in a.tags(band).items():
                assert float(value) == pytest.approx(float(b.tags(band)[name]), rel=1e-8)


def test_a_map_that_is_not_finished_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    path.write_bytes(b"the map of last year")
    with pytest.raises(RuntimeError):
        with RasterFile(str(path), GRID, ["a", "b"], ["", ""], {}) as file:
            file.write(Block(0, 0, 700, 650), values())
            raise RuntimeError("stopped")
    assert [each.name for each in tmp_path.iterdir()] == ["map.tif"]
    assert path.read_bytes() == b"the map of last year"
    write(path, values())
    with rasterio.open(path) as dataset:
        assert dataset.count == 2


def test_bands_without_any_value_have_no_statistics(tmp_path: Path) -> None:
    field = values()
    field[1] = np.nan
    write(tmp_path / "map.tif", field)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.tags(1) and not dataset.tags(2)
        assert dataset.read(2, masked=True).mask.all()


def test_a_map_of_one_pixel_is_a_map(tmp_path: Path) -> None:
    grid = Grid(GRID.crs_wkt, GRID.transform, 1, 1)
    write(tmp_path / "map.tif", np.array([[[3.0]], [[7.0]]]), grid)
    with rasterio.open(tmp_path / "map.tif") as dataset:
        assert dataset.read().ravel().tolist() == [3, 7]
        assert float(dataset.tags(1)["STATISTICS_STDDEV"]) == 0


@pytest.mark.parametrize("share", [0.3, 0.9, 0.999])
def test_a_copy_without_its_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float) -> None:
    """As GDAL leaves it, without a word, on a disk that gets full."""
    copy = rasterio.shutil.copy

    def copy_some(source: str, target: str, **options: object) -> None:
        copy(source, target, **options)
        os.truncate(target, int(share * os.path.getsize(target)))

    monkeypatch.setattr(rasterio.shutil, "copy", copy_some)
    with pytest.raises(EngineError, match=r"map\.tif could not be written to its end; .* left\. Free some space"):
        write(tmp_path / "map.tif", values())
    assert list(tmp_path.iterdir()) == []


def test_a_map_of_more_pixels_than_a_file_can_hold_is_told(tmp_path: Path) -> None:
    grid = Grid(GRID.crs_wkt, GRID.transform, 10**9, 10**9)
    with pytest.raises(EngineError, match="map.tif cannot be made: .* 1,000,000,000 x 1,000,000,000 pixels"):
        RasterFile(str(tmp_path / "map.tif"), grid, ["clay"], ["%"], {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("is_made_again", [True, False])
def test_a_folder_that_somebody_removed_meanwhile_is_told(tmp_path: Path, is_made_again: bool) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    path = str(folder / "map.tif")
    with RasterFile(path, GRID, ["zinc"], ["mg/kg"], {}) as file:
        file.write(Block(0, 0, 64, 64), np.ones((1, 64, 64)))
        shutil.rmtree(folder)
        if is_made_again:
            folder.mkdir()
        with pytest.raises(EngineError, match=r"map\.tif could not be finished: .*\.part.* was removed meanwhile"):
            file.finish()
    assert not folder.exists() or not list(folder.iterdir())


def test_tiles_without_any_value_take_no_room(tmp_path: Path) -> None:
    path = tmp_path / "map.tif"
    large = replace(GRID, height=8192, width=8192)
    with RasterFile(str(path), large, ["zinc"], ["mg/kg"], {}) as file:
        file.write(Block(4096, 4096, 2, 2), np.array([[[1.0, 2], [3, 4]]]))
        file.finish()
    assert path.stat().st_size < 30_000
    with rasterio.open(path) as dataset:
        assert dataset.read(1, masked=True)[4095:4099, 4095:4099].compressed().tolist() == [1, 2, 3, 4]
        assert dataset.overviews(1) and dataset.read_masks(1).astype(bool).sum() == 4


def test_gaps_beside_flat_blocks_stay_gaps_in_all_bands_when_tiles_leave_memory(tmp_path: Path) -> None:
    path, grid, rng = str(tmp_path / "map.tif"), replace(GRID, height=1000, width=1000), np.random.default_rng(0)
    expected = np.full((3, 1000, 1000), np.nan)
    with rasterio.Env(GDAL_CACHEMAX=1_000_000), RasterFile(path, grid, ["a", "b", "c"], [""] * 3, {}) as file:
        for block in (Block(row, 0, 20, 1000) for row in range(0, 1000, 20)):
            if rng.random() < 0.5:
                expected[:, *block.slices] = rng.normal(5, 1, (3, 20, 1000)).astype(np.float32)
                file.write(block, expected[:, *block.slices])
        file.finish()
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(masked=True).filled(np.nan), expected)
