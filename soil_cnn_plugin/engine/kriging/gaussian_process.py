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
from soil_cnn_plugin.engine.kriging.kernels import (
    JITTER,
    PARAMETERS,
    PRIOR_MEANS,
    Kernels,
    Standardized,
    find_parameters,
    split,
)
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, Learned, units

MOST_KNOWN = 1500
"""The most observations that a process rests on, drawn at random where there are more: its training grows with their
cube, and a map's time with their number."""
_ENOUGH = 300  # observations on which parameters are found
_SMALLEST_SPREAD = 0.05  # in standard deviations of the target, as that of a forest
_AT_ONCE = 2**18  # values of a kernel, so many that they stay in a processor's cache
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
        """Return location and scale (N, R) of observations with `features` (N, F)."""
        location, scale = np.empty((2, len(features), len(self.means)))
        most = max(1, _AT_ONCE // max(1, len(self.known)))
        for start in range(0, len(features), most):
            rows = slice(start, start + most)
            kernels = Kernels.between(self._scaled(torch.from_numpy(features[rows])), self.places)
            own = kernels.own
            for column, solved in enumerate(self._solved):
                across = kernels.covariance(solved.variances, solved.lengths)[:, solved.is_known]
                location[rows, column] = (across @ solved.alpha).numpy() + self.means[column]
                explained = torch.linalg.solve_triangular(solved.root, across.T, upper=False).square().sum(0)
                variance = solved.prior_variance(own, self.layout.has_place) - explained + solved.variances[4]
                scale[rows, column] = variance.clamp(min=_SMALLEST_SPREAD**2).sqrt().numpy()
        return self._as_probabilities(location), scale

    def locations(self, features: Tensor) -> Array:
        """Return the locations (N, R) of pixels with `features` (N, F), in single precision, where these lie."""
        device = features.device
        known = self.places.to(device, torch.float32)
        alphas = [torch.zeros(len(self.known), dtype=torch.float32, device=device) for _ in self._solved]
        for alpha, solved in zip(alphas, self._solved):
            alpha[solved.is_known.to(device)] = solved.alpha.to(device, torch.float32)
        location = torch.empty((len(features), len(self.means)), dtype=torch.float32, device=device)
        most = max(1, _AT_ONCE // max(1, len(self.known)))
        for start in range(0, len(features), most):
            rows = slice(start, start + most)
            kernels = Kernels.between(self._scaled(features[rows], torch.float32), known)
            for column, (alpha, solved) in enumerate(zip(alphas, self._solved)):
                location[rows, column] = kernels.covariance(solved.variances, solved.lengths) @ alpha
        return self._as_probabilities(location.cpu().numpy().astype(np.float64) + self.means)

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
        columns = [layout.context, layout.context + 3] if layout.has_place else []
        # Each standardized feature adds 2 to the square of their distance.
        return Standardized(
            context[:, : layout.point] / (2 * layout.point) ** 0.5,
            context / (2 * layout.context) ** 0.5,
            features[:, columns].to(kind) / 2,
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
class FittedProcess:
    """A process of all training rows, and predictions (N, R) of each row by `parts`, which had not seen its inner fold;
    NaN where the target is missing."""

    process: GaussianProcess
    parts: tuple[GaussianProcess, ...]
    location: Array
    scale: Array


def fit_process(features: Singles, layout: FeatureLayout, learned: Learned, fold: Rows, seed: int) -> FittedProcess:
    """Fit a process to what is `learned` of N observations with `features` (N, F), and predict each inner `fold` (N,)
    without it. Censored values count as their estimates."""
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(features))[:MOST_KNOWN])
    width = features.std(axis=0, dtype=np.float64)
    targets = learned.estimate[rows]
    factor = np.repeat(1 / learned.weights[rows, None], learned.columns, axis=1)
    process = GaussianProcess(
        layout,
        learned.layout,
        known=features[rows],
        targets=targets,
        noise=np.stack([factor, learned.errors[rows] ** 2]),
        centre=features.mean(axis=0, dtype=np.float64).astype(np.float32),
        width=np.where(width > 1e-6, width, 1.0).astype(np.float32),
        means=np.nanmean(targets, axis=0),
        parameters=np.tile(PRIOR_MEANS, (learned.columns, 1)),
        rows=rows,
    )
    process = replace(process, parameters=_find_all(process, rng))
    return FittedProcess(process, *_hold_out(process, features, learned, fold))


def rows_in_words(count: int) -> str:
    """Say on how many of `count` observations a process rests; empty where on all."""
    if count <= MOST_KNOWN:
        return ""
    return (
        f"it rests on {MOST_KNOWN} of the {count} observations, drawn at random, so that time and memory stay bounded;"
        " with all of them its errors would be somewhat smaller"
    )


def process_parts(process: GaussianProcess, fold: Rows) -> tuple[GaussianProcess, ...]:
    """Return the processes that had not seen each inner fold (N,) of the rows of training."""
    return tuple(process.without(fold == number) for number in range(int(fold.max()) + 1))


def _find_all(process: GaussianProcess, rng: np.random.Generator) -> Array:
    """Find the parameters (R, 8) of all columns on a part of the rows; all classes of a target share theirs."""
    found = process.parameters.copy()
    order = rng.permutation(len(process.known))
    for own in units(process.columns):
        is_known = np.isfinite(process.targets[order][:, own]).all(axis=1)
        rows = order[is_known][:_ENOUGH]
        residuals = (process.targets[:, own] - process.means[own])[rows]
        places = process.places.take(torch.from_numpy(rows))
        found[own] = find_parameters(places, residuals, process.noise[:, rows, own.start], PRIOR_MEANS)
    return found


def _hold_out(
    process: GaussianProcess, features: Singles, learned: Learned, fold: Rows
) -> tuple[tuple[GaussianProcess, ...], Array, Array]:
    parts = process_parts(process, fold)
    location, scale = np.full((2, len(features), learned.columns), np.nan)
    for number, part in enumerate(parts):
        test = fold == number
        location[test], scale[test] = part.predict(features[test])
    is_missing = np.isnan(learned.estimate)
    location[is_missing] = scale[is_missing] = np.nan
    return parts, location, scale


@dataclass(frozen=True)
class _Solved:
    """One column: its parameters, which observations have a value, the root of their covariance, and their weights."""

    variances: Tensor
    lengths: Tensor
    is_known: Tensor
    root: Tensor
    alpha: Tensor

    def prior_variance(self, own: Tensor, has_place: bool) -> Tensor:
        """Return the variance (N,) before any observation, from the linear part `own` (N,)."""
        return self.variances[0] * own + self.variances[1] + self.variances[2] + self.variances[3] * has_place
