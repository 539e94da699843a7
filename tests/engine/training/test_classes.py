"""Networks, forests and their blend of classes: losses, probabilities, weights, and what they are worth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn import metrics
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from torch.nn import functional

from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.forests.forest import fit_forests
from soil_cnn_plugin.engine.forests.trees import predict_forest
from soil_cnn_plugin.engine.networks.encoding import Encoder
from soil_cnn_plugin.engine.networks.focal import context_features
from soil_cnn_plugin.engine.networks.heads import Heads, VarianceHead
from soil_cnn_plugin.engine.networks.likelihood import class_loss
from soil_cnn_plugin.engine.networks.padarian import PadarianNetwork
from soil_cnn_plugin.engine.networks.ring import RingNetwork
from soil_cnn_plugin.engine.targets.blending import learn_class_weights
from soil_cnn_plugin.engine.targets.class_scores import score_classes
from soil_cnn_plugin.engine.targets.learned import Learned, Lesson, class_columns
from tests.engine.class_landscape import random_class_network
from tests.engine.landscape import cut, make_landscape, randomize

RNG = np.random.default_rng(4)


def learned_of(numbers: np.ndarray, count: int, weights: np.ndarray | None = None) -> Learned:
    values = np.eye(count)[numbers]
    nothing = np.zeros_like(values)
    weights = np.ones(len(numbers)) if weights is None else weights
    return Learned(values, nothing > 0, nothing, weights, values, class_columns(count))


def lesson_of(numbers: np.ndarray, count: int, weights: np.ndarray | None = None) -> Lesson:
    return learned_of(numbers, count, weights).lesson(torch.device("cpu"))


@pytest.fixture(params=[RingNetwork, PadarianNetwork])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> RingNetwork | PadarianNetwork:
    encoder = Encoder(make_landscape(tmp_path).summaries())
    return request.param(encoder, 11, class_columns(4), members=3, dropout=0.0)  # type: ignore[no-any-return]


def patches(network: RingNetwork | PadarianNetwork, count: int = 12) -> torch.Tensor:
    raw = torch.randn(count, 3, 11, 11, generator=torch.Generator().manual_seed(1)) * 10 + 50
    raw[:, 2] = raw[:, 2].round().clamp(1, 3)
    return network.inputs(network.encoder(raw))


def test_the_loss_is_the_cross_entropy_by_weight(network: RingNetwork | PadarianNetwork) -> None:
    randomize(network)
    inputs = patches(network)
    batch = inputs.expand(3, *inputs.shape)
    numbers, weights = RNG.integers(0, 4, 12), RNG.uniform(0.2, 3, 12)
    lesson = lesson_of(numbers, 4, weights).take(torch.arange(12).expand(3, 12))
    output = network(batch)
    assert output.shape == (3, 12, 4)
    found = network.loss(output, lesson).detach()
    for member in range(3):
        each = functional.cross_entropy(output[member], torch.from_numpy(numbers), reduction="none")
        expected = np.average(each.detach().numpy(), weights=weights)
        assert float(found[member]) == pytest.approx(expected, rel=1e-5)
        losses, known = class_loss(output, lesson)
        assert losses[member, :, 0].detach().numpy() == pytest.approx(each.detach().numpy(), rel=1e-5)
        assert known.all()


def test_an_untrained_network_gives_all_classes_the_same_probability(network: RingNetwork | PadarianNetwork) -> None:
    network.draw_parameters(torch.Generator().manual_seed(0))
    inputs = patches(network)
    probabilities, scale = network.predict(inputs.expand(3, *inputs.shape))
    np.testing.assert_allclose(probabilities.detach(), 0.25, atol=1e-6)
    assert (scale == 1).all()


def test_predicted_probabilities_sum_to_one(network: RingNetwork | PadarianNetwork) -> None:
    randomize(network)
    inputs = patches(network)
    probabilities, _ = network.predict(inputs.expand(3, *inputs.shape))
    assert probabilities.detach().std() > 0.05
    np.testing.assert_allclose(probabilities.detach().sum(-1), 1, atol=1e-5)


def test_the_score_is_the_log_loss_of_what_each_member_held_out() -> None:
    numbers = RNG.integers(0, 3, 30)
    probabilities = RNG.dirichlet(np.ones(3), (2, 30))
    held_out = np.arange(30) % 2 == np.arange(2)[:, None]
    probabilities[~held_out] = np.nan
    location = torch.from_numpy(probabilities).float()
    found = Heads.of(class_columns(3), VarianceHead).score(location, torch.ones_like(location), lesson_of(numbers, 3))
    for member in range(2):
        rows = held_out[member]
        expected = metrics.log_loss(numbers[rows], probabilities[member, rows], labels=range(3))
        assert float(found[member]) == pytest.approx(expected, rel=1e-5)


def test_pixels_of_a_block_have_the_probabilities_of_their_own_patches(tmp_path: Path) -> None:
    landscape = make_landscape(tmp_path)
    trained = random_class_network(landscape)
    rows, cols = np.array([20, 3, 39, 11]), np.array([30, 33, 0, 35])
    channels = trained.encoder(torch.from_numpy(cut(landscape.values, rows, cols, 15)))
    ring, padarian = trained.predictor.networks
    context = context_features(channels, 15).flatten(1).numpy()
    found, _ = trained.predictor.predict([ring.inputs(channels), padarian.inputs(channels.crop(2))], context)
    padded = np.pad(landscape.values, ((0, 0), (7, 7), (7, 7)), constant_values=np.nan)
    block = trained.encoder(torch.from_numpy(padded)[None])
    dense, _ = trained.predictor.predict_block(block, np.ones((40, 40), np.bool_))
    np.testing.assert_allclose(found, dense[:, rows, cols].T, atol=1e-5)
    np.testing.assert_allclose(dense.sum(axis=0), 1, atol=1e-5)


@pytest.mark.parametrize(("exponents", "is_far_ahead"), [((0.5, 0.55), False), ((0.5, 0.05), True)])
def test_the_weights_make_the_likeliest_mixture_as_far_as_rows_or_its_gain_can_be_trusted(
    exponents: tuple[float, float], is_far_ahead: bool
) -> None:
    noise = np.random.default_rng(5)
    truth = noise.dirichlet((1, 1, 1), 500)
    numbers = (truth.cumsum(axis=1) < noise.random((500, 1))).sum(axis=1)
    parts = np.stack([truth**exponent * noise.dirichlet((3, 3, 3), 500) ** 0.8 for exponent in exponents])
    parts /= parts.sum(axis=2, keepdims=True)
    given = parts[:, np.arange(500), numbers]

    def cost(share: float) -> float:
        return float(-np.log(share * given[0] + (1 - share) * given[1]).sum())

    best = minimize_scalar(cost, bounds=(0, 1), method="bounded").x
    beyond_chance = 1 - 2 / (2 * (cost(0.5) - cost(best)))
    assert (beyond_chance > 500 / 800) == is_far_ahead
    weights = learn_class_weights(parts, np.eye(3)[numbers])
    expected = 0.5 + max(beyond_chance, 500 / 800) * (best - 0.5)
    np.testing.assert_allclose(weights[0], expected, atol=0.01)
    np.testing.assert_allclose(weights.sum(axis=0), 1)


def test_no_component_is_out_for_one_surprise() -> None:
    parts = np.full((2, 100, 2), 0.5)
    parts[0] = (0.9, 0.1)
    parts[0, 7] = (0.0, 1.0)  # impossible, it said
    learned = np.tile((1.0, 0.0), (100, 1))
    assert (learn_class_weights(parts, learned)[0] > 0.6).all()


def test_without_anything_held_out_weights_stay_equal() -> None:
    weights = learn_class_weights(np.full((3, 5, 2), np.nan), np.tile((1.0, 0.0), (5, 1)))
    np.testing.assert_allclose(weights, 1 / 3)


def test_a_forest_of_indicators_is_as_good_as_a_forest_of_classes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 200)
    x, y = make_classification(
        900, 12, n_informative=6, n_redundant=2, n_classes=5, n_clusters_per_class=1, class_sep=0.7, flip_y=0.1,
        weights=(0.4, 0.3, 0.2, 0.07), random_state=1,
    )  # fmt: skip
    x = x.astype(np.float32)
    train, test = np.arange(600), np.arange(600, 900)
    (own,) = fit_forests(x[train], learned_of(y[train], 5), train % 5, seed=0)
    found, _ = predict_forest(own.trees, x[test])
    other = RandomForestClassifier(200, min_samples_leaf=3, random_state=0).fit(x[train], y[train])
    ours, theirs = score_classes(y[test], found), score_classes(y[test], other.predict_proba(x[test]))
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    assert (found >= 0).all() and ours.accuracy > 0.55
    assert ours.accuracy == pytest.approx(theirs.accuracy, abs=0.025)
    assert ours.brier == pytest.approx(theirs.brier, rel=0.03)
    assert ours.log_score == pytest.approx(theirs.log_score, rel=0.03)


def test_held_out_forests_know_nothing_of_a_class_they_never_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 50)
    x = RNG.normal(size=(120, 4)).astype(np.float32)
    numbers = np.where(np.arange(120) < 20, 2, (x[:, 0] > 0).astype(int))
    fold = np.where(np.arange(120) < 20, 0, 1 + np.arange(120) % 4)  # all of class 2 are held out together
    (fitted,) = fit_forests(x, learned_of(numbers, 3), fold, seed=0)
    assert (fitted.location[:20, 2] == 0).all() and (fitted.location[20:, 2].mean()) > 0.05
    np.testing.assert_allclose(fitted.location.sum(axis=1), 1, atol=1e-5)
