"""Bits of a word, random numbers, and sums of several rows at once, for compiled functions.

Code that is kept on disk holds these functions, too: when one changes, touch the files that use it.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.core.extending import intrinsic

from soil_cnn_plugin.engine.machine.compiled import compiled

_inlined: Any = intrinsic  # its types do not know that numba itself passes `typing`


@_inlined
def first_bit(typing: Any, bits: Any) -> Any:
    """The place of the lowest bit that is set; one must be."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), build


@_inlined
def sum_at_most(typing: Any, codes: Any, first: Any, size: Any, answers: Any, sums: Any) -> Any:
    """For each of 8 rows from `first` on, add up both answers of the `size` rows whose code is not above its own.

    `codes` are int64, 8 rows from `first` on at least; `answers` is (rows, 2), and `sums` (2, rows) gets them.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = [context.make_array(signature.args[k])(context, builder, arguments[k]) for k in (0, 3, 4)]
        codes, answers, sums = (array.data for array in arrays)
        width = cgutils.unpack_tuple(builder, arrays[2].shape)[1]
        floats, integers = (ir.VectorType(kind, 8) for kind in (ir.DoubleType(), ir.IntType(64)))
        own = builder.load(builder.bitcast(builder.gep(codes, [arguments[1]]), integers.as_pointer()))
        own.align = 8
        nothing = ir.Constant(floats, [0.0] * 8)
        totals = [cgutils.alloca_once_value(builder, nothing) for _ in range(2)]
        two = ir.Constant(ir.IntType(64), 2)
        with cgutils.for_range(builder, arguments[2]) as loop:
            code = repeat_number(builder, builder.load(builder.gep(codes, [loop.index])), integers)
            is_below = builder.icmp_signed(">=", own, code)
            place = builder.mul(loop.index, two)
            for k, total in enumerate(totals):
                at = builder.gep(answers, [builder.add(place, ir.Constant(ir.IntType(64), k))])
                before = builder.load(total)
                after = builder.fadd(before, repeat_number(builder, builder.load(at), floats))
                builder.store(builder.select(is_below, after, before), total)
        for k, total in enumerate(totals):
            at = builder.add(arguments[1], builder.mul(width, ir.Constant(ir.IntType(64), k)))
            pointer = builder.bitcast(builder.gep(sums, [at]), floats.as_pointer())
            builder.store(builder.load(total), pointer).align = 8
        return context.get_dummy_value()

    return types.void(codes, types.int64, types.int64, answers, sums), build


def repeat_number(builder: Any, number: Any, kind: Any) -> Any:
    """A vector that repeats one number."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(
        first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), kind.count), [0] * kind.count)
    )


@compiled
def _draw(state):
    """The next 64 random bits (splitmix64, Steele et al. 2014, 10.1145/2660193.2660195)."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    bits = state[0]
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@compiled
def random_below(state, limit):
    """A random whole number from 0 to limit - 1, limit below 2**32."""
    return np.int64(((_draw(state) >> np.uint64(32)) * np.uint64(limit)) >> np.uint64(32))
