"""Networks and features that see far: what `context_networks.py` tries beside the engine's own."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from soil_cnn_plugin.engine.arrays import Rows, Singles
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.heads import QuantileHead
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, Watch
from soil_cnn_plugin.engine.networks.ring import RingNetwork
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.rasters.grid import Block
from soil_cnn_plugin.engine.targets.learned import ColumnLayout

SIDE = 5  # pixels of each level of the pyramid that are seen
_BINOMIAL = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0]) / 16
_WIDTH = 96
LEVELS = 7  # of the pyramid: the last one's filter is 37 pixels wide (standard deviation)
_FAR = 4  # the first level that sees farther than the product's windows
_CODES = 16
_EVERYWHERE = 4000  # pixels from which features are learned without targets


@dataclass(frozen=True)
class Seen:
    """What is seen of N observations: `pyramid` (N, 5, 5, L * (D + 1)), and features to add to those with context."""

    pyramid: Tensor
    added: dict[str, Singles]


class Pyramid:
    """A Gaussian pyramid of encoded covariates (1, D, H, W), kept at full size: each level blurs the one below by a
    binomial filter whose taps lie 1, 2, 4, ... pixels apart, over known pixels alone.

    Level l is seen at 5 x 5 places 2^l pixels apart: seven levels see 128 pixels and more in each direction at the cost
    of 175 numbers a channel.
    """

    def __init__(self, channels: Channels, levels: int) -> None:
        values, known = channels.values[0], channels.known[0][channels.covariate_of_channel]
        self.levels: list[Tensor] = []  # (D + 1, H, W); the share of known covariates comes last
        for level in range(levels):
            if level:
                step = 2 ** (level - 1)
                known, total = _blur(known, step), _blur(values * known, step)
                values = torch.where(known > 1e-3, total / known.clamp(min=1e-3), 0.0)
            self.levels.append(torch.cat([values, known.mean(0, keepdim=True)]))

    def at(self, rows: Tensor, cols: Tensor) -> Tensor:
        """What is seen of pixels (n,): (n, 5, 5, L * (D + 1)); 0 beyond the raster."""
        offsets = torch.arange(SIDE) - SIDE // 2
        seen = []
        for level, image in enumerate(self.levels):
            margin = SIDE // 2 * 2**level
            padded = functional.pad(image, (margin, margin, margin, margin))
            down = rows[:, None, None] + margin + offsets[:, None] * 2**level
            right = cols[:, None, None] + margin + offsets * 2**level
            seen.append(padded[:, down, right].permute(1, 2, 3, 0))
        return torch.cat(seen, dim=-1)


def _blur(image: Tensor, step: int) -> Tensor:
    """Blur (D, H, W) by five taps `step` pixels apart; beyond the raster is 0."""
    for shape in ((1, 1, SIDE, 1), (1, 1, 1, SIDE)):
        padding = [0 if size == 1 else 2 * step for size in shape[2:]]
        image = functional.conv2d(image[:, None], _BINOMIAL.reshape(shape), padding=padding, dilation=step)[:, 0]
    return image


class WideRing(RingNetwork):
    """The ring network on any features (n, F)."""

    def __init__(self, encoder: Encoder, layout: ColumnLayout, members: int, dropout: float, features: int) -> None:
        super().__init__(encoder, 3, layout, members, dropout)
        self.input_weight = nn.Parameter(torch.zeros(members, features, _WIDTH))


class _Tried(PackedNetwork):
    """What is measured here needs neither maps nor explanations, so no part of these."""

    NUMBER_HEAD = QuantileHead

    def __init__(self, encoder: Encoder, layout: ColumnLayout, members: int, dropout: float, seen: Tensor) -> None:
        super().__init__(encoder, 2 * SIDE + 1, layout, members, dropout)
        self.levels, self.width = _levels_of(seen, encoder)
        features = self.features_for_layers()
        self.input_weight = nn.Parameter(torch.zeros(members, features, _WIDTH))
        self.input_bias = nn.Parameter(torch.zeros(members, 1, _WIDTH))
        self.residual_weight = nn.Parameter(torch.zeros(members, _WIDTH, _WIDTH))
        self.residual_bias = nn.Parameter(torch.zeros(members, 1, _WIDTH))
        self.output_weight = nn.Parameter(torch.zeros(members, _WIDTH, self.heads.outputs))
        self.output_bias = nn.Parameter(self.heads.start().repeat(members, 1)[:, None])

    def features_for_layers(self) -> int:
        raise NotImplementedError

    def seen(self, inputs: Tensor) -> Tensor:
        """Features (K, B, F) of inputs (K, B, 5, 5, L * (D + 1))."""
        raise NotImplementedError

    def forward(self, inputs: Tensor) -> Tensor:
        if inputs.dim() == 4:
            inputs = inputs.expand(self.members, *inputs.shape)
        features = self.seen(inputs)
        hidden = self.drop(functional.gelu(torch.baddbmm(self.input_bias, features, self.input_weight)), 1)
        update = torch.baddbmm(self.residual_bias, hidden, self.residual_weight)
        hidden = hidden + self.drop(functional.gelu(update), 1)
        return torch.baddbmm(self.output_bias, hidden, self.output_weight)

    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        return [(self.input_weight, self.input_weight.shape[1]), (self.residual_weight, _WIDTH)]

    @property
    def covariate_of_input(self) -> Tensor:
        raise NotImplementedError

    def inputs(self, channels: Channels) -> Tensor:
        raise NotImplementedError

    def hidden(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError

    def first_layer(self, inputs: Tensor, columns: Tensor | None = None) -> Tensor:
        raise NotImplementedError

    def after_first_layer(self, first: Tensor) -> Tensor:
        raise NotImplementedError

    def dense(
        self, channels: Channels, watch: Watch | None = None, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        raise NotImplementedError


class PyramidNetwork(_Tried):
    """Filters of 5 x 5 pixels that all levels of the pyramid share, and the ring network's layers after them.

    `mirrored` turns and mirrors what training sees, and averages predictions over four views.
    """

    NAME = "pyramid"
    FILTERS = 24

    def __init__(
        self, encoder: Encoder, layout: ColumnLayout, members: int, dropout: float, seen: Tensor, mirrored: bool
    ) -> None:
        super().__init__(encoder, layout, members, dropout, seen)
        self._is_mirrored = mirrored
        self.filter_weight = nn.Parameter(torch.zeros(members, self.width * SIDE**2, self.FILTERS))
        self.filter_bias = nn.Parameter(torch.zeros(members, self.levels, self.FILTERS))

    def features_for_layers(self) -> int:
        return self.levels * (self.FILTERS + self.width)

    def seen(self, inputs: Tensor) -> Tensor:
        members, batch = inputs.shape[:2]
        by_level = inputs.unflatten(-1, (self.levels, self.width)).movedim(4, 2)  # -> (K, B, L, 5, 5, D + 1)
        flat = by_level.reshape(members, batch * self.levels, -1)
        filtered = torch.bmm(flat, self.filter_weight).unflatten(1, (batch, self.levels))
        filtered = self.drop(functional.gelu(filtered + self.filter_bias[:, None]), 1)
        centre = inputs[:, :, SIDE // 2, SIDE // 2]
        return torch.cat([filtered.flatten(2), centre], dim=-1)

    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        return [(self.filter_weight, self.filter_weight.shape[1]), *super().drawn_weights()]

    def symmetries(self) -> Tensor | None:
        if not self._is_mirrored:
            return None
        square = torch.arange(SIDE**2).reshape(SIDE, SIDE)
        flipped = [torch.flip(square, dims) for dims in ((), (1,), (0,), (0, 1))]
        return torch.stack([turned.flatten() for each in flipped for turned in (each, each.T)])

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        views = [(), (-2,), (-3,), (-3, -2)] if self._is_mirrored else [()]
        found = [super(PyramidNetwork, self).predict(torch.flip(inputs, view)) for view in views]
        return tuple(torch.stack(part).mean(0) for part in zip(*found))  # type: ignore[return-value]


class AttentionNetwork(_Tried):
    """Each head takes, of each covariate, a mean over the levels; what all covariates are at a level decides how much
    the level counts."""

    NAME = "attention"
    HEADS = 3

    def __init__(self, encoder: Encoder, layout: ColumnLayout, members: int, dropout: float, seen: Tensor) -> None:
        super().__init__(encoder, layout, members, dropout, seen)
        self.prior = nn.Parameter(torch.zeros(members, 1, self.levels, self.HEADS * self.width))
        self.content = nn.Parameter(torch.zeros(members, self.width, self.HEADS * self.width))

    def features_for_layers(self) -> int:
        return self.width * (1 + self.HEADS)

    def seen(self, inputs: Tensor) -> Tensor:
        levels = inputs[:, :, SIDE // 2, SIDE // 2].unflatten(-1, (self.levels, self.width))  # -> (K, B, L, D + 1)
        score = torch.bmm(levels.flatten(1, 2), self.content).unflatten(1, levels.shape[1:3]) + self.prior
        share = score.unflatten(-1, (self.HEADS, self.width)).softmax(2)
        pooled = (share * levels[..., None, :]).sum(2)
        return torch.cat([levels[:, :, 0], pooled.flatten(2)], dim=-1)

    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        return [(self.prior, 8), (self.content, 8 * self.width), *super().drawn_weights()]


def _levels_of(seen: Tensor, encoder: Encoder) -> tuple[int, int]:
    width = encoder.channel_count + 1
    return seen.shape[-1] // width, width


def principal_components(everywhere: Tensor, seen: Tensor, count: int) -> Singles:
    """Principal components of what the pyramid holds at pixels drawn from the whole area, (n, count)."""
    known, own = everywhere.flatten(1), seen.flatten(1)
    mean, spread = known.mean(0), known.std(0).clamp(min=0.05)
    _, _, axes = torch.svd_lowrank((known - mean) / spread, q=count, niter=4)
    found: Singles = (((own - mean) / spread) @ axes / math.sqrt(known.shape[1])).numpy()
    return found


def denoised_code(everywhere: Tensor, seen: Tensor, count: int, steps: int = 1500, seed: int = 0) -> Singles:
    """The code (n, count) of an autoencoder that learned, without any target, to fill in what was hidden of the
    pyramid at pixels drawn from the whole area."""
    torch.manual_seed(seed)
    known, own = everywhere.flatten(1), seen.flatten(1)
    mean, spread, size = known.mean(0), known.std(0).clamp(min=0.05), known.shape[1]
    known, own = (known - mean) / spread, (own - mean) / spread
    encode = nn.Sequential(nn.Linear(size, 128), nn.GELU(), nn.Linear(128, count))
    decode = nn.Sequential(nn.Linear(count, 128), nn.GELU(), nn.Linear(128, size))
    optimizer = torch.optim.AdamW([*encode.parameters(), *decode.parameters()], lr=2e-3, weight_decay=0.01)
    for _ in range(steps):
        batch = known[torch.randint(0, len(known), (128,))]
        shown = (torch.rand(len(batch), seen.shape[-1]) > 0.3).repeat(1, SIDE**2)  # whole channels of whole levels
        loss = functional.mse_loss(decode(encode(batch * shown)), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        code: Singles = encode(own).numpy()
    return code


def drawn_pixels(known: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Rows and columns of pixels drawn from those with data (H, W)."""
    places: Rows = np.flatnonzero(known.numpy())
    chosen = np.random.default_rng(seed).choice(places, min(count, len(places)), replace=False)
    rows, cols = np.divmod(chosen, known.shape[1])
    return torch.from_numpy(rows), torch.from_numpy(cols)


