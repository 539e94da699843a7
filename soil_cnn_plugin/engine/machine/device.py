"""Chooses the device on which networks are trained and evaluated; no other place does."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch.nn import functional

from soil_cnn_plugin.contract.jobs import FULL_GPU
from soil_cnn_plugin.contract.language import tr, tr_n
from soil_cnn_plugin.engine.errors import EngineError, GpuFull
from soil_cnn_plugin.engine.machine.full_gpu import (
    full_in_words,
    is_full,
    is_worth_waiting,
    programs_in_words,
    wait_for_gpu,
)
from soil_cnn_plugin.engine.machine.gpu import GpuMemory, forget_freed, memory_of_gpu
from soil_cnn_plugin.engine.machine.memory import gibibytes, is_memory_of_gpu
from soil_cnn_plugin.engine.machine.torchrun import count_here, number_here, process_count
from soil_cnn_plugin.engine.report import Report

_SET_UP = tr("Run 'Set up the compute environment' with the build set to cuda, or choose the device auto or cpu.")
_MAKE_ROOM = tr("Close the programs that use it, or set the choice for a full GPU to wait.")
_LEAVE_OUT = tr("Mend that machine or leave it out, or choose the device cpu.")
_T = TypeVar("_T")


def on_device(work: Callable[[torch.device], _T], wanted: str, full_gpu: str, report: Report) -> _T:
    """Do a job's work on the device for `wanted`. Where the GPU's memory runs out meanwhile, the work begins anew as
    the choice for a full GPU says: on the processor, or when other programs have given half of their memory back.

    Raises:
        EngineError: the device cannot be used.
        GpuFull, RuntimeError: the GPU's memory is too small, and the job allows no other device.
    """
    device = choose_device(wanted, report, full_gpu)
    while True:
        try:
            return work(device)
        except (RuntimeError, GpuFull) as error:
            is_memory = isinstance(error, GpuFull) or is_memory_of_gpu(error)
            if not is_memory or device.type == "cpu" or process_count() > 1:
                raise
            way_out = _way_out(device, wanted, full_gpu)
            if way_out is None:
                raise
        # This stands outside `except`, which would keep what the failed computation holds.
        gc.collect()
        forget_freed(device)
        device = way_out(report)


def choose_device(wanted: str, report: Report, full_gpu: str = FULL_GPU[0]) -> torch.device:
    """The device for `wanted` (auto, cuda, mps, cpu); the log says which one and why.

    auto takes an NVIDIA or AMD GPU when this PyTorch can really compute on it, and the processor otherwise. It never
    takes Apple's GPU: that one has no float64 and lacks some operations, and networks as small as these gain little
    there. `full_gpu` says whether to wait for a GPU whose memory other programs hold (`wait`) or not (`processor`).
    Raises EngineError when a device that was asked for by name cannot be used.
    """
    if wanted == "cpu":
        return _say(torch.device("cpu"), tr("it was asked for"), report)
    if wanted == "mps":
        if not torch.backends.mps.is_available():
            raise EngineError(
                tr("The device mps (Apple's GPU) was asked for, but there is none here. Choose auto or cpu.")
            )
        return _say(torch.device("mps"), tr("it was asked for"), report)
    gpu = _own_gpu()
    trouble = _trouble_with_cuda(gpu)
    if trouble is not None and trouble.memory is not None and full_gpu == "wait" and is_worth_waiting(trouble.memory):
        wait_for_gpu(lambda: _trouble_with_cuda(gpu) is None, trouble.words, report)
        trouble = _trouble_with_cuda(gpu)
    if trouble is None:
        why = tr("it was asked for") if wanted == "cuda" else tr("it is the fastest one here")
        forbid_tf32()
        return _say(gpu, why, report)
    remedy = _SET_UP if trouble.memory is None else _MAKE_ROOM
    if wanted == "cuda":
        raise EngineError(tr("The device cuda was asked for, but {}. {}").format(trouble.words, remedy))
    if process_count() > 1 and torch.cuda.is_available():  # the others may well take theirs
        raise EngineError(
            tr("Processes that train together must all use a GPU or none, but {}. {}").format(trouble.words, _LEAVE_OUT)
        )
    if trouble.memory is not None:
        report.warning(
            tr("The GPU is not used, because {}. The processor takes longer. {}").format(trouble.words, _MAKE_ROOM)
        )
    why = trouble.words
    if torch.backends.mps.is_available():
        why += tr("; Apple's GPU is used only when mps is asked for")
    return _say(torch.device("cpu"), why, report)


def forbid_tf32() -> None:
    """Forbid TF32. Its 10 bits would pass for float32: in convolutions by default, in products where the environment
    asks for it."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def training_dtype(device: torch.device) -> torch.dtype:
    """The number type of products while networks are trained (Micikevicius et al. 2018, arXiv:1710.03740): bfloat16
    where a GPU has instructions for it; its range is that of float32, so no gradient is lost. Else float32."""
    has_half = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if has_half else torch.float32


