"""Which raster is which covariate, on which grid the map lies, and what users are told of it."""

from __future__ import annotations

import os
import re
import shutil
import socket
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.mapping.matching import (
    check_replaces_nothing,
    map_grid,
    match_covariates,
    warn_of_far_location,
)
from soil_cnn_plugin.engine.networks.encoding import Location
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from tests.engine.landscape import Landscape, Log, make_landscape, with_names, write_raster


@pytest.fixture
def landscape(tmp_path: Path) -> Landscape:
    return make_landscape(tmp_path)


def test_rasters_are_matched_by_name_whatever_their_order(landscape: Landscape) -> None:
    log = Log()
    matched = match_covariates(landscape.summaries(), landscape.covariates[::-1], log)
    assert matched == list(landscape.covariates) and log.events == []


def test_kind_and_unit_are_those_of_the_training(landscape: Landscape) -> None:
    given = [replace(each, kind="continuous", unit="feet") for each in landscape.covariates]
    assert match_covariates(landscape.summaries(), given, Log()) == list(landscape.covariates)


def test_surplus_rasters_are_told_and_left_out(landscape: Landscape) -> None:
    log = Log()
    given = (Covariate("/data/slope.tif", "slope"), *landscape.covariates)
    assert match_covariates(landscape.summaries(), given, log) == list(landscape.covariates)
    assert log.infos == ["Not used, because the network does not know them: 'slope'"]


def test_a_missing_covariate_is_told_with_both_sides(landscape: Landscape) -> None:
    with pytest.raises(EngineError) as error:
        match_covariates(landscape.summaries(), with_names(landscape.covariates, flow="flow_2024"), Log())
    message = str(error.value)
    assert "one is not among those given: 'flow'." in message
    assert "trained on 'elevation', 'flow', 'soil'" in message
    assert "given are 'elevation', 'flow_2024', 'soil'" in message
    with pytest.raises(EngineError, match="2 are not among those given: 'flow', 'soil'"):
        match_covariates(landscape.summaries(), landscape.covariates[:1], Log())


def test_without_any_given_the_files_of_the_training_are_taken(landscape: Landscape) -> None:
    summaries = landscape.summaries()
    assert match_covariates(summaries, (), Log()) == list(landscape.covariates)
    flow = Path(landscape.covariates[1].path)
    flow.unlink()
    message = f"No covariates were given, and one is no longer where the network was trained: '{flow}'"
    with pytest.raises(EngineError, match=re.escape(message)):
        match_covariates(summaries, (), Log())


def test_no_output_replaces_a_covariate(landscape: Landscape) -> None:
    given = [replace(each, path=f"vrt://{each.path}?a_srs=EPSG:28992") for each in landscape.covariates]
    for covariates in (landscape.covariates, given):
        with pytest.raises(EngineError, match="attribution would replace .*, which is a covariate of the map"):
            check_replaces_nothing({"attribution": landscape.covariates[1].path}, covariates)
    check_replaces_nothing({"attribution": str(landscape.folder / "new.tif")}, landscape.covariates)


def with_path(landscape: Landscape, path: str) -> list[CovariateSummary]:
    """As a network file would name the second covariate."""
    summaries = list(landscape.summaries())
    summaries[1] = replace(summaries[1], covariate=replace(summaries[1].covariate, path=path))
    return summaries


