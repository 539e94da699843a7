"""Predict map as a whole: from a network file and rasters to maps, their log, and what users get wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.shutil
import torch
from rasterio.windows import Window
from shapely import box

from soil_cnn_plugin.contract.jobs import PredictMap
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.predict_map import run
from soil_cnn_plugin.engine.mapping import half_precision
from soil_cnn_plugin.engine.rasters import raster_file
from soil_cnn_plugin.engine.rasters import summaries as large_blocks
from soil_cnn_plugin.engine.targets.calibration import calibrate
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, write_network
from tests.engine.landscape import CELL, NORTH, WEST, Landscape, Log, make_landscape, random_network, write_raster
from tests.engine.mapping.test_blocks import patch_by_patch

OUTPUTS = ("prediction", "lower", "upper", "standard_deviation")


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


@pytest.fixture
def trained(landscape: Landscape) -> TrainedNetwork:
    return random_network(landscape)


@pytest.fixture
def job(landscape: Landscape, trained: TrainedNetwork, tmp_path: Path) -> PredictMap:
    out = tmp_path / "Karten 1"
    out.mkdir()
    write_network(str(tmp_path / "network.safetensors"), trained)
    paths = {name: str(out / f"{name}.tif") for name in OUTPUTS}
    return PredictMap(str(tmp_path / "network.safetensors"), covariates=landscape.covariates, device="cpu", **paths)


def done(job: PredictMap) -> tuple[dict[str, Any], Log]:
    log = Log()
    outputs = run(job, log)
    assert set(outputs) == set(job.output_paths()) and outputs == job.output_paths()
    folder = Path(job.prediction).parent
    assert sorted(os.listdir(folder)) == sorted(Path(path).name for path in job.output_paths().values())
    return outputs, log


def refused(job: PredictMap, words: str) -> str:
    with pytest.raises(EngineError, match=words) as error:
        run(job, Log())
    assert os.listdir(Path(job.prediction).parent) == []
    return str(error.value)


def read(path: str) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return dataset.read(masked=True).filled(np.nan).astype(float)


def test_maps_are_in_the_targets_units_with_names_and_limits(job: PredictMap, landscape: Landscape) -> None:
    outputs, log = done(job)
    maps = {name: read(path) for name, path in outputs.items()}
    blind = ~np.isfinite(landscape.values).all(0)
    for values in maps.values():
        assert values.shape == (2, 40, 40) and (np.isnan(values) == blind).all()
    inside = (maps["lower"] <= maps["prediction"]) & (maps["prediction"] <= maps["upper"])
    assert inside[:, ~blind].mean() > 0.95
    assert (maps["lower"] <= maps["upper"])[:, ~blind].all() and (maps["standard_deviation"][:, ~blind] > 0).all()
    assert (maps["lower"][0][~blind] > 0).all()  # a logarithm's
    labels = {
        "prediction": "zinc 0-10 cm (mg/kg)",
        "lower": "zinc 0-10 cm (mg/kg), lower 90 % limit",
        "upper": "zinc 0-10 cm (mg/kg), upper 90 % limit",
        "standard_deviation": "zinc 0-10 cm (mg/kg), standard deviation",
    }
    for name, path in outputs.items():
        with rasterio.open(path) as dataset:
            assert dataset.descriptions[0] == labels[name] and dataset.units == ("mg/kg", "%")
            assert dataset.tags()["CONTENT"] == name and dataset.tags()["COVERAGE"] == "0.9"
            assert dataset.tags()["NETWORK"] == "network.safetensors"
            assert "observations and patches of" in dataset.tags()["HOW_MADE"] and dataset.tags()["CITATION"]
            assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG" and dataset.crs.to_epsg() == 28992
    assert f"{(~blind).sum()} of 1600 pixels predicted" in log.infos[-1] and log.warnings == []


def test_values_are_those_of_the_predictors_distribution(
    job: PredictMap, landscape: Landscape, trained: TrainedNetwork
) -> None:
    """Recomputed from location and scale with plain numpy: the interval's limits are quantiles carried back."""
    done(job)
    location, scale = patch_by_patch(landscape, trained)
    calibration = trained.description.outcomes[0].calibration
    scale = np.clip(scale, *calibration.scales)
    low, high = (np.interp(level, np.arange(1, 200) / 200, calibration.shape.quantiles[0]) for level in (0.05, 0.95))
    nodes, weights = np.array(calibration.shape.nodes[0]), np.array(calibration.shape.weights)
    draws = location[0][..., None] + np.clip(scale[0][..., None] * nodes, *calibration.residuals)
    zinc = (np.exp(4 + 0.5 * draws) * weights).sum(-1)
    np.testing.assert_allclose(read(job.prediction)[0], zinc, rtol=2e-3)
    np.testing.assert_allclose(read(job.lower)[1], 20 + 3 * (location[1] + scale[1] * low), atol=2e-3)
    np.testing.assert_allclose(read(job.upper)[0], np.exp(4 + 0.5 * (location[0] + scale[0] * high)), rtol=2e-3)
    spread = np.sqrt((nodes**2 * weights).sum() - (nodes * weights).sum() ** 2)
    np.testing.assert_allclose(read(job.standard_deviation)[1], 3 * scale[1] * spread, rtol=2e-3)


