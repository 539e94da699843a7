"""Covariates of any kind through the whole of Extract patches: what is read, and what users are told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import geopandas
import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.jobs.extract_patches import run
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from tests.engine.landscape import CRS, NORTH, WEST, Landscape, Log, make_landscape, write_raster


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


def extract(folder: Path, covariates: tuple[Covariate, ...]) -> Log:
    rng = np.random.default_rng(4)
    points = geopandas.points_from_xy(WEST + rng.uniform(50, 350, 80), NORTH - rng.uniform(50, 350, 80))
    observations = str(folder / "points.gpkg")
    geopandas.GeoDataFrame({"clay": rng.normal(30, 5, 80)}, geometry=points, crs=CRS).to_file(observations)
    log = Log()
    run(ExtractPatches(observations, (SoilProperty("clay"),), covariates, str(folder / "p.h5"), patch_size=5), log)
    return log


def test_doubtful_covariates_are_warned_of(landscape: Landscape, tmp_path: Path) -> None:
    aspect = np.random.default_rng(1).uniform(0, 360, (40, 40))
    marked = np.where(np.arange(1600).reshape(40, 40) % 9 == 0, -999.0, landscape.values[0])
    more = {"aspect": aspect, "northness": np.cos(np.radians(aspect)), "height": marked}
    added = tuple(Covariate(write_raster(tmp_path / f"{name}.tif", values), name) for name, values in more.items())
    warnings = extract(tmp_path, (*landscape.covariates, *added)).warnings
    for words in (
        "aspect: it seems to hold compass directions",
        "northness: by its name it depends on the compass",
        " % of its pixels are -999, far from all others",
    ):
        assert sum(words in warning for warning in warnings) == 1
    quiet = tuple(replace(each, kind="directional") if each.name == "northness" else each for each in added[1:2])
    assert not any("compass" in warning for warning in extract(tmp_path, (*landscape.covariates, *quiet)).warnings)


def test_the_legends_class_names_reach_the_patch_file(landscape: Landscape, tmp_path: Path) -> None:
    soil = replace(landscape.covariates[2], labels=((1, "Löss"), (3, "Peat")))
    extract(tmp_path, (*landscape.covariates[:2], soil))
    with PatchFile(str(tmp_path / "p.h5")) as file:
        assert file.covariates[2].labels == ("Löss", "2", "Peat")


def test_covariates_in_a_folder_stay_alone(landscape: Landscape, tmp_path: Path) -> None:
    """Nothing is written beside them, so that folders may be read-only."""
    folder = tmp_path / "read only"
    folder.mkdir()
    covariates = []
    for covariate in landscape.covariates:
        path = folder / Path(covariate.path).name
        path.write_bytes(Path(covariate.path).read_bytes())
        covariates.append(replace(covariate, path=str(path)))
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    extract(tmp_path, tuple(covariates))
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_scaled_numbers_with_several_marks_of_missing_data_are_read_as_what_they_mean(
    landscape: Landscape, tmp_path: Path
) -> None:
    """Temperature as whole numbers of tenths of a degree above -50, -32768 declared and 32767 set by the user."""
    stored = np.random.default_rng(2).integers(300, 900, (40, 40)).astype(np.int16)
    stored[:4, :], stored[36:, :] = -32768, 32767
    path = tmp_path / "temperature.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=40, width=40, dtype="int16", nodata=-32768, crs=CRS,
        transform=rasterio.Affine(10, 0, WEST, 0, -10, NORTH),
    ) as dataset:  # fmt: skip
        dataset.write(stored, 1)
        dataset.scales, dataset.offsets = (0.1,), (-50.0,)
    marked = Covariate(str(path), "temperature", nodata=((32767 * 0.1 - 50,) * 2,))
    extract(tmp_path, (landscape.covariates[0], marked))
    with PatchFile(str(tmp_path / "p.h5")) as file:
        patches, places = file.read(0, file.count)[:, 1], file.rows_cols
        assert -20 <= file.covariates[1].quantiles[0] < file.covariates[1].quantiles[-1] < 40
    degrees = np.where((stored == -32768) | (stored == 32767), np.nan, stored * 0.1 - 50)
    padded = np.pad(degrees, 2, constant_values=np.nan)
    expected = np.stack([padded[row : row + 5, col : col + 5] for row, col in places])
    np.testing.assert_allclose(patches, expected, rtol=1e-5)
    assert np.isnan(expected).any()
