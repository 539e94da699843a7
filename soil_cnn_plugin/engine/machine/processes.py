"""Several processes that train one network together, started by torchrun; without it there is one process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.torchrun import process_count, process_number

_LONGEST_WAIT = timedelta(days=7)  # for process 0, which grows the forests; one that ended shows at once


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the processes for the duration of a `with`: NCCL between NVIDIA GPUs, gloo between processors.

    Raises:
        EngineError: some of the processes have a GPU and others none.
    """
    if process_count() == 1:
        yield
        return
    store, own, count = next(distributed.rendezvous("env://", timeout=_LONGEST_WAIT))  # type: ignore[attr-defined]
    store.set(f"device {own}", device.type)
    _check_devices([store.get(f"device {number}").decode() for number in range(count)])
    backend = "nccl" if device.type == "cuda" else "gloo"
    distributed.init_process_group(backend, store=store, rank=own, world_size=count, timeout=_LONGEST_WAIT)
    try:
        yield
    finally:
        gc.collect()  # objects that hold the group keep its threads, which abort a process that ends under them
        distributed.destroy_process_group()


def _check_devices(kinds: list[str]) -> None:
    """Raise EngineError where devices differ: NCCL and gloo would wait for each other for ever."""
    if len(set(kinds)) > 1:
        raise EngineError(
            tr(
                "Some of the {} processes that train together found a GPU and others none ({}). Leave machines"
                " of other kinds out, or choose the device cpu."
            ).format(len(kinds), ", ".join(kinds))
        )


def is_joined() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def own_rows(rows: Tensor) -> Tensor:
    """The part that this process takes of a batch (K, B) that is the same in all processes."""
    return rows[:, process_number() :: process_count()] if is_joined() else rows


def with_shared_gradients(network: nn.Module) -> nn.Module:
    """The same network, with gradients that become the mean over the processes (Li et al. 2020, arXiv:2006.15704)."""
    # Its buffers are constants: broadcasting them before each step would only take time.
    return DistributedDataParallel(network, broadcast_buffers=False) if is_joined() else network


def mean_over_processes(values: Tensor) -> Tensor:
    return sum_over_processes(values) / process_count() if is_joined() else values


def is_agreed(number: int, device: torch.device) -> bool:
    """Whether all processes have the same number."""
    if not is_joined():
        return True
    extremes = torch.tensor([number, -number], device=device)
    distributed.all_reduce(extremes, distributed.ReduceOp.MAX)
    return bool(extremes[0] == -extremes[1])


def sum_over_processes(values: Tensor) -> Tensor:
    if not is_joined():
        return values
    total = values.detach().clone()
    distributed.all_reduce(total)
    return total
