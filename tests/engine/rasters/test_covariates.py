"""Covariate stacks: alignment against rasterio, missing values, summaries, and what users' rasters get wrong."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import rasterio.warp
from numpy.typing import NDArray
from rasterio.enums import Resampling

from soil_cnn_plugin.contract.decode import decode
from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary, read_summaries

Write = Callable[..., str]
RNG = np.random.default_rng(7)


def read_all(covariate: Covariate, grid: Grid) -> NDArray[np.float32]:
    with open_stack([covariate], grid) as stack:
        return stack.read(Block(0, 0, grid.height, grid.width))[0]


def smooth(height: int, width: int) -> NDArray[np.float32]:
    rows, cols = np.mgrid[0:height, 0:width]
    return (np.sin(rows / 5) + np.cos(cols / 7) + 0.01 * rows).astype(np.float32)


def test_raster_on_the_grid_is_read_as_it_is(write_raster: Write) -> None:
    values = RNG.integers(0, 200, (12, 15)).astype(np.int16)
    path = write_raster("höhe über NN.tif", values)
    grid = reference_grid(path)
    assert (grid.height, grid.width, grid.crs_name) == (12, 15, "EPSG:28992")
    assert read_all(Covariate(path, "h"), grid).tolist() == values.tolist()


def test_block_beyond_the_raster_is_nan_there(write_raster: Write) -> None:
    values = RNG.normal(size=(6, 5)).astype(np.float32)
    path = write_raster("a.tif", values)
    with open_stack([Covariate(path, "a")], reference_grid(path)) as stack:
        block = stack.read(Block(-2, 3, 10, 4))
        far = stack.read(Block(100, 100, 3, 3))
    expected = np.pad(values, 4, constant_values=np.nan)[2:12, 7:11]
    np.testing.assert_array_equal(block[0], expected)
    assert np.isnan(far).all()


def test_larger_raster_goes_on_beyond_the_grid(write_raster: Write) -> None:
    values = RNG.normal(size=(9, 9)).astype(np.float32)
    path = write_raster("a.tif", values)
    grid = reference_grid(path).at(Block(3, 4, 2, 2))
    with open_stack([Covariate(path, "a")], grid) as stack:
        np.testing.assert_array_equal(stack.read(Block(-1, -1, 4, 4))[0], values[2:6, 3:7])


def test_missing_values_of_every_kind_become_nan(write_raster: Write) -> None:
    values = np.array([[1, -9999, np.nan], [np.inf, -np.inf, 5], [7, 8, 9]], np.float32)
    path = write_raster("a.tif", values, nodata=-9999)
    grid = reference_grid(path)
    expected = np.array([[1, np.nan, np.nan], [np.nan, np.nan, 5], [7, 8, 9]])
    np.testing.assert_array_equal(read_all(Covariate(path, "a"), grid), expected)
    as_data = read_all(Covariate(path, "a", use_file_nodata=False), grid)
    assert as_data[0, 1] == -9999 and np.isnan(as_data[0, 2])
    ranged = read_all(Covariate(path, "a", nodata=((8.0, 9.0), (1.0, 1.0))), grid)
    np.testing.assert_array_equal(ranged, [[np.nan] * 3, [np.nan, np.nan, 5], [7, np.nan, np.nan]])


def test_user_ranges_are_of_scaled_values_and_float_rounding_does_not_matter(write_raster: Write) -> None:
    path = write_raster("a.tif", np.array([[1, 2], [3, 4]], np.uint16), scale=0.1, offset=5.0)
    grid = reference_grid(path)
    np.testing.assert_allclose(read_all(Covariate(path, "a"), grid), [[5.1, 5.2], [5.3, 5.4]], rtol=1e-6)
    ranged = read_all(Covariate(path, "a", nodata=((5.15, 5.35),)), grid)
    assert np.isnan(ranged).tolist() == [[False, True], [True, False]]
    floats = write_raster("b.tif", np.array([[0.1, 0.2]], np.float32))
    ranged = read_all(Covariate(floats, "b", nodata=((0.1, 0.1),)), reference_grid(floats))
    assert np.isnan(ranged).tolist() == [[True, False]]


def test_mask_band_and_alpha_are_missing_too(write_raster: Write) -> None:
    keep = np.array([[255, 0], [255, 255]], np.uint8)
    masked = write_raster("masked.tif", np.ones((2, 2), np.uint8), mask=keep)
    missing = np.isnan(read_all(Covariate(masked, "m"), reference_grid(masked)))
    assert missing.tolist() == [[False, True], [False, False]]
    rgba = np.stack([np.ones((2, 2), np.uint8)] * 3 + [keep])
    alpha = write_raster("alpha.tif", rgba, photometric="RGB", alpha="YES")
    assert np.isnan(read_all(Covariate(alpha, "a", band=2), reference_grid(alpha)))[0, 1]


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "uint16", "int32", "uint32", "int64", "float32", "f8"])
def test_every_real_type_is_read(write_raster: Write, dtype: str) -> None:
    path = write_raster("a.tif", np.arange(6).reshape(2, 3).astype(dtype))
    assert read_all(Covariate(path, "a"), reference_grid(path)).ravel().tolist() == [0, 1, 2, 3, 4, 5]


GRID = Grid(rasterio.CRS.from_epsg(28992).to_wkt(), (10.0, 0.0, 178000.0, 0.0, -10.0, 333000.0), 40, 50)


@pytest.mark.parametrize(
    ("kind", "cell", "resampling"),
    [
        ("continuous", 23.0, Resampling.bilinear),
        ("continuous", 3.0, Resampling.average),
        ("categorical", 23.0, Resampling.nearest),
        ("categorical", 3.0, Resampling.nearest),
        ("directional", 3.0, Resampling.nearest),
    ],
)
def test_other_cell_size_is_warped_as_rasterio_does(
    write_raster: Write, kind: str, cell: float, resampling: Resampling
) -> None:
    side = int(700 / cell) + 5
    values = np.rint(smooth(side, side) * 3).astype(np.float32)
    path = write_raster("a.tif", values, (cell, 0.0, 177951.0, 0.0, -cell, 333042.0))
    expected = np.full((40, 50), np.nan, np.float32)
    with rasterio.open(path) as dataset:
        rasterio.warp.reproject(
            rasterio.band(dataset, 1), expected, dst_transform=rasterio.Affine(*GRID.transform), dst_crs=GRID.crs_wkt,
            dst_nodata=np.nan, resampling=resampling,
        )  # fmt: skip
    np.testing.assert_allclose(read_all(Covariate(path, "a", kind=kind), GRID), expected, atol=2e-5)


def test_other_crs_gives_the_value_at_the_pixel_centre(write_raster: Write) -> None:
    # The raster holds its own longitude, so the warped value is checked by PROJ alone.
    columns = 5.70 + 0.0001 * (np.arange(400) + 0.5)
    path = write_raster("lon.tif", np.tile(columns, (400, 1)), (0.0001, 0.0, 5.70, 0.0, -0.0001, 51.00), "EPSG:4326")
    x, y = GRID.xy(*np.mgrid[0:40, 0:50])
    longitude, _ = rasterio.warp.transform(GRID.crs_wkt, "EPSG:4326", x.ravel(), y.ravel())
    warped = read_all(Covariate(path, "lon"), GRID)
    np.testing.assert_allclose(warped.ravel(), longitude, atol=2e-5)


def test_longitudes_beyond_180_are_found(write_raster: Write) -> None:
    grid = Grid(rasterio.CRS.from_epsg(4326).to_wkt(), (0.1, 0.0, -75.0, 0.0, -0.1, 5.0), 10, 10)
    columns = 0.5 * (np.arange(720) + 0.5)
    path = write_raster("lon.tif", np.tile(columns, (40, 1)), (0.5, 0.0, 0.0, 0.0, -0.5, 10.0), "EPSG:4326")
    np.testing.assert_allclose(read_all(Covariate(path, "lon"), grid)[0], 285.05 + 0.1 * np.arange(10), atol=1e-3)


def test_nodata_is_taken_out_before_resampling(write_raster: Write) -> None:
    values = np.full((30, 30), 5.0, np.float32)
    values[10:14] = -9999  # the file's
    values[20:24] = 1e6  # the user's
    path = write_raster("a.tif", values, (23.0, 0.0, 177951.0, 0.0, -23.0, 333042.0), nodata=-9999)
    warped = read_all(Covariate(path, "a", nodata=((1e5, 1e7),)), GRID)
    assert np.isnan(warped).any() and np.isfinite(warped).any()
    assert np.unique(warped[np.isfinite(warped)]).tolist() == [5.0]


def test_rotated_raster_lands_where_its_transform_says(write_raster: Write) -> None:
    rows, cols = np.mgrid[0:200, 0:200] + 0.5
    x = 4.3 * cols - 2.5 * rows
    path = write_raster("x.tif", x.astype(np.float32), (4.3, -2.5, 178000.0, -2.5, -4.3, 333100.0))
    grid_x, _ = GRID.xy(*np.mgrid[0:40, 0:50])
    warped = read_all(Covariate(path, "x"), GRID)
    inside = np.isfinite(warped)
    assert inside.sum() > 500
    assert np.abs(warped - (grid_x - 178000))[inside].max() < 5


def test_a_warped_pixel_does_not_depend_on_the_block_nor_on_the_clip(write_raster: Write) -> None:
    path = write_raster("a.tif", RNG.normal(size=(300, 300)), (0.0001, 0.0, 5.70, 0.0, -0.0001, 51.00), "EPSG:4326")
    covariate = Covariate(path, "a")
    whole = read_all(covariate, GRID)
    with open_stack([covariate], GRID) as stack:
        parts = np.full_like(whole, np.nan)
        for block in GRID.blocks(13):
            parts[block.slices] = stack.read(block.with_halo(4))[0, 4:-4, 4:-4]
    np.testing.assert_array_equal(parts, whole)
    np.testing.assert_array_equal(read_all(covariate, GRID.at(Block(7, 9, 20, 30))), whole[7:27, 9:39])


def test_south_up_reference_becomes_north_up_without_a_change_of_values(write_raster: Write) -> None:
    values = RNG.normal(size=(8, 6)).astype(np.float32)
    path = write_raster("up.tif", values, (10.0, 0.0, 1000.0, 0.0, 10.0, 2000.0))
    grid = reference_grid(path)
    assert grid.transform == (10.0, 0.0, 1000.0, 0.0, -10.0, 2080.0)
    np.testing.assert_allclose(read_all(Covariate(path, "up"), grid), values[::-1], atol=1e-6)


def test_zip_and_vrt_are_read_like_files(write_raster: Write, tmp_path: Path) -> None:
    values = RNG.normal(size=(4, 5)).astype(np.float32)
    path = write_raster("a.tif", values)
    with zipfile.ZipFile(tmp_path / "ä b.zip", "w") as archive:
        archive.write(path, "a.tif")
    zipped = f"/vsizip/{tmp_path / 'ä b.zip'}/a.tif"
    rasterio.shutil.copy(path, str(tmp_path / "a.vrt"), driver="VRT")
    for source in (zipped, str(tmp_path / "a.vrt")):
        np.testing.assert_array_equal(read_all(Covariate(source, "a"), reference_grid(source)), values)


def test_summary_of_numbers_holds_their_quantiles(write_raster: Write) -> None:
    values = RNG.normal(size=(40, 50)).astype(np.float32)
    values[:5] = -1
    path = write_raster("a.tif", values, nodata=-1)
    with open_stack([Covariate(path, "a")], reference_grid(path)) as stack:
        (summary,) = read_summaries(stack)
    np.testing.assert_allclose(summary.quantiles, np.quantile(values[5:], np.linspace(0, 1, 129)), atol=1e-6)
    assert not summary.categories and not summary.labels and not summary.is_constant


def test_summary_of_a_large_raster_is_close_and_lists_every_class(write_raster: Write) -> None:
    values = smooth(1500, 1400)
    codes = np.ones((1500, 1400), np.uint8)
    codes[777, 333] = 9
    numbers, classes = write_raster("n.tif", values), write_raster("c.tif", codes)
    covariates = [Covariate(numbers, "n"), Covariate(classes, "c", kind="categorical")]
    with open_stack(covariates, reference_grid(numbers)) as stack:
        number, klass = read_summaries(stack)
    np.testing.assert_allclose(number.quantiles[16:113], np.quantile(values, np.linspace(0, 1, 129))[16:113], atol=0.2)
    assert klass.categories == (1, 9)


def test_almost_constant_raster_is_not_taken_for_constant(write_raster: Write) -> None:
    values = np.zeros((1500, 1400), np.float32)
    flat = write_raster("flat.tif", values)
    values[401, 399] = 3.0
    spiky = write_raster("spiky.tif", values)
    with open_stack([Covariate(flat, "flat"), Covariate(spiky, "spiky")], reference_grid(flat)) as stack:
        constant, varying = read_summaries(stack)
    assert constant.is_constant and not varying.is_constant


def test_class_names_come_from_the_attribute_table(write_raster: Write) -> None:
    path = write_raster("soil.tif", np.array([[1, 2], [3, 1]], np.uint8))
    Path(path + ".aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><GDALRasterAttributeTable tableType="thematic">'
        '<FieldDefn index="0"><Name>VALUE</Name><Type>0</Type><Usage>5</Usage></FieldDefn>'
        '<FieldDefn index="1"><Name>soil</Name><Type>2</Type><Usage>2</Usage></FieldDefn>'
        '<Row index="0"><F>1</F><F>Clay &amp; löss</F></Row><Row index="1"><F>2</F><F></F></Row>'
        "</GDALRasterAttributeTable></PAMRasterBand></PAMDataset>",
        "utf-8",
    )
    with open_stack([Covariate(path, "soil", kind="categorical")], reference_grid(path)) as stack:
        (summary,) = read_summaries(stack)
    assert summary.categories == (1, 2, 3)
    assert summary.labels == ("Clay & löss", "2", "3")
    assert decode(CovariateSummary, json.loads(json.dumps(asdict(summary))), "covariate") == summary


@pytest.mark.parametrize(
    "change",
    [
        {"quantiles": [1.0, 2.0]},
        {"quantiles": [float("nan")] * 129},
        {"categories": [1]},
        {"labels": [3]},
        {"covariate": {}},
        {"covariate": {"path": 3, "name": "", "band": 1, "kind": "continuous", "unit": "", "nodata": []}},
    ],
)
def test_a_dictionary_that_is_no_summary_is_refused(change: dict[str, Any]) -> None:
    summary = CovariateSummary(Covariate("a.tif", "a"), tuple(map(float, range(129))), (), ())
    good = json.loads(json.dumps(asdict(summary)))
    assert decode(CovariateSummary, good, "covariate") == summary
    with pytest.raises(ValueError):
        decode(CovariateSummary, {**good, **change}, "covariate")


def fails(message: str, covariate: Covariate, grid: Grid) -> None:
    with pytest.raises(EngineError, match=message):
        with open_stack([covariate], grid) as stack:
            read_summaries(stack)


def test_bad_rasters_are_named_with_a_remedy(write_raster: Write, tmp_path: Path) -> None:
    good = write_raster("good.tif", smooth(20, 20))
    grid = reference_grid(good)
    fails("nowhere.tif does not exist", Covariate(str(tmp_path / "nowhere.tif"), "x"), grid)
    (tmp_path / "text.tif").write_text("no raster")
    fails("text.tif cannot be opened as a raster", Covariate(str(tmp_path / "text.tif"), "x"), grid)
    fails("nocrs.tif has no CRS. Set it", Covariate(write_raster("nocrs.tif", smooth(9, 9), crs=None), "x"), grid)
    fails("good.tif has one band, but band 2 is asked for", Covariate(good, "x", band=2), grid)
    far = write_raster("far.tif", smooth(9, 9), (10.0, 0.0, 9e5, 0.0, -10.0, 5e5))
    fails("far.tif does not overlap .*west 900000.*EPSG:28992.*west 1000, south 1800", Covariate(far, "x"), grid)
    empty = write_raster("empty.tif", np.full((20, 20), 7, np.int16), nodata=7)
    fails("empty.tif, band 1, has no data on the grid", Covariate(empty, "x"), grid)
    fails("good.tif, band 1, holds .*not a class code", Covariate(good, "x", kind="categorical"), grid)
    many = write_raster("many.tif", np.arange(400, dtype=np.int16).reshape(20, 20))
    fails("many.tif, band 1, holds more than 255", Covariate(many, "x", kind="categorical"), grid)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_raster_without_georeference_is_refused(write_raster: Write) -> None:
    path = write_raster("a.tif", smooth(9, 9), (1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    with pytest.raises(EngineError, match="a.tif has no georeference"):
        reference_grid(path)


def test_raster_that_breaks_off_is_told_when_it_is_read(write_raster: Write) -> None:
    path = write_raster("brökén.tif", RNG.normal(size=(200, 200)))
    grid = reference_grid(path)
    with open(path, "r+b") as file:
        file.truncate(200_000)
    fails("brökén.tif cannot be read to its end: .*truncated or damaged", Covariate(path, "x"), grid)


def test_a_cell_size_far_too_fine_is_refused(write_raster: Write) -> None:
    path = write_raster("a.tif", smooth(4, 4))
    assert reference_grid(path, 0.1).width == 400
    with pytest.raises(
        EngineError, match=r"125 times finer than the pixels of .*a\.tif, which are 10 metre\. Use .* 0\.1"
    ):
        reference_grid(path, 0.08)
