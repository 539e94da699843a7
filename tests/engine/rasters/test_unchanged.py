"""Rasters that change while they are read are told, also where GDAL says nothing."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.shutil

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.rasters.unchanged import FileStates, changed, files_behind, fingerprints
from tests.engine.landscape import write_raster


def test_a_raster_that_breaks_off_while_it_is_read_is_told_though_gdal_reads_zeros(tmp_path: Path) -> None:
    path = str(tmp_path / "höhe.img")
    transform = rasterio.Affine(10, 0, 1000, 0, -10, 2000)
    options = {"driver": "HFA", "dtype": "float32", "crs": "EPSG:28992", "transform": transform}
    with rasterio.open(path, "w", count=1, height=512, width=512, **options) as dataset:
        dataset.write(np.full((1, 512, 512), 7, np.float32))
    with open_stack([Covariate(path, "height")], reference_grid(path)) as stack:
        assert (stack.read(Block(0, 0, 64, 64)) == 7).all()
        stack.check_unchanged()
        os.truncate(path, os.path.getsize(path) // 2)
        assert (stack.read(Block(448, 448, 64, 64)) == 0).all()
        with pytest.raises(EngineError, match=r"höhe\.img was changed while it was read"):
            stack.check_unchanged()


def test_a_file_written_anew_has_changed_also_if_its_size_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    states = FileStates.of([str(path), "/vsizip/a.zip/b.tif", "https://example.org/c.tif"])
    states.check()
    os.utime(path, ns=(0, 0))
    with pytest.raises(EngineError, match="a.bin was changed"):
        states.check()


def test_a_file_that_is_gone_is_told_as_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    states = FileStates.of([str(path), "/vsizip/a.zip/b.tif"])
    path.unlink()
    with pytest.raises(EngineError, match="a.bin was removed while it was read"):
        states.check()


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, str]:
    """One raster, and other ways to name it or what is made of it."""
    tif = write_raster(tmp_path / "dem.tif", np.arange(64.0).reshape(8, 8))
    vrt, outer = str(tmp_path / "mosaic.vrt"), str(tmp_path / "outer.virtual")
    rasterio.shutil.copy(tif, vrt, driver="VRT")
    Path(outer).write_text(Path(vrt).read_text().replace("dem.tif", "mosaic.vrt"))
    shutil.copy(tif, tmp_path / "inner.tif")
    with zipfile.ZipFile(tmp_path / "all!.zip", "w") as archive:
        archive.write(tmp_path / "inner.tif", "folder/inner.tif")
    rasterio.shutil.copy(tif, str(tmp_path / "all.nc"), driver="netCDF")
    return {
        "tif": tif,
        "virtual": vrt,
        "virtual of a virtual": outer,
        "options": f"vrt://{outer}?bands=1",
        "archive": f"/vsizip/{tmp_path}/all!.zip/folder/inner.tif",
        "netCDF": f'NETCDF:"{tmp_path}/all.nc":Band1',
    }


@pytest.mark.parametrize(
    ("kind", "changing"),
    [
        ("tif", "dem.tif"),
        ("virtual", "dem.tif"),
        ("virtual", "mosaic.vrt"),
        ("virtual of a virtual", "dem.tif"),
        ("virtual of a virtual", "mosaic.vrt"),
        ("options", "dem.tif"),
        ("options", "outer.virtual"),
        ("archive", "all!.zip"),
        ("netCDF", "all.nc"),
    ],
)
def test_what_lies_behind_a_path_is_watched_too(
    tmp_path: Path, sources: dict[str, str], kind: str, changing: str
) -> None:
    path, file = sources[kind], tmp_path / changing
    states, before = FileStates.of([path]), fingerprints([sources["tif"], path])
    states.check()
    assert changed(before, [sources["tif"], path], {path}) == []
    found = file.stat()
    os.utime(file, ns=(0, 0))
    with pytest.raises(EngineError, match=f"{changing} was changed while it was read"):
        states.check()
    assert changed(before, [sources["tif"], path], {path}) == []  # another date alone does not change a small file
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert changed(before, [sources["tif"], path], {path}) == [path]


def test_what_qgis_writes_beside_a_raster_when_it_is_looked_at_is_no_change(
    tmp_path: Path, sources: dict[str, str]
) -> None:
    states, before = FileStates.of([sources["tif"]]), fingerprints([sources["tif"]])
    for ending in (".aux.xml", ".ovr"):
        Path(f"{sources['tif']}{ending}").write_text("<PAMDataset></PAMDataset>")
    assert files_behind(sources["tif"]) == [sources["tif"]]
    states.check()
    assert changed(before, [sources["tif"]], {sources["tif"]}) == []


def test_a_large_file_is_known_by_its_date_and_by_samples(tmp_path: Path) -> None:
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(5_000_000))
    before = fingerprints([str(path)])
    found = path.stat()
    assert changed(before, [str(path)], {str(path)}) == []
    with path.open("r+b") as file:
        file.seek(-5, os.SEEK_END)
        file.write(b"new")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert changed(before, [str(path)], {str(path)}) == [str(path)]


def test_what_was_never_known_has_not_changed(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.tif")
    assert fingerprints(["/vsicurl_gone/a.tif", gone]) == "- -"
    assert changed("- -", ["/vsicurl_gone/a.tif", gone], {gone}) == []
    assert changed("", [gone], {gone}) == [] and changed("a b", [gone], {gone}) == []
