"""A convolution of 3 x 3 pixels, rectified and pooled by 2, for training on a processor: one compiled pass each way.

A maximum hands its gradient to one pixel of four, and a rectified one to none. The way back sees only these pixels, so
it costs less than the way there.
"""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.extending import intrinsic, models, register_model
from torch import Tensor
from torch.nn import functional

from soil_cnn_plugin.engine.machine.compiled import compiled

_LANES = 16  # channels that are computed at once, so outputs are a multiple of it
_FEWEST = -(-_LANES // 3)  # channels of an image: a row of three pixels fills the lanes
_RECTIFIED = 4  # the place of a maximum that is not positive; others are 0 to 3, row by row
_FLOATS = ir.VectorType(ir.FloatType(), _LANES)
_INTEGERS = ir.VectorType(ir.IntType(32), _LANES)
_BYTES = ir.VectorType(ir.IntType(8), _LANES)
_U = np.uint64  # an index that is never negative needs no check
_inlined: Any = intrinsic  # its types do not know that numba itself passes `typing`


def is_compiled_for(image: Tensor) -> bool:
    """Whether `convolve_and_pool` takes such images."""
    return image.device.type == "cpu" and image.dtype == torch.float32


def convolve_and_pool(image: Tensor, weight: Tensor, bias: Tensor, side: int) -> Tensor:
    """Convolve without padding, pool by 2 and rectify, for each of K members: images (K, B, H, W, C), or (B, H, W, C)
    for all, with weight (K, O, C, 3, 3) and bias (K, O) -> (K, B, side, side, O).

    Only the part of an image counts that is pooled to `side` pixels, from its first row and column on. O is a multiple
    of 16.
    """
    if image.shape[-1] < _FEWEST:
        missing = _FEWEST - image.shape[-1]
        image, weight = functional.pad(image, (0, missing)), functional.pad(weight, (0, 0, 0, 0, 0, missing))
    image = image if image.dim() == 5 else image[None]
    found: Tensor = _ConvolvedMaxima.apply(image.contiguous(), weight, bias, side)
    return found


class _ConvolvedMaxima(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, image: Tensor, weight: Tensor, bias: Tensor, side: int) -> Tensor:
        members, outputs = bias.shape
        found = torch.empty((members, image.shape[1], side, side, outputs))
        places = torch.empty(found.shape, dtype=torch.uint8)
        arrays = _arrays(image, weight.permute(0, 3, 4, 2, 1), bias, found, places)
        _share_out(lambda first, end: _forth(first, end, *arrays), members)
        ctx.save_for_backward(image, weight, places)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor, None]:
        image, weight, places = ctx.saved_tensors
        members, outputs, channels = weight.shape[:3]
        starts = _starts(3 * channels)
        pieces, of_bias = torch.zeros((members, outputs, len(starts), 3, _LANES)), torch.zeros((members, outputs))
        of_maxima = _arrays(gradients[0], places)
        arrays = *_arrays(image), starts, *_arrays(pieces, of_bias)
        _share_out(lambda first, end: _back_to_weights(first, end, *of_maxima, *arrays), members)
        rows = torch.empty((members, outputs, 3, 3 * channels))
        for piece, start in enumerate(starts.tolist()):
            rows[..., start : start + _LANES] = pieces[:, :, piece]
        of_weight = rows.unflatten(3, (3, channels)).permute(0, 1, 4, 2, 3)
        if not ctx.needs_input_grad[0]:
            return None, of_weight, of_bias, None
        of_images = torch.zeros((members, *image.shape[1:]))
        images = _arrays(weight.permute(0, 1, 3, 4, 2), of_images)
        _share_out(lambda first, end: _back_to_images(first, end, *of_maxima, *images), members)
        return of_images.sum_to_size(image.shape), of_weight, of_bias, None


def _starts(length: int) -> Any:
    """Where pieces of 16 neighbours begin that cover a row of this length; the last two may overlap."""
    return np.array([*range(0, length - _LANES, _LANES), length - _LANES], np.uint64)


def _arrays(*tensors: Tensor) -> list[Any]:
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _share_out(work: Callable[[int, int], None], members: int) -> None:
    """Do the work of members from the first up to an end, in as many threads as PyTorch takes for an operation."""
    threads = min(torch.get_num_threads(), members)
    if threads == 1:
        return work(0, members)
    for _ in _pool(threads).map(work, range(members), range(1, members + 1)):
        pass


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads)


