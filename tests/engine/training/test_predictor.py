"""Weights learned on held-out predictions, and the blend they make."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.targets.blending import fair_weights, learn_weights
from soil_cnn_plugin.engine.training.predictor import mix
from tests.engine.landscape import cut, make_landscape, random_network

RNG = np.random.default_rng(0)
TARGETS = RNG.normal(size=(400, 2))


def components(*errors: float) -> np.ndarray:
    return np.stack([TARGETS + error * RNG.normal(size=TARGETS.shape) for error in errors])


def test_weights_lie_on_the_simplex() -> None:
    for _ in range(20):
        count = int(RNG.integers(1, 5))
        locations = RNG.normal(size=(count, 30, 3)) + RNG.choice([-1, 1], (count, 1, 1))
        weights = learn_weights(locations, RNG.normal(size=(30, 3)))
        assert weights.shape == (count, 3) and (weights >= 0).all()
        np.testing.assert_allclose(weights.sum(0), 1, atol=1e-6)


def test_a_component_that_is_far_ahead_gets_nearly_all_the_weight() -> None:
    for rows in (100, 400):
        weights = learn_weights(components(1.5, 0.2, 1.5)[:, :rows], TARGETS[:rows])
        assert (weights[1] > 0.93).all()


def test_a_component_that_is_a_little_ahead_among_few_rows_gets_little_more_than_the_others() -> None:
    noise = np.random.default_rng(1)
    targets = noise.normal(size=(60, 40))
    locations = np.stack([targets + error * noise.normal(size=targets.shape) for error in (0.9, 1.0, 1.0)])
    weights = learn_weights(locations, targets)
    assert 1 / 3 < weights[0].mean() < 0.42
    assert np.median(np.abs(weights - 1 / 3)) < 0.06


def test_identical_components_share_equally_in_what_they_predict() -> None:
    one = components(0.5)
    weights = learn_weights(np.concatenate([one, one]), TARGETS)
    np.testing.assert_allclose(mix(np.concatenate([one, one]), weights), one[0])


def test_equally_good_components_get_about_equal_weights() -> None:
    weights = learn_weights(components(0.5, 0.5, 0.5), TARGETS)
    np.testing.assert_allclose(weights, 1 / 3, atol=0.04)


@pytest.mark.parametrize(("rows", "trusted"), [(50, 1 / 7), (150, 1 / 3), (300, 0.5)])
def test_weights_of_components_that_are_about_as_good_are_trusted_as_far_as_there_are_rows(
    rows: int, trusted: float
) -> None:
    noise = np.random.default_rng(rows)
    targets = noise.normal(size=(rows, 1))
    locations = np.stack([targets + error * noise.normal(size=targets.shape) for error in (0.7, 0.73)])
    best, f = best_share(locations[:, :, 0].T, targets[:, 0])
    assert 1 - 2 / f < trusted and abs(best - 0.5) > 0.01
    assert learn_weights(locations, targets)[0, 0] == pytest.approx(0.5 + trusted * (best - 0.5), abs=2e-3)


def test_weights_are_followed_as_far_as_their_gain_lies_beyond_what_chance_gives() -> None:
    noise = np.random.default_rng(0)
    targets = noise.normal(size=(100, 1))
    locations = np.stack([targets + error * noise.normal(size=targets.shape) for error in (0.5, 1.0)])
    best, f = best_share(locations[:, :, 0].T, targets[:, 0])
    assert f > 8 and 0.6 < best < 1
    assert learn_weights(locations, targets)[0, 0] == pytest.approx(0.5 + (1 - 2 / f) * (best - 0.5), abs=2e-3)


def best_share(design: np.ndarray, observed: np.ndarray) -> tuple[float, float]:
    """The first of two components' weight by least squares, the slope of a line, and the F statistic against halves."""
    apart, left = design[:, 0] - design[:, 1], observed - design[:, 1]
    best = float(apart @ left / (apart @ apart))
    squared = [float(np.sum((left - share * apart) ** 2)) for share in (best, 0.5)]
    return best, (squared[1] - squared[0]) / (squared[0] / (len(observed) - 1))


def test_both_networks_share_the_weight_of_a_method_where_nothing_tells_methods_apart() -> None:
    fair = fair_weights(["network", "network", "forest_context", "gaussian_process"])
    np.testing.assert_allclose(fair, [1 / 6, 1 / 6, 1 / 3, 1 / 3])
    np.testing.assert_allclose(learn_weights(np.full((4, 5, 1), np.nan), np.zeros((5, 1)), fair)[:, 0], fair)
    weights = learn_weights(components(0.5, 3.0, 3.0, 3.0), TARGETS, fair)
    np.testing.assert_allclose(weights.sum(0), 1)
    assert (weights[0] > 0.85).all()


def test_rows_with_a_missing_target_or_prediction_do_not_count() -> None:
    locations, targets = components(0.5, 0.8), TARGETS.copy()
    expected = learn_weights(locations[:, 100:], targets[100:])
    locations[0, :50] = np.nan
    targets[50:100] = np.nan
    np.testing.assert_allclose(learn_weights(locations, targets), expected)


def test_a_single_component_has_all_the_weight() -> None:
    assert learn_weights(components(3.0), TARGETS).tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize("nothing", [np.nan, 0.0])
def test_without_anything_to_learn_from_weights_stay_equal(nothing: float) -> None:
    weights = learn_weights(np.full((2, 5, 1), nothing), np.zeros((5, 1)))
    np.testing.assert_allclose(weights, 0.5)


def test_halo_is_that_of_the_widest_component(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    assert random_network(landscape, (("ring", 9), ("padarian", 13)), 15, has_forest=False).predictor.halo == 6
    assert random_network(landscape, (("ring", 9), ("padarian", 13)), 15, has_forest=True).predictor.halo == 7


def test_observations_are_predicted_as_their_pixels_are(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape)
    rows, cols = np.array([20, 3, 39]), np.array([30, 33, 0])
    patches = torch.from_numpy(cut(landscape.values, rows, cols, 15))
    channels = trained.encoder(patches)
    ring, padarian = trained.predictor.networks
    context = context_features(channels, 15).flatten(1).numpy()
    found = trained.predictor.predict([ring.inputs(channels), padarian.inputs(channels.crop(2))], context)
    block = trained.encoder(
        torch.from_numpy(np.pad(landscape.values, ((0, 0), (7, 7), (7, 7)), constant_values=np.nan))[None]
    )
    dense = trained.predictor.predict_block(block, np.ones((40, 40), np.bool_))
    for observations, pixels in zip(found, dense):
        np.testing.assert_allclose(observations, pixels[:, rows, cols].T, atol=1e-5)
