"""Copies, queues and memory of a CUDA GPU, on a backend that notes what is asked of it and in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.machine import gpu
from soil_cnn_plugin.engine.machine.gpu import GpuMemory, bring, free_memory_of_gpu, memory_of_gpu, own_stream
from soil_cnn_plugin.engine.mapping import one_block
from soil_cnn_plugin.engine.mapping.blocks import BLOCKS_ON_GPU, predict_blocks
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from tests.engine.landscape import SIDE, make_landscape, random_network

CUDA, CPU = torch.device("cuda"), torch.device("cpu")
Note = tuple[Any, ...]


class Stream:
    def __init__(self, notes: list[Note]) -> None:
        self._notes = notes

    def wait_stream(self, other: object) -> None:
        self._notes.append(("wait for", other))

    def synchronize(self) -> None:
        self._notes.append(("synchronize", self))


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[Note]:
    """What is asked of the replaced backend, in order."""
    noted: list[Note] = []

    @contextmanager
    def in_use(stream: Stream) -> Iterator[None]:
        noted.append(("begin", stream))
        yield
        noted.append(("end", stream))

    monkeypatch.setattr(gpu, "_OF_THREAD", threading.local())
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: Stream(noted))
    monkeypatch.setattr(torch.cuda, "stream", in_use)
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device: "default")
    return noted


class FarTensor:
    """A tensor that notes how it is brought elsewhere."""

    def __init__(self, kind: str = "cpu", ways: tuple[Note, ...] = ()) -> None:
        self.device, self.ways = torch.device(kind), ways

    def pin_memory(self) -> FarTensor:
        return FarTensor("cpu", (*self.ways, ("pinned",)))

    def to(self, device: torch.device, non_blocking: bool = False) -> FarTensor:
        return FarTensor(device.type, (*self.ways, ("to", device.type, non_blocking)))


@pytest.mark.parametrize(
    ("start", "end", "ways"),
    [
        ("cpu", "cuda", (("pinned",), ("to", "cuda", True))),
        ("cuda", "cuda", (("to", "cuda", False),)),
        ("cpu", "mps", (("to", "mps", False),)),  # whose copies in the background go wrong
        ("cpu", "cpu", (("to", "cpu", False),)),
    ],
)
def test_only_a_cuda_gpu_fetches_in_the_background_from_pinned_memory(
    start: str, end: str, ways: tuple[Note, ...]
) -> None:
    found: Any = bring(FarTensor(start), torch.device(end))  # type: ignore[arg-type]
    assert found.ways == ways and found.device.type == end


def test_a_queue_waits_for_earlier_work_and_is_empty_when_its_results_are_used(notes: list[Note]) -> None:
    for _ in range(2):  # the same queue for a thread, whose memory is kept
        with own_stream(CUDA):
            notes.append(("work",))
    stream = notes[1][1]
    once = [("wait for", "default"), ("begin", stream), ("work",), ("synchronize", stream), ("end", stream)]
    assert notes == 2 * once
    with own_stream(CPU):
        notes.append(("work",))
    assert len(notes) == 11


def test_blocks_side_by_side_have_queues_of_their_own_and_are_fetched_before_these_end(
    notes: list[Note], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks are computed on the processor, between what a GPU would be asked."""
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, (("ring", 9),), 9)
    of_thread: dict[int, list[str]] = {}
    both = threading.Barrier(BLOCKS_ON_GPU, timeout=20)

    @contextmanager
    def noted_stream(device: torch.device) -> Iterator[None]:
        own = of_thread.setdefault(threading.get_ident(), [])
        both.wait()  # nobody passes alone: blocks are under way at the same time
        with own_stream(CUDA):
            own.append("begin")
            yield
            own.append("end")

    def noted(name: str, function: Any) -> Any:
        def note_and_do(*arguments: Any) -> Any:
            of_thread.setdefault(threading.get_ident(), []).append(name)
            return function(*arguments)

        return note_and_do

    with open_stack(landscape.covariates, landscape.grid) as stack:
        (whole,) = predict_blocks(BlockPredictor(trained, stack.grid, CPU), stack, SIDE)
        monkeypatch.setattr(one_block, "own_stream", noted_stream)
        monkeypatch.setattr(one_block, "encode_block", noted("encode", one_block.encode_block))
        monkeypatch.setattr(one_block, "look", noted("look", one_block.look))
        monkeypatch.setattr(torch, "get_num_threads", lambda: BLOCKS_ON_GPU)
        pieces = [*predict_blocks(BlockPredictor(trained, stack.grid, CPU), stack, 20)]
    assert isinstance(whole, PredictedBlock) and len(pieces) == 4 and len(of_thread) == BLOCKS_ON_GPU
    for done in of_thread.values():
        assert done == 2 * ["begin", "encode", "end", "look"]
    assert len({id(note[1]) for note in notes if note[0] == "synchronize"}) == BLOCKS_ON_GPU
    for piece in pieces:
        np.testing.assert_allclose(piece.location, whole.location[(slice(None), *piece.block.slices)], atol=1e-5)


def test_memory_that_pytorch_keeps_is_free_and_not_of_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3, 16))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 8)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 2)
    assert memory_of_gpu(CUDA) == GpuMemory(total=16, free=9, others=5)
    assert free_memory_of_gpu(CUDA) == 9 and free_memory_of_gpu(CPU) is None
