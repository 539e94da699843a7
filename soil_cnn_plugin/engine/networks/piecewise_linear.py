"""A piecewise linear function of many numbers: by PyTorch, or compiled where there are so many that it is worth it."""

from __future__ import annotations

import numba
import numpy as np
import torch
from torch import Tensor

Knots = tuple[Tensor, Tensor, Tensor]
"""Ascending places, the function's values there, and its slope from each to the next."""

_WORTH_COMPILING = 2**16  # numbers; compiling takes half a second
_TOGETHER = 64  # numbers that are looked for in step: their look-ups overlap


def interpolate(numbers: Tensor, knots: Knots) -> Tensor:
    """The function at float32 numbers, as at the outermost places beyond these; 0 where a number is not finite.

    The bits are the same either way.
    """
    places, values, slopes = (part.to(numbers.device) for part in knots)
    numbers = numbers.contiguous()
    if numbers.device.type == "cpu" and numbers.numel() >= _WORTH_COMPILING:
        found = torch.empty_like(numbers)
        _interpolate(numbers.view(-1).numpy(), places.numpy(), values.numpy(), slopes.numpy(), found.view(-1).numpy())
        return found
    clipped = numbers.clamp(places[0], places[-1])
    left = torch.bucketize(clipped, places, right=True).sub_(1).clamp_(0, len(places) - 1)
    return torch.where(torch.isfinite(numbers), values[left] + (clipped - places[left]) * slopes[left], 0.0)


@numba.njit(nogil=True, error_model="numpy")
def _interpolate(numbers, places, values, slopes, found):  # type: ignore[no-untyped-def]
    """Bisection: `left` is the last place that is known to be at most the number."""
    lowest, highest = places[0], places[-1]
    clipped, left = np.empty(_TOGETHER, np.float32), np.empty(_TOGETHER, np.uint32)
    for start in range(0, len(numbers), _TOGETHER):
        count = min(_TOGETHER, len(numbers) - start)
        for i in range(count):
            number = numbers[start + i]
            number = lowest if number < lowest else number
            clipped[i] = highest if number > highest else number
            left[i] = 0
        length = len(places)
        while length > 1:
            half = length // 2
            for i in range(count):
                middle = left[i] + np.uint32(half)
                left[i] = np.uint32(middle if places[middle] <= clipped[i] else left[i])
            length -= half
        for i in range(count):
            at = left[i]
            value = values[at] + (clipped[i] - places[at]) * slopes[at]
            found[start + i] = value if np.isfinite(numbers[start + i]) else np.float32(0)
