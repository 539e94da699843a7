"""Forests as arrays: the same answers as scikit-learn, and arrays of a stranger."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

from benchmarks.scikit_trees import to_trees
from soil_cnn_plugin.engine.forests.trees import TREE_TYPES, Trees, in_squares

RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(150, 6)).astype(np.float32)
ANSWERS = ROWS[:, 0] - 2 * (ROWS[:, 3] > 0.5) + 0.2 * RNG.normal(size=150)
FOREST = RandomForestRegressor(25, min_samples_leaf=2, max_features=0.4, random_state=1).fit(ROWS, ANSWERS)
TREES = to_trees(FOREST.estimators_)


def test_trees_answer_as_those_of_scikit_learn() -> None:
    new = RNG.normal(size=(1000, 6)).astype(np.float32)
    rows = np.concatenate([ROWS, new, np.full((1, 6), 1e30, np.float32), np.full((1, 6), -1e30, np.float32)])
    answers = np.array([tree.predict(rows) for tree in FOREST.estimators_])
    mean, spread = TREES.mean_and_spread(rows)
    np.testing.assert_allclose(mean[:, 0], answers.mean(0), atol=1e-6)
    np.testing.assert_allclose(spread[:, 0], answers.std(0), atol=1e-6)
    assert TREES.count == 25
    TREES.check(6)


def test_features_that_lie_on_a_threshold_go_the_way_they_go_in_scikit_learn() -> None:
    steps = np.round(RNG.normal(size=(400, 2)), 1).astype(np.float32)  # thresholds half-way between, not in float32
    answers = RNG.normal(size=400)
    forest = RandomForestRegressor(5, random_state=0).fit(steps, answers)
    thresholds = np.concatenate([tree.tree_.threshold for tree in forest.estimators_])
    rows = np.column_stack([thresholds, thresholds[::-1]]).astype(np.float32)
    rows = np.concatenate([rows, np.nextafter(rows, np.float32(9)), np.nextafter(rows, np.float32(-9)), steps])
    mean, _ = to_trees(forest.estimators_).mean_and_spread(rows)
    np.testing.assert_allclose(mean[:, 0], forest.predict(rows), atol=1e-6)


def test_trees_of_several_targets_answer_for_each() -> None:
    answers = np.column_stack([ANSWERS, ROWS[:, 1] ** 2, ROWS[:, 5]])
    forest = RandomForestRegressor(20, min_samples_leaf=2, random_state=1).fit(ROWS, answers)
    trees = to_trees(forest.estimators_)
    trees.check(6, outputs=3)
    mean, spread = trees.mean_and_spread(ROWS)
    np.testing.assert_allclose(mean, forest.predict(ROWS), atol=1e-6)
    np.testing.assert_allclose(spread, np.std([tree.predict(ROWS) for tree in forest.estimators_], axis=0), atol=1e-6)


@pytest.mark.parametrize("classes", [1, 2, 5])
def test_trees_of_classes_answer_with_the_share_of_each(classes: int) -> None:
    codes = (np.argsort(np.argsort(ANSWERS)) * classes // 150) * 10
    forest = RandomForestClassifier(20, min_samples_leaf=4, random_state=1).fit(ROWS, codes)
    trees = to_trees(forest.estimators_)
    trees.check(6, outputs=classes)
    new = RNG.normal(size=(300, 6)).astype(np.float32)
    np.testing.assert_allclose(trees.mean_and_spread(new)[0], forest.predict_proba(new), atol=1e-6)


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 150])
def test_any_number_of_rows_is_answered(count: int) -> None:
    mean, spread = TREES.mean_and_spread(ROWS[:count])
    assert mean.shape == spread.shape == (count, 1)
    np.testing.assert_allclose(mean[:, 0], FOREST.predict(ROWS[:count]) if count else [], atol=1e-6)


def test_columns_in_another_order_in_memory_are_read_right() -> None:
    np.testing.assert_array_equal(TREES.mean_and_spread(np.asfortranarray(ROWS))[0], TREES.mean_and_spread(ROWS)[0])


def test_pixels_in_squares_are_all_pixels_with_their_neighbours() -> None:
    wanted = np.ones((130, 17), np.bool_)
    wanted[3, 2:] = False
    order = in_squares(wanted)
    assert sorted(order) == list(range(130 * 17 - 15))
    rows, cols = (part[order] for part in np.nonzero(wanted))
    first = [[row, col] for row in range(3) for col in range(8)] + [[3, 0], [3, 1], [0, 8], [0, 9]]
    assert np.column_stack([rows, cols])[: len(first)].tolist() == first
    assert (rows[: 64 * 17 - 15] < 64).all() and (rows[64 * 17 - 15 :] >= 64).all()


@pytest.mark.parametrize("rows", [2**12 - 1, 2**12 + 33])
def test_many_rows_are_answered_in_blocks(rows: int) -> None:
    new = RNG.normal(size=(rows, 6)).astype(np.float32)
    np.testing.assert_allclose(TREES.mean_and_spread(new)[0][:, 0], FOREST.predict(new), atol=1e-6)


def test_a_tree_that_never_asks_is_a_forest() -> None:
    stump = to_trees([DecisionTreeRegressor().fit(ROWS, np.ones(150))])
    stump.check(6)
    assert stump.mean_and_spread(ROWS[:3])[0].tolist() == [[1], [1], [1]]


def test_a_tree_that_is_a_chain_is_walked_to_its_end() -> None:
    rows = np.arange(200, dtype=np.float32)[:, None]
    chain = DecisionTreeRegressor().fit(rows, 1.5 ** rows[:, 0])
    assert chain.get_depth() > 50
    np.testing.assert_allclose(to_trees([chain]).mean_and_spread(rows)[0][:, 0], chain.predict(rows), rtol=1e-6)


def test_arrays_have_their_declared_kinds() -> None:
    assert {each.name: getattr(TREES, each.name).dtype for each in fields(Trees)} == TREE_TYPES


def changed(name: str, index: object, value: object) -> Trees:
    array = getattr(TREES, name).copy()
    array[index] = value
    return replace(TREES, **{name: array})


NODES = len(TREES.feature)
HOSTILE = {
    "a branch before the tree": changed("children", (0, 0), -1),
    "a branch beyond the tree": changed("children", (0, 1), TREES.roots[1]),
    "a branch beyond the last tree": changed("children", (NODES - 1, 1), NODES),
    "a negative feature": changed("feature", 0, -1),
    "a feature too many": changed("feature", 0, 6),
    "a branch that leads back": changed("children", (int(TREES.roots[1]) - 2, 0), 0),
    "a branch in a circle": changed("children", (0, 1), 0),
    "two branches to one node": changed("children", (0, 1), TREES.children[0, 0]),
    "an answer that is not a number": changed("value", 3, np.nan),
    "an infinite answer": changed("value", 3, np.inf),
    "a threshold that is not a number": changed("threshold", 0, np.nan),
    "roots that do not begin at 0": changed("roots", 0, 1),
    "roots that end too early": changed("roots", -1, NODES - 1),
    "roots that go back": changed("roots", 3, 0),
    "roots whose differences overflow": replace(
        TREES,
        roots=np.array([0, 2**63 - 1, -(2**63), -1, NODES], np.int64),
    ),
    "no trees": replace(TREES, roots=np.zeros(1, np.int64)),
    "no roots": replace(TREES, roots=np.zeros(0, np.int64)),
    "children in one row": replace(TREES, children=TREES.children.reshape(-1)),
    "children of three": replace(TREES, children=np.repeat(TREES.children, 2, axis=1)[:, :3]),
    "too few values": replace(TREES, value=TREES.value[:-1]),
    "values in one row": replace(TREES, value=TREES.value.reshape(-1)),
    "values of two outputs": replace(TREES, value=np.repeat(TREES.value, 2, axis=1)),
    "too few thresholds": replace(TREES, threshold=TREES.threshold[:-1]),
    **{f"{name} as a table": replace(TREES, **{name: getattr(TREES, name)[:, None]}) for name in TREE_TYPES},
    **{f"{name} as one number": replace(TREES, **{name: getattr(TREES, name).flat[0]}) for name in TREE_TYPES},
}


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_arrays_are_refused(what: str) -> None:
    with pytest.raises(ValueError, match="forest"):
        HOSTILE[what].check(6)
