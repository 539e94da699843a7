"""Compiled layers give the numbers and gradients of PyTorch's own, for any number of channels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from soil_cnn_plugin.engine.networks.dropped_gelu import gelu_and_drop
from soil_cnn_plugin.engine.networks.pooled_convolution import convolve_and_pool, is_compiled_for

MEMBERS, BATCH, SIDE = 3, 4, 2


def random(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(len(shape))).requires_grad_()


def by_torch(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    seen = images[:, :, : 2 * SIDE + 2, : 2 * SIDE + 2].permute(0, 1, 4, 2, 3)
    pooled = [
        functional.max_pool2d(functional.conv2d(*each), 2).relu().permute(0, 2, 3, 1)
        for each in zip(seen, weight, bias)
    ]
    return torch.stack(pooled)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("channels", "outputs"), [(11, 16), (16, 32), (2, 16)])
def test_values_and_gradients_are_those_of_convolution_pooling_and_rectifier(
    channels: int, outputs: int, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    images = random(MEMBERS, BATCH, 7, 7, channels)
    weight, bias = random(MEMBERS, outputs, channels, 3, 3), random(MEMBERS, outputs)
    for seen in (images, images[0]):  # of each member, and one for all
        found = convolve_and_pool(seen, weight, bias, SIDE)
        expected = by_torch(seen.expand(images.shape), weight, bias)
        torch.testing.assert_close(found, expected)
        assert (found == 0).any()  # some are rectified
        gradient = torch.randn(found.shape)
        pairs = (torch.autograd.grad(each, (seen, weight, bias), gradient) for each in (found, expected))
        for ours, theirs in zip(*pairs):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


def test_of_equal_pixels_the_first_gets_the_gradient_and_what_is_no_number_stays_so() -> None:
    images = torch.ones(1, 1, 6, 6, 8)
    weight, bias = random(1, 16, 8, 3, 3), torch.zeros(1, 16)
    seen = images.clone().requires_grad_()
    ours, theirs = convolve_and_pool(seen, weight, bias, SIDE), by_torch(seen, weight, bias)
    gradients = [torch.autograd.grad(each.sum(), seen)[0] for each in (ours, theirs)]
    torch.testing.assert_close(*gradients)
    assert convolve_and_pool(images * torch.nan, weight, bias, SIDE).isnan().all()


def test_other_devices_and_kinds_of_numbers_are_left_to_pytorch() -> None:
    assert is_compiled_for(torch.zeros(1))
    assert not is_compiled_for(torch.zeros(1, dtype=torch.bfloat16))
    assert not is_compiled_for(torch.zeros(1, device="meta"))


def test_gelu_and_its_slope_are_exact_to_single_precision_and_dropped_where_asked() -> None:
    numbers = torch.cat([torch.linspace(-30, 30, 2001), torch.linspace(-1e-3, 1e-3, 48)]).requires_grad_()
    drawn = (torch.arange(len(numbers)) % 5 - 2).to(torch.int16)
    exact = numbers.double()
    expected = 1.5 * functional.gelu(exact) * (drawn >= 1)
    found = gelu_and_drop(numbers, drawn, 1, 1.5)
    torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=5e-7)
    slopes = [torch.autograd.grad(each.sum(), numbers)[0] for each in (found, expected)]
    torch.testing.assert_close(*slopes, rtol=1e-6, atol=1e-6)
