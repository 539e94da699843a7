"""Folds of a patch file, what the log says of the domain that they were or were not matched to, and distances."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest
import torch
from scipy.spatial.distance import pdist
from shapely import box

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine import threads
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters.grid import Grid
from soil_cnn_plugin.engine.training import design
from soil_cnn_plugin.engine.training.design import _location
from soil_cnn_plugin.engine.training.designs import make_designs
from soil_cnn_plugin.engine.training.folds_of_file import hold_out, tell_folds
from soil_cnn_plugin.engine.training.plan import make_plans
from tests.engine.landscape import NORTH, WEST, Log, extract, make_landscape


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> str:
    return extract(make_landscape(tmp_path_factory.mktemp("landscape")))


def polygons(path: Path, west: float) -> str:
    square = box(west, NORTH - 400, west + 400, NORTH)
    geopandas.GeoDataFrame(geometry=[square], crs=28992).to_file(path)
    return str(path)


def test_a_domain_that_is_not_used_is_warned_of(patches: str, tmp_path: Path) -> None:
    domain, log = polygons(tmp_path / "valley.gpkg", WEST), Log()
    with PatchFile(patches) as file:
        tell_folds(hold_out(file, "random", 3, 0, domain), domain, log)
        assert len(log.warnings) == 1 and "'valley' does not change the folds" in log.warnings[0]
        tell_folds(hold_out(file, "knndm", 3, 0, domain), domain, log)
    assert len(log.warnings) == 1


def test_folds_of_all_kinds_tell_how_far_the_domain_lies(patches: str, tmp_path: Path) -> None:
    with PatchFile(patches) as file:
        domain = polygons(tmp_path / "valley.gpkg", WEST)
        near, far = (hold_out(file, "random", 3, 0, each).nearness for each in ("", domain))
    assert near and far and near.held_out_metres == far.held_out_metres and far.map_metres != near.map_metres


def test_a_domain_beside_the_observations_is_refused(patches: str, tmp_path: Path) -> None:
    far = polygons(tmp_path / "far.gpkg", WEST + 5000)
    with PatchFile(patches) as file, pytest.raises(EngineError, match="'far', .* does not touch the observations"):
        hold_out(file, "knndm", 3, 0, far)


def test_processes_on_one_machine_share_its_cores_while_they_read(
    patches: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: 12)
    monkeypatch.setattr(threads, "count_here", lambda: 4)
    asked: list[int] = []

    def one_after_the_other(function: Any, items: Any, count: int) -> Any:
        asked.append(count)
        return map(function, items)

    monkeypatch.setattr(design, "work_ahead", one_after_the_other)
    with PatchFile(patches) as file:
        plans = make_plans(TrainNetwork(patches, "", architecture="ring"), file.patch_size, file.count)
        design.encode_patches(file, plans, torch.device("cpu"))
    assert asked == [3]


def test_a_resumed_training_removes_what_was_left_half_written(patches: str, tmp_path: Path) -> None:
    job = TrainNetwork(patches, "", architecture="ring", validation="random", folds=3, resume=True)
    with PatchFile(patches) as file:
        kept = make_designs(job, file, tmp_path, torch.device("cpu"), Log()).first.checkpoints
        assert kept is not None
        kept.path.mkdir(parents=True)
        for name in ("ring-1.safetensors", "ring-2.safetensors.0123abcd.part"):
            (kept.path / name).write_bytes(b"soil")
        make_designs(job, file, tmp_path, torch.device("cpu"), Log())
    assert [path.name for path in kept.path.iterdir()] == ["ring-1.safetensors"]


@pytest.mark.parametrize(("crs", "cell", "latitude"), [("EPSG:4326", 0.01, 60.0), ("EPSG:32631", 25.0, 5e6)])
def test_a_location_counts_the_same_distance_on_the_ground_in_x_and_in_y(
    crs: str, cell: float, latitude: float
) -> None:
    grid = Grid(pyproj.CRS(crs).to_wkt(), (cell, 0.0, 10.0, 0.0, -cell, latitude + 50 * cell), 100, 100)
    rng = np.random.default_rng(0)
    coordinates = np.array([10.0, latitude]) + cell * rng.uniform(-50, 50, (40, 2)) + [50 * cell, 0]
    location = _location(SimpleNamespace(coordinates=coordinates, grid=grid), is_everywhere=False)  # type: ignore[arg-type]
    oblique = location.encode(torch.from_numpy(coordinates)[:, :, None, None])[:, [0, 3], 0, 0].double()
    metres = coordinates * (np.array(grid.metres_per_cell()) / cell)
    ratio = pdist(oblique.numpy()) / pdist(metres)
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-4)
    assert oblique.std(0, correction=0).max() == pytest.approx(1, abs=1e-4)
