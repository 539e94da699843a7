"""Trees grown on bins: the splits of scikit-learn where each value has a bin of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from benchmarks.scikit_trees import to_trees
from soil_cnn_plugin.engine.forests import bins, forest
from soil_cnn_plugin.engine.forests.bins import bin_features
from soil_cnn_plugin.engine.forests.forest import fit_forests
from soil_cnn_plugin.engine.forests.growing import grow_tree
from soil_cnn_plugin.engine.forests.trees import TREE_TYPES, Trees
from soil_cnn_plugin.engine.targets.learned import Learned, class_columns
from tests.engine.landscape import learned_of

RNG = np.random.default_rng(0)
FEATURES = np.round(RNG.normal(size=(900, 5)), 2).astype(np.float32)
TARGET = np.sin(2 * FEATURES[:, 0]) + FEATURES[:, 1] * FEATURES[:, 2] + 0.1 * RNG.normal(size=900)
TIMES = RNG.integers(1, 4, 900)


def grow(
    features: np.ndarray, values: np.ndarray, labels: np.ndarray, outputs: int, leaf: int = 3, times: np.ndarray = TIMES
) -> Trees:
    """One tree that is asked for all features at each node."""
    binned = bin_features(features, 1)
    times = times[: len(features)]
    children, feature, threshold, value = grow_tree(
        np.ascontiguousarray(binned.codes.T), binned.lowest, binned.highest, times, values.astype(np.float64),
        labels.astype(np.int32), outputs, features.shape[1], leaf, np.uint64(1),
    )  # fmt: skip
    return Trees(np.array([0, len(feature)]), children, feature, threshold, value)


def assert_parts_alike(one: Trees, other: Trees, nodes: int) -> None:
    """The first nodes part the values half-way, to within 1 / 256 of the range."""
    limits, expected = one.threshold[:nodes], other.threshold[:nodes]
    asks = np.isfinite(expected)
    np.testing.assert_array_equal(np.isfinite(limits), asks)
    above = limits[asks] - expected[asks]
    assert above.min() > 0 and above.max() < np.ptp(FEATURES, axis=0).max() / 256


@pytest.mark.parametrize("leaf", [3, 40])
def test_a_tree_asks_what_that_of_scikit_learn_asks(leaf: int) -> None:
    own = grow(FEATURES, TARGET, np.unique(TARGET, return_inverse=True)[1], 1, leaf)
    rival = DecisionTreeRegressor(min_samples_leaf=leaf, random_state=0).fit(FEATURES, TARGET, sample_weight=TIMES)
    expected = to_trees([rival])
    own.check(5)
    assert len(own.feature) == pytest.approx(len(expected.feature), rel=0.01)  # ties go either way
    top = min(40, len(own.feature))
    np.testing.assert_array_equal(own.feature[:top], expected.feature[:top])
    assert_parts_alike(own, expected, top)
    np.testing.assert_allclose(own.value[:top], expected.value[:top], atol=1e-6)


def test_a_tree_of_classes_lowers_the_squared_error_of_all_shares() -> None:
    classes = np.digitize(TARGET, [-1, -0.2, 0.5, 1.2])
    own = grow(FEATURES, np.ones(900), classes, 5)
    shares = np.eye(5)[classes]
    rival = DecisionTreeRegressor(min_samples_leaf=3, random_state=0).fit(FEATURES, shares, sample_weight=TIMES)
    expected = to_trees([rival])
    own.check(5, outputs=5)
    assert len(own.feature) == pytest.approx(len(expected.feature), rel=0.03)
    assert_parts_alike(own, expected, 5)  # ties of counts go either way
    np.testing.assert_allclose(own.value[:5], expected.value[:5], atol=1e-6)
    errors = [((each.mean_and_spread(FEATURES)[0] - shares) ** 2).sum(axis=1) @ TIMES for each in (own, expected)]
    assert errors[0] == pytest.approx(errors[1], rel=0.02)
    np.testing.assert_allclose(own.value.sum(axis=1), 1, atol=1e-6)


def test_the_order_of_rows_does_not_change_a_tree() -> None:
    """Their sums are exact, so that no last bit decides between splits that are equally good."""
    one, other = (
        grow(FEATURES[rows], TARGET[rows], np.unique(TARGET[rows], return_inverse=True)[1], 1, times=TIMES[rows])
        for rows in (np.arange(900), np.arange(900)[::-1])
    )
    for name in TREE_TYPES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


def test_the_middle_between_two_values_goes_left_whatever_its_last_bit_is() -> None:
    steps = (np.arange(40) // 10 * np.float32(0.1)).astype(np.float32)[:, None]
    tree = grow(steps, steps[:, 0], np.arange(40) // 10, 1)
    limits = np.sort(tree.threshold[np.isfinite(tree.threshold)])
    middles = np.array([0.05, 0.15, 0.25], np.float32)
    assert (np.nextafter(middles, np.float32(1)) < limits).all()
    np.testing.assert_allclose(limits, middles, atol=0.001)


def test_values_that_differ_by_rounding_alone_are_not_parted() -> None:
    flat = np.where(np.arange(60) % 2, np.float32(0.3), np.nextafter(np.float32(0.3), np.float32(1)))
    steps = np.where(np.arange(60) < 30, flat, np.float32(0.4)).astype(np.float32)[:, None]
    tree = grow(steps, np.arange(60) % 2 + 0.0, np.arange(60) % 2, 1)
    assert 0.3001 < tree.threshold[0] < 0.3999  # and not between the two that are 0.3
    assert len(tree.feature) == 3


def test_constant_features_and_equal_answers_end_a_tree() -> None:
    constant = np.ones((200, 3), np.float32)
    assert len(grow(constant, TARGET[:200], np.arange(200), 1).feature) == 1
    assert len(grow(FEATURES[:200], np.full(200, 0.3), np.zeros(200), 1).feature) == 1
    one = grow(np.column_stack([constant, FEATURES[:200, :1]]), TARGET[:200], np.arange(200), 1)
    assert set(one.feature[one.children[:, 0] != one.children[:, 1]]) == {3}


def test_one_row_is_a_tree() -> None:
    assert grow(FEATURES[:1], TARGET[:1], np.zeros(1), 1).value.tolist() == [[np.float32(TARGET[0])]]


def test_bins_keep_the_order_of_values_and_spare_some_for_rare_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bins, "MOST_BINS", 64)
    values = np.where(RNG.random(5000) < 0.9, 0, RNG.exponential(size=5000)).astype(np.float32)
    binned = bin_features(np.column_stack([values, -values]), 2)
    codes = binned.codes[0]
    assert 25 < codes.max() < 64  # nine tenths of the rows are in one of them
    np.testing.assert_array_equal(np.sort(values), values[np.argsort(codes * 1e6 + values, kind="stable")])
    for row, code in enumerate(codes[:200]):
        assert binned.lowest[0, code] <= values[row] <= binned.highest[0, code]
    assert (binned.highest[0, : codes.max()] < binned.lowest[0, 1 : codes.max() + 1]).all()


def test_many_values_near_each_other_keep_bins_of_their_own() -> None:
    """Half of a quarter of a million values lie in a two-hundredth of the range, each next to another."""
    count = 2**18
    is_flat, place = RNG.random(count) < 0.5, RNG.random(count)
    codes = bin_features(np.where(is_flat, 0.01 + 0.01 * place, 2 * place).astype(np.float32)[:, None], 1).codes[0]
    assert np.bincount(codes).max() < 0.01 * count
    rounded = np.repeat(np.arange(1, 6), 3) * (1 + np.tile([0, 2e-7, 4e-7], 5))
    assert bin_features(rounded.astype(np.float32)[:, None], 1).codes[0].tolist() == np.repeat(np.arange(5), 3).tolist()


@pytest.mark.parametrize("width", [48, 1024])
def test_forests_predict_as_well_as_those_of_scikit_learn(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """Of numbers and classes, in errors and in spreads; with few bins nearly so."""
    monkeypatch.setattr(bins, "MOST_BINS", width)
    monkeypatch.setattr(forest, "TREES", 300)
    known, new = slice(0, 600), slice(600, 900)
    fold = np.arange(600) % 2
    (own,) = fit_forests(FEATURES[known], learned_of(TARGET[known, None]), fold, seed=0)
    rival: Any = RandomForestRegressor(300, min_samples_leaf=3, max_features=1 / 3, random_state=0)
    rival.fit(FEATURES[known], TARGET[known])
    mean, spread = own.trees.mean_and_spread(FEATURES[new])
    trees = np.array([tree.predict(FEATURES[new]) for tree in rival.estimators_])
    errors = [float(np.sqrt(np.mean((each - TARGET[new]) ** 2))) for each in (mean[:, 0], trees.mean(axis=0))]
    assert errors[0] == pytest.approx(errors[1], rel=0.03)
    assert spread.mean() == pytest.approx(trees.std(axis=0).mean(), rel=0.03)
    classes = np.digitize(TARGET, [-0.5, 0.5])
    shares = np.eye(3)[classes]
    nothing = np.zeros((600, 3))
    learned = Learned(shares[known], nothing.astype(bool), nothing, np.ones(600), shares[known], class_columns(3))
    (own,) = fit_forests(FEATURES[known], learned, fold, seed=0)
    rival = RandomForestClassifier(300, min_samples_leaf=3, random_state=0).fit(FEATURES[known], classes[known])
    found, expected = own.trees.mean_and_spread(FEATURES[new])[0], rival.predict_proba(FEATURES[new])
    briers = [float(((each - shares[new]) ** 2).sum(axis=1).mean()) for each in (found, expected)]
    assert briers[0] == pytest.approx(briers[1], rel=0.03)
