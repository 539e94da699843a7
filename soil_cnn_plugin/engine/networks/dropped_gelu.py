"""GELU with dropout, for training on a processor: one compiled pass computes the values and their slopes."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.machine.compiled import compiled

_F, _I = np.float32, np.int32  # a constant of Python would turn the rest into double precision
_HALF, _ONE = _F(0.5), _F(1.0)
_LOWEST = _F(-87.0)  # exp of less is below the normal numbers of single precision
_LOG2_OF_E, _LN2_HIGH, _LN2_LOW = _F(1.44269504), _F(0.693359375), _F(-2.12194440e-4)
_OF_EXP = tuple(map(_F, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)))
"""Polynomial of exp between two powers of 2, from Moshier's Cephes library."""
_OF_TAIL = tuple(map(_F, (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)))
_SCALE_OF_TAIL = _F(0.3275911 / 2**0.5)
"""Abramowitz & Stegun 1964, 7.1.26: the normal distribution's tail, to 1e-7."""
_DENSITY = _F(0.3989422804)  # of the standard normal distribution at 0
_BIAS, _MANTISSA = _I(127), _I(23)


def gelu_and_drop(numbers: Tensor, drawn: Tensor, lowest_kept: int, factor: float) -> Tensor:
    """GELU of float32 numbers, times `factor` where as many `drawn` int16 are at least `lowest_kept`, else 0."""
    found: Tensor = _DroppedGelu.apply(numbers, drawn, lowest_kept, factor)
    return found


class _DroppedGelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, numbers: Tensor, drawn: Tensor, lowest_kept: int, factor: float) -> Tensor:
        numbers = numbers.detach().contiguous()
        found, slopes = torch.empty_like(numbers), torch.empty_like(numbers)
        arrays = (each.view(-1).numpy() for each in (numbers, drawn.contiguous(), found, slopes))
        _gelu_and_drop(*arrays, np.int16(lowest_kept), np.float32(factor))
        ctx.save_for_backward(slopes)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        return gradients[0] * ctx.saved_tensors[0], None, None, None


@partial(compiled, fastmath={"contract"})
def _gelu_and_drop(numbers, drawn, found, slopes, lowest_kept, factor):
    e5, e4, e3, e2, e1, e0 = _OF_EXP
    t5, t4, t3, t2, t1 = _OF_TAIL
    for i in range(len(numbers)):
        x = numbers[i]
        power = max(-_HALF * x * x, _LOWEST)
        twos = _I(power * _LOG2_OF_E - _HALF)  # rounds to the nearest, because powers are not positive
        rest = power - _F(twos) * _LN2_HIGH - _F(twos) * _LN2_LOW
        exp = (((((e5 * rest + e4) * rest + e3) * rest + e2) * rest + e1) * rest + e0) * rest * rest + rest + _ONE
        exp *= _I((twos + _BIAS) << _MANTISSA).view(np.float32)
        t = _ONE / (_ONE + _SCALE_OF_TAIL * abs(x))
        tail = _HALF * exp * t * (t1 + t * (t2 + t * (t3 + t * (t4 + t * t5))))
        below = tail if x < _F(0) else _ONE - tail
        kept = factor if drawn[i] >= lowest_kept else _F(0)
        found[i] = kept * x * below
        slopes[i] = kept * (below + x * _DENSITY * exp)
