"""Steps that overlap: each works ahead in threads of its own while the next one works on earlier results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def work_ahead(function: Callable[[T], R], items: Iterable[T], threads: int) -> Generator[R, None, None]:
    """Results of `function` in the order of the items, computed in threads up to one item beyond them.

    What a thread raises is raised here. Whoever does not take all results closes the generator: it then waits for what
    is under way, and closes `items`, if that is a generator, too.
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


def alone(function: Callable[[T], R]) -> Callable[[T], R]:
    """The same for a thread among several: PyTorch then shares no operation out to further threads."""

    def on_one_thread(item: T) -> R:
        torch.set_num_threads(1)
        return function(item)

    return on_one_thread


def _closable(items: Iterable[T]) -> Generator[T, None, None]:
    yield from items
