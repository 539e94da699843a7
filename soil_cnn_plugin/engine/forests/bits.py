"""Bits of a word, random numbers, and ranks of several rows at once, for compiled functions."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.extending import intrinsic

from soil_cnn_plugin.engine.machine.compiled import compiled

AT_ONCE = 32  # rows that are compared at once
_NUMBERS = ir.VectorType(ir.IntType(16), AT_ONCE)
_inner = partial(compiled, is_inner=True)
_inlined: Any = intrinsic  # its types do not know that numba itself passes `typing`


@_inlined
def first_bit(typing: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; one must be."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


@_inlined
def count_bits(typing: Any, bits: Any) -> Any:
    """How many bits are set."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), build


@_inlined
def count_below(typing: Any, codes: Any, first: Any, size: Any, ranks: Any) -> Any:
    """For each of AT_ONCE rows from `first` on, count those of the `size` rows whose code is below its own.

    `codes`, which stay below 2**15, and `ranks`, which get the numbers, are uint16 and reach to the last of the lanes.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [context.make_array(signature.args[k])(context, builder, arguments[k]) for k in (0, 3)]
        codes, ranks = (array.data for array in arrays)
        own = builder.load(builder.bitcast(builder.gep(codes, [arguments[1]]), _NUMBERS.as_pointer()))
        own.align = 2
        total = cgutils.alloca_once_value(builder, ir.Constant(_NUMBERS, [0] * AT_ONCE))
        with cgutils.for_range(builder, arguments[2]) as loop:
            code = repeat_number(builder, builder.load(builder.gep(codes, [loop.index])), _NUMBERS)
            is_below = builder.zext(builder.icmp_signed(">", own, code), _NUMBERS)
            builder.store(builder.add(builder.load(total), is_below), total)
        pointer = builder.bitcast(builder.gep(ranks, [arguments[1]]), _NUMBERS.as_pointer())
        builder.store(builder.load(total), pointer).align = 2
        return context.get_dummy_value()

    return types.void(codes, types.int64, types.int64, ranks), build


def repeat_number(builder: Any, number: Any, kind: Any) -> Any:
    """A vector that repeats one number."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    )


@_inner
def _draw(state):
    """The next 64 random bits (splitmix64, Steele et al. 2014, 10.1145/2660193.2660195)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = state[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@_inner
def random_below(state, limit):
    """A random whole number from 0 to limit - 1, limit below 2**32."""
    return np.int64(((_draw(state) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))