def see(file: PatchFile, encoder: Encoder, tries: Sequence[str]) -> Seen:
    """Look at the whole area once; what is learned of it without targets takes none of the observations' values."""
    covariates = [summary.covariate for summary in file.covariates]
    with open_stack(covariates, file.grid) as stack:
        raw = stack.read(Block(0, 0, file.grid.height, file.grid.width))
    channels = encoder(torch.from_numpy(raw[None]))
    pyramid = Pyramid(channels, LEVELS)
    rows, cols = (torch.from_numpy(part) for part in file.rows_cols.T)
    seen = pyramid.at(rows, cols)
    added: dict[str, Singles] = {}
    width = encoder.channel_count + 1
    if "wide" in tries:
        added["wide"] = seen[:, 2, 2].unflatten(-1, (LEVELS, width))[:, _FAR:, :-1].flatten(1).numpy()
    if {"components", "code"} & set(tries):
        everywhere = pyramid.at(*drawn_pixels(channels.known[0].all(0), _EVERYWHERE, 0))
        for name, learn in (("components", principal_components), ("code", denoised_code)):
            if name in tries:
                started = time.process_time()
                added[name] = learn(everywhere, seen, _CODES)
                print(f"{name}: learned in {time.process_time() - started:.0f} s", flush=True)
    return Seen(seen, added)
