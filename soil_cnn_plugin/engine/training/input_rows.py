"""What a network sees of observations, in memory or in a file, and the next batch of it for every member."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Flags, Rows
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.compiled import compiled
from soil_cnn_plugin.engine.machine.gpu import bring, free_memory_of_gpu
from soil_cnn_plugin.engine.machine.memory import gibibytes, lies_in_memory, read_memory
from soil_cnn_plugin.engine.machine.processes import own_rows
from soil_cnn_plugin.engine.machine.threads import work_ahead
from soil_cnn_plugin.engine.machine.torchrun import count_here

_SHARE_OF_MEMORY = 0.4  # inputs may take this share of what is free
_PIECE = 2**24  # bytes to write at once
_READERS = 4  # threads that fetch rows ahead

_T = TypeVar("_T")
Taken = TypeVar("Taken")


@dataclass(frozen=True)
class InputRows:
    """Some `rows` of a tensor (N, ...), or all; nothing is copied until rows are taken; taken rows are on `device`.

    `is_far` says that they come from a file, or from the processor's memory to a GPU, and are worth fetching ahead.
    """

    tensor: Tensor
    device: torch.device
    rows: Tensor | None = None
    is_far: bool = False

    def __len__(self) -> int:
        return len(self.tensor) if self.rows is None else len(self.rows)

    @property
    def row_bytes(self) -> int:
        return self.tensor.element_size() * math.prod(self.tensor.shape[1:])

    def chosen(self, rows: Tensor) -> InputRows:
        """Rows that an index selects from these."""
        rows = rows.to(self.tensor.device)
        return InputRows(self.tensor, self.device, rows if self.rows is None else self.rows[rows], self.is_far)

    def take(self, rows: Tensor) -> Tensor:
        """Rows (..., *) at an index of any shape."""
        rows = rows.to(self.tensor.device)
        chosen = rows if self.rows is None else self.rows[rows]
        taken: Tensor = self.tensor.index_select(0, chosen.flatten())  # whole rows are copied at once
        brought = bring(taken, self.device)
        return brought.reshape(*rows.shape, *brought.shape[1:])

    def take_turned(self, rows: Tensor, pixels: Tensor) -> Tensor:
        """Take images and reorder their pixels: of images (N, P, P, D) the `rows` (K, B), and of each member's images
        the `pixels` (K, Q * Q), as (K, B, Q, Q, D). On a GPU the members' values of a pixel lie side by side in memory,
        as their convolutions want them."""
        count, side, width = len(self.tensor), self.tensor.shape[1], math.isqrt(pixels.shape[1])
        rows, pixels = rows.to(self.tensor.device), pixels.to(self.tensor.device)
        chosen = rows if self.rows is None else self.rows[rows]
        if self.tensor.device.type == "cpu":
            turned = torch.empty((*rows.shape, width, width, self.tensor.shape[3]))
            _turn(self.tensor.numpy(), chosen.numpy(), pixels.numpy(), turned.numpy())
            return bring(turned, self.device)
        index = chosen.T[:, None] * side**2 + pixels.T  # -> (B, Q * Q, K)
        taken: Tensor = functional.embedding(index, self.tensor.reshape(count * side**2, -1))
        images: Tensor = bring(taken, self.device).permute(2, 0, 1, 3).unflatten(2, (width, width))
        return images

    def fetch(self, fetch: Callable[[_T], Taken], wanted: Iterable[_T]) -> Iterator[Taken]:
        """What `fetch` takes of these rows for each of the `wanted`, in order. Where rows lie far, several are fetched
        ahead of use at once, because a disk answers several as fast as one."""
        return work_ahead(fetch, wanted, _READERS) if self.is_far else map(fetch, wanted)

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield one batch after the other, in order."""
        return self.fetch(self.take, torch.arange(len(self)).split(size))


