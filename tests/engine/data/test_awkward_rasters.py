"""Rasters as users have them: heights in the CRS, mirrored axes, containers, servers, many layers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.data.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.data.grid import Block, Grid
from soil_cnn_plugin.engine.errors import EngineError

Write = Callable[..., str]
RNG = np.random.default_rng(3)
VALUES = RNG.normal(50, 10, (12, 15)).astype(np.float32)


def read_all(covariate: Covariate, grid: Grid) -> NDArray[np.float32]:
    with open_stack([covariate], grid) as stack:
        return stack.read(Block(0, 0, grid.height, grid.width))[0]


@pytest.mark.parametrize("code", ["EPSG:7415", "EPSG:28992+5709"])
def test_a_crs_with_heights_is_as_good_as_one_without(write_raster: Write, code: str) -> None:
    with_heights, without = write_raster("heights.tif", VALUES, crs=code), write_raster("flat.tif", VALUES)
    grid = reference_grid(with_heights)
    assert grid.crs_name == "EPSG:28992" and grid.has_same_crs(reference_grid(without).crs_wkt)
    np.testing.assert_array_equal(read_all(Covariate(with_heights, "a"), grid), VALUES)
    degrees = Grid(rasterio.CRS.from_epsg(4326).to_wkt(), (1e-4, 0.0, 3.326, 0.0, -1e-4, 47.993), 12, 24)
    one, other = (read_all(Covariate(path, "a"), degrees) for path in (with_heights, without))
    assert np.isfinite(one).sum() > 100
    np.testing.assert_array_equal(one, other)


def test_mirrored_axes_give_a_map_with_north_up_and_east_to_the_right(write_raster: Write) -> None:
    path = write_raster("mirrored.tif", VALUES, (-10.0, 0.0, 1150.0, 0.0, 10.0, 1880.0))
    grid = reference_grid(path)
    assert grid.transform == (10.0, 0.0, 1000.0, 0.0, -10.0, 2000.0) and (grid.height, grid.width) == (12, 15)
    np.testing.assert_allclose(read_all(Covariate(path, "a"), grid), VALUES[::-1, ::-1], atol=1e-5)


def test_a_crs_of_another_body_is_refused_with_both_names(write_raster: Write) -> None:
    moon = "GEOGCRS[\"Moon\",DATUM[\"Moon\",ELLIPSOID[\"Moon\",1737400,0,LENGTHUNIT[\"metre\",1]]],CS[ellipsoidal,2]," \
        "AXIS[\"lon\",east],AXIS[\"lat\",north],ANGLEUNIT[\"degree\",0.0174532925199433]]"  # fmt: skip
    path = write_raster("moon.tif", VALUES, (0.1, 0.0, 3.0, 0.0, -0.1, 48.0), crs=moon)
    grid = reference_grid(write_raster("earth.tif", VALUES))
    with pytest.raises(EngineError, match=r"moon\.tif cannot be transformed from Moon to EPSG:28992"):
        read_all(Covariate(path, "a"), grid)


@pytest.fixture
def hundreds(write_raster: Write, tmp_path: Path) -> list[Covariate]:
    path = write_raster("dem.tif", VALUES)
    for number in range(200):
        os.link(path, tmp_path / f"c{number}.tif")
    return [Covariate(str(tmp_path / f"c{number}.tif"), f"c{number}") for number in range(200)]


def test_200_layers_are_read_and_a_missing_one_is_named(hundreds: list[Covariate]) -> None:
    grid = reference_grid(hundreds[0].path)
    with open_stack(hundreds, grid) as stack:
        assert stack.read(Block(2, 3, 4, 5)).tolist() == [VALUES[2:6, 3:8].tolist()] * 200
        assert len(stack.summaries()) == 200
    Path(hundreds[77].path).unlink()
    with pytest.raises(EngineError, match=r"c77\.tif does not exist"):
        open_stack(hundreds, grid)


OPEN_ALL = """
import resource, sys
from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.data.covariates import open_stack, reference_grid
resource.setrlimit(resource.RLIMIT_NOFILE, (64, int(sys.argv[1])))
covariates = [Covariate(path, path) for path in sys.argv[2:]]
with open_stack(covariates, reference_grid(covariates[0].path)) as stack:
    print(len(stack.rasters))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="has no such limit")
def test_a_system_that_allows_few_open_files_is_asked_for_more(hundreds: list[Covariate]) -> None:
    def run(most: int) -> subprocess.CompletedProcess[str]:
        paths = [covariate.path for covariate in hundreds]
        command = [sys.executable, "-c", OPEN_ALL, str(most), *paths]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run(1000).stdout == "200\n"
    refused = run(100).stderr
    assert "lets the engine open no more files. Use fewer covariates, put several of them into one file" in refused