@pytest.mark.parametrize(
    "path",
    [
        *("http://127.0.0.1:{port}/a.tif", "HTTPS://127.0.0.1:{port}/a.tif", "ftp://127.0.0.1:{port}/a.tif"),
        *("/vsicurl/http://127.0.0.1:{port}/a.tif", "/vsicurl?url=http%3A%2F%2F127.0.0.1%3A{port}%2Fa.tif"),
        *("/vsizip//vsicurl/http://127.0.0.1:{port}/a.zip/a.tif", "/vsis3/bucket/a.tif", "s3://bucket/a.tif"),
        *("/vsizip//data/all.zip/flow.tif", "zip:///data/all.zip!flow.tif", "/VSICURL/http://127.0.0.1:{port}/a.tif"),
        *("vrt://{flow}", "vrt:///vsicurl/http://127.0.0.1:{port}/a.tif", "vrt://{flow}?a_srs=http://127.0.0.1:{port}/"),
        *("<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>", " <GDAL_WMS></GDAL_WMS>", '{{"type": "STAC"}}'),
        *("WMS:http://127.0.0.1:{port}/?layers=a", "WCS:http://127.0.0.1:{port}/", 'ZARR:"/vsicurl/http://127.0.0.1/a"'),
        *("GTI:/data/index.gpkg", "STACIT:/data/a.json", "WMTS:http://127.0.0.1:{port}/", 'NETCDF:"/data/a.nc":flow'),
        *("PG:host=127.0.0.1 port={port}", "GTIFF_DIR:1:{flow}", "file://{flow}", "//server/share/a.tif"),
        *(r"\\127.0.0.1\share\a.tif", "flow.tif", "../flow.tif", "", "/proc/kmsg", "/data/../proc/kmsg"),
        *("/net/server/a.tif", "{folder}/pipe.tif", "{folder}/link.tif", "{folder}/remote.vrt", "{folder}/blank.tif"),
        *("{folder}/service.json", "{folder}/index.gti.gpkg", "{folder}", "{folder}/name\0.tif"),
    ],
)  # fmt: skip
def test_what_a_network_file_names_is_opened_unasked_only_if_it_is_a_plain_raster_file(
    landscape: Landscape, path: str
) -> None:
    folder, flow = landscape.folder, landscape.covariates[1].path
    os.mkfifo(folder / "pipe.tif")
    (folder / "link.tif").symlink_to(folder / "pipe.tif")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        remote = f"<SourceFilename>/vsicurl/http://127.0.0.1:{port}/a.tif</SourceFilename>"
        (folder / "remote.vrt").write_text(f"<VRTDataset>{remote}</VRTDataset>")
        (folder / "blank.tif").write_text(f"\ufeff\n  <VRTDataset>{remote}</VRTDataset>")
        (folder / "service.json").write_text('{"type": "FeatureCollection"}')
        shutil.copy(flow, folder / "index.gti.gpkg")
        named = path.format(port=port, folder=folder, flow=flow)
        with pytest.raises(EngineError) as error:
            match_covariates(with_path(landscape, named), (), Log())
        server.settimeout(0.05)
        with pytest.raises(TimeoutError):  # nobody has called
            server.accept()
    assert "No covariates were given, and one is " in str(error.value) and f"'{named}'" in str(error.value)
    given = [replace(each, path="/vsizip//data/all.zip/a.tif") for each in landscape.covariates]
    assert match_covariates(with_path(landscape, named), given, Log())[1].path == "/vsizip//data/all.zip/a.tif"


def test_a_link_to_a_plain_raster_file_is_one(landscape: Landscape) -> None:
    link = landscape.folder / "a!b ü.tif"
    link.symlink_to(landscape.covariates[1].path)
    assert match_covariates(with_path(landscape, str(link)), (), Log())[1].path == str(link)


def test_the_files_of_the_training_are_mapped_on_its_grid(landscape: Landscape) -> None:
    summaries = landscape.summaries()
    grid = landscape.grid.with_cell_size(25.0)  # as if it had been chosen for the extraction
    log = Log()
    assert map_grid(landscape.covariates, summaries, grid, log) == grid and log.events == []


def test_other_rasters_are_mapped_on_their_own_grid(landscape: Landscape) -> None:
    path = write_raster(landscape.folder / "east.tif", np.ones((30, 20)), corner=(9000, 7000))
    log = Log()
    grid = map_grid([Covariate(path, "elevation")], landscape.summaries(), landscape.grid, log)
    assert grid.bounds == (9000, 6700, 9200, 7000) and (grid.height, grid.width) == (30, 20) and log.warnings == []


def test_of_several_grids_the_one_with_cells_like_those_of_the_training_is_taken(landscape: Landscape) -> None:
    covariates = [
        Covariate(write_raster(landscape.folder / f"{name}.tif", np.ones((30, 30)), cell), name)
        for name, cell in (("coarse", 40.0), ("near", 9.0), ("fine", 2.0))
    ]
    log = Log()
    grid = map_grid(covariates, landscape.summaries(), landscape.grid, log)
    assert grid.cell_size == (9.0, 9.0) and (grid.height, grid.width) == (30, 30)
    assert log.warnings == []  # 10 % off is no cause for concern, nor for blurring them
    assert log.infos == [
        "The map has the rasters' cells of 9 m; the network was trained on cells of 10 m, which is near enough."
    ]


