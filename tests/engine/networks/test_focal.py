"""Focal means and deviations against loops over pixels and windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.networks import focal
from soil_cnn_plugin.engine.networks.encoding import Channels, Encoder
from soil_cnn_plugin.engine.networks.focal import (
    context_count,
    context_features,
    deviation_windows,
    focal_features,
    ring_windows,
)
from tests.engine.landscape import make_landscape


@pytest.mark.parametrize(
    ("patch_size", "windows", "deviations"),
    [
        (3, (3,), (3,)),
        (5, (3, 5), (5,)),
        (7, (3, 7), (7,)),
        (9, (3, 7, 9), (7, 9)),
        (15, (3, 7, 15), (7, 15)),
        (31, (3, 7, 15, 31), (7, 31)),
        (41, (3, 7, 15, 31, 41), (7, 41)),
    ],
)
def test_windows_double_up_to_the_patch(patch_size: int, windows: tuple[int, ...], deviations: tuple[int, ...]) -> None:
    assert ring_windows(patch_size) == windows
    assert deviation_windows(patch_size) == deviations
    assert context_count(5, 2, patch_size) == 5 + 5 * len(windows) + 2 * len(deviations)


@pytest.mark.parametrize("share_missing", [0.0, 0.3, 0.97])
@pytest.mark.parametrize("patch_size", [3, 9, 15])
def test_means_and_deviations_are_those_of_the_known_pixels_in_each_window(
    share_missing: float, patch_size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(4)
    side = patch_size + 4
    covariate_of_channel = np.array([0, 1, 1])  # a continuous covariate and one of two classes
    known = (rng.random((2, side, side)) >= share_missing).astype(np.float32)
    values = np.stack([rng.normal(size=(side, side)), *np.eye(2)[rng.integers(0, 2, (side, side))].transpose(2, 0, 1)])
    values = (values * known[covariate_of_channel]).astype(np.float32)
    channels = Channels(
        torch.from_numpy(values)[None],
        torch.from_numpy(known)[None],
        torch.from_numpy(covariate_of_channel),
        torch.tensor([0]),
    )
    found = focal_features(channels, patch_size)[0].numpy()
    expected = _by_loops(values.astype(float), known > 0, covariate_of_channel, [0], patch_size)
    assert found.shape == expected.shape == (context_count(3, 1, patch_size), 5, 5)
    np.testing.assert_allclose(found, expected, atol=2e-5)
    monkeypatch.setattr(focal, "_FLOATS_IN_CACHE", 1)  # channel by channel
    np.testing.assert_array_equal(focal_features(channels, patch_size)[0].numpy(), found)


def _by_loops(
    values: np.ndarray, known: np.ndarray, covariate_of_channel: np.ndarray, continuous: list[int], patch_size: int
) -> np.ndarray:
    halo, count = patch_size // 2, values.shape[1] - patch_size + 1
    features = []
    for width in (1, *ring_windows(patch_size)):
        features.append(np.zeros((len(values), count, count)))
        for channel, row, col in np.ndindex(len(values), count, count):
            inside = _window(row + halo, col + halo, width)
            here = values[channel][inside][known[covariate_of_channel[channel]][inside]]
            features[-1][channel, row, col] = here.mean() if here.size else 0.0
    for width in deviation_windows(patch_size):
        features.append(np.zeros((len(continuous), count, count)))
        for channel, row, col in np.ndindex(len(continuous), count, count):
            inside = _window(row + halo, col + halo, width)
            here = values[continuous[channel]][inside][known[covariate_of_channel[channel]][inside]]
            variance = here.var() if here.size else 0.0
            features[-1][channel, row, col] = np.sqrt(variance + 1e-4)
    return np.concatenate(features)


def _window(row: int, col: int, width: int) -> tuple[slice, slice]:
    reach = width // 2
    return slice(row - reach, row + reach + 1), slice(col - reach, col + reach + 1)


def test_a_block_has_the_same_bits_as_a_patch(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    encoder = Encoder(landscape.summaries())
    raw = torch.from_numpy(landscape.values)[None]
    block = focal_features(encoder(raw), 15)[0]
    for row, col in ((0, 0), (1, 12), (13, 25), (25, 3), (20, 20)):
        patch = focal_features(encoder(raw[..., row : row + 15, col : col + 15]), 15)
        assert torch.equal(patch[0, :, 0, 0], block[:, row, col])


def test_features_are_made_once_and_location_comes_last(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    channels = Encoder(landscape.summaries())(torch.from_numpy(landscape.values[None, :, :9, :9]))
    assert context_features(channels, 9) is context_features(channels, 9)
    located = Channels(
        channels.values, channels.known, channels.covariate_of_channel, channels.continuous, torch.ones(1, 6, 1, 1)
    )
    features = context_features(located, 9)
    assert torch.equal(features[:, :-6], focal_features(channels, 9)) and (features[:, -6:] == 1).all()
