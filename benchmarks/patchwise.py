"""Evaluate networks patch by patch: as in a textbook, and as fast as patches can be.

The textbook way uses PyTorch's own layers and knows nothing of how the plugin evaluates its networks, so it also shows
whether dense prediction is right.
"""

from __future__ import annotations

import ctypes
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from soil_cnn_plugin.engine.machine.threads import alone, work_ahead
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.focal import deviation_windows, focal_features, ring_windows
from soil_cnn_plugin.engine.networks.heads import RING_QUANTILES
from soil_cnn_plugin.engine.networks.packed import PackedNetwork, convolve, multiply
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.networks.ring import RingNetwork

NAIVE_BATCH = 4096
BEST_BATCH = {"cpu": 256, "cuda": 8192}  # patches; more would not fit into the processor's cache
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # of mallopt
Rows = NDArray[np.int64]


def windows(layers: Tensor, width: int) -> Tensor:
    """(C, H, W) -> (C, H - width + 1, W - width + 1, width, width), a view."""
    return layers.unfold(1, width, 1).unfold(2, width, 1)


@contextmanager
def plain_memory() -> Iterator[None]:
    """Use glibc's habit of returning large blocks at once, which the plugin's worker switches off."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(libc, "mallopt"):
        yield
        return
    settings = {_MMAP_THRESHOLD: 2**25, _TRIM_THRESHOLD: 2**26}  # their values once large blocks are freed
    try:
        for name, value in settings.items():
            libc.mallopt(name, value)
        yield
    finally:
        for name in settings:
            libc.mallopt(name, 2**31 - 1)


@torch.inference_mode()
def naive(raw: Tensor, encoder: Encoder, network: PackedNetwork, rows: Rows, cols: Rows) -> Tensor:
    """Return the locations (n, T): cut a patch from the covariates (C, H, W) around each pixel, encode it, and show it
    to one member after the other."""
    members = [textbook(network, member) for member in range(network.members)]
    found = []
    for start in range(0, len(rows), NAIVE_BATCH):
        batch = slice(start, start + NAIVE_BATCH)
        cut = windows(raw, network.patch_size)[:, rows[batch], cols[batch]].transpose(0, 1)
        channels = encoder(cut)
        if isinstance(network, PadarianNetwork):
            image = torch.cat([channels.values, channels.known.mean(1, keepdim=True)], dim=1)
            answers = [member(image) for member in members]
        else:
            features = textbook_features(channels.values, network.patch_size)
            answers = [member(features) for member in members]
        found.append(torch.stack(answers).mean(0))
    return torch.cat(found)


def textbook(network: PackedNetwork, member: int) -> Callable[[Tensor], Tensor]:
    """Return one member as PyTorch's own layers: inputs (n, ...) -> locations (n, T)."""
    if isinstance(network, PadarianNetwork):
        layers = nn.Sequential(
            _layer(nn.Conv2d, network.first_weight[member], network.first_bias[member]), nn.ReLU(), nn.MaxPool2d(2),
            _layer(nn.Conv2d, network.second_weight[member], network.second_bias[member]), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(),
            _layer(nn.Linear, network.dense_weight[member].flatten(1), network.dense_bias[member]), nn.ReLU(),
            _layer(nn.Linear, network.last_weight[member].T, network.last_bias[member]), nn.ReLU(),
            _layer(nn.Linear, network.output_weight[member].T, network.output_bias[member]),
        ).to(network.first_weight.device)  # fmt: skip
        return lambda image: layers(image)[:, ::2]
    if not isinstance(network, RingNetwork):
        raise TypeError(network.NAME)
    first = _layer(nn.Linear, network.input_weight[member].T, network.input_bias[member])
    residual = [
        _layer(nn.Linear, weight.T, bias)
        for weight, bias in zip(network.residual_weight[member], network.residual_bias[member])
    ]
    output = _layer(nn.Linear, network.output_weight[member].T, network.output_bias[member])

    def predict(features: Tensor) -> Tensor:
        hidden = functional.gelu(first(features))
        for layer in residual:
            hidden = hidden + functional.gelu(layer(hidden))
        raw = output(hidden).unflatten(-1, (network.heads.columns, RING_QUANTILES))
        steps = torch.cat([raw[..., :1], functional.softplus(raw[..., 1:])], dim=-1)
        return steps.cumsum(-1).mean(-1)

    return predict


