"""The kernels of a Gaussian process, and the search for their parameters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from soil_cnn_plugin.engine.arrays import Array

PARAMETERS = ("linear", "point", "context", "place", "noise", "point length", "context length", "place length")
"""What is found for each column: logarithms of variances, and of length scales in units of a typical distance."""
PRIOR_MEANS = np.log([0.1, 0.2, 0.2, 0.2, 0.3, 1.0, 1.0, 0.3])
JITTER = 1e-6  # keeps the covariance of observations that share a pixel invertible
_PRIOR_SPREADS = np.array([1.5, 1.5, 1.5, 1.5, 1.0, 0.7, 0.7, 1.0])
_VARIANCES = 5  # parameters that are variances; they come first
_STEPS, _STEPS_ANEW = 60, 8  # of a search, and of one that begins near its end
ROOT_3 = 3**0.5


@dataclass(frozen=True)
class Standardized:
    """Standardized features of N observations: at the point (N, D), these as far as the linear part goes on, all with
    context (N, F), and x and y (N, 2 or 0)."""

    point: Tensor
    drift: Tensor
    context: Tensor
    place: Tensor

    def take(self, rows: Tensor | slice) -> Standardized:
        """Return some of them."""
        return Standardized(*(part[rows] for part in self._parts()))

    def to(self, device: torch.device, kind: torch.dtype) -> Standardized:
        """Return the same numbers elsewhere."""
        return Standardized(*(part.to(device, kind) for part in self._parts()))

    def _parts(self) -> tuple[Tensor, ...]:
        return self.point, self.drift, self.context, self.place


@dataclass(frozen=True)
class Kernels:
    """Products and distances (N, M) between two sets of observations, of which all kernels are made; `own` (N,) are
    the products of the first set with itself."""

    products: Tensor
    point: Tensor
    context: Tensor
    place: Tensor | None
    own: Tensor

    @classmethod
    def between(cls, first: Standardized, second: Standardized) -> Kernels:
        has_place = first.place.shape[1] > 0
        return cls(
            products=first.drift @ second.drift.T * 2,
            point=_distance(first.point, second.point),
            context=_distance(first.context, second.context),
            place=torch.cdist(first.place, second.place, compute_mode="donot_use_mm_for_euclid_dist")
            if has_place
            else None,
            own=first.drift.square().sum(1) * 2,
        )

    def covariance(self, variances: Tensor, lengths: Tensor) -> Tensor:
        """Return the covariances (N, M) without noise."""
        kind = self.products.dtype
        variances, lengths = variances.to(self.products.device, kind), lengths.to(self.products.device, kind)
        total = variances[0] * self.products
        total = total + variances[1] * _matern(self.point / lengths[0])
        total = total + variances[2] * _matern(self.context / lengths[1])
        if self.place is not None:
            total = total + variances[3] * torch.exp(-self.place / lengths[2])
        return total


def _matern(distance: Tensor) -> Tensor:
    """Return the Matern 3/2 correlation at distances in units of its length scale."""
    scaled = ROOT_3 * distance
    return (1 + scaled) * torch.exp(-scaled)


def _distance(first: Tensor, second: Tensor) -> Tensor:
    """Return Euclidean distances (N, M). Their square is bounded away from 0, where a root has no derivative."""
    square = first.square().sum(1)[:, None] + second.square().sum(1) - 2 * first @ second.T
    return square.clamp(min=1e-12).sqrt()


def split(parameters: Tensor) -> tuple[Tensor, Tensor]:
    """Return variances (5,) and length scales (3,) of their logarithms (8,)."""
    return parameters[:_VARIANCES].exp(), parameters[_VARIANCES:].exp()


def find_parameters(
    places: Standardized, residuals: Array, noise: Array, middle: Array, start: Array | None = None
) -> Array:
    """Find the likeliest parameters (8,) of observations at `places` with `residuals` (n, C) from their means, which
    share them. `noise` (2, n) are a factor of the noise and the variance of the measurement. Priors for residuals of
    variance 1 have their middle at `middle` (8,). The search begins there, or at `start` (8,), near its end."""
    kernels = Kernels.between(places, places)
    values, spread = torch.from_numpy(residuals), max(float((residuals**2).mean()), 1e-6)
    factor, extra = (torch.from_numpy(part) for part in noise)
    means, spreads = torch.from_numpy(middle.copy()), torch.from_numpy(_PRIOR_SPREADS)
    means[:_VARIANCES] += np.log(spread)

    def loss(guess: Array) -> tuple[float, Array]:
        parameters = torch.from_numpy(guess).requires_grad_()
        variances, lengths = split(parameters)
        diagonal = torch.diag(variances[4] * factor + extra + JITTER)
        root, trouble = torch.linalg.cholesky_ex(kernels.covariance(variances, lengths) + diagonal)
        if int(trouble) > 0:
            return 1e10, np.zeros_like(guess)
        solved = torch.linalg.solve_triangular(root, values, upper=False)
        negative = 0.5 * solved.square().sum() + values.shape[1] * root.diagonal().log().sum()
        negative = negative + 0.5 * ((parameters - means) / spreads).square().sum()
        (gradient,) = torch.autograd.grad(negative, parameters)
        return float(negative.detach()), gradient.numpy()

    bounds = [(mean - 8, mean + 8) for mean in means.tolist()]
    from scipy.optimize import minimize  # takes long to load, and maps do not need it

    begin, steps = (means.numpy(), _STEPS) if start is None else (start, _STEPS_ANEW)
    best = minimize(loss, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": steps})
    found: Array = best.x
    return found
