"""Computations side by side: their order, their threads, and what happens when one fails."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from soil_cnn_plugin.engine.machine import threads as side_by_side
from soil_cnn_plugin.engine.machine.memory import usable_cores
from soil_cnn_plugin.engine.machine.threads import run_side_by_side

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "usable_cores", lambda: 4)


def test_results_come_in_the_order_of_the_tasks() -> None:
    def task(number: int) -> int:
        time.sleep(0.02 * (5 - number))
        return number

    assert run_side_by_side([lambda n=n: task(n) for n in range(5)], CPU) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("tasks", "threads"), [(1, 4), (2, 2), (3, 1), (9, 1)])
def test_cores_are_shared_out_and_given_back(tasks: int, threads: int) -> None:
    before = torch.get_num_threads()
    assert run_side_by_side([torch.get_num_threads] * tasks, CPU) == [threads] * tasks
    assert torch.get_num_threads() == before


def test_tasks_really_run_at_the_same_time() -> None:
    meeting = threading.Barrier(4, timeout=10)
    assert sorted(run_side_by_side([meeting.wait] * 4, CPU)) == [0, 1, 2, 3]


def test_a_task_that_fails_stops_those_not_yet_begun() -> None:
    done = []

    def fail() -> None:
        raise ValueError("broken")

    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="broken"):
        run_side_by_side([fail, *[lambda: (time.sleep(0.05), done.append(1))] * 40], CPU)
    assert len(done) < 20 and torch.get_num_threads() == before


def test_a_later_task_that_fails_is_not_waited_for_by_those_not_yet_begun() -> None:
    done, end = [], threading.Event()

    def fail() -> None:
        raise ValueError("broken")

    threading.Timer(0.5, end.set).start()
    with pytest.raises(ValueError, match="broken"):
        run_side_by_side([end.wait, fail, *[lambda: (time.sleep(0.05), done.append(1))] * 40], CPU)
    assert len(done) < 20


def test_on_a_gpu_one_follows_the_other() -> None:
    names = run_side_by_side([lambda: threading.current_thread().name] * 3, torch.device("cuda"))
    assert set(names) == {threading.current_thread().name}


def test_there_is_a_core() -> None:
    assert usable_cores() >= 1
