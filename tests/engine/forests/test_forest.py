"""The forest beside the network: held-out predictions that have not seen the row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.forests.forest import FittedForest, fit_forests
from soil_cnn_plugin.engine.forests.trees import predict_forest
from soil_cnn_plugin.engine.targets.learned import Learned, class_columns, number_columns
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


def test_missing_targets_are_neither_learned_nor_predicted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 500)
    fitted = fit_forest(FEATURES, TARGET, FOLD, seed=0)
    known = np.isfinite(TARGET)
    assert (np.isfinite(fitted.location[:, 0]) == known).all() and (np.isfinite(fitted.scale[:, 0]) == known).all()
    found = np.corrcoef(fitted.location[known, 0], TARGET[known])[0, 1]
    rival = RandomForestRegressor(100, min_samples_leaf=3, max_features=1 / 3, random_state=0)
    expected = cross_val_predict(rival, FEATURES[known], TARGET[known], cv=PredefinedSplit(FOLD[known]))
    assert found == pytest.approx(np.corrcoef(expected, TARGET[known])[0, 1], abs=0.05)
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


@pytest.mark.parametrize("error", [0.5, 3.0])
def test_what_was_measured_worse_counts_less(error: float) -> None:
    rng = np.random.default_rng(4)
    features, new = rng.uniform(-2, 2, (2, 400, 3)).astype(np.float32)
    errors = np.where(np.arange(400) < 200, 0.05, error)
    measured = np.sin(features[:, 0]) + np.hypot(0.3, errors) * rng.normal(size=400)
    fold = np.arange(400) % 5

    def error_of(learned: Learned) -> float:
        (fitted,) = fit_forests(features, learned, fold, seed=0)
        return float(np.sqrt(np.mean((predict_forest(fitted.trees, new)[0][:, 0] - np.sin(new[:, 0])) ** 2)))

    plain = learned_of(measured[:, None])
    weighted = error_of(replace(plain, errors=errors[:, None]))
    assert weighted < (0.75 if error > 1 else 1.02) * error_of(plain)
    weights = np.where(np.arange(400) < 200, 1.0, 0.0)  # as if the others were not there
    assert error_of(replace(plain, weights=weights)) < 1.1 * error_of(
        learned_of(np.where(weights, measured, np.nan)[:, None])
    )


def test_forests_learn_what_stands_in_place_of_censored_values() -> None:
    target = np.where(np.isfinite(TARGET), np.maximum(TARGET, 0.0), np.nan)
    learned = replace(learned_of(target[:, None]), is_censored=(target == 0)[:, None], estimate=TARGET[:, None])
    (fitted,) = fit_forests(FEATURES, learned, FOLD, seed=0)
    np.testing.assert_array_equal(fitted.location, fit_forest(FEATURES, TARGET, FOLD, seed=0).location)


@pytest.mark.parametrize("is_class", [False, True])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_trees_of_many_observations_grow_no_further(
    monkeypatch: pytest.MonkeyPatch, is_class: bool, is_weighted: bool
) -> None:
    monkeypatch.setattr(forest, "ROWS_A_TREE", 300)
    rng = np.random.default_rng(1)
    features = rng.normal(size=(6000, 4)).astype(np.float32)
    values = np.column_stack([features[:, 0] > 0, features[:, 0] <= 0]) if is_class else features[:, :1]
    weights = np.where(np.arange(6000) % 2, 1.9, 0.1) if is_weighted else np.ones(6000)
    layout = class_columns(2) if is_class else number_columns(1)
    learned = replace(learned_of(values.astype(np.float64)), weights=weights, layout=layout)
    (fitted,) = fit_forests(features, learned, np.arange(6000) % 5, seed=0)
    for trees in (fitted.trees, *fitted.parts):
        nodes = np.diff(trees.roots)
        assert (nodes <= 2 * 300 / 3 - 1).all() and trees.roots[-1] == len(trees.feature)
        trees.check(4, outputs=values.shape[1])
    # Trees differ; but the first thresholds of some coincide where several values share a bin.
    assert len({tuple(fitted.trees.threshold[start : start + 3]) for start in fitted.trees.roots[:-1]}) > 40
    assert np.corrcoef(fitted.location[:, 0], values[:, 0])[0, 1] > 0.9


def test_forests_of_many_observations_have_fewer_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 500)
    counts = [forest.trees_for(rows) for rows in (150, 20_000, 40_000, 100_000, 10**6)]
    assert counts == [500, 500, 250, 100, 100]
    monkeypatch.setattr(forest, "MOST_DRAWN", 9000)
    monkeypatch.setattr(forest, "FEWEST_TREES", 10)
    shares: list[float] = []
    (fitted,) = fit_forests(FEATURES, learned_of(FEATURES[:, :1].astype(np.float64)), FOLD, 0, shares.append)
    assert fitted.trees.count == 100 and [part.count for part in fitted.parts] == [20] * 5
    assert shares == pytest.approx(np.arange(201) / 200)
    for fold, part in enumerate(fitted.parts):
        half = predict_forest(part.first(10), FEATURES[fold == FOLD])
        np.testing.assert_array_equal(fitted.half[:, fold == FOLD], np.stack(half))


def test_forests_with_all_their_trees_are_not_halved() -> None:
    assert fit_forest(FEATURES, TARGET, FOLD, seed=0).half is None


def test_reports_tell_where_trees_are_few_or_do_not_see_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forest, "TREES", 500)
    assert forest.growth_in_words(20_000) == ""
    assert "a forest of 40,000 observations has 250 trees, where smaller ones have 500" in forest.growth_in_words(
        40_000
    )
    assert f"at most {forest.ROWS_A_TREE:,} observations" in forest.growth_in_words(forest.ROWS_A_TREE + 1)
