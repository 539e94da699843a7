"""Layers as a whole map needs them: product, bias and activation in one pass, in float32 or half precision."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

_FLOATS_IN_CACHE = 3 * 2**19  # of the widest layer, so that the next step finds it in the processor's cache
_FLOATS_ON_GPU = 2**24
_FEW = 4  # so few outputs do not fill a processor's registers


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
    """
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():
        return False
    image, weight, bias = torch.ones(1, 2, 4, 4, dtype=dtype), torch.ones(3, 2, 2, 2, dtype=dtype), torch.ones(3)
    bias = bias.to(dtype)
    try:
        convolved = _fused_convolution(image.to(memory_format=torch.channels_last), weight, bias, 2)
        product = _fused_product(image[0, 0], weight[:, :, 0].flatten(1), bias, "gelu")
    except (RuntimeError, AttributeError, TypeError):
        return False
    return bool((convolved == 9).all()) and bool((product.float() - 5).abs().max() < 0.1)
