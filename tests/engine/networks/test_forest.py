"""The forest beside the network: held-out predictions that have not seen the row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from soil_cnn_plugin.engine.networks import forest
from soil_cnn_plugin.engine.networks.forest import FittedForest, fit_forests, predict_forest
from tests.engine.landscape import learned_of

RNG = np.random.default_rng(0)
FEATURES = RNG.normal(size=(90, 5)).astype(np.float32)
TARGET = np.where(np.arange(90) % 6 == 0, np.nan, FEATURES[:, 0] + 0.3 * RNG.normal(size=90))
FOLD = np.arange(90) % 5


def fit_forest(features: np.ndarray, target: np.ndarray, fold: np.ndarray, seed: int) -> FittedForest:
    (forest,) = fit_forests(features, learned_of(target[:, None]), fold, seed)
    return forest


@pytest.fixture(autouse=True)
def few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 50)


def test_what_is_held_out_is_not_trained_on() -> None:
    """Noise can be learned by heart only by a forest that has seen it."""
    noise = RNG.normal(size=90)
    fitted = fit_forest(FEATURES, noise, FOLD, seed=0)
    seen, _ = predict_forest(fitted.trees, FEATURES)
    assert np.corrcoef(seen[:, 0], noise)[0, 1] > 0.8
    assert np.corrcoef(fitted.location[:, 0], noise)[0, 1] < 0.3
    spoilt = noise.copy()
    spoilt[FOLD == 2] += 100
    again = fit_forest(FEATURES, spoilt, FOLD, seed=0)
    np.testing.assert_array_equal(again.location[FOLD == 2], fitted.location[FOLD == 2])
    assert (again.location[FOLD != 2] > fitted.location[FOLD != 2] + 1).all()


def test_missing_targets_are_neither_learned_nor_predicted() -> None:
    fitted = fit_forest(FEATURES, TARGET, FOLD, seed=0)
    known = np.isfinite(TARGET)
    assert (np.isfinite(fitted.location[:, 0]) == known).all() and (np.isfinite(fitted.scale[:, 0]) == known).all()
    assert np.corrcoef(fitted.location[known, 0], TARGET[known])[0, 1] > 0.7
    alone = fit_forest(FEATURES[known], TARGET[known], FOLD[known], seed=0)
    np.testing.assert_array_equal(alone.location, fitted.location[known])


def test_spread_is_never_next_to_nothing() -> None:
    fitted = fit_forest(FEATURES, np.ones(90), FOLD, seed=0)
    assert (fitted.scale == 0.05).all() and (fitted.location == 1).all()


def test_one_seed_gives_one_forest_on_any_number_of_threads() -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fit_forest(FEATURES, TARGET, FOLD, seed=4)
        torch.set_num_threads(2)
        two = fit_forest(FEATURES, TARGET, FOLD, seed=4)
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(one.location, two.location)
    np.testing.assert_array_equal(one.trees.threshold, two.trees.threshold)
    assert not np.array_equal(fit_forest(FEATURES, TARGET, FOLD, seed=5).trees.threshold[:9], one.trees.threshold[:9])