def test_two_runs_and_all_block_sizes_give_one_map(job: PredictMap) -> None:
    done(job)
    first = read(job.prediction)
    for size in (None, 16, 33):
        done(replace(job, block_size=size))
        np.testing.assert_allclose(read(job.prediction), first, rtol=1e-4, equal_nan=True)


def test_half_precision_is_told_and_changes_the_map_little(job: PredictMap, monkeypatch: pytest.MonkeyPatch) -> None:
    done(job)
    exact = read(job.prediction)[1]
    monkeypatch.setattr(half_precision, "_gain", lambda device, dtype: 2.0 if dtype == torch.bfloat16 else 0.1)
    _, log = done(replace(job, precision="half"))
    assert sum("half precision (bfloat16)" in line for line in log.infos) == 1
    half = read(job.prediction)[1]
    assert 0 < np.nanmax(np.abs(half - exact)) < 0.1 * np.nanstd(exact)
    for precision in ("float32", "auto"):  # a map as small as this one is not worth trying
        _, log = done(replace(job, precision=precision))
        assert not any("half precision" in line for line in log.infos)
        np.testing.assert_array_equal(read(job.prediction)[1], exact)


def test_covariates_are_matched_by_name_in_any_order_and_from_any_place(job: PredictMap, tmp_path: Path) -> None:
    done(job)
    first = read(job.prediction)
    moved = []
    for number, covariate in enumerate(job.covariates[::-1]):
        path = tmp_path / f"{number}.tif"
        shutil.move(covariate.path, path)
        moved.append(replace(covariate, path=str(path)))
    done(replace(job, covariates=tuple(moved)))
    np.testing.assert_array_equal(read(job.prediction), first)
    shutil.rmtree(Path(job.prediction).parent)
    Path(job.prediction).parent.mkdir()
    message = refused(replace(job, covariates=()), "No covariates were given, and 3 are no longer")
    assert "elevation.tif" in message
    renamed = (replace(moved[0], name="Boden"), *moved[1:])
    message = refused(replace(job, covariates=renamed), "one is not among those given: 'soil'")
    assert "'Boden'" in message and "'elevation', 'flow', 'soil'" in message


def test_without_covariates_those_of_the_training_are_read(job: PredictMap) -> None:
    done(job)
    first = read(job.prediction)
    done(replace(job, covariates=()))
    np.testing.assert_array_equal(read(job.prediction), first)


def test_another_cell_size_and_other_ranges_are_warned_of(job: PredictMap, landscape: Landscape) -> None:
    fine = np.kron(3.28 * landscape.values[0], np.ones((2, 2)))  # feet
    write_raster(landscape.folder / "elevation_2.tif", fine, CELL / 2)
    write_raster(landscape.folder / "flow_2.tif", np.kron(landscape.values[1], np.ones((2, 2))), CELL / 2)
    write_raster(landscape.folder / "soil_2.tif", np.kron(landscape.values[2], np.ones((2, 2))), CELL / 2)
    other = tuple(replace(each, path=each.path.replace(".tif", "_2.tif")) for each in job.covariates)
    _, log = done(replace(job, covariates=other))
    sizes, ranges = log.warnings
    assert "cells of 5 m, the network was trained on cells of 10 m" in sizes
    assert ranges.startswith("elevation: ") and "the same quantity in the same unit" in ranges
    assert read(job.prediction).shape == (2, 40, 40)


