"""Many numbers at once through a piecewise linear function."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.networks import encoding as piecewise_linear
from soil_cnn_plugin.engine.networks.encoding import Knots, interpolate

RNG = np.random.default_rng(5)


def draw_knots(count: int) -> Knots:
    places = np.sort(np.exp(2 * RNG.normal(size=count))).astype(np.float32)
    values = np.sort(RNG.normal(size=count)).astype(np.float32)
    slopes = np.append(np.diff(values) / np.diff(places), 0).astype(np.float32)
    return torch.from_numpy(places), torch.from_numpy(values), torch.from_numpy(slopes)


@pytest.mark.parametrize("count", [1, 2, 3, 64, 129])
def test_compiled_or_not_the_bits_are_the_same_and_right(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    knots = draw_knots(count)
    numbers = np.exp(2.2 * RNG.normal(size=(3, 331))).astype(np.float32)
    numbers[1, :count] = knots[0].numpy()
    numbers[2, :4] = [np.nan, np.inf, -np.inf, -1e30]
    by_torch = interpolate(torch.from_numpy(numbers), knots).numpy()
    monkeypatch.setattr(piecewise_linear, "WORTH_COMPILING", 1)
    compiled = interpolate(torch.from_numpy(numbers), knots).numpy()
    np.testing.assert_array_equal(compiled, by_torch)
    expected = np.interp(numbers, knots[0].numpy(), knots[1].numpy())
    np.testing.assert_allclose(compiled, np.where(np.isfinite(numbers), expected, 0), atol=1e-4)
