"""What the architectures share: members of an ensemble as one network, and layers as a whole map needs them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cache
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from soil_cnn_plugin.engine.machine.processes import is_joined
from soil_cnn_plugin.engine.machine.torchrun import process_count, process_number
from soil_cnn_plugin.engine.networks.dropped_gelu import gelu_and_drop
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.heads import Head, Heads
from soil_cnn_plugin.engine.targets.learned import ColumnLayout, Lesson

Watch = Callable[[Tensor], None]
"""Receives the last hidden layer (K, n, W) of a block's pixels in pieces, row by row."""
_FLOATS_IN_CACHE = 3 * 2**19  # of the widest layer, so that the next step finds it in the processor's cache
_FLOATS_ON_GPU = 2**24
_DRAWS = 2**16  # different numbers that dropout draws
_FEW = 4  # so few outputs do not fill a processor's registers


class PackedNetwork(nn.Module, ABC):
    """K members of one architecture. Every parameter is (K, ...), so that members are trained, kept and stored alike.

    It predicts the R columns of a layout (see `Learned`): `heads` say what the last layer's raw numbers mean.
    """

    NAME: ClassVar[str]
    NUMBER_HEAD: ClassVar[type[Head]]

    def __init__(self, encoder: Encoder, patch_size: int, layout: ColumnLayout, members: int, dropout: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.patch_size = patch_size
        self.layout = layout
        self.heads = Heads.of(layout, self.NUMBER_HEAD)
        self.members = members
        self.batch_size = 0  # of a training step, in all processes together
        self._dropout = dropout
        self._generator = torch.Generator()

    @property
    def halo(self) -> int:
        """Pixels around a block that its border pixels need."""
        return self.patch_size // 2

    def symmetries(self) -> Tensor | None:
        """The orders of a patch's pixels, (S, n): each training batch takes one. None leaves pixels as they are."""
        return None

    @property
    @abstractmethod
    def covariate_of_input(self) -> Tensor:
        """Index of the covariate that each entry of the inputs' last axis comes from; the number of covariates for the
        location, -1 for an entry that belongs to no single covariate."""

    @abstractmethod
    def inputs(self, channels: Channels) -> Tensor:
        """What the layers see of patches (N, D, P, P): (N, ...), computed once before training."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """Turn a batch of inputs for each member, (K, B, ...), or one for all, (B, ...), into raw numbers (K, B, O)."""

    @abstractmethod
    def hidden(self, inputs: Tensor) -> Tensor:
        """The last hidden layer of each member, (K, B, W), for a batch of inputs (B, ...)."""

    @abstractmethod
    def first_layer(self, inputs: Tensor, columns: Tensor | None = None) -> Tensor:
        """The first layer before its activation, (K, B, ...), for a batch of inputs (B, ...): linear in the inputs.

        With `columns`, it is only what these entries of the last axis add.
        """

    @abstractmethod
    def after_first_layer(self, first: Tensor) -> Tensor:
        """Turn the first layer (K, B, ...) into raw numbers (K, B, O)."""

    def loss(self, raw: Tensor, lesson: Lesson) -> Tensor:
        """Training loss of each member, (K,), on its own batch of the lesson."""
        return self.heads.loss(raw, lesson)

    @abstractmethod
    def dense(
        self, channels: Channels, watch: Watch | None = None, dtype: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        """Mean over members of centre and spread at every pixel: (1, D, h + P - 1, w + P - 1) -> (R, h, w) twice.

        The number at a pixel is the same as that of the pixel's own patch; so is the hidden layer that `watch` gets.
        With a `dtype` of half precision they are nearly the same.
        """

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread (K, B, R) of a batch for each member, or one for all."""
        return self.heads.location_scale(self(inputs))

    @torch.no_grad()
    def draw_parameters(self, generator: torch.Generator) -> None:
        """Start anew: draw weights at random, scaled for rectifying activations (He et al. 2015,
        10.1109/ICCV.2015.123).

        Training draws its dropout from `generator`, too: networks that are trained side by side share no randomness.
        """
        self._generator = generator
        for weight, fan_in in self.drawn_weights():
            weight.normal_(0.0, math.sqrt(2 / fan_in), generator=generator)

    @abstractmethod
    def drawn_weights(self) -> list[tuple[nn.Parameter, int]]:
        """The weights that start at random, each with its number of inputs; all other parameters start as built."""

    def drop(self, hidden: Tensor, batch_dim: int) -> Tensor:
        """Apply dropout while training."""
        if not self.training or self._dropout == 0:
            return hidden
        if hidden.device.type == "cpu":
            kept = (self._drawn(hidden, batch_dim) >= self._lowest_kept).to(hidden.dtype)
        else:
            kept = torch.empty(self._shape_of_batch(hidden, batch_dim), dtype=hidden.dtype, device=hidden.device)
            kept = self._own_part(kept.bernoulli_(1 / self._gain, generator=self._generator), batch_dim)
        return hidden * kept.mul_(self._gain)

    def gelu_and_drop(self, hidden: Tensor, batch_dim: int) -> Tensor:
        """Apply GELU and then dropout while training."""
        if not self.training or self._dropout == 0 or hidden.device.type != "cpu" or hidden.dtype != torch.float32:
            return self.drop(functional.gelu(hidden), batch_dim)
        return gelu_and_drop(hidden, self._drawn(hidden, batch_dim), self._lowest_kept, self._gain)

    @property
    def _lowest_kept(self) -> int:
        """The lowest int16 number whose value dropout keeps."""
        return round(self._dropout * _DRAWS) - _DRAWS // 2

    @property
    def _gain(self) -> float:
        """What values that are kept are multiplied by."""
        return _DRAWS / (_DRAWS // 2 - self._lowest_kept)

    def _drawn(self, hidden: Tensor, batch_dim: int) -> Tensor:
        """Draw an int16 for each value, four at once: bernoulli_ takes eight times as long on a processor."""
        shape = self._shape_of_batch(hidden, batch_dim)
        size = math.prod(shape)
        drawn = torch.empty(-(-size // 4), dtype=torch.int64).random_(-(2**63), None, generator=self._generator)
        return self._own_part(drawn.view(torch.int16)[:size].reshape(shape), batch_dim)

    def _shape_of_batch(self, hidden: Tensor, batch_dim: int) -> list[int]:
        """The shape for the whole batch. Processes that train together draw for all of it and take their rows of it, so
        they do what one process would do."""
        shape = list(hidden.shape)
        shape[batch_dim] = self.batch_size if is_joined() else shape[batch_dim]
        return shape

    def _own_part(self, values: Tensor, batch_dim: int) -> Tensor:
        if not is_joined():
            return values
        own = torch.arange(process_number(), values.shape[batch_dim], process_count(), device=values.device)
        return values.index_select(batch_dim, own)


def convolve(image: Tensor, weight: Tensor, bias: Tensor, dilation: int = 1) -> Tensor:
    """Convolve without padding and rectify: (1, C, H, W), channels last in memory, with weight (O, C, k, k)."""
    if _is_fused(image.device, image.dtype):
        return _fused_convolution(image, weight, bias, dilation)
    return functional.conv2d(image, weight, bias, dilation=dilation).relu_()


def multiply(rows: Tensor, weight: Tensor, bias: Tensor, activation: str = "none") -> Tensor:
    """Multiply (n, C) by weight (O, C) -> (n, O); `activation` is `none`, `relu` or `gelu`."""
    if activation == "none" and len(weight) <= _FEW:
        return torch.addmm(bias[:, None], weight, rows.T).T  # pixels side by side in the processor's registers
    if _is_fused(rows.device, rows.dtype):
        return _fused_product(rows, weight, bias, activation)
    product = functional.linear(rows, weight, bias)
    if activation == "relu":
        return product.relu_()
    return functional.gelu(product) if activation == "gelu" else product


def running_maximum(image: Tensor, dilation: int) -> Tensor:
    """The maximum of 2 x 2 pixels `dilation` apart, at every pixel of a rectified image (1, C, H, W): pooling by 2
    without its stride."""
    kind = image.dtype
    if kind in (torch.bfloat16, torch.float16) and image.device.type == "cpu":
        image = image.view(torch.int16)  # numbers that are not negative sort as their bits do, which is fast
        if kind == torch.float16:
            image = image & 0x7FFF  # what is no number often has the sign of a negative one, and would be the least
    image = torch.maximum(image[..., :-dilation, :], image[..., dilation:, :])
    return torch.maximum(image[..., :-dilation], image[..., dilation:]).view(kind)


def rows_at_once(width: int, channels: int, device: torch.device) -> int:
    """Rows of an image, `width` pixels each, to compute at once when the widest layer has `channels` channels."""
    return max(1, (_FLOATS_IN_CACHE if device.type == "cpu" else _FLOATS_ON_GPU) // (width * channels))


def _fused_convolution(image: Tensor, weight: Tensor, bias: Tensor, dilation: int) -> Tensor:
    found: Tensor = torch.ops.mkldnn._convolution_pointwise(
        image, weight, bias, [0, 0], [1, 1], [dilation, dilation], 1, "relu", [], ""
    )
    return found


def _fused_product(rows: Tensor, weight: Tensor, bias: Tensor, activation: str) -> Tensor:
    found: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, activation, [], "none")
    return found


@cache
def _is_fused(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this PyTorch has oneDNN's fused layers, which are two to three times as fast as its own on a processor.

    They belong to PyTorch's compiler rather than to its interface, so this tries them and takes nothing for granted.
    Numbers that float16 cannot hold must not look like others: some processors' rectifier makes 0 of what is no number.
    """
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    image, weight, bias = torch.ones(1, 2, 4, 4, dtype=dtype), torch.ones(3, 2, 2, 2, dtype=dtype), torch.ones(3)
    image, bias = image.to(memory_format=torch.channels_last), bias.to(dtype)
    flat = weight[:, :, 0].flatten(1)
    try:
        convolved = _fused_convolution(image, weight, bias, 2)
        product = _fused_product(image[0, 0], flat, bias, "gelu")
        nothing = (
            _fused_convolution(image * torch.nan, weight, bias, 2),
            _fused_product(flat * torch.nan, flat, bias, "relu"),
        )
    except (RuntimeError, AttributeError, TypeError):
        return False
    if dtype == torch.float16 and not all(part.isnan().all() for part in nothing):
        return False
    return bool((convolved == 9).all()) and bool((product.float() - 5).abs().max() < 0.1)
