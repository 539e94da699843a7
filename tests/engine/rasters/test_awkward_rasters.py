"""Rasters as users have them: heights in the CRS, mirrored axes, containers, servers, many layers at once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block, Grid
from soil_cnn_plugin.engine.rasters.summaries import read_summaries

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
        assert len(read_summaries(stack)) == 200
    Path(hundreds[77].path).unlink()
    with pytest.raises(EngineError, match=r"c77\.tif does not exist"):
        open_stack(hundreds, grid)


def test_hundreds_of_rasters_that_are_resampled_alike_are_told_in_one_line(hundreds: list[Covariate]) -> None:
    grid = Grid(rasterio.CRS.from_epsg(28992).to_wkt(), (20.0, 0.0, 1000.0, 0.0, -20.0, 2000.0), 6, 7)
    same = "resampled onto the grid (average) from 10 x 10 metre, EPSG:28992."
    for some, names in ((hundreds[:1], "c0 is"), (hundreds[:3], "c0, c1 and c2 are")):
        with open_stack(some, grid) as stack:
            assert stack.resamplings() == [f"{names} {same}"]
    categorical = replace(hundreds[0], kind="categorical")
    with open_stack([*hundreds[1:], categorical], grid) as stack:
        first, second = stack.resamplings()
    assert first == f"c1, c2, c3, c4, c5, c6, c7, c8, c9, c10 and 189 more are {same}"
    assert second == f"c0 is {same.replace('average', 'nearest')}"


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_file_of_several_rasters_is_told_with_their_names(write_raster: Write, tmp_path: Path) -> None:
    path, values = str(tmp_path / "rasters.gpkg"), VALUES.astype(np.uint8)
    for name in ("SLOPE", "CURVATURE"):
        rasterio.shutil.copy(
            write_raster(f"{name}.tif", values), path, driver="GPKG", RASTER_TABLE=name, APPEND_SUBDATASET="YES"
        )
    with pytest.raises(EngineError, match=f"holds 2 rasters. .* GPKG:{path}:SLOPE, GPKG:{path}:CURVATURE."):
        reference_grid(path)
    np.testing.assert_array_equal(
        read_all(Covariate(f"GPKG:{path}:SLOPE", "slope"), reference_grid(f"GPKG:{path}:SLOPE")), values
    )


RANGE_SERVER = """
import http.server, re, sys
class Handler(http.server.SimpleHTTPRequestHandler):
    def send_head(self):
        wanted = re.match(r"bytes=([0-9]+)-([0-9]*)", self.headers.get("Range") or "")
        if not wanted:
            return super().send_head()
        with open(self.translate_path(self.path), "rb") as file:
            content = file.read()
        first, last = int(wanted[1]), min(int(wanted[2] or len(content)), len(content) - 1)
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.send_header("Content-Length", str(last - first + 1))
        self.end_headers()
        self.wfile.write(content[first : last + 1])
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
"""


def test_a_cloud_optimized_raster_is_read_from_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, for GDAL lets no other thread run while it opens a file."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    values = RNG.normal(size=(600, 700)).astype(np.float32)
    options = {"driver": "COG", "blocksize": 256, "crs": "EPSG:28992", "dtype": "float32", "count": 1}
    transform = rasterio.Affine(10, 0, 1000, 0, -10, 9000)
    with rasterio.open(tmp_path / "dem.tif", "w", height=600, width=700, transform=transform, **options) as dataset:
        dataset.write(values, 1)
    command = [sys.executable, "-c", RANGE_SERVER]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            address = f"/vsicurl/http://127.0.0.1:{int(server.stdout.readline())}"
            grid = reference_grid(f"{address}/dem.tif")
            np.testing.assert_array_equal(read_all(Covariate(f"{address}/dem.tif", "dem"), grid), values)
            with pytest.raises(EngineError, match=r"gone\.tif cannot be opened .* 404.* Check the address"):
                reference_grid(f"{address}/gone.tif")
        finally:
            server.kill()
    with pytest.raises(EngineError, match="whether its server can be reached"):
        reference_grid(f"{address}/other.tif")


OPEN_ALL = """
import resource, sys
from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
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
