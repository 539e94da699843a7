"""What a CRS out of a stranger's file may name, and what Windows takes for a place on this computer."""

from __future__ import annotations

import ntpath
import os
import sys
from pathlib import Path

import pyproj
import pytest

from soil_cnn_plugin.engine.rasters import plain_files
from soil_cnn_plugin.engine.rasters.plain_files import check_crs_files, is_local_path


def wkt(parameters: str, version: str = "WKT2_2019") -> str:
    return pyproj.CRS.from_user_input(f"+proj=longlat +ellps=bessel {parameters} +type=crs").to_wkt(version)


@pytest.mark.parametrize("version", ["WKT2_2019", "WKT1_GDAL"])
def test_a_crs_may_name_grids_in_files_but_no_server_and_no_pipe(tmp_path: Path, version: str) -> None:
    grid, pipe = tmp_path / "BETA 2007.gsb", tmp_path / "pipe.gsb"
    grid.write_bytes(b"")
    os.mkfifo(pipe)
    grid = grid.rename(tmp_path / "BETA2007.gsb")
    for harmless in ("BETA2007.gsb", "@null", str(grid), f"@{tmp_path}/gone.gsb,null"):
        check_crs_files(wkt(f"+nadgrids={harmless}", version))
    for strange in (str(pipe), "http://127.0.0.1:9/a.gsb", "//server/share/a.gsb", f"null,@{pipe}", "/proc/kmsg"):
        with pytest.raises(ValueError, match="its CRS names"):
            check_crs_files(wkt(f"+nadgrids={strange}", version))


@pytest.mark.parametrize("code", [4326, 28992, 25832, 7415, 3857, 31370, 6707])
def test_the_names_of_everyday_crss_are_no_files(code: int) -> None:
    for version in ("WKT2_2019", "WKT1_GDAL"):
        check_crs_files(pyproj.CRS(code).to_wkt(version))


def test_on_windows_only_paths_with_a_drive_are_local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(plain_files.os, "path", ntpath)
    assert is_local_path("C:\\data\\a.tif") and is_local_path("d:/data/a.tif")
    for path in (
        r"\\server\share\a.tif",
        "//server/share/a.tif",
        r"\\?\UNC\server\share\a.tif",
        r"\data\a.tif",
        "C:a.tif",
    ):
        assert not is_local_path(path)
