"""What a network sees of observations: in memory where it fits, else in a file on disk that is read as needed."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import gibibytes, lies_in_memory, read_memory
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
        brought = self._brought(taken)
        return brought.reshape(*rows.shape, *brought.shape[1:])

    def take_turned(self, rows: Tensor, pixels: Tensor) -> Tensor:
        """Take images and reorder their pixels: of images (N, P, P, D) the `rows` (K, B), and of each member's images
        the `pixels` (K, Q * Q), as (K, B, Q, Q, D). In memory the members' values of a pixel lie side by side, as
        their convolutions want them."""
        count, side, width = len(self.tensor), self.tensor.shape[1], math.isqrt(pixels.shape[1])
        rows, pixels = rows.to(self.tensor.device), pixels.to(self.tensor.device)
        chosen = rows if self.rows is None else self.rows[rows]
        index = chosen.T[:, None] * side**2 + pixels.T  # -> (B, Q * Q, K)
        taken: Tensor = functional.embedding(index, self.tensor.reshape(count * side**2, -1))
        images: Tensor = self._brought(taken).permute(2, 0, 1, 3).unflatten(2, (width, width))
        return images

    def _brought(self, taken: Tensor) -> Tensor:
        """Bring rows to the device, in the background only for CUDA: Apple's GPUs would copy memory freed meanwhile
        (github.com/pytorch/pytorch/issues/189690)."""
        if self.device.type == "cuda" and taken.device.type == "cpu":
            return taken.pin_memory().to(self.device, non_blocking=True)
        return taken.to(self.device)

    def fetch(self, fetch: Callable[[_T], Taken], wanted: Iterable[_T]) -> Iterator[Taken]:
        """What `fetch` takes of these rows for each of the `wanted`, in order. Where rows lie far, several are fetched
        ahead of use at once, because a disk answers several as fast as one."""
        return work_ahead(fetch, wanted, _READERS) if self.is_far else map(fetch, wanted)

    def split(self, size: int) -> Iterator[Tensor]:
        """Yield one batch after the other, in order."""
        return self.fetch(self.take, torch.arange(len(self)).split(size))


def room_for(shape: tuple[int, ...], device: torch.device) -> InputRows:
    """Make room for rows of float32: on the device where they fit there, else in memory, else in a temporary file.

    Raises:
        EngineError: the disk has no room for the file.
    """
    size = 4 * int(np.prod(shape))
    if device.type == "cuda" and size < _SHARE_OF_MEMORY * torch.cuda.mem_get_info(device)[0]:
        return InputRows(torch.empty(shape, device=device), device)
    free = read_memory().free
    if free is None or count_here() * size < _SHARE_OF_MEMORY * free:  # all processes of this machine ask at once
        return InputRows(torch.empty(shape), device, is_far=device.type != "cpu")
    return InputRows(torch.from_numpy(_file_of(shape, size)), device, is_far=True)


def _file_of(shape: tuple[int, ...], size: int) -> np.memmap[tuple[int, ...], np.dtype[np.float32]]:
    """Map a file without a name, so that nothing is left of it however the process ends."""
    folder = tempfile.gettempdir()
    what = f"The networks' inputs of {shape[0]} observations take {gibibytes(size)}, too much for the free memory, and"
    what += f" the folder for temporary files ({folder})"
    if lies_in_memory(Path(folder)):
        raise EngineError(f"{what} lies in memory, too. Name a folder on a disk in the environment variable TMPDIR.")
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the array
    try:
        _reserve(file, size)
        return np.memmap(file, np.float32, "r+", shape=shape)
    except OSError as error:
        raise EngineError(
            f"{what} has no room for them: {error}. Make room there, or name another folder in the environment variable"
            " TMPDIR."
        ) from error


def _reserve(file: IO[bytes], size: int) -> None:
    """Reserve the space now, so that a full disk shows now: later, writing to a mapped file would kill the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for start in range(0, size, _PIECE):
        file.write(bytes(min(_PIECE, size - start)))
    file.flush()
