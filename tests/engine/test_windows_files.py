"""Outputs under Windows' rules, where a file that is open can be neither moved nor replaced."""

from __future__ import annotations

import os
from pathlib import Path

import geopandas
import h5py
import numpy as np
import pytest
import rasterio
from shapely import Point

from soil_cnn_plugin.contract.jobs import Covariate, ExtractPatches
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.jobs.extract_patches import run
from soil_cnn_plugin.engine.outputs import Claims, write_whole
from soil_cnn_plugin.engine.report import Report
from tests.windows_files import refuse_open_files


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return refuse_open_files(monkeypatch)


def test_the_rules_are_those_of_windows(tmp_path: Path, refused: list[str]) -> None:
    path = tmp_path / "folder" / "a.txt"
    path.parent.mkdir()
    with path.open("w"):
        for move in (path.unlink, lambda: path.rename(tmp_path / "b"), lambda: path.parent.rename(tmp_path / "other")):
            with pytest.raises(PermissionError, match="used by another process"):
                move()
    assert refused == [str(path)] * 3
    path.parent.rename(tmp_path / "other")
    assert os.listdir(tmp_path) == ["other"]


def test_a_report_that_is_open_elsewhere_stays_and_the_new_one_lies_beside(tmp_path: Path, refused: list[str]) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    with path.open(), pytest.raises(EngineError, match=r"stays beside as .*report_1.html. Nothing else was replaced"):
        write_whole(str(path), b"new")
    assert (path.read_text(), (tmp_path / "report_1.html").read_text()) == ("old", "new")
    write_whole(str(path), b"newer")
    assert path.read_text() == "newer"


def extraction(folder: Path) -> ExtractPatches:
    """A small extraction of patches, in a folder with spaces and letters that no code page of Europe has together."""
    folder.mkdir(exist_ok=True)
    raster, points = folder / "höhe.tif", folder / "točke.gpkg"
    transform, values = rasterio.Affine(10, 0, 0, 0, -10, 300), np.arange(900, dtype=np.float32).reshape(30, 30)
    with rasterio.open(
        raster,
        "w",
        driver="GTiff",
        width=30,
        height=30,
        count=1,
        dtype="float32",
        crs="EPSG:28992",
        transform=transform,
    ) as dataset:
        dataset.write(values, 1)
    places = [Point(105 + 10 * (number % 5), 105 + 10 * (number // 5)) for number in range(20)]
    geopandas.GeoDataFrame({"clay": np.arange(20.0)}, geometry=places, crs="EPSG:28992").to_file(points)
    return ExtractPatches(
        observations=str(points),
        targets=(SoilProperty("clay", "%"),),
        covariates=(Covariate(str(raster), "height"),),
        patches=str(folder / "patches.h5"),
        patch_size=3,
    )


def test_a_job_holds_none_of_its_outputs_open_when_it_names_them(tmp_path: Path, refused: list[str]) -> None:
    job = extraction(tmp_path / "Böden č ő Ω")
    for _ in range(2):  # the second run replaces what the first one made
        run(job, Report(lambda _event: None))
    assert refused == []
    with h5py.File(job.patches) as file:
        assert len(file) > 0


def test_a_patch_file_that_is_open_elsewhere_is_told_before_the_work(tmp_path: Path, refused: list[str]) -> None:
    job = extraction(tmp_path / "soil")
    run(job, Report(lambda _event: None))
    claims = Claims()
    with h5py.File(job.patches), pytest.raises(EngineError, match=r"patches.h5 cannot be written: .*remove it there"):
        claims.take(job)
    claims.give_back()
    claims.take(job)
    claims.give_back()
