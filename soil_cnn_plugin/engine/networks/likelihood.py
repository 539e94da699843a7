"""How far predicted distributions are from what was measured: losses for training, scores for held-out observations."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from soil_cnn_plugin.engine.machine.processes import mean_over_processes
from soil_cnn_plugin.engine.targets.learned import Lesson

BETA = 0.7
"""Weight of the variance in the loss (Seitzer et al. 2022, arXiv:2203.09168)."""
_LOW, _PULL = -1.0, 0.3
"""Locations of censored values below `_LOW` standard deviations are drawn back as if three in ten were measured there.
Without this, single networks predict nearly nothing where a metal has a background."""
_NO_LIMIT = -30.0  # standard deviations below the location
_SMALLEST_PROBABILITY = 1e-6  # of a class: one surprise must not decide a score


def normal_loss(location: Tensor, scale: Tensor, lesson: Lesson) -> Tensor:
    """Loss (K, B, R): minus the logarithm of the likelihood of a normal distribution, weighted by its variance to the
    power of beta, 0 where the target is missing.

    A censored value counts with the probability that the value lies below it (Tobin 1958, 10.2307/1907382). Where all
    values nearby are censored, that would allow any low location; a light pull says that few values lie far below the
    mean.

    An error of measurement adds its variance (Wadoux et al. 2019, 10.5194/soil-5-107-2019), but not to the power of
    beta: that would give back most of the weight that the error takes from an observation.
    """
    variance = scale**2 if lesson.errors is None else scale**2 + lesson.errors**2
    known = torch.isfinite(lesson.values)
    error = torch.where(known, lesson.values - location, 0.0)
    loss = 0.5 * (error**2 / variance + variance.log())
    if lesson.is_censored is not None:
        below = -torch.special.log_ndtr(error / variance.sqrt())
        too_low = (location - _LOW).clamp(max=0.0)
        loss = torch.where(lesson.is_censored, below + 0.5 * _PULL * too_low**2, loss)
    return torch.where(known, (scale**2).detach() ** BETA * loss, 0.0)


def class_loss(logits: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """Cross-entropy (K, B, 1) of logits (K, B, R), one column a class, and a mask of where a class is known."""
    known = torch.isfinite(lesson.values).all(-1, keepdim=True)
    return -(lesson.values.nan_to_num(0.0) * logits.log_softmax(-1)).sum(-1, keepdim=True), known


def weighted_mean(values: Tensor, known: Tensor, weights: Tensor | None) -> Tensor:
    """Mean (K,) of values (K, B, R) over observations and columns that are not missing, by weight (K, B)."""
    share = known.to(values.dtype) if weights is None else known * weights[..., None]
    total = torch.where(known, values * share, 0.0).sum(dim=(1, 2))
    # Gradients become a mean over the processes, so each must divide by the mean of all their counts.
    return total / mean_over_processes(share.sum(dim=(1, 2))).clamp(min=1e-6)


def class_scores(probabilities: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """Log scores (K, N, 1) of probabilities (K, N, R), NaN for training rows. Scores are 0 where they do not count; a
    mask says where they count."""
    known = torch.isfinite(probabilities).all(-1) & torch.isfinite(lesson.values).all(-1)
    share = (lesson.values.nan_to_num(0.0) * torch.where(known[..., None], probabilities, 1.0)).sum(-1)
    score = -share.clamp(min=_SMALLEST_PROBABILITY).log()
    return torch.where(known, score, 0.0)[..., None], known[..., None]


def normal_scores(location: Tensor, scale: Tensor, lesson: Lesson) -> tuple[Tensor, Tensor]:
    """CRPS (K, N, R) of normal distributions on held-out rows (Gneiting & Raftery 2007, 10.1198/016214506000001437,
    eq. 21), 0 where they do not count, and a mask of where they count.

    Where there is a limit, this is the CRPS of what the laboratory would have reported: the value, or at least the
    limit (the threshold-weighted score of Gneiting & Ranjan 2011, 10.1198/jbes.2010.08110, with all weight above the
    limit). It holds for measured values, too: otherwise high predictions would score best.
    """
    if lesson.errors is not None:
        scale = (scale**2 + lesson.errors**2).sqrt()
    known = torch.isfinite(location) & torch.isfinite(lesson.values)
    z = torch.where(known, (lesson.values - location) / scale, 0.0)
    density, probability = _normal(z)
    score = z * (2 * probability - 1) + 2 * density - 1 / math.sqrt(math.pi)
    if lesson.limits is not None:
        limit = ((lesson.limits - location) / scale).clamp(min=_NO_LIMIT)
        density, below = _normal(limit)
        # the integral of the squared distribution function up to the limit
        unseen = limit * below**2 + 2 * below * density - torch.special.ndtr(math.sqrt(2) * limit) / math.sqrt(math.pi)
        score = score - unseen
    return torch.where(known, scale * score, 0.0), known


def _normal(z: Tensor) -> tuple[Tensor, Tensor]:
    """Density and distribution function of the standard normal distribution."""
    return torch.exp(-0.5 * z**2) / math.sqrt(2 * math.pi), torch.special.ndtr(z)
