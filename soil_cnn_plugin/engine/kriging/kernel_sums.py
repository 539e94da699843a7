"""Sums of kernels over all observations, compiled: the locations of a Gaussian process at the pixels of a map."""

# mypy: disable-error-code="no-untyped-def,no-untyped-call,untyped-decorator"

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import types
from numba.core.extending import intrinsic
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.kriging.kernels import ROOT_3, Standardized
from soil_cnn_plugin.engine.machine.compiled import compiled

_AT_ONCE = 2**17  # pairs of a pixel and an observation, so many that their products stay in a processor's cache
_inlined: Any = intrinsic  # its types do not know that numba itself passes `typing`
_any_order = partial(compiled, fastmath={"reassoc", "contract", "nsz"})  # so that sums fill a processor's registers


@dataclass(frozen=True)
class KernelSums:
    """Observations (M,) as the sums need them, in single precision, for R columns.

    `point` (D, M) are their covariates at the point and `rest` (F - D, M) the other features with context, both
    standardized; `squares` (2, M) are the squared lengths of the point and of all F, `places` (2 or 0, M) coordinates.
    `linear` (D, R) is the linear part, summed already. `variances` (R, 3) and `rates` (R, 3) are those of the point,
    the context and the place, `weights` (R, M) what each observation counts.
    """

    point: Tensor
    rest: Tensor
    squares: Singles
    places: Singles
    linear: Tensor
    variances: Singles
    rates: Singles
    weights: Singles

    @classmethod
    def of(cls, known: Standardized, columns: Sequence[tuple[Tensor, Tensor, Tensor]]) -> KernelSums:
        """Prepare sums over the `known` observations; a column has variances (5,), lengths (3,) and weights (M,)."""
        inner = known.point.shape[1]
        variances, lengths, weights = (torch.stack(parts) for parts in zip(*columns))
        rates = torch.tensor([ROOT_3, ROOT_3, 1.0], dtype=lengths.dtype) / lengths
        linear = 2 * (known.drift.T @ (weights * variances[:, :1]).T)
        squares = torch.stack([known.point.square().sum(1), known.context.square().sum(1)])
        return cls(
            known.point.T.float().contiguous(),
            known.context[:, inner:].T.float().contiguous(),
            _singles(squares),
            _singles(known.place.T),
            linear.float(),
            _singles(variances[:, 1:4]),
            _singles(rates),
            _singles(weights),
        )

    def at(self, pixels: Standardized) -> Array:
        """Return the sums (N, R) at pixels in single precision."""
        inner, count = self.point.shape[0], self.point.shape[1]
        total = (pixels.drift @ self.linear).numpy()
        squares = torch.stack([pixels.point.square().sum(1), pixels.context.square().sum(1)], dim=1).numpy()
        places = _singles(pixels.place)
        share = np.float32(inner / pixels.context.shape[1])
        step = max(1, _AT_ONCE // count)
        for start in range(0, len(total), step):
            rows = slice(start, start + step)
            products = torch.mm(pixels.point[rows], self.point), torch.mm(pixels.context[rows, inner:], self.rest)
            of_pixels = squares[rows], places[rows]
            known = self.squares, self.places, self.variances, self.rates, self.weights
            _add_up(*(part.numpy() for part in products), share, *of_pixels, *known, total[rows])
        return total.astype(np.float64)


def _singles(tensor: Tensor) -> Singles:
    found: Singles = np.ascontiguousarray(tensor.numpy(), np.float32)
    return found


@_inlined
def _as_float(typing: Any, bits: Any) -> Any:
    """The float32 that has these bits."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), build


@_any_order
def _decay(distance):
    """exp(-distance), distance >= 0, in float32 to four of its last places; 2e-38 beyond the smallest number.

    2**whole comes from the bits of a float, 2**part from its power series; unlike the library's own, this fills a
    processor's registers.
    """
    power = max(distance * np.float32(-1.4426950408889634), np.float32(-125.0))
    whole = np.floor(power + np.float32(0.5))
    part = power - whole
    found = np.float32(1.5353362e-4)
    found = found * part + np.float32(1.3398874e-3)
    found = found * part + np.float32(9.6184370e-3)
    found = found * part + np.float32(5.5503324e-2)
    found = found * part + np.float32(2.4022648e-1)
    found = found * part + np.float32(6.9314720e-1)
    found = found * part + np.float32(1.0)
    return found * _as_float(np.int32((np.int32(whole) + np.int32(127)) << np.int32(23)))


@_any_order
def _add_up(point, rest, share, squares, places, own_squares, own_places, variances, rates, weights, total):
    """Add to `total` (n, R) the kernels of products `point` and `rest` (n, M), with `squares` (n, 2) and `places` (n, 2
    or 0) of the pixels and those of the observations; see KernelSums."""
    count = point.shape[1]
    near, around, away = np.empty(count, np.float32), np.empty(count, np.float32), np.empty(count, np.float32)
    one, two, least = np.float32(1.0), np.float32(2.0), np.float32(1e-12)
    for i in range(len(total)):
        for k in range(count):
            at_point = squares[i, 0] + own_squares[0, k] - two * point[i, k]
            context = squares[i, 1] + own_squares[1, k] - two * (rest[i, k] + share * point[i, k])
            near[k], around[k] = np.sqrt(max(at_point, least)), np.sqrt(max(context, least))
        if places.shape[1]:
            for k in range(count):
                x, y = places[i, 0] - own_places[0, k], places[i, 1] - own_places[1, k]
                away[k] = np.sqrt(x * x + y * y)
        for column in range(total.shape[1]):
            first, second, found = rates[column, 0], rates[column, 1], np.float32(0)
            for k in range(count):
                scaled, wide = near[k] * first, around[k] * second
                kernels = variances[column, 0] * (one + scaled) * _decay(scaled)
                found += weights[column, k] * (kernels + variances[column, 1] * (one + wide) * _decay(wide))
            if places.shape[1]:
                of_place = np.float32(0)
                for k in range(count):
                    of_place += weights[column, k] * _decay(away[k] * rates[column, 2])
                found += variances[column, 2] * of_place
            total[i, column] += found
