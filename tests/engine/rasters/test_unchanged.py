"""Rasters that change while they are read are told, also where GDAL says nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.rasters.covariates import FileStates, open_stack, reference_grid
from soil_cnn_plugin.engine.rasters.grid import Block


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
