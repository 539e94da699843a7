"""Extract patches as a whole: from files to a patch file, its log, and what users get wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
from numpy.typing import NDArray
from shapely import Point

from soil_cnn_plugin.contract.events import Event, Info, Progress, Warning
from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches, to_json
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.extract_patches import run
from soil_cnn_plugin.engine.observations import extraction
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters import summaries as large_blocks
from soil_cnn_plugin.engine.report import Report

RNG = np.random.default_rng(5)
ELEVATION = RNG.normal(50, 10, (40, 50)).astype(np.float32)
SOIL = np.repeat(np.repeat(RNG.integers(1, 4, (8, 10)), 5, 0), 5, 1).astype(np.uint8)
XY = np.column_stack([RNG.uniform(1000, 1500, 60), RNG.uniform(1600, 2000, 60)])


def write_raster(path: Path, values: NDArray[Any], cell: float = 10.0, crs: str = "EPSG:28992", **options: Any) -> str:
    corner = options.pop("corner", (1000.0, 2000.0))
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=values.shape[0], width=values.shape[1], dtype=values.dtype, crs=crs,
        transform=rasterio.Affine(cell, 0, corner[0], 0, -cell, corner[1]), **options,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)
    return str(path)


def write_points(path: Path, xy: NDArray[np.float64] = XY, crs: str = "EPSG:28992", **columns: Any) -> str:
    columns = columns or {"zinc_0_10": np.arange(len(xy), dtype=float), "lead": np.arange(len(xy)) % 7}
    geopandas.GeoDataFrame(columns, geometry=[Point(each) for each in xy], crs=crs).to_file(path)
    return str(path)


@pytest.fixture
def job(tmp_path: Path) -> ExtractPatches:
    folder = tmp_path / "Böden und Höhen"
    folder.mkdir()
    return ExtractPatches(
        observations=write_points(folder / "punkte.gpkg"),
        targets=(SoilProperty("zinc_0_10", "mg/kg"), SoilProperty("lead", "mg/kg")),
        covariates=(
            Covariate(write_raster(folder / "höhe 10.tif", ELEVATION, nodata=-9999), "höhe", unit="m"),
            Covariate(write_raster(folder / "soil.tif", SOIL, nodata=0), "soil", kind="categorical"),
        ),
        patches=str(folder / "patches.h5"),
        dropped=str(folder / "dropped.gpkg"),
        patch_size=7,
    )


def done(job: ExtractPatches) -> tuple[dict[str, Any], list[Event]]:
    events: list[Event] = []
    return run(job, Report(events.append)), events


def texts(events: list[Event], kind: type) -> list[str]:
    return [event.text for event in events if isinstance(event, kind)]


def refused(message: str, job: ExtractPatches) -> None:
    before = sorted(os.listdir(Path(job.patches).parent))
    with pytest.raises(EngineError, match=message):
        done(job)
    assert sorted(os.listdir(Path(job.patches).parent)) == before


def test_patches_and_targets_lie_together(job: ExtractPatches) -> None:
    outputs, events = done(job)
    assert outputs == {"patches": job.patches, "dropped": job.dropped, "count": 60, "dropped_count": 0}
    padded = np.pad(np.stack([ELEVATION, SOIL.astype(np.float32)]), ((0, 0), (3, 3), (3, 3)), constant_values=np.nan)
    with PatchFile(job.patches) as file:
        patches = file.read(0, file.count)
        assert [summary.covariate for summary in file.covariates] == list(job.covariates)
        assert file.covariates[1].categories == (1, 2, 3)
        assert file.targets == job.targets
        for identity, (x, y), values, patch in zip(file.ids, file.coordinates, file.values, patches):
            assert (x, y) == pytest.approx(tuple(XY[identity - 1]))
            assert values.tolist() == [identity - 1, (identity - 1) % 7]
            row, col = int((2000 - y) // 10), int((x - 1000) // 10)
            np.testing.assert_array_equal(patch, padded[:, row : row + 7, col : col + 7])
    assert texts(events, Info) == [
        "Grid: 40 rows x 50 columns of 10 m, EPSG:28992.",
        "Patch: 7 pixels = 70 m.",
        "Depths are read from the names of fields: zinc_0_10 (0-10 cm). Rename a field whose name ends in other"
        " numbers, such as a dilution of 1:5.",
        "2 observations share their pixel with another one. They are kept, and no fold tears them apart.",
        "60 of 60 observations are used (zinc 0-10 cm 60, lead 60), at 59 sites.",
    ]
    percents = [event.percent for event in events if isinstance(event, Progress)]
    assert percents == sorted(percents)


def test_observations_without_covariates_are_dropped_and_told(job: ExtractPatches) -> None:
    folder = Path(job.patches).parent
    soil = SOIL.copy()
    soil[:30, :20] = 0
    write_raster(folder / "soil.tif", soil, nodata=0)
    write_points(folder / "punkte.gpkg", np.vstack([XY, [[0.0, 0.0]]]))
    outputs, events = done(replace(job, max_missing=0.2))
    row, col = ((2000 - XY[:, 1]) // 10).astype(int), ((XY[:, 0] - 1000) // 10).astype(int)
    blind = soil[row, col] == 0
    padded = np.pad(np.stack([ELEVATION > -1, soil > 0]), ((0, 0), (3, 3), (3, 3)))
    share = np.array([1 - padded[:, r : r + 7, c : c + 7].mean() for r, c in zip(row, col)])
    sparse = ~blind & (share > 0.2)
    assert blind.sum() > 5 and sparse.sum() > 1
    assert outputs["count"] == 60 - blind.sum() - sparse.sum()
    frame = pyogrio.read_dataframe(job.dropped)
    assert frame["reason"].value_counts().to_dict() == {
        "in a pixel without data of soil": blind.sum(),
        "with more than 20% of the patch missing": sparse.sum(),
        "outside the covariates": 1,
    }
    (warning,) = texts(events, Warning)
    assert warning.startswith(f"{blind.sum() + sparse.sum() + 1} observations are dropped: ")
    with PatchFile(job.patches) as file:
        assert sorted(file.ids - 1) == np.flatnonzero(~blind & ~sparse).tolist()


def test_rasters_of_other_grids_are_told_with_their_resampling(job: ExtractPatches) -> None:
    folder = Path(job.patches).parent
    fine = write_raster(folder / "fine.tif", RNG.normal(size=(100, 125)), cell=4.0)
    covariates = (*job.covariates, Covariate(fine, "fine"))
    _, events = done(replace(job, covariates=covariates))
    assert "fine is resampled onto the grid (average) from 4 x 4 metre, EPSG:28992." in texts(events, Info)
    _, events = done(replace(job, covariates=covariates, reference=fine, cell_size=5.0))
    lines = texts(events, Info)
    assert lines[:2] == ["Grid: 80 rows x 100 columns of 5 m, EPSG:28992.", "Patch: 7 pixels = 35 m."]
    assert "soil is resampled onto the grid (nearest) from 10 x 10 metre, EPSG:28992." in lines


def test_a_raster_in_one_large_block_is_warned_of_once(job: ExtractPatches, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_raster(Path(job.patches).parent / "strip.tif", ELEVATION.astype("f8"), blockysize=40, compress="lzw")
    monkeypatch.setattr(large_blocks, "cache_bytes", lambda: 8 * (8 * 40 * 50 - 1))
    _, events = done(replace(job, covariates=(*job.covariates, Covariate(path, "strip"))))
    (warning,) = [text for text in texts(events, Warning) if "stored in blocks" in text]
    assert warning.startswith(f"{path} is stored in blocks of up to 40 x 50 pixels") and "TILED=YES" in warning


def test_degrees_are_used_with_a_warning(job: ExtractPatches) -> None:
    folder = Path(job.patches).parent
    path = write_raster(folder / "degrees.tif", ELEVATION, cell=0.001, crs="EPSG:4326", corner=(10.0, 60.02))
    xy = np.column_stack([RNG.uniform(10, 10.05, 60), RNG.uniform(59.98, 60.02, 60)])
    points = write_points(folder / "degrees.gpkg", xy, "EPSG:4326")
    outputs, events = done(replace(job, covariates=(Covariate(path, "h"),), observations=points))
    assert outputs["count"] == 60
    # A degree at latitude 60 is 55,800 m east and 111,412 m north.
    assert "Patch: 7 pixels = 391 m east by 780 m north in the middle." in texts(events, Info)
    assert "EPSG:4326 is a CRS in degrees: a pixel is 55.8 m wide and 111.4 m high" in texts(events, Warning)[0]


def test_extracting_twice_gives_the_same_patches(job: ExtractPatches) -> None:
    done(job)
    with PatchFile(job.patches) as file:
        first = file.read(0, file.count), file.ids, file.values
    done(job)
    with PatchFile(job.patches) as file:
        for one, two in zip(first, (file.read(0, file.count), file.ids, file.values)):
            np.testing.assert_array_equal(one, two)


def test_mistakes_are_told_and_leave_nothing(job: ExtractPatches) -> None:
    folder = Path(job.patches).parent
    message = "patch size is 41 pixels, but the grid has only 40 rows and 50 columns. Use at most 39"
    refused(message, replace(job, patch_size=41))
    flat = write_raster(folder / "flat.tif", np.full((40, 50), 3, np.int16))
    with_flat = (*job.covariates, Covariate(flat, "flat"))
    refused(r"A covariate has one value.*flat.tif, band 1 \(3\). Leave it out", replace(job, covariates=with_flat))
    one_class = (*job.covariates, Covariate(flat, "flat", kind="categorical"))
    refused(r"A covariate has one value.*flat.tif, band 1 \(3\)", replace(job, covariates=one_class))
    also = write_raster(folder / "also.tif", np.full((40, 50), 7, np.int16))
    two_flat = replace(job, covariates=(*with_flat, Covariate(also, "also")))
    refused(
        r"2 of \d covariates have one value .*flat.tif, band 1 \(3\); .*also.tif, band 1 \(7\). Leave them", two_flat
    )
    half = ELEVATION.copy()
    half[:, :25] = -9999
    other = ELEVATION.copy()
    other[:, 25:] = -9999
    apart = tuple(
        Covariate(write_raster(folder / f"{name}.tif", values, nodata=-9999), name)
        for name, values in (("east", half), ("west", other))
    )
    message = "None of the 60 observations of 'punkte' can be used: .* without data of (east|west)"
    refused(message, replace(job, covariates=apart))
    far = replace(job, observations=write_points(folder / "far.gpkg", XY + 1e5))
    refused("All 60 observations .* lie outside the covariates", far)


def test_a_raster_that_breaks_off_leaves_no_patch_file(job: ExtractPatches) -> None:
    folder = Path(job.patches).parent
    path = write_raster(folder / "large.tif", RNG.normal(size=(40, 50)))
    with open(path, "r+b") as file:
        file.truncate(8000)
    refused("large.tif cannot be read to its end", replace(job, covariates=(*job.covariates, Covariate(path, "large"))))


def test_a_raster_that_changes_meanwhile_leaves_no_patch_file(
    job: ExtractPatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_doubts, path = extraction.find_doubts, job.covariates[0].path
    monkeypatch.setattr(
        extraction, "find_doubts", lambda summaries: os.utime(path, ns=(0, 0)) or find_doubts(summaries)
    )
    refused("10.tif was changed while it was read", job)


def test_values_far_from_all_others_are_warned_of(job: ExtractPatches) -> None:
    zinc = np.where(np.arange(60) % 20 == 0, -9999.0, np.arange(60.0))
    write_points(Path(job.observations), zinc_0_10=zinc, lead=np.arange(60) % 7)
    _, events = done(job)
    (warning,) = texts(events, Warning)
    examples = "-9999 of feature 1, -9999 of feature 21, -9999 of feature 41"
    assert f"zinc_0_10: 3 of 60 values lie far from all others ({examples}; the others reach from 1 to 59)" in warning


@pytest.mark.skipif(os.name != "posix", reason="Windows has no limit on the size of files")
def test_a_disk_that_gets_full_ends_the_worker_with_a_sentence_and_no_crash(job: ExtractPatches) -> None:
    import resource

    folder = Path(job.patches).parent
    (folder / "job.json").write_text(to_json(replace(job, dropped="")), encoding="utf-8")
    before = sorted(os.listdir(folder))
    ended = subprocess.run(
        [sys.executable, "-m", "soil_cnn_plugin.engine", str(folder / "job.json")],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    last = json.loads(ended.stdout.splitlines()[-1])
    assert last["event"] == "failed" and "Free some space" in last["message"]
    assert ended.returncode == 1, ended.stderr[-2000:]
    assert sorted(os.listdir(folder)) == before
