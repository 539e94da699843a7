"""Focal means and deviations: the context at several scales, for the ring network and for the forest beside it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import torch
from torch import Tensor

from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder, Location

_VARIANCE_FLOOR = 1e-4
"""Added under the root, in squared standard deviations: keeps rounding errors of flat areas small after the root."""
_FLOATS_IN_CACHE = 2**18  # of an image, so that the sums of its windows find them in the processor's cache


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
    windows, deviating = ring_windows(patch_size), deviation_windows(patch_size)
    halo, counts = patch_size // 2, _counts(channels.known, windows, patch_size)
    centres: list[Tensor] = []
    means: dict[int, list[Tensor]] = {width: [] for width in windows}
    deviations: dict[int, list[Tensor]] = {width: [] for width in deviating}
    for group in _groups(channels.values):
        values, continuous = channels.values[:, group], _inside(channels.continuous, group)
        squares = values[:, continuous] ** 2
        covariate = channels.covariate_of_channel[group]
        centres.append(_centre(values, halo))
        for width in windows:
            margin, count = halo - width // 2, counts.get(width)
            means[width].append(_mean(_centre(values, margin), width, count, covariate))
            if width in deviating:
                mean_square = _mean(_centre(squares, margin), width, count, covariate[continuous])
                variance = mean_square - means[width][-1][:, continuous] ** 2
                deviations[width].append((variance.clamp_(min=0) + _VARIANCE_FLOOR).sqrt_())
    return torch.cat([*centres, *chain(*means.values()), *chain(*deviations.values())], dim=1)


def _groups(values: Tensor) -> list[slice]:
    """Channels (N, D, H, W) to compute at once: on a processor, so many that they stay in its cache."""
    count, image = values.shape[1], values[:, :1].numel()
    step = max(1, _FLOATS_IN_CACHE // max(1, image)) if values.device.type == "cpu" else count
    return [slice(start, start + step) for start in range(0, count, step)]


def _inside(channels: Tensor, group: slice) -> Tensor:
    """The channels of a group, counted from its first."""
    inside: Tensor = channels[(channels >= group.start) & (channels < group.stop)] - group.start
    return inside


def _counts(known: Tensor, windows: Sequence[int], patch_size: int) -> dict[int, Tensor]:
    """How many pixels of each window are known, (N, C, h, w) by width; nothing where all are."""
    if bool(known.all()):
        return {}
    halo = patch_size // 2
    return {width: _window_sum(_centre(known, halo - width // 2), width).clamp_(min=1) for width in windows}


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
