"""Inputs that do not fit into memory train the same network."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import IO

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import Memory
from soil_cnn_plugin.engine.training import input_rows
from soil_cnn_plugin.engine.training.input_rows import Batches, InputRows, room_for

CPU = torch.device("cpu")
HELD_OUT = np.arange(30) % 3 == np.arange(2)[:, None]


def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_rows, "read_memory", lambda: Memory(10, 10))
    monkeypatch.setattr(input_rows, "lies_in_memory", lambda folder: False)  # as /tmp does on some computers


def test_what_does_not_fit_lies_in_a_file_without_a_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_memory(monkeypatch)
    monkeypatch.setattr(input_rows.tempfile, "tempdir", str(tmp_path))
    far = room_for((30, 4), CPU)
    far.tensor[:] = torch.arange(120.0).reshape(30, 4)
    assert far.is_far and not list(tmp_path.iterdir())
    assert far.take(torch.tensor([[2, 5]])).tolist() == [[[8, 9, 10, 11], [20, 21, 22, 23]]]
    assert not InputRows(torch.zeros(3, 4), CPU).is_far


def test_processes_share_the_memory_of_their_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    no_memory(monkeypatch)
    monkeypatch.setattr(input_rows, "read_memory", lambda: Memory(2000, 2000))
    assert not room_for((30, 4), CPU).is_far
    for name, value in {"TORCHELASTIC_RUN_ID": "one", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    assert room_for((30, 4), CPU).is_far


def test_batches_from_a_file_are_those_from_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    near = InputRows(torch.randn(30, 5, 5, 2), CPU)
    no_memory(monkeypatch)
    far = room_for((30, 5, 5, 2), CPU)
    far.tensor[:] = near.tensor
    turns = torch.stack([torch.arange(25), torch.arange(25).flip(0)])
    for number, (one, two) in enumerate(zip(*(Batches(each, HELD_OUT, 8, 3, turns) for each in (near, far)))):
        assert torch.equal(one.rows, two.rows) and torch.equal(one.inputs, two.inputs)
        if number == 6:  # more than a round
            break


def test_a_choice_of_a_choice_is_read_from_the_same_tensor() -> None:
    rows = InputRows(torch.arange(10.0)[:, None], CPU).chosen(torch.tensor([8, 6, 4, 2])).chosen(torch.tensor([3, 0]))
    assert len(rows) == 2 and rows.take(torch.tensor([1, 0])).flatten().tolist() == [8, 2]
    assert torch.cat(list(rows.split(1))).flatten().tolist() == [2, 8]


def test_a_disk_without_room_is_told_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    no_memory(monkeypatch)
    with pytest.raises(EngineError, match="inputs of 10,000,000,000 observations take .* TMPDIR"):
        room_for((10**10, 10**4), CPU)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a folder in memory")
def test_a_folder_in_memory_is_no_place_for_what_does_not_fit_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(input_rows, "read_memory", lambda: Memory(10, 10))
    monkeypatch.setattr(input_rows.tempfile, "tempdir", "/dev/shm")
    with pytest.raises(EngineError, match=r"\(/dev/shm\) lies in memory, too\. Name a folder on a disk in .* TMPDIR"):
        room_for((30, 4), CPU)


@pytest.mark.skipif(os.name != "posix", reason="Windows does not tell what is taken of a disk")
def test_the_whole_room_is_taken_also_where_it_cannot_be_reserved(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As on macOS: a disk that gets full later would kill the process."""
    no_memory(monkeypatch)
    files, temporary_file = [], tempfile.TemporaryFile

    def remembered() -> IO[bytes]:
        files.append(temporary_file(dir=tmp_path))
        return files[-1]

    monkeypatch.setattr(input_rows.tempfile, "TemporaryFile", remembered)
    monkeypatch.setattr(input_rows, "_PIECE", 100_000)
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    assert not room_for((1000, 300), CPU).tensor.any()
    state = os.fstat(files[0].fileno())
    assert state.st_size == 1_200_000 and state.st_blocks * 512 >= 1_200_000
