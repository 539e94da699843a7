"""A GPU whose memory other programs hold: it is told, and the run goes to the processor or waits, as the user chose."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from soil_cnn_plugin.contract import jobs as contract
from soil_cnn_plugin.contract.job import Job
from soil_cnn_plugin.engine.errors import EngineError, GpuFull
from soil_cnn_plugin.engine.machine import device as device_module
from soil_cnn_plugin.engine.machine import full_gpu
from soil_cnn_plugin.engine.machine.device import choose_device, on_device
from soil_cnn_plugin.engine.machine.full_gpu import programs_in_words
from tests.engine.landscape import Log

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
GIB = 2**30


class Card:
    """A card of 16 GiB, of which others hold as much as `held` says, look after look; the last number stays."""

    def __init__(self, patch: pytest.MonkeyPatch, *held: float) -> None:
        self.held, self.slept = list(held), 0.0
        patch.setattr(torch.version, "cuda", "12.8")
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA T4")
        patch.setattr(torch.cuda, "mem_get_info", lambda device: (int((16 - self.look()) * GIB), 16 * GIB))
        patch.setattr(torch.cuda, "empty_cache", lambda: None)
        patch.setattr(device_module, "device_in_words", lambda device: device.type)
        patch.setattr(device_module, "functional", SimpleNamespace(conv2d=lambda image, _: 8 * torch.ones(1)))
        ones = torch.ones
        patch.setattr(torch, "ones", lambda *shape, device=None, **options: ones(*shape, **options))
        patch.setattr(full_gpu.time, "sleep", self.sleep)
        patch.setattr(full_gpu.time, "monotonic", lambda: self.slept)
        patch.setattr(full_gpu.shutil, "which", lambda name: None)

    def look(self) -> float:
        return self.held.pop(0) if len(self.held) > 1 else self.held[0]

    def sleep(self, seconds: float) -> None:
        self.slept += seconds


def test_a_card_with_room_is_taken_whatever_others_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    Card(monkeypatch, 14.5)
    assert choose_device("auto", Log()) == GPU


def test_a_full_card_is_told_and_the_processor_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    Card(monkeypatch, 15.5)
    monkeypatch.setattr(device_module, "full_in_words", spoken_with("python, 15.0 GiB, process 4711"))
    log = Log()
    assert choose_device("auto", log) == CPU
    (warning,) = log.warnings
    assert warning == (
        "The GPU is not used, because the memory of NVIDIA T4 is full: 512 MiB of 16.0 GiB are free, other programs"
        " hold 15.5 GiB (python, 15.0 GiB, process 4711). The processor takes longer. Close the programs that use it,"
        " or set the choice for a full GPU to wait."
    )
    with pytest.raises(EngineError, match=r"cuda was asked for, but the memory of NVIDIA T4 is full: .* to wait\.$"):
        choose_device("cuda", Log())


def spoken_with(programs: str) -> Callable[..., str]:
    speak = full_gpu.full_in_words

    def speak_of(*arguments: Any) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(full_gpu, "programs_in_words", lambda: f" ({programs})")
            return speak(*arguments)

    return speak_of


@pytest.mark.parametrize("wanted", ["auto", "cuda"])
def test_a_run_waits_for_a_full_card_and_tells_how_long(wanted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch, *[15.9] * 60, 2.0)
    log = Log()
    assert choose_device(wanted, log, "wait") == GPU
    assert 500 < card.slept < 700
    (warning,) = log.warnings
    assert warning.startswith("The run waits for the GPU, because the memory of NVIDIA T4 is full: 102 MiB of 16.0 GiB")
    assert "cancel the run and set the choice for a full GPU to processor" in warning
    still, over, chosen = log.infos
    assert still == "The run still waits for the GPU, after 5 minutes."
    assert over == "The GPU has room again, after 10 minutes of waiting." and chosen.startswith("Device: cuda")


def test_a_card_that_is_too_full_to_start_on_is_full_too(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch, 4.0)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: out of memory")

    monkeypatch.setattr(torch.cuda, "mem_get_info", fail)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda gpu: SimpleNamespace(total_memory=16 * GIB))
    log = Log()
    assert choose_device("auto", log) == CPU
    assert "NVIDIA T4 cannot compute: CUDA error: out of memory" in log.warnings[0]
    looks = iter([True, True, False])
    monkeypatch.setattr(
        torch.cuda, "mem_get_info", lambda device: fail() if next(looks, False) else (12 * GIB, 16 * GIB)
    )
    assert choose_device("auto", Log(), "wait") == GPU and card.slept == 0


def test_nobody_waits_for_a_card_that_is_too_small(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch, 0.0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (GIB // 2, GIB))
    assert choose_device("auto", Log(), "wait") == CPU and card.slept == 0


OUT_OF_MEMORY = RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB.\nMore lines.")


class Work:
    """Work that fails on the GPU as often as there are errors."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.devices = list(errors), []  # type: ignore[var-annotated]

    def __call__(self, device: torch.device) -> str:
        self.devices.append(device.type)
        if device.type != "cpu" and self.errors:
            raise self.errors.pop(0)
        return "done"


