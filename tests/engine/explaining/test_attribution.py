"""Contributions add up, and equal Shapley values counted coalition by coalition."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestRegressor

from soil_cnn_plugin.engine.explaining.attribution import Attribution, choose_background, tree_shapley
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.forests.trees import to_trees
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import Views
from tests.engine.landscape import SIDE, cut, make_landscape, random_network

RNG = np.random.default_rng(8)


def coalitions(predict, own: np.ndarray, other: np.ndarray, player: np.ndarray, players: int) -> np.ndarray:
    """Shapley values by their definition (Shapley 1953)."""
    values = np.zeros(players)
    for one in range(players):
        rest = [each for each in range(players) if each != one]
        for size in range(players):
            for group in combinations(rest, size):
                weight = factorial(size) * factorial(players - size - 1) / factorial(players)
                without = np.where(np.isin(player, group), own, other)
                with_one = np.where(np.isin(player, (*group, one)), own, other)
                values[one] += weight * (predict(with_one[None])[0] - predict(without[None])[0])
    return values


def test_tree_shapley_values_equal_their_definition() -> None:
    features = RNG.normal(size=(150, 6)).astype(np.float32)
    answer = features[:, 0] * features[:, 1] + np.abs(features[:, 2]) + features[:, 5] * (features[:, 3] > 0)
    forest = RandomForestRegressor(5, random_state=1).fit(features, answer)
    player = np.array([0, 1, 1, 2, 3, 3])
    background = features[:4]
    found = tree_shapley(to_trees(forest.estimators_), features[10:15], background, player, 4)
    for row, own in enumerate(features[10:15]):
        expected = np.mean([coalitions(forest.predict, own, other, player, 4) for other in background], axis=0)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_tree_shapley_values_add_up_to_the_prediction_minus_that_of_the_background() -> None:
    features = RNG.normal(size=(300, 40)).astype(np.float32)
    forest = RandomForestRegressor(20, random_state=1, min_samples_leaf=3).fit(features, features[:, :9].sum(1))
    found = tree_shapley(to_trees(forest.estimators_), features[:70], features[100:120], np.arange(40), 40)
    expected = forest.predict(features[:70]) - forest.predict(features[100:120]).mean()
    np.testing.assert_allclose(found.sum(1), expected, atol=1e-4)


def test_tree_shapley_values_of_one_output_of_several_are_those_of_its_own() -> None:
    features = RNG.normal(size=(100, 5)).astype(np.float32)
    answers = np.column_stack([features[:, 0], features[:, 1] * features[:, 2]])
    forest = RandomForestRegressor(5, random_state=1, min_samples_leaf=3).fit(features, answers)
    found = tree_shapley(to_trees(forest.estimators_), features[:9], features[9:20], np.arange(5), 5, column=1)
    expected = forest.predict(features[:9])[:, 1] - forest.predict(features[9:20])[:, 1].mean()
    np.testing.assert_allclose(found.sum(1), expected, atol=1e-5)


@pytest.fixture
def seen(tmp_path: Path) -> tuple[TrainedNetwork, Views]:
    landscape = make_landscape(tmp_path)
    trained = random_network(landscape, has_forest=True, patch_size=15)
    rows, cols = RNG.integers(8, SIDE - 8, (2, 24))
    places = np.zeros((24, 2))
    return trained, see(trained, encode(trained, cut(landscape.values, rows, cols, 15), places))


def test_contributions_add_up_to_the_prediction_minus_that_of_the_background(seen) -> None:
    trained, views = seen
    background, rows = np.arange(8), np.arange(8, 24)
    with_nothing_missing = (views.inputs[1][..., -1] == 1).all(dim=(1, 2)).numpy()
    rows = rows[with_nothing_missing[rows]]
    background = background[with_nothing_missing[background]]
    location, _ = trained.predictor.predict(views.inputs, views.context)
    for target in (0, 1):
        found = Attribution(trained, views.take(background), np.eye(2)[target]).contributions(views.take(rows))
        expected = location[rows, target] - location[background, target].mean()
        assert found.shape == (len(rows), 3)
        # Gradients are taken at two places on the way: kinks of a network with random weights leave a rest.
        assert np.abs(found.sum(1) - expected).mean() < 0.15 * location[:, target].std()


def test_a_covariate_that_no_part_looks_at_contributes_nothing(seen) -> None:
    trained, views = seen
    flow = 1
    ring, padarian = trained.predictor.networks
    with torch.no_grad():
        ring.input_weight[:, ring.covariate_of_input == flow] = 0
        padarian.first_weight[:, :, padarian.covariate_of_input == flow] = 0
    attribution = Attribution(trained, views.take(np.arange(4)), np.eye(2)[0])
    for index, network in enumerate((ring, padarian)):
        found = attribution._of_network(network, views.inputs[index], views.inputs[index][:4], np.array([1.0, 0.0]))
        assert np.abs(found[:, flow]).max() < 1e-6 < np.abs(found[:, 0]).max()


def test_the_first_layer_and_what_follows_are_the_network(seen) -> None:
    trained, views = seen
    for network, inputs in zip(trained.predictor.networks, views.inputs):
        first = network.first_layer(inputs)
        whole = network(inputs.expand(network.members, *inputs.shape))
        torch.testing.assert_close(network.after_first_layer(first), whole, rtol=1e-4, atol=1e-4)
        columns = [(network.covariate_of_input == index).nonzero().flatten() for index in (-1, 0, 1, 2)]
        nothing = network.first_layer(torch.zeros_like(inputs))
        parts = sum(network.first_layer(inputs, some) for some in columns)
        torch.testing.assert_close(nothing + parts, first, rtol=1e-4, atol=1e-4)


def test_the_background_is_spread_like_all_predictions() -> None:
    predicted = RNG.permutation(1000).astype(float)
    chosen = choose_background(predicted, 10)
    assert sorted(predicted[chosen]) == [50.0, 150.0, 250.0, 350.0, 450.0, 550.0, 650.0, 750.0, 850.0, 950.0]
    assert len(choose_background(predicted[:5], 10)) == 5
