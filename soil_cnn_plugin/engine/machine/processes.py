"""Several processes that train together, started by torchrun; without it there is one process.

Most of their work is dealt out: each does whole tasks by itself, without any exchange. What cannot be dealt out evenly,
all do together.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.torchrun import process_count, process_number

_LONGEST_WAIT = timedelta(days=7)  # for processes that still have tasks of their own; one that ended shows at once
_is_apart = False


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Join the processes for the duration of a `with`: NCCL between NVIDIA GPUs, gloo between processors, which grow
    forests together in either case.

    Raises:
        EngineError: some of the processes have a GPU and others none.
    """
    if process_count() == 1:
        yield
        return
    store, own, count = next(distributed.rendezvous("env://", timeout=_LONGEST_WAIT))  # type: ignore[attr-defined]
    store.set(f"device {own}", device.type)
    _check_devices([store.get(f"device {number}").decode() for number in range(count)])
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
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


@contextmanager
def apart() -> Iterator[None]:
    """For the duration of a `with`, each process works by itself: nothing is shared, and nobody waits."""
    global _is_apart  # noqa: PLW0603 - of all threads of this process
    _is_apart = True
    try:
        yield
    finally:
        _is_apart = False


def is_joined() -> bool:
    return distributed.is_available() and distributed.is_initialized() and not _is_apart


def leads() -> bool:
    """Whether this process keeps what is computed: the first of those that work together, each of those apart."""
    return not is_joined() or process_number() == 0


def dealt(tasks: int) -> tuple[range, range]:
    """The numbers of the `tasks` that this process does by itself, and of those that all do together because they
    cannot be dealt out evenly."""
    if not is_joined():
        return range(tasks), range(tasks, tasks)
    evenly = tasks - tasks % process_count()
    return range(process_number(), evenly, process_count()), range(evenly, tasks)


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


def fill_over_processes(array: Array) -> None:
    """Fill `array`, in the first process, with what the others have in it; NaN where none has anything. No two of them
    have the same element."""
    if not is_joined():
        return
    has = ~np.isnan(array)
    values = torch.from_numpy(np.where(has, array, 0.0))
    known = torch.from_numpy(has.astype(np.uint8))
    distributed.reduce(values, 0)
    distributed.reduce(known, 0)
    if process_number() == 0:
        array[:] = np.where(known.numpy() > 0, values.numpy(), np.nan)


def lines_over_processes(lines: list[str]) -> list[str]:
    """The lines of all processes, one after the other."""
    text = bytearray("".join(f"{line}\n" for line in lines).encode())  # PyTorch warns of memory that is read-only
    return join_over_processes(np.frombuffer(text, np.uint8)).tobytes().decode().splitlines()


def own_share(count: int) -> range:
    """The numbers below `count` that this process takes; those of the processes follow each other."""
    if not is_joined():
        return range(count)
    own, processes = process_number(), process_count()
    return range(own * count // processes, (own + 1) * count // processes)


def join_over_processes(array: NDArray[Any]) -> NDArray[Any]:
    """The arrays of all processes, which may differ in length alone, one after the other."""
    if not is_joined():
        return array
    own = torch.from_numpy(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(process_count())]
    distributed.all_gather(lengths, torch.tensor([len(own)]))
    longest = max(int(length) for length in lengths)
    parts = [torch.empty(longest, dtype=torch.uint8) for _ in lengths]
    distributed.all_gather(parts, torch.cat([own, own.new_zeros(longest - len(own))]))
    joined_bytes = torch.cat([part[: int(length)] for part, length in zip(parts, lengths)])
    return joined_bytes.numpy().view(array.dtype).reshape(-1, *array.shape[1:])


def predict_together(predict: Callable[[Singles], tuple[Array, Array]], features: Singles) -> tuple[Array, Array]:
    """What `predict` gives for rows of features (N, F), each process for its share of them."""
    if len(features) < process_count():
        return predict(features)
    own = own_share(len(features))
    location, scale = predict(features[own.start : own.stop])
    return join_over_processes(location), join_over_processes(scale)


def is_true_in_all(flag: bool) -> bool:
    """Whether the flags of all processes are true."""
    return bool(join_over_processes(np.array([flag])).all())
