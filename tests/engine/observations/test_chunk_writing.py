"""Chunks compressed by hand: any HDF5 reader finds the same bits, and the file is as small as it should be."""

from __future__ import annotations

import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from soil_cnn_plugin.engine.observations.chunk_writing import ChunkWriter, deflate_shuffled

RNG = np.random.default_rng(9)
NOISE = RNG.normal(size=(57, 2, 9, 9)).astype(np.float32)
CODES = RNG.integers(0, 4, (57, 2, 9, 9)).astype(np.float32)
GAPS = np.where(RNG.random(NOISE.shape) < 0.2, np.float32(np.nan), NOISE)
SPECIAL = np.resize(np.array([np.nan, -np.nan, -0.0, 1e-45, 3.4e38], np.float32), NOISE.shape)


def data_set(file: h5py.File, each: int) -> h5py.Dataset:
    return file.create_dataset(
        "patches", (0, 2, 9, 9), np.float32, maxshape=(None, 2, 9, 9), chunks=(each, 2, 9, 9), compression="gzip",
        compression_opts=1, shuffle=True, fillvalue=np.nan,
    )  # fmt: skip


@pytest.mark.parametrize("values", [NOISE, CODES, GAPS, SPECIAL], ids=["noise", "codes", "gaps", "special"])
@pytest.mark.parametrize("each", [1, 8, 57, 100])
def test_any_reader_finds_the_same_bits(tmp_path: Path, values: NDArray[np.float32], each: int) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        writer = ChunkWriter(data_set(file, each), threads=2)
        for part in np.split(values, [0, 1, 20, 20, 33]):
            writer.append(part)
        writer.finish()
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["patches"].shape == values.shape
        np.testing.assert_array_equal(file["patches"][:].view(np.uint32), values.view(np.uint32))


def test_nothing_appended_gives_an_empty_data_set(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        writer = ChunkWriter(data_set(file, 8), threads=1)
        writer.append(NOISE[:0])
        writer.finish()
        assert file["patches"].shape == (0, 2, 9, 9)


def test_only_bytes_that_shrink_are_compressed() -> None:
    noise = np.frombuffer(RNG.bytes(400_000), np.float32)
    assert 400_000 < len(deflate_shuffled(noise)) < 400_200
    normal = RNG.normal(size=100_000).astype(np.float32)  # sign and exponent vary little
    assert len(deflate_shuffled(normal)) < 0.9 * normal.nbytes
    codes = RNG.integers(0, 4, 100_000).astype(np.float32)
    assert len(deflate_shuffled(codes)) < 0.2 * codes.nbytes
    shuffled = codes.reshape(-1, 1).view(np.uint8).T.tobytes()
    assert zlib.decompress(deflate_shuffled(codes)) == shuffled


def test_a_failure_to_write_is_raised_and_stops_the_threads(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data_set(file, 8)
    with h5py.File(tmp_path / "a.h5", "r") as file:
        writer = ChunkWriter(file["patches"], threads=2)
        with pytest.raises((OSError, RuntimeError), match="no write intent"):
            writer.append(NOISE)
            writer.finish()
        writer.close()
        with pytest.raises(RuntimeError, match="shutdown"):
            writer.append(NOISE)
