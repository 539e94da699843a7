"""The choice of half precision for a map's networks: it is taken where it is faster and hardly changes the map."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.arrays import Array, Flags
from soil_cnn_plugin.engine.networks.encoding import Channels
from soil_cnn_plugin.engine.networks.packed import multiply
from soil_cnn_plugin.engine.training.predictor import Predictor

LARGEST_ERROR = 0.01
"""The largest root mean square error. That of locations is in standard deviations of the target, or in probability;
that of scales is relative to them."""
_TRIALS = 40
_FIRST_TRIALS = 5  # of them the first sets up what the others use, and other work may come between
_GAIN = 1.3  # times as fast, at least; without instructions for half precision a device is far slower
_WITH_FAST = {torch.float16: (7, 0), torch.bfloat16: (8, 0)}
"""Compute capability of the first GPUs that have instructions for products in each type."""
# The more exact one comes first: the choice must not depend on how busy the computer is.
_BOTH = (torch.float16, torch.bfloat16)
_KINDS = {"cpu": _BOTH, "cuda": _BOTH, "mps": (torch.float16,)}


@dataclass(frozen=True)
class Choice:
    """The type of number that networks compute in, and why, as a sentence for the log; the sentence is empty where
    there is nothing more to say."""

    dtype: torch.dtype
    why: str


@dataclass(frozen=True)
class TrialBlock:
    """Encoded covariates (1, D, h + 2 halo, w + 2 halo) of some pixels, and the flags (h, w) of those to predict."""

    channels: Channels
    wanted: Flags


def choose_half(predictor: Predictor, sample: TrialBlock, is_forced: bool = False) -> Choice:
    """Choose half precision if it is fast here and, measured on the sample, errs little. If `is_forced`, choose it
    however much it errs, unless it cannot hold the networks' numbers at all."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that share small operations wait for each other on a busy computer
    try:
        return _choose(predictor, sample, is_forced)
    finally:
        torch.set_num_threads(threads)


def _choose(predictor: Predictor, sample: TrialBlock, is_forced: bool) -> Choice:
    if not predictor.weights[: len(predictor.networks)].any():
        return Choice(torch.float32, "")  # the forest predicts alone
    kinds = half_kinds(sample.channels.values.device)
    if not kinds:
        return Choice(torch.float32, tr("This computer is not faster in half precision: networks compute in float32."))
    lines = []
    for kind in kinds:
        location, scale = half_precision_error(predictor, sample, kind)
        error = np.max((location.max(), scale.max()))  # Python's own maximum may pass over NaN
        if not np.isfinite(error):
            lines.append(
                tr(
                    "Half precision ({}) would be faster, but cannot hold numbers as large as here: networks"
                    " compute in float32."
                ).format(half_in_words(kind))
            )
            continue
        change = predictor.networks[0].heads.change_in_words(location, scale)
        errors = tr("on {} pixels of the map it changes {} (root mean square)").format(int(sample.wanted.sum()), change)
        if is_forced or error < LARGEST_ERROR:
            return Choice(kind, tr("Networks compute in half precision ({}): {}.").format(half_in_words(kind), errors))
        lines.append(
            tr("Half precision ({}) would be faster, but {}: networks compute in float32.").format(
                half_in_words(kind), errors
            )
        )
    return Choice(torch.float32, lines[0])


def half_in_words(dtype: torch.dtype) -> str:
    """Return the name of the type, such as `bfloat16`, by which `torch` knows it, too."""
    return str(dtype).removeprefix("torch.")


def half_kinds(device: torch.device) -> list[torch.dtype]:
    """Return the kinds of half precision in which the device is faster, the most exact one first."""
    return [kind for kind in _KINDS.get(device.type, ()) if _gain(device, kind) >= _GAIN]


def half_precision_error(predictor: Predictor, sample: TrialBlock, dtype: torch.dtype) -> tuple[Array, Array]:
    """Return how far half precision lies from float32, as root mean squares (R,): the difference of locations, and the
    relative difference of scales. They are not finite where a number is too large for `dtype`."""
    networks = replace(predictor, forests=(), process=None, weights=predictor.weights[: len(predictor.networks)])
    margin = predictor.halo - networks.halo
    channels = sample.channels.crop(margin)
    exact, half = (
        np.stack(networks.predict_block(channels, sample.wanted, dtype=kind))[:, :, sample.wanted]
        for kind in (torch.float32, dtype)
    )
    with np.errstate(invalid="ignore", over="ignore"):
        difference = half[0] - exact[0]
        relative = half[1] / np.maximum(exact[1], 1e-6) - 1
    return np.sqrt((difference**2).mean(axis=1)), np.sqrt((relative**2).mean(axis=1))


def _gain(device: torch.device, dtype: torch.dtype) -> float:
    """Return how many times as fast as in float32 the device computes a product like those of the networks."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) < _WITH_FAST[dtype]:
        return 1.0
    if device.type != "cpu":
        return 2.0  # a modern GPU; a trial on one that has other work would tell little
    # The shortest of many short times, taken in turns, is the same on a computer that is busy with other work.
    seconds = {torch.float32: math.inf, dtype: math.inf}
    for trial in range(_TRIALS):
        for kind in (torch.float32, dtype):
            rows, weight = torch.ones(1024, 96, dtype=kind), torch.ones(96, 96, dtype=kind)
            started = time.perf_counter()
            multiply(rows, weight, weight[0])
            seconds[kind] = min(seconds[kind], time.perf_counter() - started)
        if trial + 1 >= _FIRST_TRIALS and seconds[dtype] > 100 * seconds[torch.float32]:
            break  # emulated: more trials would only take time
    return seconds[torch.float32] / seconds[dtype]
