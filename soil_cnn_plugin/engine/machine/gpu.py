"""What a CUDA GPU has of its own: memory, copies in the background, and a queue (stream) for each thread."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

_OF_THREAD = threading.local()


@dataclass(frozen=True)
class GpuMemory:
    """Bytes: in `total`, still `free` for this process, and held by `others` (other programs, and the driver)."""

    total: int
    free: int
    others: int


def free_memory_of_gpu(device: torch.device) -> int | None:
    """Return the bytes of a CUDA GPU that this process can still use; None for other devices."""
    return memory_of_gpu(device).free if device.type == "cuda" else None


def memory_of_gpu(device: torch.device) -> GpuMemory:
    """Read the memory of a CUDA GPU. Memory that PyTorch keeps for later use counts as free."""
    free, total = torch.cuda.mem_get_info(device)
    reserved = torch.cuda.memory_reserved(device)
    return GpuMemory(total, free + reserved - torch.cuda.memory_allocated(device), total - free - reserved)


def forget_freed(device: torch.device) -> None:
    """Give memory that PyTorch keeps for later use back to a CUDA GPU."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def bring(tensor: Tensor, device: torch.device) -> Tensor:
    """Bring a tensor of the processor to the device: to a CUDA GPU in the background, from pinned memory, which the GPU
    fetches by itself while it computes. Apple's GPUs would copy memory freed meanwhile
    (github.com/pytorch/pytorch/issues/189690)."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


@contextmanager
def own_stream(device: torch.device) -> Iterator[None]:
    """Give each thread a queue of its own on a CUDA GPU, so that it copies one block while it computes another."""
    if device.type != "cuda":
        yield
        return
    stream = _stream_of_thread(device)
    stream.wait_stream(torch.cuda.default_stream(device))
    with torch.cuda.stream(stream):
        yield
        stream.synchronize()


def _stream_of_thread(device: torch.device) -> torch.cuda.Stream:
    """Return the same stream for a thread each time: the memory of a block is kept for the next one of its stream
    only."""
    if not hasattr(_OF_THREAD, "stream"):
        _OF_THREAD.stream = torch.cuda.Stream(device)
    stream: torch.cuda.Stream = _OF_THREAD.stream
    return stream
