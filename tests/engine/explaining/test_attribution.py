"""Contributions add up, and equal Shapley values counted coalition by coalition."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import factorial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import logit
from sklearn.ensemble import RandomForestRegressor

from benchmarks.scikit_trees import to_trees
from soil_cnn_plugin.engine.explaining.attribution import Attribution, choose_background, tree_shapley
from soil_cnn_plugin.engine.explaining.patch_views import encode, see
from soil_cnn_plugin.engine.targets.kinds import LearnedAs
from soil_cnn_plugin.engine.training.network_file import TrainedNetwork
from soil_cnn_plugin.engine.training.unseen import Views
from tests.engine.class_landscape import random_class_network
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
    found = tree_shapley(to_trees(forest.estimators_), features[10:15], background, player, 4, np.ones((5, 4, 1)))
    for row, own in enumerate(features[10:15]):
        expected = np.mean([coalitions(forest.predict, own, other, player, 4) for other in background], axis=0)
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_tree_shapley_values_add_up_to_the_prediction_minus_that_of_the_background() -> None:
    features = RNG.normal(size=(300, 40)).astype(np.float32)
    forest = RandomForestRegressor(20, random_state=1, min_samples_leaf=3).fit(features, features[:, :9].sum(1))
    ones = np.ones((70, 20, 1))
    found = tree_shapley(to_trees(forest.estimators_), features[:70], features[100:120], np.arange(40), 40, ones)
    expected = forest.predict(features[:70]) - forest.predict(features[100:120]).mean()
    np.testing.assert_allclose(found.sum(1), expected, atol=1e-4)


def test_tree_shapley_values_of_one_output_of_several_are_those_of_its_own() -> None:
    features = RNG.normal(size=(100, 5)).astype(np.float32)
    answers = np.column_stack([features[:, 0], features[:, 1] * features[:, 2]])
    forest = RandomForestRegressor(5, random_state=1, min_samples_leaf=3).fit(features, answers)
    trees, own, others = to_trees(forest.estimators_), features[:9], features[9:20]
    second = np.broadcast_to([0.0, 1.0], (9, 11, 2))
    found = tree_shapley(trees, own, others, np.arange(5), 5, second)
    expected = forest.predict(own)[:, 1] - forest.predict(others)[:, 1].mean()
    np.testing.assert_allclose(found.sum(1), expected, atol=1e-5)
    factors = RNG.normal(size=(9, 11, 2))  # of each pair
    found = tree_shapley(trees, own, others, np.arange(5), 5, factors)
    difference = forest.predict(own)[:, None] - forest.predict(others)[None]
    np.testing.assert_allclose(found.sum(1), (difference * factors).sum(2).mean(1), atol=1e-5)


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
        explained = LearnedAs("none", np.ones(1), 0.0)
        attribution = Attribution(trained, views.take(background), explained, slice(target, target + 1))
        found = attribution.contributions(views.take(rows))
        expected = location[rows, target] - location[background, target].mean()
        assert found.shape == (len(rows), 3)
        # Gradients are taken at two places on the way: kinks of a network with random weights leave a rest.
        assert np.abs(found.sum(1) - expected).mean() < 0.15 * location[:, target].std()


@pytest.mark.parametrize(
    "options", [{"architectures": (("ring", 15),), "has_forest": False}, {}], ids=["ring", "blend"]
)
def test_contributions_to_the_odds_of_a_class_add_up_to_its_log_odds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_class_network(landscape, **options)
    size = trained.description.patch_size
    rows, cols = np.argwhere(np.isfinite(sliding_window_view(landscape.values, (size, size), (1, 2))).all((0, 3, 4))).T
    chosen = np.linspace(0, len(rows) - 1, 12).astype(int)  # patches in which nothing is missing
    patches = cut(landscape.values, rows[chosen] + size // 2, cols[chosen] + size // 2, size)
    views = see(trained, encode(trained, patches, np.zeros((12, 2))))
    outcome = trained.description.outcomes[0]
    location, scale = trained.predictor.predict(views.inputs, views.context)
    log_odds = logit(outcome.values(location.T, scale.T)[1])
    attribution = Attribution(trained, views.take(np.arange(4)), outcome.explained(0, outcome.names[1]), slice(0, 3))
    assert attribution.base == pytest.approx(log_odds[:4].mean(), abs=1e-5)
    steps = []  # what they leave over, and is shared out, is small
    complete = Attribution._complete
    monkeypatch.setattr(
        Attribution, "_complete", lambda self, total, *rest: steps.append(total) or complete(self, total, *rest)
    )
    found = attribution.contributions(views.take(np.arange(4, 12)))
    assert found.shape == (8, 3) and (np.abs(found).mean(axis=0) > 1e-3).all()
    np.testing.assert_allclose(found.sum(axis=1) + attribution.base, log_odds[4:], atol=1e-5)
    if options:  # rectified layers and random weights of a forest and a process leave more
        assert np.abs(steps[0].sum(axis=1) + attribution.base - log_odds[4:]).mean() < 0.03 * log_odds.std()


def test_contributions_of_a_forest_to_the_odds_of_a_class_add_up_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_class_network(landscape)
    weights = np.zeros_like(trained.predictor.weights)
    weights[len(trained.predictor.networks)] = 1
    trained = replace(trained, predictor=replace(trained.predictor, weights=weights))
    rows, cols = RNG.integers(8, SIDE - 8, (2, 14))
    patches = cut(landscape.values, rows, cols, trained.description.patch_size)
    views = see(trained, encode(trained, patches, np.zeros((14, 2))))
    outcome = trained.description.outcomes[0]
    location, scale = trained.predictor.predict(views.inputs, views.context)
    log_odds = logit(outcome.values(location.T, scale.T)[1])
    monkeypatch.setattr(Attribution, "_complete", lambda self, total, columns: total)
    attribution = Attribution(trained, views.take(np.arange(6)), outcome.explained(0, outcome.names[1]), slice(0, 3))
    found = attribution.contributions(views.take(np.arange(6, 14)))
    np.testing.assert_allclose(found.sum(axis=1), log_odds[6:] - log_odds[:6].mean(), atol=1e-4)


def test_a_covariate_that_no_part_looks_at_contributes_nothing(seen) -> None:
    trained, views = seen
    flow = 1
    ring, padarian = trained.predictor.networks
    with torch.no_grad():
        ring.input_weight[:, ring.covariate_of_input == flow] = 0
        padarian.first_weight[:, :, padarian.covariate_of_input == flow] = 0
    attribution = Attribution(trained, views.take(np.arange(4)), LearnedAs("none", np.ones(1), 0.0), slice(0, 1))
    ones = np.ones((24, 4, 1))
    for index, network in enumerate((ring, padarian)):
        found = attribution._of_network(network, views.inputs[index], views.inputs[index][:4], ones)
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
