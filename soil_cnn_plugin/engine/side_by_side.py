"""Independent computations on the processor's cores, each on as many threads as leaves none idle and none waiting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import TypeVar

import torch

from soil_cnn_plugin.engine.cores import usable_cores
from soil_cnn_plugin.engine.networks.processes import is_joined

T = TypeVar("T")


def run_side_by_side(tasks: Sequence[Callable[[], T]], device: torch.device) -> list[T]:
    """The tasks' results in their order; one after the other on a GPU, which each fills by itself, and where several
    processes train together, which must all do the same at the same time.

    Small networks gain nothing from several threads and lose much where other programs want the cores, too: threads
    of one operation wait for each other.
    """
    if device.type != "cpu" or is_joined():
        return [task() for task in tasks]
    cores = usable_cores()
    threads = torch.get_num_threads()
    torch.set_num_threads(max(1, cores // len(tasks)))
    try:
        with ThreadPoolExecutor(min(cores, len(tasks))) as pool:
            futures = [pool.submit(task) for task in tasks]
            for future in as_completed(futures):
                if future.exception():  # of whichever fails first: nothing more is begun
                    pool.shutdown(wait=False, cancel_futures=True)
                    break
            return [future.result() for future in futures if not future.cancelled()]
    finally:
        torch.set_num_threads(threads)