def device_in_words(device: torch.device) -> str:
    """Name it: `NVIDIA H200 (CUDA 12.8, 139.8 GiB)`, `Apple GPU (MPS)` or `CPU (8 threads of 8 cores, AVX512)`."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        platform = f"ROCm {torch.version.hip}" if torch.version.hip else f"CUDA {torch.version.cuda}"
        return f"{properties.name} ({platform}, {gibibytes(properties.total_memory)})"
    if device.type == "mps":
        return tr("Apple GPU (MPS)")
    threads = torch.get_num_threads()
    return tr_n("CPU ({} thread of {} cores, {})", "CPU ({} threads of {} cores, {})", threads).format(
        threads, os.cpu_count(), torch.backends.cpu.get_cpu_capability()
    )


def _say(device: torch.device, why: str, report: Report) -> torch.device:
    report.info(tr("Device: {}, because {}.").format(device_in_words(device), why))
    return device


def _own_gpu() -> torch.device:
    """Choose one GPU for each of the processes that train together. The device holds its number, because threads take
    the first GPU for theirs."""
    found, wanted = torch.cuda.device_count(), count_here()
    if wanted > 1 and found:
        if found < wanted:
            raise EngineError(
                tr(
                    "{} processes are started on a machine with {} GPUs. Start at most one for each GPU"
                    " (--nproc-per-node of torchrun), or choose the device cpu."
                ).format(wanted, found)
            )
        torch.cuda.set_device(number_here())
    return torch.device("cuda", number_here())


@dataclass(frozen=True)
class _Trouble:
    """Why CUDA cannot be used, in words; with the GPU's memory where that is full."""

    words: str
    memory: GpuMemory | None = None


def _trouble_with_cuda(gpu: torch.device) -> _Trouble | None:
    """None when the GPU has room, and a small product and a small convolution on it succeed."""
    if torch.version.cuda is None and torch.version.hip is None:
        return _Trouble(tr("this PyTorch ({}) is a build without CUDA").format(torch.__version__))
    if not torch.cuda.is_available():
        return _Trouble(tr("PyTorch {} finds no GPU with a driver for it").format(torch.__version__))
    try:
        memory = memory_of_gpu(gpu)
        if is_full(memory):
            return _Trouble(full_in_words(_name_of_gpu(), memory), memory)
        image = torch.ones(1, 2, 4, 4, device="cuda")
        # Product and convolution each have a library, which may be missing or too new for the driver.
        product, convolved = image[0, 0] @ image[0, 1], functional.conv2d(image, image[:, :, :2, :2])
        is_right = bool((product - 4).abs().max() < 0.1) and bool((convolved - 8).abs().max() < 0.1)
    except RuntimeError as error:  # a GPU that is too old for this build, busy, or so full that nothing starts on it
        return _Trouble(
            tr("{} cannot compute: {}").format(_name_of_gpu(), str(error).splitlines()[0]), _memory_behind(error, gpu)
        )
    return None if is_right else _Trouble(tr("{} computes wrongly").format(_name_of_gpu()))


def _memory_behind(error: RuntimeError, gpu: torch.device) -> GpuMemory | None:
    """The GPU's memory where the lack of it was the trouble."""
    if not is_memory_of_gpu(error):
        return None
    try:
        return memory_of_gpu(gpu)
    except RuntimeError:  # not even that much was left; other programs hold all of it
        total = torch.cuda.get_device_properties(gpu).total_memory
        return GpuMemory(total, 0, total)


def _way_out(device: torch.device, wanted: str, full_gpu: str) -> Callable[[Report], torch.device] | None:
    """What to do when the GPU's memory has run out: what gives the device to begin anew on, None to give up."""
    held = memory_of_gpu(device) if device.type == "cuda" else None
    if full_gpu == "wait" and held is not None and is_worth_waiting(held):

        def wait(report: Report) -> torch.device:
            why = tr("the GPU's memory has run out, and other programs hold {} of it").format(gibibytes(held.others))
            wait_for_gpu(lambda: memory_of_gpu(device).others <= held.others / 2, f"{why}{programs_in_words()}", report)
            return device

        return wait
    if full_gpu != "processor" or wanted != "auto":
        return None

    def leave(report: Report) -> torch.device:
        report.warning(
            tr("The GPU's memory has run out{}. The run begins anew on the processor.").format(programs_in_words())
        )
        return _say(torch.device("cpu"), tr("the GPU's memory has run out"), report)

    return leave


def _name_of_gpu() -> str:
    try:
        return torch.cuda.get_device_name()
    except RuntimeError:  # a GPU that has failed altogether
        return tr("The GPU")