@pytest.mark.parametrize(("cell", "shape"), [(30.0, (20, 10)), (2.5, (80, 40))])
def test_cells_of_another_size_are_resampled_with_a_warning(
    landscape: Landscape, cell: float, shape: tuple[int, int]
) -> None:
    path = write_raster(landscape.folder / "other.tif", np.ones(shape), cell)
    log = Log()
    grid = map_grid([Covariate(path, "elevation")], landscape.summaries(), landscape.grid, log)
    assert grid.cell_size == pytest.approx((10.0, 10.0))
    assert (grid.height, grid.width) == (round(shape[0] * cell / 10), round(shape[1] * cell / 10))
    (warning,) = log.warnings
    assert f"cells of {cell:g} m, the network was trained on cells of 10 m" in warning


def test_degrees_are_compared_in_metres(landscape: Landscape) -> None:
    path = write_raster(landscape.folder / "degrees.tif", np.ones((50, 50)), 0.001, (5.0, 52.0), "EPSG:4326")
    log = Log()
    grid = map_grid([Covariate(path, "elevation")], landscape.summaries(), landscape.grid, log)
    assert grid.metres_per_cell() == pytest.approx((10, 10), rel=0.01)
    # 0.001 degrees at 52 degrees north, of which one is 68,720 m east and 111,270 m north
    assert "have cells of 68.72 x 111.3 m, the network was trained on cells of 10 m" in log.warnings[0]


def test_a_network_of_degrees_keeps_its_cells_in_metres(landscape: Landscape) -> None:
    degrees = Grid(pyproj.CRS(4326).to_wkt(), (0.001, 0.0, 5.0, 0.0, -0.001, 52.0), 50, 50)
    path = write_raster(landscape.folder / "metres.tif", np.ones((40, 30)), 10.0)
    log = Log()
    grid = map_grid([Covariate(path, "elevation")], landscape.summaries(), degrees, log)
    assert grid.cell_size == pytest.approx((68.72, 111.27), rel=1e-3) and grid.crs_name == "EPSG:28992"
    assert "They are resampled to 68.72 x 111.3 m" in log.warnings[0]


def test_degrees_at_another_latitude_are_resampled_only_where_they_are_much_narrower(landscape: Landscape) -> None:
    degrees = Grid(pyproj.CRS(4326).to_wkt(), (0.001, 0.0, 5.0, 0.0, -0.001, 52.0), 50, 50)
    for latitude, ratio in ((48.0, None), (65.0, 0.688)):  # cos 65 / cos 52 = 0.686; the Earth is flattened
        path = write_raster(landscape.folder / "north.tif", np.ones((50, 50)), 0.001, (5.0, latitude), "EPSG:4326")
        log = Log()
        grid = map_grid([Covariate(path, "elevation")], landscape.summaries(), degrees, log)
        assert grid.cell_size == pytest.approx((0.001 / (ratio or 1), 0.001), rel=3e-3)
        assert len(log.warnings) == (ratio is not None)


def test_cells_of_the_right_area_and_the_wrong_shape_are_resampled(landscape: Landscape) -> None:
    path = str(landscape.folder / "flat.tif")
    with rasterio.open(
        path, "w", driver="GTiff", count=1, height=30, width=30, dtype="float32", crs="EPSG:28992",
        transform=rasterio.Affine(20, 0, 1000, 0, -5, 2000),
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((1, 30, 30), np.float32))
    log = Log()
    grid = map_grid([Covariate(path, "elevation")], landscape.summaries(), landscape.grid, log)
    assert grid.cell_size == pytest.approx((10.0, 10.0)) and (grid.height, grid.width) == (15, 60)
    assert "have cells of 20 x 5 m" in log.warnings[0]


def test_a_network_that_knows_its_location_is_no_network_for_another_area(landscape: Landscape) -> None:
    location = Location(1200.0, 1800.0, (100.0, 100.0), is_everywhere=True)
    hidden = replace(location, is_everywhere=False)  # the Gaussian process alone sees it
    near, far = landscape.grid, replace(landscape.grid, transform=(10.0, 0.0, 9000.0, 0.0, -10.0, 2000.0))
    for where, grid, count in ((location, near, 0), (location, far, 1), (hidden, far, 0), (None, far, 0)):
        log = Log()
        warn_of_far_location(where, landscape.grid, grid, log)
        assert len(log.warnings) == count
