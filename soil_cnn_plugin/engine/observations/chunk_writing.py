"""A writer of chunked HDF5 data sets that compresses chunks in threads, each byte plane only where that pays.

HDF5 compresses in one thread, and spends most of its time on bytes of numbers that are noise and do not shrink. The
same filters (shuffle, then deflate) are applied here, so that any HDF5 reader reads the file. The lowest bytes of all
numbers, the next ones and so on are each compressed or stored as they are; one zlib stream may mix both.
"""

from __future__ import annotations

import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from soil_cnn_plugin.engine.arrays import Singles

_SAMPLE = 4096  # bytes of a plane that are tried
_PAYS = 0.6
"""A plane is compressed when its sample shrinks below this share: noise takes long, now and whenever it is read."""
_HEADER = b"\x78\x01"  # RFC 1950: deflate, 32 KiB window, fastest
_END = b"\x03\x00"  # RFC 1951: an empty last block


class ChunkWriter:
    """A writer of float32 arrays (n, ...) to the end of a data set.

    The data set is chunked along its first axis only, shuffled and deflated. Arrays must not be changed after they are
    appended. The data set is incomplete before `finish`.
    """

    def __init__(self, data: h5py.Dataset, threads: int) -> None:
        self._data, self._length = data, data.chunks[0]
        self._waiting: list[Singles] = []
        self._pool = ThreadPoolExecutor(threads, "compress")
        self._packing: deque[Future[bytes]] = deque()
        self._most = 4 * threads
        self._count = self._written = 0

    def append(self, values: Singles) -> None:
        self._waiting.append(np.ascontiguousarray(values))
        self._count += len(values)
        while sum(map(len, self._waiting)) >= self._length:
            self._pack(self._take(self._length))

    def finish(self) -> None:
        """Write what is left, and fill up the last chunk with NaN, which no reader sees."""
        left = sum(map(len, self._waiting))
        if left:
            chunk = np.full(self._data.chunks, np.nan, np.float32)
            chunk[:left] = self._take(left)
            self._pack(chunk)
        while self._packing:
            self._write_first()
        self._data.resize(self._count, axis=0)
        self.close()

    def close(self) -> None:
        """Stop the threads, whatever is left to write."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _take(self, count: int) -> Singles:
        """Take the first `count` of the values that wait."""
        parts = []
        while count:
            first = self._waiting.pop(0)
            parts.append(first[:count])
            if len(first) > count:
                self._waiting.insert(0, first[count:])
            count -= len(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _pack(self, chunk: Singles) -> None:
        self._packing.append(self._pool.submit(deflate_shuffled, chunk))
        while len(self._packing) > self._most or (self._packing and self._packing[0].done()):
            self._write_first()

    def _write_first(self) -> None:
        packed = self._packing.popleft().result()
        start = self._written * self._length
        if self._data.shape[0] < start + self._length:
            self._data.resize(start + self._length, axis=0)
        self._data.id.write_direct_chunk((start, *[0] * (self._data.ndim - 1)), packed)
        self._written += 1


def deflate_shuffled(values: NDArray[Any]) -> bytes:
    """Return what HDF5's filters may make of an array: a zlib stream of its first bytes, then its second ones..."""
    planes = np.ascontiguousarray(values.reshape(-1, 1).view(np.uint8).T)
    parts = [_HEADER]
    for plane in planes:
        middle = max(0, len(plane) - _SAMPLE) // 2
        sample = plane[middle : middle + _SAMPLE]
        pays = len(_deflate(sample, 1)) < _PAYS * len(sample)
        parts.append(_deflate(plane, 1 if pays else 0))
    return b"".join([*parts, _END, zlib.adler32(planes.data).to_bytes(4, "big")])


def _deflate(plane: NDArray[np.uint8], level: int) -> bytes:
    """Return blocks of a zlib stream that do not need those before them; level 0 stores bytes as they are."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 8, zlib.Z_RLE)
    return packer.compress(plane.data) + packer.flush(zlib.Z_FULL_FLUSH)
