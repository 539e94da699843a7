"""Steps that overlap: order, errors, and an end that waits for what is under way."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from soil_cnn_plugin.engine.machine.threads import alone, work_ahead


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number

    assert list(work_ahead(slow_at_first, range(7), 3)) == list(range(7))
    assert list(work_ahead(slow_at_first, [], 3)) == []


def test_no_more_is_taken_than_the_threads_and_one_item_beyond() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            taken.append(number)
            yield number

    results = work_ahead(lambda number: number, items(), 2)
    assert next(results) == 0 and taken == [0, 1, 2]
    assert next(results) == 1 and taken == [0, 1, 2, 3]
    results.close()


def test_what_a_thread_raises_is_raised_in_its_turn() -> None:
    def fail_at_two(number: int) -> int:
        if number == 2:
            raise OSError("No space left on device")
        return number

    results = work_ahead(fail_at_two, range(5), 2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(OSError, match="No space left"):
        next(results)


def test_closing_waits_for_what_is_under_way_and_ends_the_steps_before() -> None:
    running = threading.Event()
    ended: list[str] = []

    def items() -> Iterator[int]:
        try:
            yield from range(9)
        finally:
            ended.append("items")

    def work(number: int) -> int:
        if number == 1:
            running.set()
            time.sleep(0.05)
            ended.append("work")
        return number

    results = work_ahead(work, items(), 1)
    next(results)
    running.wait()
    results.close()
    assert ended == ["work", "items"]


def test_a_thread_among_several_shares_nothing_out() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        assert list(work_ahead(alone(lambda item: torch.get_num_threads()), range(3), 2)) == [1, 1, 1]
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
