"""The index of a map equals its definition at every pixel, in both spaces, and survives a network file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.assessment.applicability import fit_dissimilarity
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.mapping.blocks import predict_blocks
from soil_cnn_plugin.engine.mapping.one_block import BlockPredictor, PredictedBlock
from soil_cnn_plugin.engine.rasters.covariates import open_stack
from soil_cnn_plugin.engine.training import dissimilarity
from soil_cnn_plugin.engine.training.dissimilarity import (
    BlockIndex,
    Space,
    fit_covariate_space,
    fit_embedding_space,
    fit_projection,
)
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork, read_network, write_network
from tests.engine.landscape import CELL, NORTH, SIDE, WEST, Landscape, cut, make_landscape, random_network, rows_of

SIZE, COUNT = 15, 25
CPU = torch.device("cpu")


@pytest.fixture(params=[False, True], ids=["", "location"])
def fitted(request, tmp_path: Path) -> tuple[Landscape, TrainedNetwork, np.ndarray]:
    """With the pixels (25, 2) of its observations."""
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, patch_size=SIZE, has_location=request.param)
    rng = np.random.default_rng(4)
    pixels = rng.permutation(np.argwhere(np.isfinite(landscape.values).all(0)))[:COUNT]
    views = see(trained, encode(trained, cut(landscape.values, *pixels.T, SIZE), places(pixels)))
    width = trained.encoder.channel_count
    point = np.concatenate([views.context[:, :width], views.context[:, -6:]], axis=1) if request.param else (
        views.context[:, :width]
    )  # fmt: skip
    importance = np.array([2.0, 0.5, 1.0, 0.3][: 3 + request.param])
    fold = np.arange(COUNT) % 5
    spaces = (
        fit_covariate_space(point, trained.encoder, importance, fold, 0),
        fit_embedding_space(trained.predictor.networks, tuple(map(rows_of, views.inputs)), fold, 0),
    )
    description = replace(trained.description, spaces=tuple(space.words for space in spaces))
    return landscape, replace(trained, description=description, spaces=spaces), pixels


def places(pixels: np.ndarray) -> np.ndarray:
    return np.column_stack([WEST + (pixels[:, 1] + 0.5) * CELL, NORTH - (pixels[:, 0] + 0.5) * CELL])


def mapped(landscape: Landscape, trained: TrainedNetwork, space: Space, size: int) -> np.ndarray:
    result = np.full((SIDE, SIDE), np.nan)
    index = BlockIndex(space, trained.encoder, CPU)
    with open_stack(landscape.covariates, landscape.grid) as stack:
        for piece in predict_blocks(BlockPredictor(trained, stack.grid, CPU, index), stack, size):
            if isinstance(piece, PredictedBlock):
                result[piece.block.slices] = piece.dissimilarity
    return result


def test_covariate_space_is_that_of_the_pixels_own_channels(fitted) -> None:
    landscape, trained, pixels = fitted
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    channels = encode(trained, cut(landscape.values, *valid.T, SIZE), places(valid))
    columns = [channels.values[:, :, SIZE // 2, SIZE // 2].numpy()]
    weights = [2.0, 0.5, 1.0, 1.0, 1.0]
    if channels.location is not None:
        columns.append(channels.location[:, [0, 3], 0, 0].numpy())
        weights += [0.3, 0.3]
    points = np.concatenate(columns, axis=1).astype(float)
    own = [int(np.flatnonzero((valid == pixel).all(1))[0]) for pixel in pixels]
    training = points[own]
    scaled = (points - training.mean(0)) / training.std(0, ddof=1) * weights
    distances = np.sqrt(((scaled[:, None] - scaled[own]) ** 2).sum(2))
    mean_distance = distances[own].sum() / (COUNT * (COUNT - 1))
    expected = np.full((SIDE, SIDE), np.nan)
    expected[tuple(valid.T)] = distances.min(1) / mean_distance
    for size in (16, 64):
        np.testing.assert_allclose(mapped(landscape, trained, trained.spaces[0], size), expected, atol=2e-5)
    fold = np.arange(COUNT) % 5
    outside = np.where(fold[:, None] == fold, np.inf, distances[own]).min(1) / mean_distance
    low, high = np.quantile(outside, (0.25, 0.75))
    assert trained.spaces[0].words.threshold == pytest.approx(min(high + 1.5 * (high - low), outside.max()), rel=1e-5)


def test_weights_in_the_file_are_shares_of_the_importance(fitted) -> None:
    _, trained, _ = fitted
    weights = trained.spaces[0].words.weights
    expected = {"elevation": 2.0, "flow": 0.5, "soil": 1.0} | ({"location": 0.3} if len(weights) == 4 else {})
    assert weights == pytest.approx({name: value / sum(expected.values()) for name, value in expected.items()})


def test_embedding_space_is_that_of_the_pixels_own_patch(fitted) -> None:
    landscape, trained, pixels = fitted
    valid = np.argwhere(np.isfinite(landscape.values).all(0))
    views = see(trained, encode(trained, cut(landscape.values, *valid.T, SIZE), places(valid)))
    parts = []
    own = [int(np.flatnonzero((valid == pixel).all(1))[0]) for pixel in pixels]
    for network, inputs in zip(trained.predictor.networks, views.inputs):
        with torch.no_grad():
            hidden = network.hidden(inputs).transpose(0, 1).flatten(1).double().numpy()  # (n, K * W)
        centred = hidden - hidden[own].mean(0)
        axes = np.linalg.svd(centred[own], full_matrices=False)[2][:16].T
        off = np.sqrt(np.maximum((centred**2).sum(1) - ((centred @ axes) ** 2).sum(1), 0))
        spread = np.sqrt((centred[own] ** 2).sum() / (COUNT - 1))
        parts.append(np.column_stack([centred @ axes, off]) / spread)
    points = np.concatenate(parts, axis=1)
    distances = np.sqrt(((points[:, None] - points[own]) ** 2).sum(2))
    expected = np.full((SIDE, SIDE), np.nan)
    expected[tuple(valid.T)] = distances.min(1) / (distances[own].sum() / (COUNT * (COUNT - 1)))
    for size in (16, 64):
        np.testing.assert_allclose(mapped(landscape, trained, trained.spaces[1], size), expected, atol=2e-3)


def test_what_is_new_off_the_axes_counts_as_distance() -> None:
    hidden = torch.zeros(1, 50, 30)
    hidden[0, :, 0] = torch.linspace(-1, 1, 50)
    projection = fit_projection(hidden)
    beyond = torch.zeros(1, 1, 30)
    beyond[0, 0, 29] = 5.0  # a direction in which no observation varies
    found = projection(beyond)[0]
    assert float(found[-1] * projection.spread) == pytest.approx(5.0, rel=1e-4) or float(
        found.norm() * projection.spread
    ) == pytest.approx(5.0, rel=1e-4)


def test_a_network_file_keeps_the_spaces(fitted, tmp_path: Path) -> None:
    landscape, trained, _ = fitted
    path = str(tmp_path / "n.safetensors")
    write_network(path, trained)
    found = read_network(path, CPU)
    assert found.description.spaces == trained.description.spaces
    for space, other in zip(trained.spaces, found.spaces):
        np.testing.assert_array_equal(
            mapped(landscape, trained, space, 64), mapped(landscape, found, other, 64)
        )  # fmt: skip


def test_damaged_spaces_are_refused(fitted) -> None:
    _, trained, _ = fitted
    for space in trained.spaces:
        tensors, words, hidden = space.tensors(), space.words, [(2, 96), (2, 96)]
        assert Space.of(words, tensors, trained.encoder, hidden).words == words
        name = f"{words.space}.training"
        for damaged in (
            {key: value for key, value in tensors.items() if key != name},
            {**tensors, name: tensors[name][:-1]},
            {**tensors, name: tensors[name] * torch.nan},
            {**tensors, f"{words.space}.factor": tensors[f"{words.space}.factor"][:-1]},
        ):
            with pytest.raises(ValueError, match=words.space):
                Space.of(words, damaged, trained.encoder, hidden)
    with pytest.raises(ValueError, match="embedding"):
        Space.of(trained.spaces[1].words, trained.spaces[1].tensors(), trained.encoder, [(2, 96), (2, 96), (2, 96)])


def test_of_many_observations_a_part_is_kept(fitted, monkeypatch: pytest.MonkeyPatch) -> None:
    _, trained, _ = fitted
    monkeypatch.setattr(dissimilarity, "MOST_OBSERVATIONS", 40)
    width = trained.encoder.channel_count + 6 * (trained.encoder.location is not None)
    point = np.random.default_rng(0).normal(size=(100, width)).astype(np.float32)
    importance = np.ones(3 + (trained.encoder.location is not None))
    space = fit_covariate_space(point, trained.encoder, importance, np.arange(100) % 5, 0)
    assert (space.words.observations, space.words.drawn_from, len(space.dissimilarity.training)) == (40, 100, 40)


def test_observations_without_difference_have_no_space(fitted) -> None:
    _, trained, _ = fitted
    width = trained.encoder.channel_count + 6 * (trained.encoder.location is not None)
    with pytest.raises(EngineError, match="same covariates"):
        fit_covariate_space(np.ones((9, width), np.float32), trained.encoder, np.ones(4), np.arange(9) % 3, 0)
    assert fit_dissimilarity(np.arange(4.0)[:, None], np.ones(1), np.arange(4)).threshold > 0
