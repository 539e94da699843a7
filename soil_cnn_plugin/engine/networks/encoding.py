"""Encodes raw covariates as the channels that networks and forests see: normal scores, and class codes one-hot."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor, nn

from soil_cnn_plugin.engine.machine.compiled import compiled
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary


@dataclass(frozen=True)
class Channels:
    """Encoded covariates: `values` (N, D, H, W) float32, 0 where missing; `known` (N, C, H, W) float32, 1 where the
    covariate has data.

    `location` (N, 6, h, w) are oblique coordinates of the pixels to predict, without their surroundings, where the
    location is an input.
    """

    values: Tensor
    known: Tensor
    covariate_of_channel: Tensor  # (D,) index into C
    continuous: Tensor  # indices of the channels that are not one-hot
    location: Tensor | None = None
    context: dict[int, Tensor] = field(default_factory=dict, compare=False)  # focal features made so far, by patch size

    def crop(self, margin: int) -> Channels:
        """The same without `margin` pixels on each side."""
        if margin == 0:
            return self
        inner = slice(margin, -margin)
        values, known = self.values[..., inner, inner], self.known[..., inner, inner]
        return Channels(values, known, self.covariate_of_channel, self.continuous, self.location)


@dataclass(frozen=True)
class Location:
    """The place of the training observations, for standardizing: the middle of their coordinates, and the `spread` of x
    and of y (CRS units) that stand for the same distance on the ground, even where the CRS is in degrees.

    Forests and Gaussian process see coordinates; `is_everywhere` says that the ring network does, too.
    """

    x: float
    y: float
    spread: tuple[float, float]
    is_everywhere: bool = False

    ANGLES: ClassVar[tuple[int, ...]] = (0, 30, 60, 90, 120, 150)

    def __post_init__(self) -> None:
        if not all(map(math.isfinite, (self.x, self.y, *self.spread))) or min(self.spread) <= 0:
            raise ValueError(f"no location: {self}")

    def encode(self, coordinates: Tensor) -> Tensor:
        """Turn x, y (N, 2, h, w) in float64 into oblique coordinates (N, 6, h, w) in float32 (Moller et al. 2020,
        10.5194/soil-6-269-2020)."""
        x, y = (coordinates[:, 0] - self.x) / self.spread[0], (coordinates[:, 1] - self.y) / self.spread[1]
        angles = [math.radians(angle) for angle in self.ANGLES]
        return torch.stack([x * math.cos(angle) + y * math.sin(angle) for angle in angles], dim=1).float()


class Encoder(nn.Module):
    """Maps covariates (N, C, H, W), NaN where missing, to Channels.

    Continuous covariates become normal scores: the value's quantile over the training raster, through the inverse
    normal distribution, so that skewed covariates (flow accumulation, radiometrics) need no thought. Values beyond the
    training range count as its end. Categories become one channel each; a code not seen in training counts as missing.
    A missing value becomes 0, the mean, after the scaling. Each pixel is encoded by itself, so that a block and a patch
    get the same numbers.
    """

    def __init__(self, covariates: Sequence[CovariateSummary], location: Location | None = None) -> None:
        super().__init__()
        self.covariates = tuple(covariates)
        self.location = location
        channel_covariates: list[int] = []
        for index, summary in enumerate(covariates):
            is_categorical = summary.covariate.kind == "categorical"
            if not is_categorical:  # buffers, which move to the device with the network
                for name, part in zip(_KNOTS, _normal_score_knots(summary.quantiles)):
                    self.register_buffer(f"{name}{index}", part, persistent=False)
            channel_covariates += [index] * (len(summary.categories) if is_categorical else 1)
        self.register_buffer("covariate_of_channel", torch.tensor(channel_covariates), persistent=False)
        self.covariate_of_channel: Tensor
        continuous = [covariates[index].covariate.kind != "categorical" for index in channel_covariates]
        self.register_buffer("continuous", torch.tensor(continuous).nonzero().flatten(), persistent=False)
        self.continuous: Tensor  # channels that are not one-hot

    @property
    def shows_location(self) -> bool:
        """Whether networks see the location, not forests and Gaussian process alone."""
        return self.location is not None and self.location.is_everywhere

    @property
    def channel_count(self) -> int:
        return len(self.covariate_of_channel)

    @property
    def is_directional(self) -> bool:
        """Whether a covariate's meaning depends on the compass, so that patches must not be mirrored."""
        return any(summary.covariate.kind == "directional" for summary in self.covariates)

    def forward(self, raw: Tensor, coordinates: Tensor | None = None) -> Channels:
        """Encode covariates (N, C, H, W), and x, y (N, 2, h, w) of the pixels to predict where location is an input."""
        known = torch.isfinite(raw)
        # (N, C, H, W) -> (N, D, H, W)
        values = raw.new_empty(raw.shape[0], self.channel_count, *raw.shape[2:])
        channel = 0
        for index, summary in enumerate(self.covariates):
            layer = raw[:, index]
            if summary.covariate.kind == "categorical":
                codes = summary.categories
                for offset, code in enumerate(codes):
                    values[:, channel + offset] = layer == code
                known[:, index] &= values[:, channel : channel + len(codes)].amax(1) > 0
                channel += len(codes)
            else:
                places, scores, slopes = (self.get_buffer(f"{name}{index}") for name in _KNOTS)
                values[:, channel] = interpolate(layer, (places, scores, slopes))
                channel += 1
        where = None if self.location is None or coordinates is None else self.location.encode(coordinates)
        return Channels(values, known.float(), self.covariate_of_channel, self.continuous, where)


