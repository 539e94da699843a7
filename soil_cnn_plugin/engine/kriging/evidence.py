"""What observations tell of a field at its supports: sums over observations, from which any part can be left out.

The field is known through its values at M supports alone (Seeger, Williams and Lawrence 2003): exact where each
observation is a support, and a projection where observations are many.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from soil_cnn_plugin.engine.kriging.kernels import JITTER, Kernels, Standardized, split

_AT_ONCE = 2**22  # values of a kernel


@dataclass(frozen=True)
class KnownValues:
    """Values (n, C) at places, which share parameters, with `noise` (2, n): a factor of the noise, and the variance of
    the measurement. `fold` (n,) is the inner fold."""

    places: Standardized
    values: Tensor
    noise: Tensor
    fold: Tensor

    def take(self, rows: Tensor) -> KnownValues:
        """Return some of them."""
        return KnownValues(self.places.take(rows), self.values[rows], self.noise[:, rows], self.fold[rows])


@dataclass(frozen=True)
class Evidence:
    """Sums over the observations of each inner fold, (P, M, M) and (P, M, C), in the base in which the field at the M
    supports is white; `root` (M, M) leads there."""

    supports: Standardized
    variances: Tensor
    lengths: Tensor
    root: Tensor
    information: Tensor
    pull: Tensor

    @classmethod
    def gather(cls, supports: Standardized, parameters: Tensor, observed: KnownValues, folds: int) -> Evidence:
        """Gather what is `observed`; `parameters` (8,) stand in the order of PARAMETERS."""
        variances, lengths = split(parameters)
        own = Kernels.between(supports, supports).covariance(variances, lengths)
        count = len(own)
        root = torch.linalg.cholesky(own + JITTER * torch.eye(count, dtype=own.dtype))
        information = own.new_zeros(folds, count, count)
        pull = own.new_zeros(folds, count, observed.values.shape[1])
        for number in range(folds):
            for rows in (observed.fold == number).nonzero()[:, 0].split(max(1, _AT_ONCE // count)):
                part = observed.take(rows)
                across = Kernels.between(supports, part.places).covariance(variances, lengths)
                white = torch.linalg.solve_triangular(root, across, upper=False)
                certainty = 1 / (variances[4] * part.noise[0] + part.noise[1] + JITTER)
                information[number] += (white * certainty) @ white.T
                pull[number] += (white * certainty) @ part.values
        return cls(supports, variances, lengths, root, information, pull)

    def weigh(self, left_out: int | None = None) -> Knowledge:
        """What is known by all observations, or by all but those of one inner fold."""
        information, pull = self.information.sum(0), self.pull.sum(0)
        if left_out is not None:
            information, pull = information - self.information[left_out], pull - self.pull[left_out]
        gained = torch.linalg.cholesky(torch.eye(len(information), dtype=information.dtype) + information)
        white = torch.cholesky_solve(pull, gained)
        weights = torch.linalg.solve_triangular(self.root.T, white, upper=True)
        return Knowledge(self.supports, self.variances, self.lengths, self.root, gained, weights)


@dataclass(frozen=True)
class Knowledge:
    """The field by some observations: `weights` (M, C) of the supports, and the root `gained` (M, M) of what has become
    certain; the others are those of Evidence."""

    supports: Standardized
    variances: Tensor
    lengths: Tensor
    root: Tensor
    gained: Tensor
    weights: Tensor

    def variance(self, places: Standardized) -> Tensor:
        """Variance (N,) of an observation with noise of factor 1 at `places`."""
        kind = places.point.dtype
        variances, root, gained = (each.to(kind) for each in (self.variances, self.root, self.gained))
        supports = self.supports.to(places.point.device, kind)
        found = []
        for rows in torch.arange(len(places.point)).split(max(1, _AT_ONCE // len(root))):
            kernels = Kernels.between(places.take(rows), supports)
            white = torch.linalg.solve_triangular(root, kernels.covariance(variances, self.lengths).T, upper=False)
            left = torch.linalg.solve_triangular(gained, white, upper=False)
            prior = variances[0] * kernels.own + variances[1] + variances[2] + variances[4]
            if kernels.place is not None:
                prior = prior + variances[3]
            found.append(prior - white.square().sum(0) + left.square().sum(0))
        return torch.cat(found)