def _layer(kind: type[nn.Module], weight: Tensor, bias: Tensor) -> nn.Module:
    if kind is nn.Conv2d:
        layer: nn.Module = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2])
    else:
        layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight, layer.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
    return layer.to(weight.device)


def textbook_features(values: Tensor, size: int) -> Tensor:
    """Return the features of encoded patches without gaps: (n, D, P, P) -> (n, F)."""
    means, deviations = [values[:, :, size // 2, size // 2]], []
    for width in ring_windows(size):
        margin = (size - width) // 2
        inner = values[:, :, margin : size - margin, margin : size - margin]
        means.append(inner.mean((2, 3)))
        if width in deviation_windows(size):
            deviations.append((inner.var((2, 3), correction=0) + 1e-4).sqrt())
    return torch.cat(means + deviations, dim=1)


@torch.inference_mode()
def best(channels: Channels, network: PackedNetwork, rows: Rows, cols: Rows, threads: int) -> Tensor:
    """Return the locations (n, T) from a block that is already encoded: small batches side by side, fused layers,
    channels last, the first layer of all members at once."""
    image = torch.cat([channels.values, channels.known.mean(1, keepdim=True)], dim=1)[0]
    cut = windows(image, network.patch_size)

    @torch.inference_mode()
    def predict(batch: slice) -> Tensor:
        patches = cut[:, rows[batch], cols[batch]].permute(1, 0, 2, 3)
        if isinstance(network, PadarianNetwork):
            return _best_padarian(network, patches)
        return _best_ring(network, patches, channels)

    size = BEST_BATCH[image.device.type]
    batches = [slice(start, start + size) for start in range(0, len(rows), size)]
    if threads == 1:
        return torch.cat([predict(batch) for batch in batches])
    before = torch.get_num_threads()
    try:
        return torch.cat(list(work_ahead(alone(predict), batches, threads)))
    finally:
        torch.set_num_threads(before)


def _best_padarian(network: PadarianNetwork, patches: Tensor) -> Tensor:
    last, output = network.last_weight.transpose(1, 2), network.output_weight.transpose(1, 2)
    answers = []
    image = patches.contiguous(memory_format=torch.channels_last)
    image = convolve(image, network.first_weight.flatten(0, 1), network.first_bias.flatten())
    for member, own in enumerate(functional.max_pool2d(image, 2).chunk(network.members, dim=1)):
        own = own.contiguous(memory_format=torch.channels_last)
        own = functional.max_pool2d(convolve(own, network.second_weight[member], network.second_bias[member]), 2)
        own = convolve(own, network.dense_weight[member], network.dense_bias[member]).flatten(1)
        own = multiply(own, last[member].contiguous(), network.last_bias[member], "relu")
        answers.append(multiply(own, output[member].contiguous(), network.output_bias[member])[:, ::2])
    return torch.stack(answers).mean(0)


def _best_ring(network: RingNetwork, patches: Tensor, channels: Channels) -> Tensor:
    values = patches[:, :-1].contiguous()
    own = Channels(values, torch.ones_like(values), channels.covariate_of_channel, channels.continuous)
    inputs = focal_features(own, network.patch_size).flatten(1)
    return network.predict(inputs)[0].mean(0)


def flops(network: PackedNetwork) -> int:
    """Return the multiplications and additions that a pixel needs, without those that blocks compute around it."""
    weights = [weight[0].numel() for name, weight in network.named_parameters() if name.endswith("weight")]
    return 2 * network.members * math.ceil(sum(weights))
