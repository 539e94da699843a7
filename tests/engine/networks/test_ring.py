"""The ring network: quantiles that never cross, and its loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import norm

from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.heads import RING_QUANTILES, QuantileHead
from soil_cnn_plugin.engine.networks.ring import RingNetwork
from soil_cnn_plugin.engine.targets.learned import number_columns
from tests.engine.landscape import learned_of, lesson_of, make_landscape, randomize

LEVELS = np.arange(1, 20) / 20


@pytest.fixture
def network(tmp_path: Path) -> RingNetwork:
    return RingNetwork(Encoder(make_landscape(tmp_path).summaries()), 9, number_columns(2), members=3, dropout=0.0)


def features(network: RingNetwork, count: int = 50) -> torch.Tensor:
    width = network.input_weight.shape[1]
    return torch.randn(network.members, count, width, generator=torch.Generator().manual_seed(1))


def quantiles_of(raw: torch.Tensor) -> torch.Tensor:
    """(..., T * 19) -> (..., T, 19): each is the one below plus the softplus of its own number."""
    own = raw.unflatten(-1, (-1, RING_QUANTILES))
    return torch.cat([own[..., :1], own[..., 1:].exp().log1p()], dim=-1).cumsum(-1)


def raw_of(quantiles: np.ndarray) -> torch.Tensor:
    """The raw numbers (..., T * 19) that quantiles (..., T, 19) come from."""
    steps = np.log(np.expm1(np.diff(quantiles, axis=-1)))
    return torch.from_numpy(np.concatenate([quantiles[..., :1], steps], axis=-1)).float().flatten(-2)


def test_an_untrained_network_predicts_the_standard_normal_distribution(network: RingNetwork) -> None:
    network.draw_parameters(torch.Generator().manual_seed(0))
    raw = network(features(network))
    assert raw.shape == (3, 50, 2 * RING_QUANTILES)
    np.testing.assert_allclose(quantiles_of(raw)[1, 7, 1].detach(), norm.ppf(LEVELS), atol=1e-5)
    location, scale = network.heads.location_scale(raw)
    assert location.shape == scale.shape == (3, 50, 2)
    assert location.abs().max() < 1e-5 and (scale - 1).abs().max() < 1e-5


def test_quantiles_never_cross(network: RingNetwork) -> None:
    (head,) = network.heads.parts
    assert isinstance(head, QuantileHead)
    raw = randomize(network)(100 * features(network)).detach()
    quantiles = head._quantiles(raw)
    assert quantiles.std() > 1 and (quantiles.diff(dim=-1) >= 0).all()
    assert (network.heads.location_scale(raw)[1] >= 0).all()


def test_loss_is_pinball_and_squared_error_of_what_is_not_missing(network: RingNetwork) -> None:
    rng = np.random.default_rng(0)
    quantiles = np.sort(rng.normal(size=(3, 6, 2, 19)), axis=-1)
    targets = rng.normal(size=(3, 6, 2))
    targets[0, :4, 0] = targets[1, :, 1] = np.nan
    found = network.loss(raw_of(quantiles), lesson_of(torch.from_numpy(targets).float()))
    for member in range(3):
        losses = []
        for row, target in np.argwhere(np.isfinite(targets[member])):
            y, q = targets[member, row, target], quantiles[member, row, target]
            pinball = np.mean([(level - (y < each)) * (y - each) for level, each in zip(LEVELS, q)])
            losses.append(4 * pinball + 0.25 * (y - q.mean()) ** 2)
        assert float(found[member]) == pytest.approx(np.mean(losses), rel=1e-5)


def test_missing_targets_give_no_gradient(network: RingNetwork) -> None:
    randomize(network)
    inputs = features(network, 4)
    targets = torch.full((3, 4, 2), torch.nan)
    targets[0, 0, 0] = 1.0
    network.loss(network(inputs), lesson_of(targets)).sum().backward()
    for parameter in network.parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all()
        assert (parameter.grad[1:] == 0).all()  # members without any target
    gradient = network.output_bias.grad
    assert gradient is not None
    assert (gradient[0, :RING_QUANTILES] != 0).any() and (gradient[0, RING_QUANTILES:] == 0).all()  # the other target


def test_dropout_acts_only_in_training(network: RingNetwork) -> None:
    randomize(network)
    network._dropout = 0.5
    inputs = features(network, 4)
    assert torch.equal(network(inputs), network(inputs))
    network.train()
    network.draw_parameters(torch.Generator().manual_seed(0))
    randomize(network).train()
    assert not torch.equal(network(inputs), network(inputs))
    dropped = network.drop(torch.ones(100, 100), 0)
    assert set(dropped.unique().tolist()) == {0.0, 2.0} and dropped.mean() == pytest.approx(1, abs=0.05)


def test_a_loss_waits_for_no_number_from_the_device(network: RingNetwork) -> None:
    """Numbers of the device `meta` have no values that could be asked for."""
    lesson = learned_of(np.zeros((9, 2))).lesson(torch.device("meta")).take(torch.zeros(3, 6, dtype=torch.int64))
    (head,) = network.to("meta").heads.parts
    losses, known = head.losses(torch.zeros(3, 6, 2 * RING_QUANTILES, device="meta"), lesson)
    assert losses.shape == known.shape == (3, 6, 2)
