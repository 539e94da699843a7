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


def test_a_clearly_better_component_gets_most_of_the_weight_but_not_all() -> None:
    weights = learn_weights(components(1.5, 0.2, 1.5), TARGETS)
    assert (weights[1] > 0.6).all() and (weights[[0, 2]] > 0.1).all()  # half-way from all of it to a third
    np.testing.assert_allclose(weights[1], 0.5 / 3 + 0.5 * 0.97, atol=0.03)


def test_identical_components_share_equally_in_what_they_predict() -> None:
    one = components(0.5)
    weights = learn_weights(np.concatenate([one, one]), TARGETS)
    np.testing.assert_allclose(mix(np.concatenate([one, one]), weights), one[0])


def test_equally_good_components_get_about_equal_weights() -> None:
    weights = learn_weights(components(0.5, 0.5, 0.5), TARGETS)
    np.testing.assert_allclose(weights, 1 / 3, atol=0.04)


def test_least_squares_is_met_half_way() -> None:
    from scipy.optimize import minimize

    locations = components(0.6, 0.9)
    weights = learn_weights(locations, TARGETS)
    for t in range(2):

        def loss(share: np.ndarray, t: int = t) -> float:
            blend = share[0] * locations[0, :, t] + (1 - share[0]) * locations[1, :, t]
            return float(np.sum((TARGETS[:, t] - blend) ** 2))

        best = minimize(loss, [0.5], bounds=[(0, 1)]).x[0]
        assert weights[0, t] == pytest.approx(0.5 * best + 0.25, abs=1e-3)


def test_both_networks_share_the_weight_of_a_method_where_nothing_tells_methods_apart() -> None:
    fair = fair_weights(["network", "network", "forest_context", "gaussian_process"])
    np.testing.assert_allclose(fair, [1 / 6, 1 / 6, 1 / 3, 1 / 3])
    np.testing.assert_allclose(learn_weights(np.full((4, 5, 1), np.nan), np.zeros((5, 1)), fair)[:, 0], fair)
    weights = learn_weights(components(0.5, 3.0, 3.0, 3.0), TARGETS, fair)
    np.testing.assert_allclose(weights.sum(0), 1)
    np.testing.assert_allclose(weights[:, 0], 0.5 * fair + 0.5 * np.array([0.96, 0.01, 0.01, 0.02]), atol=0.02)


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
