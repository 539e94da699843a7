"""Runs steps that overlap: each works ahead in its own threads while the next one works on earlier results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing
from typing import TypeVar

import torch

from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.machine.processes import is_joined
from soil_cnn_plugin.engine.machine.torchrun import count_here

_T = TypeVar("_T")
R = TypeVar("R")


def work_ahead(function: Callable[[_T], R], items: Iterable[_T], threads: int) -> Generator[R, None, None]:
    """Yield the results of `function` in the order of the items, computed in threads up to one item beyond them.

    An error in a thread is raised here. A caller who does not take all results closes the generator, which then waits
    for the work under way and closes `items`, too, if that is a generator.
    """
    coming: deque[Future[R]] = deque()
    with closing(_closable(items)) as source, ThreadPoolExecutor(threads) as pool:
        try:
            for item in source:
                coming.append(pool.submit(function, item))
                if len(coming) > threads:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:
            for future in coming:
                future.cancel()


def alone(function: Callable[[_T], R]) -> Callable[[_T], R]:
    """The same function for one thread among several: PyTorch then gives no part of an operation to further threads."""

    def on_one_thread(item: _T) -> R:
        torch.set_num_threads(1)
        return function(item)

    return on_one_thread


def _closable(items: Iterable[_T]) -> Generator[_T, None, None]:
    yield from items


def own_cores() -> int:
    """The cores that belong to this process: of several that train together, each has its part of a machine's."""
    return max(1, usable_cores() // count_here())


def at_once(tasks: int, device: torch.device) -> int:
    """How many of so many tasks `run_side_by_side` runs at a time."""
    return 1 if device.type != "cpu" or is_joined() else max(1, min(own_cores(), tasks))


def run_side_by_side(tasks: Sequence[Callable[[], _T]], device: torch.device) -> list[_T]:
    """The tasks' results in their order. Tasks run one after the other on a GPU, which each fills by itself, and where
    several processes do them together, which must all do the same at the same time.

    Small networks gain nothing from several threads and lose much where other programs want the cores, too: threads
    of one operation wait for each other.
    """
    if device.type != "cpu" or is_joined():
        return [task() for task in tasks]
    if not tasks:
        return []
    cores = own_cores()
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, cores // len(tasks)))
    try:
        with ThreadPoolExecutor(min(cores, len(tasks))) as pool:
            futures = [pool.submit(task) for task in tasks]
            for future in as_completed(futures):
                if future.exception():  # the first task to fail: begin no other
                    pool.shutdown(wait=False, cancel_futures=True)
                    break
            return [future.result() for future in futures if not future.cancelled()]
    finally:
        torch.set_num_threads(threads)
