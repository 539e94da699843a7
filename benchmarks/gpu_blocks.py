"""Parts of gpu_check.py that predict blocks: against the card's peak, in two queues, with too little memory."""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import dense_prediction
import torch
from figures import Figure
from gpu_asked import GIB, Asked, needs_gpu
from gpu_comparison import NetworkOnDevices, map_in_halves
from landscape import make_network, write_covariates

from soil_cnn_plugin.engine.mapping.blocks import BLOCKS_ON_GPU
from soil_cnn_plugin.engine.mapping.half_precision import half_kinds
from soil_cnn_plugin.engine.training.plan import Shape

_GOALS = {"dense against naive patches": 1000.0, "share of its peak": 50.0}


def measure_dense(asked: Asked) -> list[Figure]:
    """Measure dense prediction of padarian at 31 pixels against the card's peak and against naive patches on it."""
    quick: dict[str, Any] = {"turns": 1, "lessons": 10, "repeats": 1, "patches": 32, "block": 32}
    full: dict[str, Any] = {"turns": 3, "lessons": 30, "repeats": None, "patches": 8192, "block": None}
    options = argparse.Namespace(**(quick if asked.small else full))
    shape = Shape("padarian", 11, 2) if asked.small else Shape("padarian", 31, 5)
    task = dense_prediction.make_task(shape, 2 if asked.small else 10, asked.on, options)
    figures = dense_prediction.compare(task, options)
    goals = {"dense against naive patches": 1000.0, "share of its peak": 50.0}
    figures = [
        replace(each, goal=next((goals[key] for key in goals if each.name.endswith(key)), each.goal))
        for each in figures
    ]
    if asked.device == "cuda":
        most = torch.cuda.max_memory_allocated() / GIB
        figures.append(Figure("memory of the GPU for these blocks and patches", (most,), "GiB"))
    return figures


def measure_streams(asked: Asked) -> list[Figure]:
    """Measure what two queues gain, and how much of the copies runs while the card computes."""
    needs_gpu(asked)
    options = argparse.Namespace(lessons=10, repeats=None, patches=64, block=32 if asked.small else None)
    shape = Shape("padarian", 11, 2) if asked.small else Shape("padarian", 15, 5)
    task = dense_prediction.make_task(shape, 2 if asked.small else 10, asked.on, options)
    kind = (half_kinds(asked.on) or [torch.float32])[0]
    seconds = {}
    for threads in (1, BLOCKS_ON_GPU):
        with dense_prediction.ThreadPoolExecutor(threads) as pool:
            dense_prediction._STREAMS = pool
            dense_prediction.by_blocks(task, kind)
            started = time.perf_counter()
            dense_prediction.by_blocks(task, kind)
            seconds[threads] = time.perf_counter() - started
            if threads > 1:
                with torch.profiler.profile(activities=torch.profiler.supported_activities()) as profile:
                    dense_prediction.by_blocks(task, kind)
    copies, others = copies_and_kernels(profile.events())
    return [
        Figure("two queues against one", (seconds[1] / seconds[BLOCKS_ON_GPU],), "x", 1.0),
        Figure(
            "share of the copies to the card that runs while it computes", (100 * covered(copies, others),), "%", 50.0
        ),
    ]


def copies_and_kernels(events: Any) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return when the card copied from the processor, and when it computed: (start, end) each."""
    copies, kernels = [], []
    for event in events:
        if event.device_type == torch.autograd.DeviceType.CUDA:
            times = (event.time_range.start, event.time_range.end)
            (copies if "Memcpy HtoD" in event.name else kernels).append(times)
    return copies, kernels


def covered(pieces: list[tuple[float, float]], others: list[tuple[float, float]]) -> float:
    """Return the share of the pieces' length that lies within any of the others."""
    total, inside = sum(end - start for start, end in pieces), 0.0
    for start, end in pieces:
        reached = start
        for other_start, other_end in sorted(others):
            low, high = max(reached, other_start), min(end, other_end)
            if low < high:
                inside, reached = inside + high - low, high
    return inside / total if total > 0 else 0.0


def measure_halving(asked: Asked) -> list[Figure]:
    """Predict a map again with half of the memory that it took, in parts."""
    needs_gpu(asked)
    covariates = write_covariates(asked.path("."), 150 if asked.small else 600, 3, seed=70)
    alone, *_ = make_network(covariates, (Shape("ring", 15, 2), Shape("padarian", 15, 2)), 200)
    return map_in_halves(NetworkOnDevices.of(alone, asked.path("halved.safetensors"), asked.on), covariates)
