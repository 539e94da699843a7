"""The embedding: the networks' last hidden layers along their principal axes over the observations."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from soil_cnn_plugin.engine.networks.packed import PackedNetwork, rows_at_once

AXES = 16  # of each network; the distance off them is kept as one number
_AT_ONCE = 4096  # pixels; more of them drop out of a processor's cache


@dataclass(frozen=True)
class Projection:
    """A projection of the last hidden layer of all members, K x W numbers: their `centre` (K, W) over the observations,
    principal `axes` (K, W, A), and `spread`, their overall standard deviation."""

    centre: Tensor
    axes: Tensor
    spread: Tensor

    @property
    def width(self) -> int:
        """How many numbers are left of a pixel."""
        return self.axes.shape[2] + 1

    def __call__(self, hidden: Tensor) -> Tensor:
        """Project (K, n, W) to (n, A + 1): along the axes, and the distance from all places that the axes reach.

        The last number sees what is new in a direction in which the observations do not vary.
        """
        members, _, width = hidden.shape
        at_once = _AT_ONCE if hidden.device.type == "cpu" else rows_at_once(members, width, hidden.device)
        return torch.cat([self._project(piece) for piece in hidden.split(at_once, dim=1)])

    def _project(self, hidden: Tensor) -> Tensor:
        centred = hidden - self.centre[:, None]
        along = torch.matmul(centred.transpose(0, 1).flatten(1), self.axes.flatten(0, 1))  # -> (n, A)
        off = (centred.square().sum(dim=(0, 2)) - along.square().sum(1)).clamp_(min=0).sqrt_()
        return torch.cat([along, off[:, None]], dim=1) / self.spread

    def to(self, device: torch.device) -> Projection:
        return Projection(self.centre.to(device), self.axes.to(device), self.spread.to(device))


@torch.no_grad()
def hidden_layer(network: PackedNetwork, inputs: Tensor) -> Tensor:
    """Last hidden layer (K, N, W) of observations (N, ...)."""
    network.eval()
    return torch.cat([network.hidden(piece) for piece in inputs.split(_AT_ONCE // 8)], dim=1)


def fit_projection(hidden: Tensor) -> Projection:
    """Find the principal axes of the observations' hidden layer (K, N, W)."""
    members, count, width = hidden.shape
    flat = hidden.transpose(0, 1).flatten(1)  # -> (N, K * W)
    centre = flat.mean(0)
    variance = (flat - centre).square().sum() / max(count - 1, 1)
    _, vectors = torch.linalg.eigh((flat - centre).double().T @ (flat - centre).double())
    axes = vectors[:, -min(AXES, count - 1) :].flip(1).float()
    spread = variance.sqrt() if variance > 0 else torch.ones_like(variance)
    return Projection(centre.unflatten(0, (members, width)), axes.unflatten(0, (members, width)).contiguous(), spread)
