"""A trial of what maps rest on beside networks and forests, which also compiles it for all later jobs."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial.distance import cdist
from torch.nn import functional

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.assessment.applicability import fit_dissimilarity
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.networks.dropped_gelu import gelu_and_drop
from soil_cnn_plugin.engine.networks.encoding import WORTH_COMPILING, interpolate
from soil_cnn_plugin.engine.networks.pooled_convolution import convolve_and_pool
from soil_cnn_plugin.engine.training.input_rows import InputRows


def try_encoding() -> str:
    """Encode numbers by compiled code and by PyTorch, and find their dissimilarity from some of them.

    Raises:
        EngineError: two ways do not agree.
    """
    rng = np.random.default_rng(0)
    numbers = torch.from_numpy(rng.normal(size=WORTH_COMPILING).astype(np.float32))
    places = torch.linspace(-2, 2, 9)
    knots = places, places**3, torch.cat([places.diff() ** 2, places[:1] * 0])
    compiled = interpolate(numbers, knots)
    by_torch = torch.cat([interpolate(part, knots) for part in numbers.chunk(2)])
    if not torch.equal(compiled, by_torch):
        raise EngineError(tr("Compiled code and PyTorch encode covariates differently."))
    known, pixels = rng.normal(size=(40, 3)), rng.normal(size=(60, 3))
    fitted = fit_dissimilarity(known, np.ones(3), np.arange(40) % 2)
    expected = cdist((pixels - fitted.centre) * fitted.factor, fitted.training).min(axis=1) / fitted.mean_distance
    if not np.allclose(fitted.index(pixels), expected):
        raise EngineError(tr("Compiled code and SciPy measure dissimilarity differently."))
    return tr("Compiled code encodes covariates as PyTorch does, and measures dissimilarity as SciPy does.")


def try_layers() -> str:
    """Let compiled layers and PyTorch's own learn from some images and numbers.

    Raises:
        EngineError: their gradients differ.
    """
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator).requires_grad_()

    images, weight, bias = random(1, 4, 6, 6, 16), random(1, 32, 16, 3, 3), random(1, 32)
    compiled = convolve_and_pool(images, weight, bias, 2)
    convolved = functional.conv2d(images[0].permute(0, 3, 1, 2), weight[0], bias[0])
    by_torch = functional.max_pool2d(convolved, 2).relu().permute(0, 2, 3, 1)[None]
    numbers = compiled.detach() - compiled.detach().mean()
    drawn, seen = torch.zeros(numbers.shape, dtype=torch.int16), numbers.requires_grad_()
    trained = images, weight, bias, seen
    ours = compiled.square().sum() + gelu_and_drop(seen, drawn, 0, 1.0).sum()
    theirs = by_torch.square().sum() + functional.gelu(seen).sum()
    for one, other in zip(torch.autograd.grad(ours, trained), torch.autograd.grad(theirs, trained)):
        if not torch.allclose(one, other, rtol=1e-3, atol=1e-3):
            raise EngineError(tr("Compiled layers of networks and PyTorch's learn differently."))
    turned = InputRows(images.detach()[0], images.device).take_turned(torch.tensor([[2]]), torch.arange(36)[None])
    if not torch.equal(turned[0, 0], images[0, 2]):
        raise EngineError(tr("Compiled layers of networks and PyTorch's learn differently."))
    return tr("Compiled layers of networks learn as PyTorch's do.")