def test_an_extent_in_another_crs_is_a_part_of_the_whole_map(job: PredictMap) -> None:
    done(job)
    whole = read(job.prediction)
    transformer = pyproj.Transformer.from_crs(28992, 4326, always_xy=True)
    west, south = transformer.transform(WEST + 105, NORTH - 305)
    east, north = transformer.transform(WEST + 205, NORTH - 105)
    wgs84 = pyproj.CRS.from_epsg(4326).to_wkt()
    done(replace(job, extent=(west, south, east, north), extent_crs=wgs84))
    with rasterio.open(job.prediction) as dataset:
        row, col = (round(each) for each in ((NORTH - dataset.bounds.top) / CELL, (dataset.bounds.left - WEST) / CELL))
        window = Window(col, row, dataset.width, dataset.height)
    part = read(job.prediction)
    assert 20 <= part.shape[1] <= 24 and 10 <= part.shape[2] <= 14
    # What lies beyond the extent is still seen: the network needs the surroundings.
    np.testing.assert_allclose(part, whole[(slice(None), *window.toslices())], rtol=1e-4)


def test_outside_the_area_nothing_is_predicted(job: PredictMap, landscape: Landscape) -> None:
    done(job)
    whole = read(job.prediction)
    area = str(landscape.folder / "area.gpkg")
    shape = box(WEST + 100, NORTH - 300, WEST + 200, NORTH - 100)
    geopandas.GeoSeries([shape], crs=28992).to_crs(4326).to_file(area)
    _, log = done(replace(job, area=area))
    part = read(job.prediction)
    expected = np.full_like(whole, np.nan)
    expected[:, 10:30, 10:20] = whole[:, 10:30, 10:20]
    np.testing.assert_allclose(part, expected, rtol=1e-4)
    assert f"{np.isfinite(expected[0]).sum()} of 1600 pixels predicted" in log.infos[-1]


def test_with_nothing_to_predict_no_file_is_left(job: PredictMap, landscape: Landscape) -> None:
    lake = box(WEST + 200, NORTH - 130, WEST + 260, NORTH - 80)
    area = str(landscape.folder / "lake.gpkg")
    geopandas.GeoSeries([lake], crs=28992).to_file(area)
    refused(replace(job, area=area), "No pixel of the map can be predicted")
    refused(replace(job, extent=tuple(lake.bounds)), "No pixel of the map can be predicted")
    refused(replace(job, extent=(0.0, 0.0, 10.0, 10.0)), "lies outside the covariates")


def test_a_raster_that_is_empty_in_the_maps_area_is_named(job: PredictMap, landscape: Landscape) -> None:
    flow = next(covariate.path for covariate in job.covariates if covariate.name == "flow")
    values = landscape.values[1].copy()
    values[10:] = np.nan
    write_raster(Path(flow), values)
    area = str(landscape.folder / "south.gpkg")
    geopandas.GeoSeries([box(WEST, NORTH - 400, WEST + 400, NORTH - 110)], crs=28992).to_file(area)
    message = refused(replace(job, area=area), "No pixel of the map can be predicted: .*flow.tif, band 1, is without")
    assert "elevation" not in message