_KNOTS = ("places", "scores", "slopes")


def _normal_score_knots(quantiles: Sequence[float]) -> Knots:
    """Values, their standardized normal scores, and the slope from each to the next; ties share their mean score."""
    values = np.asarray(quantiles, dtype=np.float64)
    count = len(values)
    scores = ndtri((np.arange(count) + 0.5) / count)
    # Knots that float32 cannot tell apart are ties.
    unique, tie = np.unique(values.astype(np.float32), return_inverse=True)
    merged = np.bincount(tie, weights=scores) / np.bincount(tie)
    spread = merged[tie].std()
    merged = (merged - merged[tie].mean()) / (spread if spread > 0 else 1.0)
    # Near zero, float32 may hold two numbers but not the slope between them.
    slopes = np.append(np.diff(merged) / np.diff(unique.astype(np.float64)), 0.0).clip(max=np.finfo(np.float32).max)
    return torch.from_numpy(unique), torch.from_numpy(merged).float(), torch.from_numpy(slopes).float()


Knots = tuple[Tensor, Tensor, Tensor]
"""Ascending places, the function's values there, and its slope from each to the next."""

WORTH_COMPILING = 2**16  # numbers; loading compiled code takes a moment
_TOGETHER = 64  # numbers looked up in step, so that their look-ups overlap


def interpolate(numbers: Tensor, knots: Knots) -> Tensor:
    """The function at float32 numbers; beyond the outermost places it stays as it is there; 0 where a number is not
    finite.

    The compiled way and PyTorch's way give the same bits.
    """
    places, values, slopes = (part.to(numbers.device) for part in knots)
    numbers = numbers.contiguous()
    if numbers.device.type == "cpu" and numbers.numel() >= WORTH_COMPILING:
        found = torch.empty_like(numbers)
        _interpolate(numbers.view(-1).numpy(), places.numpy(), values.numpy(), slopes.numpy(), found.view(-1).numpy())
        return found
    clipped = numbers.clamp(places[0], places[-1])
    left = torch.bucketize(clipped, places, right=True).sub_(1).clamp_(0, len(places) - 1)
    return torch.where(torch.isfinite(numbers), values[left] + (clipped - places[left]) * slopes[left], 0.0)


@compiled
def _interpolate(numbers, places, values, slopes, found):  # type: ignore[no-untyped-def]
    """Bisect: `left` is the last place known to be at most the number."""
    lowest, highest = places[0], places[-1]
    clipped, left = np.empty(_TOGETHER, np.float32), np.empty(_TOGETHER, np.uint32)
    for start in range(0, len(numbers), _TOGETHER):
        count = min(_TOGETHER, len(numbers) - start)
        for i in range(count):
            number = numbers[start + i]
            number = lowest if number < lowest else number
            clipped[i] = highest if number > highest else number
            left[i] = 0
        length = len(places)
        while length > 1:
            half = length // 2
            for i in range(count):
                middle = left[i] + np.uint32(half)
                left[i] = np.uint32(middle if places[middle] <= clipped[i] else left[i])
            length -= half
        for i in range(count):
            at = left[i]
            value = values[at] + (clipped[i] - places[at]) * slopes[at]
            found[start + i] = value if np.isfinite(numbers[start + i]) else np.float32(0)
