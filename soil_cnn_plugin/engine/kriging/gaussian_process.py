"""A Gaussian process on covariates, their context and coordinates: the evidence of neighbours, in space and in kind.

The kernel is a sum: a linear part and a Matern 3/2 of the covariates at the point, a Matern 3/2 of these with their
focal means and deviations, an exponential of the coordinates, and independent noise (Rasmussen & Williams 2006, ISBN
026218253X). The variances and length scales maximize the likelihood times weak priors (type-II MAP). With coordinates
alone this would be kriging with an exponential variogram; the linear part makes it kriging with external drift.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array, Flags, Rows, Singles
from soil_cnn_plugin.engine.kriging.kernel_sums import KernelSums
from soil_cnn_plugin.engine.kriging.kernels import JITTER, PARAMETERS, Kernels, Standardized, split
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, units

_SMALLEST_SPREAD = 0.05  # in standard deviations of the target, as that of a forest
_AT_ONCE = 2**18  # values of a kernel, so many that they stay in a processor's cache
_MOST_IN_DOUBLE = 5000
"""Of more observations, single precision predicts, in 0.6 times the time. Measured in docs/large.md."""
_SMALLEST_PROBABILITY = 1e-3  # of a class, before probabilities are made to sum to 1
PROCESS_ARRAYS = {
    **dict.fromkeys(("known", "centre", "width"), np.float32),
    **dict.fromkeys(("targets", "noise", "means", "parameters"), np.float64),
    "rows": np.int64,
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
    """A process of R columns that rests on n observations.

    `known` (n, F) are their features, `targets` (n, R) their values, NaN where missing, and `noise` (2, n, R) a factor
    of the noise and the variance of the measurement. `centre` and `width` (F,) standardize features, `means` (R,) are
    the values far from all observations, and `parameters` (R, 8) stand in the order of PARAMETERS. `rows` (n,) are the
    numbers of the observations among all that were trained on. `layout` says what the features are, `columns` what the
    columns are.
    """

    layout: FeatureLayout
    columns: ColumnLayout
    known: Singles
    targets: Array
    noise: Array
    centre: Singles
    width: Singles
    means: Array
    parameters: Array
    rows: Rows

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name, for a file."""
        return {name: np.ascontiguousarray(getattr(self, name), kind) for name, kind in PROCESS_ARRAYS.items()}

    @classmethod
    def of(
        cls, layout: FeatureLayout, columns: ColumnLayout, arrays: Mapping[str, np.ndarray], observations: int
    ) -> GaussianProcess:
        """Read from a file; `observations` were trained on.

        Raises:
            ValueError: the arrays make no sense.
        """
        process = cls(layout, columns, **arrays)
        process._check(observations)
        return process

    def without(self, is_left_out: Flags) -> GaussianProcess:
        """Return the process with the same parameters that rests on none of the observations `is_left_out` (N,)."""
        kept = ~is_left_out[self.rows]
        return replace(
            self, known=self.known[kept], targets=self.targets[kept], noise=self.noise[:, kept], rows=self.rows[kept]
        )

    def predict(self, features: Singles) -> tuple[Array, Array]:
        """Return location and scale (N, R) of observations with `features` (N, F); of many in single precision."""
        kind = torch.float64 if len(features) <= _MOST_IN_DOUBLE else torch.float32
        location, scale = np.empty((2, len(features), len(self.means)))
        most = max(1, _AT_ONCE // max(1, len(self.known)))
        places, all_solved = self.places.to(torch.device("cpu"), kind), [each.to(kind) for each in self._solved]
        for start in range(0, len(features), most):
            rows = slice(start, start + most)
            kernels = Kernels.between(self._scaled(torch.from_numpy(features[rows]), kind), places)
            own = kernels.own
            for column, solved in enumerate(all_solved):
                across = kernels.covariance(solved.variances, solved.lengths)
                across = across if solved.is_known.all() else across[:, solved.is_known]
                location[rows, column] = (across @ solved.alpha).numpy() + self.means[column]
                explained = torch.linalg.solve_triangular(solved.root, across.T, upper=False).square().sum(0)
                variance = solved.prior_variance(own, self.layout.has_place) - explained + solved.variances[4]
                scale[rows, column] = variance.clamp(min=_SMALLEST_SPREAD**2).sqrt().numpy()
        return self._as_probabilities(location), scale

    def locations(self, features: Tensor) -> Array:
        """Return the locations (N, R) of pixels with `features` (N, F), in single precision, where these lie."""
        pixels = self._scaled(features, torch.float32)
        sums = self._sums.at(pixels) if features.device.type == "cpu" else self._sums_on_gpu(pixels)
        return self._as_probabilities(sums + self.means)

    def _sums_on_gpu(self, pixels: Standardized) -> Array:
        """Return the kernels' sums (N, R) over all observations, in single precision."""
        device, count = pixels.point.device, len(pixels.point)
        known = self.places.to(device, torch.float32)
        columns = [(*parts, weights.to(device, torch.float32)) for *parts, weights in self._weighted()]
        total = torch.empty((count, len(columns)), dtype=torch.float32, device=device)
        most = max(1, _AT_ONCE // max(1, len(self.known)))
        for start in range(0, count, most):
            rows = slice(start, start + most)
            kernels = Kernels.between(pixels.take(rows), known)
            for column, (variances, lengths, weights) in enumerate(columns):
                total[rows, column] = kernels.covariance(variances, lengths) @ weights
        return total.cpu().numpy().astype(np.float64)

    def differentiable(self, features: Tensor, factors: Tensor, own: slice) -> Tensor:
        """Return `factors` (N, C) times the locations of the columns `own`, as (N,) that can be derived by `features`
        (N, F).

        Probabilities of classes are not bounded to 0 and 1 here.
        """
        kernels = Kernels.between(self._scaled(features), self.places)
        total = features.new_zeros(len(features), dtype=torch.float64)
        for factor, solved in zip(factors.T, self._solved[own]):
            across = kernels.covariance(solved.variances, solved.lengths)[:, solved.is_known]
            total = total + factor * (across @ solved.alpha)
        return total

    @cached_property
    def places(self) -> Standardized:
        return self._scaled(torch.from_numpy(self.known))

    @cached_property
    def _sums(self) -> KernelSums:
        return KernelSums.of(self.places, self._weighted())

    def _weighted(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return the variances, lengths and weights (n,) of each column; an observation without a value counts 0."""
        found = []
        for solved in self._solved:
            weights = torch.zeros(len(self.known), dtype=torch.float64)
            weights[solved.is_known] = solved.alpha
            found.append((solved.variances, solved.lengths, weights))
        return found

    @cached_property
    def _solved(self) -> list[_Solved]:
        kernels = Kernels.between(self.places, self.places)
        parameters = torch.from_numpy(self.parameters)
        found = []
        for column in range(len(self.means)):
            is_known = torch.from_numpy(np.isfinite(self.targets[:, column]))
            variances, lengths = split(parameters[column])
            factor, extra = (torch.from_numpy(part[:, column]) for part in self.noise)
            covariance = kernels.covariance(variances, lengths) + torch.diag(variances[4] * factor + extra + JITTER)
            root = torch.linalg.cholesky(covariance[is_known][:, is_known])
            residual = torch.from_numpy(self.targets[:, column] - self.means[column])[is_known]
            alpha = torch.cholesky_solve(residual[:, None], root)[:, 0]
            found.append(_Solved(variances, lengths, is_known, root, alpha))
        return found

    def _scaled(self, features: Tensor, kind: torch.dtype = torch.float64) -> Standardized:
        """Standardize features (N, F), so that two observations at random lie at a distance of about 1."""
        centre, width = (torch.from_numpy(part).to(features.device, kind) for part in (self.centre, self.width))
        standard = (features.to(kind) - centre) / width
        layout, context = self.layout, standard[:, : self.layout.context]
        # Each standardized feature adds 2 to the square of their distance.
        return Standardized(
            context[:, : layout.point] / (2 * layout.point) ** 0.5,
            context / (2 * layout.context) ** 0.5,
            features[:, layout.context : layout.count : 3].to(kind) / 2,  # x and y, of six
        )

    def _as_probabilities(self, location: Array) -> Array:
        """Bound the columns of classes to probabilities that sum to 1."""
        for own in units(self.columns):
            if own.stop - own.start > 1:
                bounded = location[:, own].clip(_SMALLEST_PROBABILITY, 1.0)
                location[:, own] = bounded / bounded.sum(axis=1, keepdims=True)
        return location

    def _check(self, observations: int) -> None:
        count, features, columns = len(self.known), self.layout.count, len(self.means)
        shapes = {
            "known": (count, features),
            "targets": (count, columns),
            "noise": (2, count, columns),
            "centre": (features,),
            "width": (features,),
            "means": (sum(each.count for each in self.columns),),
            "parameters": (columns, len(PARAMETERS)),
            "rows": (count,),
        }
        if not 0 < count <= observations or any(getattr(self, name).shape != shape for name, shape in shapes.items()):
            raise ValueError("its Gaussian process is incomplete")
        is_finite = all(np.isfinite(getattr(self, name)).all() for name in PROCESS_ARRAYS if name != "targets")
        if not is_finite or np.isinf(self.targets).any() or (np.isfinite(self.targets).sum(axis=0) == 0).any():
            raise ValueError("the numbers of its Gaussian process are not all finite")
        factor, extra = self.noise
        is_odd = (np.abs(self.parameters) > 30).any() or (self.width <= 0).any() or (factor <= 0).any()
        if is_odd or (extra < 0).any() or self.rows.min() < 0 or self.rows.max() >= observations:
            raise ValueError("the numbers of its Gaussian process are out of range")


@dataclass(frozen=True)
class _Solved:
    """One column: its parameters, which observations have a value, the root of their covariance, and their weights."""

    variances: Tensor
    lengths: Tensor
    is_known: Tensor
    root: Tensor
    alpha: Tensor

    def to(self, kind: torch.dtype) -> _Solved:
        numbers = (self.variances, self.lengths, self.root, self.alpha)
        variances, lengths, root, alpha = (each.to(kind) for each in numbers)
        return _Solved(variances, lengths, self.is_known, root, alpha)

    def prior_variance(self, own: Tensor, has_place: bool) -> Tensor:
        """Return the variance (N,) before any observation, from the linear part `own` (N,)."""
        return self.variances[0] * own + self.variances[1] + self.variances[2] + self.variances[3] * has_place
