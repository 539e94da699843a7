"""The convolutional network: pooling without stride, turned patches, and what compass directions forbid."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from soil_cnn_plugin.engine.networks import padarian
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.targets.learned import number_columns
from soil_cnn_plugin.engine.training.fit import FitSettings, fit
from tests.engine.landscape import lesson_of, make_landscape, randomize, rows_of


def build(folder: Path, has_aspect: bool = False, patch_size: int = 15, members: int = 2) -> PadarianNetwork:
    encoder = Encoder(make_landscape(folder, has_aspect).summaries())
    network = PadarianNetwork(encoder, patch_size, number_columns(2), members=members, dropout=0.0)
    randomize(network)
    return network


def as_torch_layers(network: PadarianNetwork, member: int) -> nn.Sequential:
    """The same member from torch's own layers, as the article has it: pooling halves the image."""
    side = network.dense_weight.shape[-1]
    layers = nn.Sequential(
        nn.Conv2d(network.first_weight.shape[2], 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(32 * side * side, 40), nn.ReLU(), nn.Linear(40, 96), nn.ReLU(), nn.Linear(96, 4),
    )  # fmt: skip
    with torch.no_grad():
        for layer, weight, bias in (
            (layers[0], network.first_weight[member], network.first_bias[member]),
            (layers[3], network.second_weight[member], network.second_bias[member]),
            (layers[7], network.dense_weight[member].flatten(1), network.dense_bias[member]),
            (layers[9], network.last_weight[member].T, network.last_bias[member]),
            (layers[11], network.output_weight[member].T, network.output_bias[member]),
        ):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
    return layers


@pytest.mark.parametrize(("patch_size", "is_compiled"), [(11, True), (13, True), (15, True), (17, True), (15, False)])
def test_each_member_is_the_network_of_the_article(
    tmp_path: Path, patch_size: int, is_compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_compiled:  # as on a GPU
        monkeypatch.setattr(padarian, "is_compiled_for", lambda inputs: False)
    network = build(tmp_path, patch_size=patch_size)
    rng = np.random.default_rng(0)
    inputs = torch.from_numpy(rng.normal(size=(6, patch_size, patch_size, network.first_weight.shape[2]))).float()
    found = network(inputs.expand(2, *inputs.shape))
    for member in range(2):
        expected = as_torch_layers(network, member)(inputs.permute(0, 3, 1, 2))
        np.testing.assert_allclose(found[member].detach(), expected.detach(), atol=1e-5)
    layer_by_layer = network.after_first_layer(network.first_layer(inputs))
    np.testing.assert_allclose(layer_by_layer.detach(), found.detach(), atol=1e-5)


def test_a_directional_covariate_forbids_mirroring(tmp_path: Path) -> None:
    assert build(tmp_path).may_mirror and build(tmp_path).symmetries() is not None
    with_aspect = build(tmp_path, has_aspect=True)
    assert not with_aspect.may_mirror and with_aspect.symmetries() is None


def test_a_map_looks_at_each_patch_as_it_is(tmp_path: Path) -> None:
    network = build(tmp_path)
    values = torch.from_numpy(make_landscape(tmp_path).values)[None, :, :20, :20]
    with torch.no_grad():
        location, _ = network.dense(network.encoder(values))
        patch = network.inputs(network.encoder(values[..., :15, :15]))
        single = torch.stack([as_torch_layers(network, member)(patch.permute(0, 3, 1, 2))[0, ::2] for member in (0, 1)])
    np.testing.assert_allclose(single.mean(0), location[:, 0, 0], atol=1e-5)
    assert location.std() > 0.1


@pytest.mark.parametrize(("has_aspect", "turned"), [(True, False), (False, True)])
def test_training_sees_a_compass_direction_only_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_aspect: bool, turned: bool
) -> None:
    network = build(tmp_path, has_aspect)
    patch = np.random.default_rng(0).normal(size=(15, 15, network.first_weight.shape[2]))
    inputs = torch.from_numpy(patch).float().expand(40, 15, 15, -1)
    seen: list[torch.Tensor] = []
    forward = network.forward
    monkeypatch.setattr(network, "forward", lambda batch: (seen.append(batch.detach().clone()), forward(batch))[1])
    network.train()
    held_out = np.arange(40) % 2 == np.arange(2)[:, None]
    settings = FitSettings(8, 1e-3, 0.0, steps=9, evaluate_every=100, patience=5, seed=0)
    fit(
        network,
        rows_of(inputs.contiguous()),
        lesson_of(torch.randn(40, 2)),
        held_out,
        settings,
        lambda share: None,
        lambda line: None,
    )
    views = {tuple(image.flatten().tolist()) for batch in seen[:8] for image in batch.flatten(0, 1)}
    squares = {tuple(view[:14, :14].flatten().tolist()) for view in _eight_symmetries(inputs[0])}
    if turned:  # without the last row and column, which poolings drop
        assert len(views) > 4 and views <= squares
    else:
        assert views == {tuple(inputs[0].flatten().tolist())}


def _eight_symmetries(image: torch.Tensor) -> list[torch.Tensor]:
    turns = [torch.rot90(image, turn, (0, 1)) for turn in range(4)]
    return turns + [turn.flip(0) for turn in turns]


def test_loss_weighs_the_likelihood_by_the_variance(tmp_path: Path) -> None:
    network = build(tmp_path)
    rng = np.random.default_rng(0)
    output = rng.normal(size=(2, 5, 2, 2))
    targets = rng.normal(size=(2, 5, 2))
    targets[0, 2:, 1] = np.nan
    found = network.loss(torch.from_numpy(output).flatten(-2), lesson_of(torch.from_numpy(targets)))
    for member in range(2):
        losses = []
        for row, target in np.argwhere(np.isfinite(targets[member])):
            mean, log_variance = output[member, row, target]
            error = targets[member, row, target] - mean
            negative_log_likelihood = 0.5 * (error**2 / np.exp(log_variance) + log_variance)
            losses.append(np.exp(log_variance) ** 0.7 * negative_log_likelihood)
        assert float(found[member]) == pytest.approx(np.mean(losses))


def test_spread_stays_within_bounds_whatever_the_network_says(tmp_path: Path) -> None:
    network = build(tmp_path)
    raw = torch.tensor([[[0.0, -1e6, 0.0, 1e6]]])
    assert network.heads.location_scale(raw)[1].flatten().tolist() == pytest.approx([0.01, 10.0])