class _Lanes(types.Type):
    """16 numbers in the processor's registers, as a type of compiled code."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


@register_model(_Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _FLOATS)


_lanes = _Lanes()


@_inlined
def _zeros(typing: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(_FLOATS, [0.0] * _LANES)

    return _lanes(), build


@_inlined
def _load(typing: Any, numbers: Any, start: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        found = builder.load(_pointer(context, builder, signature.args[0], arguments[0], arguments[1], _FLOATS))
        found.align = 4
        return found

    return _lanes(numbers, types.uint64), build


@_inlined
def _store(typing: Any, numbers: Any, start: Any, lanes: Any) -> Any:
    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = _pointer(context, builder, signature.args[0], arguments[0], arguments[1], _FLOATS)
        builder.store(arguments[2], pointer).align = 4
        return context.get_dummy_value()

    return types.void(numbers, types.uint64, lanes), build


@_inlined
def _add(typing: Any, total: Any, factor: Any, lanes: Any) -> Any:
    """total + factor * lanes, rounded once where the processor can."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        nothing = ir.Constant(_FLOATS, ir.Undefined)
        first = builder.insert_element(nothing, arguments[1], ir.Constant(ir.IntType(32), 0))
        factors = builder.shuffle_vector(first, nothing, ir.Constant(_INTEGERS, [0] * _LANES))
        product = builder.fmul(factors, arguments[2], flags=("contract",))
        return builder.fadd(arguments[0], product, flags=("contract",))

    return _lanes(_lanes, types.float32, _lanes), build