@compiled
def _turn(images, rows, pixels, turned):  # type: ignore[no-untyped-def]
    """Fill `turned` (K, B, Q, Q, D) from images (N, P, P, D), rows (K, B) and pixels (K, Q * Q)."""
    size, channels = images.shape[1] * images.shape[2] * images.shape[3], images.shape[3]
    source, target, to, one = images.reshape(-1), turned.reshape(-1), np.uint64(0), np.uint64(1)
    for member in range(rows.shape[0]):
        for row in rows[member]:
            for pixel in pixels[member]:
                at = np.uint64(row * size + pixel * channels)
                for _ in range(channels // 4):  # four are read before they are written, so that they go together
                    a, b, c, d = source[at], source[at + one], source[at + one + one], source[at + one + one + one]
                    target[to], target[to + one], target[to + one + one], target[to + one + one + one] = a, b, c, d
                    at, to = at + np.uint64(4), to + np.uint64(4)
                for _ in range(channels % 4):
                    target[to] = source[at]
                    at, to = at + one, to + one


def room_for(shape: tuple[int, ...], device: torch.device) -> InputRows:
    """Make room for rows of float32: on the device where they fit there, else in memory, else in a temporary file.

    Raises:
        EngineError: the disk has no room for the file.
    """
    size = 4 * int(np.prod(shape))
    of_gpu = free_memory_of_gpu(device)
    if of_gpu is not None and size < _SHARE_OF_MEMORY * of_gpu:
        return InputRows(torch.empty(shape, device=device), device)
    free = read_memory().free
    if free is None or count_here() * size < _SHARE_OF_MEMORY * free:  # all processes of this machine ask at once
        return InputRows(torch.empty(shape), device, is_far=device.type != "cpu")
    return InputRows(torch.from_numpy(_file_of(shape, size)), device, is_far=True)


def _file_of(shape: tuple[int, ...], size: int) -> np.memmap[tuple[int, ...], np.dtype[np.float32]]:
    """Map a file without a name, so that nothing is left of it however the process ends."""
    folder = tempfile.gettempdir()
    told = shape[0], gibibytes(size), folder
    if lies_in_memory(Path(folder)):
        raise EngineError(
            tr(
                "The networks' inputs of {} observations take {}, too much for the free memory, and the folder for"
                " temporary files ({}) lies in memory, too. Name a folder on a disk in the environment variable TMPDIR."
            ).format(*told)
        )
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the array
    try:
        _reserve(file, size)
        return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError as error:
        raise EngineError(
            tr(
                "The networks' inputs of {} observations take {}, too much for the free memory, and the folder for"
                " temporary files ({}) has no room for them: {}. Make room there, or name another folder in the"
                " environment variable TMPDIR."
            ).format(*told, error)
        ) from error


def _reserve(file: IO[bytes], size: int) -> None:
    """Reserve the space now, so that a full disk shows now: later, writing to a mapped file would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, _PIECE):
        file.write(bytes(min(_PIECE, size - start)))
    file.flush()


@dataclass(frozen=True)
class Order:
    """How far the batches are: the rows (n,) that each member has left of its round, and the random numbers' state."""

    left: tuple[Rows, ...]
    random: dict[str, Any]


@dataclass(frozen=True)
class Batch:
    """The part of each member's batch that this process takes: `rows` (K, B), and what is seen of them, `inputs` (K, B,
    ...); `order` is the state for the next batch."""

    rows: Tensor
    inputs: Tensor
    order: Order


@dataclass(frozen=True)
class _Draw:
    """A batch before it is fetched: `pixels` (K, n) hold the order of each member's pixels; None leaves them as is."""

    rows: Tensor
    pixels: Tensor | None
    order: Order


class Batches:
    """Batches in which each member runs through its own rows, in a new order each time; `size` is at most their
    number. Inputs that lie far are fetched ahead."""

    def __init__(self, inputs: InputRows, held_out: Flags, size: int, seed: int, symmetries: Tensor | None) -> None:
        self.inputs, self._symmetries = inputs, symmetries
        self._rows = [np.flatnonzero(~rows) for rows in held_out]
        self._size = size
        self._rng = np.random.default_rng(seed)
        self._left: tuple[Rows, ...] = tuple(np.empty(0, np.int64) for _ in self._rows)

    @property
    def share_of_epoch(self) -> float:
        """Share of a member's training rows that one batch holds."""
        return self._size / min(map(len, self._rows))

    def go_on(self, order: Order) -> None:
        """Go on from where another run was interrupted."""
        self._left = order.left
        self._rng.bit_generator.state = order.random

    def __iter__(self) -> Iterator[Batch]:
        """Yield batches without end."""
        return self.inputs.fetch(self._fetch, self._draws())

    def _draws(self) -> Iterator[_Draw]:
        """Draw random numbers in one thread and in one order, however batches are fetched."""
        while True:
            left = [
                self._rng.permutation(rows) if len(own) < self._size else own
                for rows, own in zip(self._rows, self._left)
            ]
            rows = torch.from_numpy(np.stack([each[: self._size] for each in left]))
            self._left = tuple(each[self._size :] for each in left)
            pixels = None
            if self._symmetries is not None:
                pixels = self._symmetries[self._rng.integers(0, len(self._symmetries), len(rows))]
            yield _Draw(own_rows(rows), pixels, Order(self._left, dict(self._rng.bit_generator.state)))

    def _fetch(self, draw: _Draw) -> Batch:
        rows, pixels = draw.rows, draw.pixels
        inputs = self.inputs.take(rows) if pixels is None else self.inputs.take_turned(rows, pixels)
        return Batch(draw.rows.to(self.inputs.device), inputs, draw.order)
