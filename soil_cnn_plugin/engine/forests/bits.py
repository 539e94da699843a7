"""Bits of a word and random numbers, for compiled functions.

Code that is kept on disk holds these functions, too: when one changes, touch the files that use it.
"""

# Numba has no types to offer here. mypy: disable-error-code="no-untyped-def,no-untyped-call"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.extending import intrinsic

from soil_cnn_plugin.engine.machine.compiled import compiled

_inlined: Any = intrinsic  # its types do not know that numba itself passes `typing`


@_inlined  # type: ignore[untyped-decorator]
def first_bit(typing: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; one must be."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


@_inlined  # type: ignore[untyped-decorator]
def count_bits(typing: Any, bits: Any) -> Any:
    """How many bits are set."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


@compiled
def _draw(state):
    """The next 64 random bits (splitmix64, Steele et al. 2014, 10.1145/2660193.2660195)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = state[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@compiled
def draw_below(state, limit):
    """A random whole number from 0 to limit - 1, limit below 2**32."""
    return np.int64(((_draw(state) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))
