"""Chooses the device on which networks are trained and evaluated; no other place does."""

from __future__ import annotations

import os

import torch
from torch.nn import functional

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.machine.memory import gibibytes
from soil_cnn_plugin.engine.machine.torchrun import count_here, number_here, process_count
from soil_cnn_plugin.engine.report import Report

_SET_UP = "Run 'Set up the compute environment' with the build set to cuda, or choose the device auto or cpu."
_LEAVE_OUT = "Mend that machine or leave it out, or choose the device cpu."


def choose_device(wanted: str, report: Report) -> torch.device:
    """The device for `wanted` (auto, cuda, mps, cpu); the log says which one and why.

    auto takes an NVIDIA or AMD GPU when this PyTorch can really compute on it, and the processor otherwise. It never
    takes Apple's GPU: that one has no float64 and lacks some operations, and networks as small as these gain little
    there. Raises EngineError when a device that was asked for by name cannot be used.
    """
    if wanted == "cpu":
        return _say(torch.device("cpu"), "it was asked for", report)
    if wanted == "mps":
        if not torch.backends.mps.is_available():
            raise EngineError("The device mps (Apple's GPU) was asked for, but there is none here. Choose auto or cpu.")
        return _say(torch.device("mps"), "it was asked for", report)
    gpu = _own_gpu()
    trouble = _trouble_with_cuda()
    if trouble is None:
        why = "it was asked for" if wanted == "cuda" else "it is the fastest one here"
        forbid_tf32()
        return _say(gpu, why, report)
    if wanted == "cuda":
        raise EngineError(f"The device cuda was asked for, but {trouble}. {_SET_UP}")
    if process_count() > 1 and torch.cuda.is_available():  # the others may well take theirs
        raise EngineError(f"Processes that train together must all use a GPU or none, but {trouble}. {_LEAVE_OUT}")
    why = trouble
    if torch.backends.mps.is_available():
        why += "; Apple's GPU is used only when mps is asked for"
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
        return "Apple GPU (MPS)"
    threads = torch.get_num_threads()
    plural = "s" if threads > 1 else ""
    return f"CPU ({threads} thread{plural} of {os.cpu_count()} cores, {torch.backends.cpu.get_cpu_capability()})"


def _say(device: torch.device, why: str, report: Report) -> torch.device:
    report.info(f"Device: {device_in_words(device)}, because {why}.")
    return device


def _own_gpu() -> torch.device:
    """Choose one GPU for each of the processes that train together. The device holds its number, because threads take
    the first GPU for theirs."""
    found, wanted = torch.cuda.device_count(), count_here()
    if wanted > 1 and found:
        if found < wanted:
            raise EngineError(
                f"{wanted} processes are started on a machine with {found} GPUs. Start at most one for each GPU"
                " (--nproc-per-node of torchrun), or choose the device cpu."
            )
        torch.cuda.set_device(number_here())
    return torch.device("cuda", number_here())


def _trouble_with_cuda() -> str | None:
    """Why CUDA cannot be used, in words; None when a small product and a small convolution on it succeed."""
    if torch.version.cuda is None and torch.version.hip is None:
        return f"this PyTorch ({torch.__version__}) is a build without CUDA"
    if not torch.cuda.is_available():
        return f"PyTorch {torch.__version__} finds no GPU with a driver for it"
    try:
        image = torch.ones(1, 2, 4, 4, device="cuda")
        # Product and convolution each have a library, which may be missing or too new for the driver.
        product, convolved = image[0, 0] @ image[0, 1], functional.conv2d(image, image[:, :, :2, :2])
        is_right = bool((product - 4).abs().max() < 0.1) and bool((convolved - 8).abs().max() < 0.1)
    except RuntimeError as error:  # a GPU that is too old for this build, busy, or full
        return f"{_name_of_gpu()} cannot compute: {str(error).splitlines()[0]}"
    return None if is_right else f"{_name_of_gpu()} computes wrongly"


def _name_of_gpu() -> str:
    try:
        return torch.cuda.get_device_name()
    except RuntimeError:  # a GPU that has failed altogether
        return "The GPU"
