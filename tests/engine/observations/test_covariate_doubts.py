"""Covariates that say the same as each other or as the target, found from numbers made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.jobs import extract_patches
from soil_cnn_plugin.engine.observations.covariate_doubts import doubt_alike, doubt_targets
from soil_cnn_plugin.engine.targets.measured import TargetsInWords
from tests.engine.landscape import TARGETS, Log, extract, make_landscape

RNG = np.random.default_rng(3)
HEIGHT, RAIN = RNG.normal(300, 50, 60), RNG.normal(800, 90, 60)
ZINC = TargetsInWords((SoilProperty("zinc"),))
SOIL = TargetsInWords((SoilProperty("soil"),), {"soil": ("Gley", "Luvisol", "Podzol")})


def covariates(*names: str, kind: str = "continuous") -> list[Covariate]:
    return [Covariate(f"/data/{name}.tif", name, kind=kind) for name in names]


def columns(*values: np.ndarray) -> np.ndarray:
    return np.column_stack(values).astype(np.float32)


def test_collinear_covariates_are_told_in_one_line_the_closest_first() -> None:
    slope = HEIGHT + RNG.normal(0, 8, 60)
    values = columns(HEIGHT, slope, RAIN, -0.5 * HEIGHT)
    (line,) = doubt_alike(covariates("dem", "slope", "rain", "depth"), values)
    assert line.startswith("Strongly collinear covariates: dem and depth (r = -1.00); dem and slope (r = 0.9")
    assert "rain" not in line and "leave one of a pair out" in line


def test_the_same_raster_under_two_names_is_told_also_of_codes() -> None:
    codes = RNG.integers(1, 4, 60)
    names = [*covariates("dem", "dem_copy"), *covariates("geology", "geology2", "landuse", kind="categorical")]
    values = columns(HEIGHT, HEIGHT, codes, codes, RNG.integers(1, 4, 60))
    assert [line.split(" hold")[0] for line in doubt_alike(names, values)] == [
        "dem and dem_copy",
        "geology and geology2",
    ]


def test_few_observations_and_constant_columns_raise_no_doubt() -> None:
    assert doubt_alike(covariates("a", "b"), columns(HEIGHT[:19], HEIGHT[:19])) == []
    assert doubt_alike(covariates("a", "b"), columns(np.ones(60), HEIGHT)) == []


def test_a_covariate_with_the_name_or_the_values_of_the_target_is_told() -> None:
    measured = (HEIGHT + RNG.normal(0, 1, 60))[:, None]
    measured[:30:2] = np.nan
    found = doubt_targets(covariates("interpolated", "Zinc", "rain"), columns(HEIGHT, RAIN, RAIN), ZINC, measured)
    assert [line.split(". If")[0] for line in found] == [
        "interpolated agrees almost exactly with the target zinc at the observations",
        "Zinc has the name of the target",
    ]


def test_codes_that_stand_one_for_one_for_the_classes_are_told() -> None:
    classes = RNG.integers(0, 3, 60)
    maps = columns(np.array([7, 5, 9])[classes], np.where(classes > 0, 1, 2))
    found = doubt_targets(covariates("soilmap", "wet", kind="categorical"), maps, SOIL, classes[:, None].astype(float))
    assert [line.split(" agrees")[0] for line in found] == ["soilmap"]
    assert doubt_targets(covariates("dem"), columns(classes), SOIL, classes[:, None].astype(float)) == []


def test_extraction_tells_a_map_that_soil_cnn_made(tmp_path: Path) -> None:
    landscape, log = make_landscape(tmp_path), Log()
    with rasterio.open(landscape.covariates[0].path, "r+") as dataset:
        dataset.update_tags(TIFFTAG_SOFTWARE="Soil CNN 1.0")
    points = str(tmp_path / "points.gpkg")
    extract(landscape)  # for its points
    extract_patches.run(
        ExtractPatches(points, TARGETS, landscape.covariates, str(tmp_path / "p.h5"), patch_size=3), log
    )
    name = landscape.covariates[0].name
    assert [line for line in log.warnings if line.startswith(f"{name} is a map that Soil CNN made")]