def test_rasters_in_large_blocks_are_warned_of(job: PredictMap, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = next(covariate.path for covariate in job.covariates if covariate.name == "flow")
    with rasterio.open(flow) as dataset:
        profile, values = dataset.profile, dataset.read()
    profile.update(dtype="float64")
    with rasterio.open(flow, "w", **profile) as dataset:
        dataset.write(values)
    assert not [warning for warning in done(job)[1].warnings if "stored in blocks" in warning]
    monkeypatch.setattr(large_blocks, "cache_bytes", lambda: 8 * (8 * 40 * 40 - 1))
    (warning,) = [warning for warning in done(job)[1].warnings if "stored in blocks" in warning]
    assert "flow.tif is stored in blocks of up to 40 x 40 pixels" in warning and "TILED=YES" in warning


def test_a_covariate_that_changes_meanwhile_leaves_no_map(job: PredictMap, monkeypatch: pytest.MonkeyPatch) -> None:
    path = job.covariates[1].path
    log = Log()
    monkeypatch.setattr(log, "progress", lambda share, force=False: os.utime(path, ns=(0, 0)))
    with pytest.raises(EngineError, match="was changed while it was read") as refusal:
        run(job, log)
    assert path in str(refusal.value) and os.listdir(Path(job.prediction).parent) == []


def test_files_that_are_no_network_or_no_raster_are_told(job: PredictMap) -> None:
    path = Path(job.covariates[1].path)
    content = path.read_bytes()
    path.write_bytes(b"no raster")
    assert "flow.tif" in refused(job, "cannot be opened as a raster")
    path.write_bytes(content[: len(content) // 2])
    assert "flow.tif" in refused(job, "read to its end|opened as a raster")
    path.write_bytes(content)
    assert "elevation.tif" in refused(replace(job, network=job.covariates[0].path), "no network file")


def test_a_map_replaces_none_of_the_trainings_own_files(job: PredictMap) -> None:
    alias = Path(job.prediction).with_name("alias.tif")
    alias.symlink_to(job.covariates[0].path)
    before = Path(job.covariates[0].path).read_bytes()
    for taken in (job.covariates[0].path, str(alias)):
        with pytest.raises(EngineError, match="upper would replace .*, which is a covariate of the map"):
            run(replace(job, upper=taken, covariates=()), Log())
    assert Path(job.covariates[0].path).read_bytes() == before


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_disk_that_is_full_leaves_no_half_map(job: PredictMap, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Whenever writing fails, also while the next block is read ahead."""
    write: Callable[..., None] = raster_file.RasterFile.write
    calls = []

    def fail(self: raster_file.RasterFile, *arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) > after:
            raise OSError(28, "No space left on device")
        write(self, *arguments)

    monkeypatch.setattr(raster_file.RasterFile, "write", fail)
    with pytest.raises(OSError, match="No space"):
        run(replace(job, block_size=16), Log())
    assert os.listdir(Path(job.prediction).parent) == []


def test_of_several_maps_all_appear_or_none(job: PredictMap, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the disk gets full while the last one is copied."""
    copy, sources = rasterio.shutil.copy, []

    def copy_some(source: str, target: str, **options: object) -> None:
        sources.append(source)
        copy(source, target, **options)
        if len(sources) == len(job.output_paths()):
            os.truncate(target, os.path.getsize(target) // 2)

    monkeypatch.setattr(rasterio.shutil, "copy", copy_some)
    with pytest.raises(EngineError, match="could not be written to its end"):
        run(job, Log())
    assert len(sources) > 1 and os.listdir(Path(job.prediction).parent) == []


def test_a_single_output_of_a_network_without_forests_is_written_alone(
    landscape: Landscape, job: PredictMap, tmp_path: Path
) -> None:
    trained = random_network(landscape, (("padarian", 13),), has_forest=False, has_location=True)
    write_network(job.network, trained)
    done(replace(job, lower="", upper="", standard_deviation=""))
    assert np.isfinite(read(job.prediction)).any()


def test_progress_rises_to_its_end(job: PredictMap, monkeypatch: pytest.MonkeyPatch) -> None:
    shares: list[float] = []
    log = Log()
    monkeypatch.setattr(log, "progress", lambda share, force=False: shares.append(share))
    run(replace(job, block_size=16), log)
    assert shares == sorted(shares) and shares[0] > 0 and shares[-1] == pytest.approx(0.95)


def test_a_logarithm_whose_spread_is_large_stays_finite(
    landscape: Landscape, trained: TrainedNetwork, job: PredictMap
) -> None:
    z = np.random.default_rng(0).standard_t(3, 60)
    scales = np.random.default_rng(1).uniform(0.3, 4, 60)
    calibration = calibrate(z * scales, 0 * z, scales)
    outcomes = tuple(replace(outcome, calibration=calibration) for outcome in trained.description.outcomes)
    wild = replace(trained.description, outcomes=outcomes)
    write_network(job.network, replace(trained, description=wild))
    done(job)
    assert np.isfinite(read(job.prediction)).any() and not np.isinf(read(job.standard_deviation)).any()
