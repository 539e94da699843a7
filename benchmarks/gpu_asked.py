"""What the parts of gpu_check.py are asked for, and the memory that they take on the card."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from figures import Figure

from soil_cnn_plugin.engine.machine.gpu import memory_of_gpu

GIB = 2**30


@dataclass(frozen=True)
class Asked:
    """`device` is cuda or cpu; `small` is for trying; parts share files in the `folder`, and have so many `seconds`."""

    device: str
    small: bool
    folder: str
    seconds: float

    @property
    def on(self) -> torch.device:
        return torch.device(self.device, 0) if self.device == "cuda" else torch.device("cpu")

    def path(self, name: str) -> Path:
        return Path(self.folder) / name


class NotPossibleError(Exception):
    """This machine lacks what a part needs."""


@contextmanager
def gpu_memory_watched(asked: Asked) -> Iterator[list[float]]:
    """Yield a list whose only number is, at the end, the most memory (GiB) that workers took on the card."""
    most: list[float] = []
    if asked.device != "cuda":
        yield most
        return
    before, is_over = memory_of_gpu(asked.on).others, threading.Event()
    most.append(0.0)

    def watch() -> None:
        while not is_over.wait(0.1):
            most[0] = max(most[0], (memory_of_gpu(asked.on).others - before) / GIB)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield most
    finally:
        is_over.set()
        watcher.join()


def memory_figures(name: str, most: list[float]) -> list[Figure]:
    return [Figure(f"{name}: most memory of the card", (value,), "GiB") for value in most]


def needs_gpu(asked: Asked) -> None:
    if asked.device != "cuda":
        raise NotPossibleError("it needs a CUDA GPU")
