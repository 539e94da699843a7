"""A Gaussian process on covariates, their context and coordinates: the evidence of neighbours, in space and in kind.

The kernel is a sum: a linear part and a Matern 3/2 of the covariates at the point, a Matern 3/2 of these with their
focal means and deviations, an exponential of the coordinates, and independent noise (Rasmussen & Williams 2006, ISBN
026218253X). With coordinates alone this would be kriging with an exponential variogram; the linear part makes it
kriging with external drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.kriging.kernel_sums import KernelSums
from soil_cnn_plugin.engine.kriging.kernels import PARAMETERS, Kernels, Standardized, split
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, units

_ON_GPU = 2**22  # values of a kernel at once: 16 MB, and few calls
_SMALLEST_PROBABILITY = 1e-3  # of a class, before probabilities are made to sum to 1
PROCESS_ARRAYS = {
    **dict.fromkeys(("known", "centre", "width"), np.float32),
    **dict.fromkeys(("means", "parameters", "weights", "weights_of_parts"), np.float64),
}
"""The arrays of a process, as a file keeps them."""


@dataclass(frozen=True)
class FeatureLayout:
    """What the columns of features are: `point` covariates at the point, then their context up to column `context`, and
    then, if there is a place, six oblique coordinates, of which the first is x and the fourth is y."""

    point: int
    context: int
    has_place: bool

    @property
    def count(self) -> int:
        return self.context + 6 * self.has_place


@dataclass(frozen=True)
class GaussianProcess:
    """The locations of a process of R columns: kernels around M supports, weighted and summed.

    `known` (M, F) are the features of the supports, a part of the observations or all, and `weights` (R, M) what each
    counts. `weights_of_parts` (P, R, M) are those of the processes that had not seen an inner fold. `centre` and
    `width` (F,) standardize features, `means` (R,) are the values far from all supports, and `parameters` (R, 8) stand
    in the order of PARAMETERS. `layout` says what the features are, `columns` what the columns are.
    """

    layout: FeatureLayout
    columns: ColumnLayout
    known: Singles
    centre: Singles
    width: Singles
    means: Array
    parameters: Array
    weights: Array
    weights_of_parts: Array

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name, for a file."""
        return {name: np.ascontiguousarray(getattr(self, name), kind) for name, kind in PROCESS_ARRAYS.items()}

    @classmethod
    def of(cls, layout: FeatureLayout, columns: ColumnLayout, arrays: Mapping[str, np.ndarray]) -> GaussianProcess:
        """Read from a file.

        Raises:
            ValueError: the arrays make no sense.
        """
        process = cls(layout, columns, **arrays)
        process._check()
        return process

    @property
    def parts(self) -> tuple[GaussianProcess, ...]:
        """The processes that had not seen each inner fold."""
        return tuple(replace(self, weights=weights) for weights in self.weights_of_parts)

    def locations(self, features: Tensor) -> Array:
        """Return the locations (N, R) of pixels with `features` (N, F), in single precision, where these lie."""
        pixels = self.scaled(features, torch.float32)
        sums = self._sums.at(pixels) if features.device.type == "cpu" else self._sums_on_gpu(pixels)
        return self.as_probabilities(sums + self.means)

    def _sums_on_gpu(self, pixels: Standardized) -> Array:
        """Return the kernels' sums (N, R) over all supports, in single precision."""
        device, count = pixels.point.device, len(pixels.point)
        known = self.places.to(device, torch.float32)
        columns = [(*parts, weights.to(device, torch.float32)) for *parts, weights in self._weighted()]
        total = torch.empty((count, len(columns)), dtype=torch.float32, device=device)
        most = max(1, _ON_GPU // len(self.known))
        for start in range(0, count, most):
            rows = slice(start, start + most)
            kernels = Kernels.between(pixels.take(rows), known)
            for column, (variances, lengths, weights) in enumerate(columns):
                total[rows, column] = kernels.covariance(variances, lengths) @ weights
        return total.cpu().numpy().astype(np.float64)

    def differentiable(self, features: Tensor, factors: Tensor, own: slice) -> Tensor:
        """Return `factors` (N, C) times what the locations of the columns `own` add to their means, as (N,) that can be
        derived by `features` (N, F).

        Probabilities of classes are not bounded to 0 and 1 here.
        """
        kernels = Kernels.between(self.scaled(features), self.places)
        total = features.new_zeros(len(features), dtype=torch.float64)
        for factor, (variances, lengths, weights) in zip(factors.T, self._weighted()[own]):
            total = total + factor * (kernels.covariance(variances, lengths) @ weights)
        return total

    @cached_property
    def places(self) -> Standardized:
        return self.scaled(torch.from_numpy(self.known))

    @cached_property
    def _reach(self) -> tuple[Singles, Singles]:
        """The lowest and the highest (D,) of the supports' standardized covariates at the point, and 1 beyond. Farther
        out the linear part stays as it is: where all observations lie close together in a covariate, a line through
        them would lead to any value elsewhere."""
        inside = slice(self.layout.point)
        standard = (self.known[:, inside] - self.centre[inside]) / self.width[inside]
        return standard.min(axis=0) - 1, standard.max(axis=0) + 1

    @cached_property
    def _sums(self) -> KernelSums:
        return KernelSums.of(self.places, self._weighted())

    def _weighted(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return the variances, lengths and weights (M,) of each column."""
        parameters, weights = torch.from_numpy(self.parameters), torch.from_numpy(self.weights)
        return [(*split(own), counts) for own, counts in zip(parameters, weights)]

    def scaled(self, features: Tensor, kind: torch.dtype = torch.float64) -> Standardized:
        """Standardize features (N, F), so that two observations at random lie at a distance of about 1."""
        centre, width = (torch.from_numpy(part).to(features.device, kind) for part in (self.centre, self.width))
        standard = (features.to(kind) - centre) / width
        layout, context = self.layout, standard[:, : self.layout.context]
        point = context[:, : layout.point]
        lowest, highest = (torch.from_numpy(part).to(features.device, kind) for part in self._reach)
        # Each standardized feature adds 2 to the square of their distance.
        return Standardized(
            point / (2 * layout.point) ** 0.5,
            point.clamp(lowest, highest) / (2 * layout.point) ** 0.5,
            context / (2 * layout.context) ** 0.5,
            features[:, layout.context : layout.count : 3].to(kind) / 2,  # x and y, of six
        )

    def as_probabilities(self, location: Array) -> Array:
        """Bound the columns of classes to probabilities that sum to 1."""
        for own in units(self.columns):
            if own.stop - own.start > 1:
                bounded = location[:, own].clip(_SMALLEST_PROBABILITY, 1.0)
                location[:, own] = bounded / bounded.sum(axis=1, keepdims=True)
        return location

    def _check(self) -> None:
        count, features, columns = len(self.known), self.layout.count, sum(each.count for each in self.columns)
        shapes = {
            "known": (count, features),
            "centre": (features,),
            "width": (features,),
            "means": (columns,),
            "parameters": (columns, len(PARAMETERS)),
            "weights": (columns, count),
            "weights_of_parts": (len(self.weights_of_parts), columns, count),
        }
        if count == 0 or any(getattr(self, name).shape != shape for name, shape in shapes.items()):
            raise ValueError("its Gaussian process is incomplete")
        if not all(np.isfinite(getattr(self, name)).all() for name in PROCESS_ARRAYS):
            raise ValueError("the numbers of its Gaussian process are not all finite")
        if (np.abs(self.parameters) > 30).any() or (self.width <= 0).any():
            raise ValueError("the numbers of its Gaussian process are out of range")
