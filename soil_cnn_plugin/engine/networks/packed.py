"""What the two architectures share: all members of an ensemble as one network whose parameters have a member axis."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor, nn

from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder


class PackedNetwork(nn.Module, ABC):
    """K members of one architecture. Every parameter is (K, ...), so that members are trained, kept and stored alike.

    Targets are standardized; `location` and `scale` are the centre and the spread of the predicted distribution.
    """

    NAME: ClassVar[str]

    def __init__(self, encoder: Encoder, patch_size: int, targets: int, members: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.patch_size = patch_size
        self.targets = targets
        self.members = members

    @property
    def halo(self) -> int:
        """Pixels around a block that its border pixels need."""
        return self.patch_size // 2

    @property
    def may_mirror(self) -> bool:
        """Whether turned and mirrored patches are as good as the patch itself for learning."""
        return False

    @abstractmethod
    def inputs(self, channels: Channels) -> Tensor:
        """What the layers see of patches (N, D, P, P): (N, ...), computed once before training."""

    @abstractmethod
    def forward(self, inputs: Tensor) -> Tensor:
        """A batch of inputs for each member, (K, B, ...), to raw output (K, B, T, ...)."""

    @abstractmethod
    def loss(self, output: Tensor, targets: Tensor) -> Tensor:
        """Training loss of each member, (K,); targets (K, B, T) are NaN where missing."""

    @abstractmethod
    def location_scale(self, output: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread, each (K, B, T), from raw output."""

    @abstractmethod
    def dense(self, channels: Channels) -> tuple[Tensor, Tensor]:
        """Mean over members of centre and spread at every pixel: (1, D, h + P - 1, w + P - 1) -> (T, h, w) twice.

        The number at a pixel is the same as that of the pixel's own patch.
        """

    def predict(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Centre and spread (K, B, T) of a batch for each member, without gradients."""
        return self.location_scale(self(inputs))

    def mean_of_known(self, values: Tensor, known: Tensor) -> Tensor:
        """(K, B, T) -> (K,): mean over observations and targets that are not missing."""
        total = torch.where(known, values, 0.0).sum(dim=(1, 2))
        return total / known.sum(dim=(1, 2)).clamp(min=1)


def dense_weight(members: int, fan_in: int, fan_out: int) -> nn.Parameter:
    """(K, fan_in, fan_out), scaled for rectifying activations (He et al. 2015, 10.1109/ICCV.2015.123)."""
    return nn.Parameter(torch.randn(members, fan_in, fan_out) * math.sqrt(2 / fan_in))


def convolution_weight(members: int, channels_out: int, channels_in: int, size: int) -> nn.Parameter:
    """(K, channels_out, channels_in, size, size), scaled likewise."""
    fan_in = channels_in * size * size
    return nn.Parameter(torch.randn(members, channels_out, channels_in, size, size) * math.sqrt(2 / fan_in))