@pytest.mark.parametrize("error", [OUT_OF_MEMORY, GpuFull("The GPU has no room even for blocks of 16 x 16 pixels.")])
def test_memory_that_runs_out_meanwhile_sends_the_run_to_the_processor(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    Card(monkeypatch, 8.0)
    log, work = Log(), Work(error)
    assert on_device(work, "auto", "processor", log) == "done"
    assert work.devices == ["cuda", "cpu"]
    assert log.warnings == ["The GPU's memory has run out. The run begins anew on the processor."]


def test_memory_that_runs_out_meanwhile_makes_the_run_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    card = Card(monkeypatch, *[8.0] * 5, 3.0)
    log, work = Log(), Work(OUT_OF_MEMORY)
    assert on_device(work, "cuda", "wait", log) == "done"
    assert work.devices == ["cuda", "cuda"] and card.slept > 20
    assert "the GPU's memory has run out, and other programs hold 8.0 GiB of it" in log.warnings[0]


@pytest.mark.parametrize(("wanted", "choice", "held"), [("cuda", "processor", 8.0), ("auto", "wait", 0.5)])
def test_the_error_is_the_users_where_no_way_is_left(
    wanted: str, choice: str, held: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that was asked for by name is not replaced, and nobody waits for a program that is not there."""
    Card(monkeypatch, held)
    work = Work(OUT_OF_MEMORY)
    with pytest.raises(RuntimeError, match="out of memory"):
        on_device(work, wanted, choice, Log())
    assert work.devices == ["cuda"]


def test_other_errors_begin_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    Card(monkeypatch, 1.0)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        on_device(work := Work(RuntimeError("CUDA error: an illegal memory access")), "auto", "processor", Log())
    assert work.devices == ["cuda"]


def test_programs_are_named_the_largest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = f"{os.getpid()}, /usr/bin/python3, 900\n11, C:\\games\\chess.exe, [N/A]\n12, /opt/train, 12288\n"
    rows += "13, small, 10\n14, smaller, 5\n"
    monkeypatch.setattr(full_gpu.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(full_gpu.subprocess, "run", lambda *_, **__: SimpleNamespace(stdout=rows))
    assert programs_in_words() == (
        " (train, 12.0 GiB, process 12; small, 10 MiB, process 13; smaller, 5 MiB, process 14; 1 more)"
    )


def test_a_driver_that_does_not_answer_names_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 10)

    monkeypatch.setattr(full_gpu.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(full_gpu.subprocess, "run", fail)
    assert programs_in_words() == ""


JOBS: list[Job] = [
    contract.TrainNetwork("p.h5", "n.safetensors"),
    contract.ComparePatchSizes("p.h5", "r.html", (9, 15)),
    contract.PredictMap("n.safetensors", "m.tif"),
    contract.ExplainNetwork("n.safetensors", "p.h5", "r.html"),
    contract.ExplainPixel("n.safetensors", 0.0, 0.0),
    contract.SummarizeAreas("n.safetensors", "p.gpkg", "a.gpkg"),
    contract.PlanSampling("p.gpkg", design="where_next", network="n.safetensors"),
]


def test_all_jobs_that_compute_on_a_gpu_are_named_here() -> None:
    """Map soil properties runs them one after the other; Check environment only tells what is there."""
    kinds = {each for each in vars(contract).values() if isinstance(each, type) and issubclass(each, Job)}
    with_device = {each.__name__ for each in kinds if any(field.name == "device" for field in fields(each))}
    assert with_device == {type(job).__name__ for job in JOBS} | {"CheckEnvironment"}


@pytest.mark.parametrize("job", JOBS, ids=lambda job: type(job).__name__)
def test_every_job_waits_for_a_full_card_if_it_is_told_to(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting(Exception):
        pass

    def wait(*_: object) -> None:
        raise Waiting

    Card(monkeypatch, 15.9)
    monkeypatch.setattr(device_module, "wait_for_gpu", wait)
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", type(job).__name__).lower()
    run = importlib.import_module(f"soil_cnn_plugin.engine.jobs.{name}").run
    with pytest.raises(Waiting):
        run(replace(job, full_gpu="wait"), Log())  # type: ignore[call-arg]