@_inlined
def _store_maxima(typing: Any, a: Any, b: Any, c: Any, d: Any, bias: Any, found: Any, places: Any, start: Any) -> Any:
    """Store the rectified maximum of four pixels with bias, and its place: of equal ones the first, as PyTorch does."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        most, place, nothing = arguments[0], _all(0), ir.Constant(_FLOATS, [0.0] * _LANES)
        for number in (1, 2, 3):
            is_more = builder.fcmp_ordered(">", arguments[number], most)
            most = builder.select(is_more, arguments[number], most)
            place = builder.select(is_more, _all(number), place)
        most = builder.fadd(most, arguments[4])
        is_cut = builder.fcmp_ordered("<=", most, nothing)  # what is not a number stays so
        most, place = builder.select(is_cut, nothing, most), builder.select(is_cut, _all(_RECTIFIED), place)
        for at, lanes, kind in ((5, most, _FLOATS), (6, builder.trunc(place, _BYTES), _BYTES)):
            pointer = _pointer(context, builder, signature.args[at], arguments[at], arguments[7], kind)
            builder.store(lanes, pointer).align = 1
        return context.get_dummy_value()

    return types.void(_lanes, _lanes, _lanes, _lanes, _lanes, found, places, types.uint64), build


def _all(number: int) -> Any:
    return ir.Constant(_INTEGERS, [number] * _LANES)


def _pointer(context: Any, builder: Any, kind_of_array: Any, array: Any, start: Any, kind: Any) -> Any:
    """A pointer to 16 neighbours in an array from an index on."""
    data = context.make_array(kind_of_array)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [start]), kind.as_pointer())


@compiled
def _forth(first, end, images, weights, bias, found, places):
    """Fill `found` and `places` (K, B, h, w, O) of some members, from images (K, B, H, W, C), or (1, B, H, W, C) for
    all, and weights (K, 3, 3, C, O)."""
    shared, count, height, width, channels = images.shape
    side, outputs = found.shape[2], _U(found.shape[4])
    image, weight, maxima, chosen = images.reshape(-1), weights.reshape(-1), found.reshape(-1), places.reshape(-1)
    pixel, line, length = _U(channels), _U(width * channels), _U(3 * channels)
    at = _U(first * count * side * side) * outputs
    for member in range(first, end):
        before = 0 if shared == 1 else member * count
        for number in range(before, before + count):
            for place in range(side * side):
                row, column = 2 * (place // side), 2 * (place % side)
                corner = _U(((number * height + row) * width + column) * channels)
                for output in range(_U(0), outputs, _U(_LANES)):
                    a, b, c, d = _zeros(), _zeros(), _zeros(), _zeros()
                    upper, own = corner, _U(member) * _U(3) * length * outputs + output
                    for _ in range(3):
                        lower = upper + line
                        for i in range(length):
                            lanes = _load(weight, own)
                            a = _add(a, image[upper + i], lanes)
                            b = _add(b, image[upper + pixel + i], lanes)
                            c = _add(c, image[lower + i], lanes)
                            d = _add(d, image[lower + pixel + i], lanes)
                            own += outputs
                        upper = lower
                    _store_maxima(
                        a, b, c, d, _load(bias.reshape(-1), _U(member) * outputs + output), maxima, chosen, at
                    )
                    at += _U(_LANES)


@compiled
def _back_to_weights(first, end, gradients, places, images, starts, pieces, of_bias):
    """Add to `of_bias` (K, O) and to `pieces` (K, O, S, 3, 16), those of rows of weights (3 * C) from `starts` on."""
    shared, count, height, width, channels = images.shape
    side, outputs = gradients.shape[2], gradients.shape[4]
    image, gradient, chosen, total = images.reshape(-1), gradients.reshape(-1), places.reshape(-1), pieces.reshape(-1)
    pixel, line, size = _U(channels), _U(width * channels), _U(3 * len(starts) * _LANES)
    seen, values = np.empty(side * side, np.uint64), np.empty(side * side, np.float32)
    for member in range(first, end):
        before = 0 if shared == 1 else member * count
        for number in range(count):
            for output in range(outputs):
                used, at = _U(0), _U((member * count + number) * side * side * outputs + output)
                for place in range(side * side):
                    row, column = 2 * (place // side), 2 * (place % side)
                    corner = _U((((before + number) * height + row) * width + column) * channels)
                    quarter, value = _U(chosen[at]), gradient[at]
                    at += _U(outputs)
                    seen[used], values[used] = corner + (quarter >> _U(1)) * line + (quarter & _U(1)) * pixel, value
                    if quarter != _U(_RECTIFIED):
                        used += _U(1)
                        of_bias[member, output] += value
                own = _U(member * outputs + output) * size
                for start in starts:
                    a, b, c = _load(total, own), _load(total, own + _U(_LANES)), _load(total, own + _U(2 * _LANES))
                    for i in range(used):
                        value, at = values[i], seen[i] + start
                        a = _add(a, value, _load(image, at))
                        b = _add(b, value, _load(image, at + line))
                        c = _add(c, value, _load(image, at + line + line))
                    _store(total, own, a)
                    _store(total, own + _U(_LANES), b)
                    _store(total, own + _U(2 * _LANES), c)
                    own += _U(3 * _LANES)


@compiled
def _back_to_images(first, end, gradients, places, weights, of_images):
    """Add to `of_images` (K, B, H, W, C) what passes weights (K, O, 3, 3, C)."""
    _, count, height, width, channels = of_images.shape
    side, outputs = gradients.shape[2], gradients.shape[4]
    gradient, chosen, weight = gradients.reshape(-1), places.reshape(-1), weights.reshape(-1)
    total, at = of_images.reshape(-1), _U(first * count * side * side * outputs)
    pixel, line, length = _U(channels), _U(width * channels), _U(3 * channels)
    for number in range(first * count, end * count):
        weights_of_member = _U(number // count * outputs * 3) * length
        for place in range(side * side):
            row, column = 2 * (place // side), 2 * (place % side)
            corner = _U(((number * height + row) * width + column) * channels)
            for output in range(outputs):
                quarter, value = _U(chosen[at]), gradient[at]
                at += _U(1)
                if quarter == _U(_RECTIFIED):
                    continue
                to = corner + (quarter >> _U(1)) * line + (quarter & _U(1)) * pixel
                own = weights_of_member + _U(output * 3) * length
                for _ in range(3):
                    done = _U(0)
                    while done + _U(_LANES) <= length:
                        lanes = _load(weight, own + done)
                        _store(total, to + done, _add(_load(total, to + done), value, lanes))
                        done += _U(_LANES)
                    for i in range(done, length):
                        total[to + i] += value * weight[own + i]
                    to += line
                    own += length
