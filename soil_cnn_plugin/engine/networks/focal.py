"""Focal means and deviations: the context at several scales, for the ring network and for the forest beside it."""

from __future__ import annotations

import torch
from torch import Tensor

from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder, Location

_VARIANCE_FLOOR = 1e-4
"""Added under the root, in squared standard deviations: keeps rounding errors of flat areas small after the root."""


def ring_windows(patch_size: int) -> tuple[int, ...]:
    """Widths of the nested windows in pixels: 3, 7, 15, 31, ... below the patch size, and the patch size itself."""
    widths, width = [], 3
    while width < patch_size:
        widths.append(width)
        width = 2 * width + 1
    return (*widths, patch_size)


def deviation_windows(patch_size: int) -> tuple[int, ...]:
    """Widths at which the deviation is taken: 7 pixels and the patch size."""
    return (7, patch_size) if patch_size > 7 else (patch_size,)


def context_features(channels: Channels, patch_size: int) -> Tensor:
    """Focal features and, where the location is an input, oblique coordinates: (N, F, h, w), made once a block."""
    if patch_size not in channels.context:
        features = focal_features(channels, patch_size)
        if channels.location is not None:
            features = torch.cat([features, channels.location.to(features.device)], dim=1)
        channels.context[patch_size] = features
    return channels.context[patch_size]


def context_count(channels: int, continuous: int, patch_size: int) -> int:
    """Number of focal features."""
    return channels * (1 + len(ring_windows(patch_size))) + continuous * len(deviation_windows(patch_size))


def network_features(encoder: Encoder, patch_size: int) -> int:
    """Number of context features, from the first on, that networks see: all but oblique coordinates that only forests
    and Gaussian process see."""
    location = len(Location.ANGLES) if encoder.shows_location else 0
    return context_count(encoder.channel_count, len(encoder.continuous), patch_size) + location


def covariate_of_feature(encoder: Encoder, patch_size: int) -> Tensor:
    """Index of the covariate behind each context feature, (F,); the number of covariates for the location."""
    channels = encoder.covariate_of_channel
    means = channels.repeat(1 + len(ring_windows(patch_size)))
    deviations = channels[encoder.continuous].repeat(len(deviation_windows(patch_size)))
    angles = len(Location.ANGLES) if encoder.location else 0
    return torch.cat([means, deviations, channels.new_full((angles,), len(encoder.covariates))])


def focal_features(channels: Channels, patch_size: int) -> Tensor:
    """Centre values, focal means at each window and focal deviations, of all known pixels in the window.

    (N, D, H, W) -> (N, F, H - P + 1, W - P + 1); one-hot channels get no deviations. Windows are added up pixel by
    pixel in one fixed order, so that a block gives the same bits as a patch; a window without any known pixel counts as
    flat ground of mean 0.
    """
    values, known, continuous = channels.values, channels.known, channels.continuous
    halo = patch_size // 2
    squares = values[:, continuous] ** 2
    is_complete = bool(known.all())
    features = [_centre(values, halo)]
    deviations = []
    for width in ring_windows(patch_size):
        margin = halo - width // 2
        count = None if is_complete else _window_sum(_centre(known, margin), width).clamp_(min=1)
        mean = _mean(_centre(values, margin), width, count, channels.covariate_of_channel)
        features.append(mean)
        if width in deviation_windows(patch_size):
            of_channel = channels.covariate_of_channel[continuous]
            mean_square = _mean(_centre(squares, margin), width, count, of_channel)
            variance = mean_square - mean[:, continuous] ** 2
            deviations.append((variance.clamp_(min=0) + _VARIANCE_FLOOR).sqrt_())
    return torch.cat(features + deviations, dim=1)


def _mean(values: Tensor, width: int, count: Tensor | None, covariate_of_channel: Tensor) -> Tensor:
    total = _window_sum(values, width)
    return total / (float(width * width) if count is None else count[:, covariate_of_channel])


def _centre(image: Tensor, margin: int) -> Tensor:
    return image if margin == 0 else image[..., margin:-margin, margin:-margin]


def _window_sum(image: Tensor, width: int) -> Tensor:
    """Sum over width x width pixels: (..., H, W) -> (..., H - width + 1, W - width + 1)."""
    return _run_sum(_run_sum(image, width, -1), width, -2)


def _run_sum(image: Tensor, width: int, dim: int) -> Tensor:
    """Sums of `width` neighbours along `dim`, built from runs of 1, 2, 4, ... pixels."""
    out_length = image.shape[dim] - width + 1
    run, run_width, covered = image, 1, 0
    total: Tensor | None = None
    while True:
        if width & run_width:
            piece = run.narrow(dim, covered, out_length)
            total = piece if total is None else total + piece
            covered += run_width
        if 2 * run_width > width:
            break
        length = run.shape[dim] - run_width
        run = run.narrow(dim, 0, length) + run.narrow(dim, run_width, length)
        run_width *= 2
    return total if total is not None else image
