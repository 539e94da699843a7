"""Forests of scikit-learn as the plugin's trees: for comparisons, and for tests that need a known forest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from soil_cnn_plugin.engine.arrays import Array, Singles
from soil_cnn_plugin.engine.forests.trees import Trees


def to_trees(estimators: Sequence[DecisionTreeRegressor | DecisionTreeClassifier]) -> Trees:
    """The fitted trees of a scikit-learn forest: its outputs are the targets, or the shares of one target's classes."""
    children, features, thresholds, values = [], [], [], []
    for estimator in estimators:
        tree = estimator.tree_
        own = np.arange(tree.node_count)
        is_leaf = tree.children_left < 0
        left, right = (np.where(is_leaf, own, side) for side in (tree.children_left, tree.children_right))
        children.append(np.stack([left, right], axis=1))
        features.append(np.where(is_leaf, 0, tree.feature))
        thresholds.append(np.where(is_leaf, np.inf, _round_down(tree.threshold)))
        values.append(_answers(estimator))
    return Trees(
        roots=np.concatenate([[0], np.cumsum([len(part) for part in features])]).astype(np.int64),
        children=np.concatenate(children).astype(np.int32),
        feature=np.concatenate(features).astype(np.int32),
        threshold=np.concatenate(thresholds).astype(np.float32),
        value=np.concatenate(values).astype(np.float32),
    )


def _answers(estimator: DecisionTreeRegressor | DecisionTreeClassifier) -> Array:
    """The answers at all nodes, (nodes, outputs)."""
    value: Array = estimator.tree_.value  # (nodes, targets, classes)
    if hasattr(estimator, "classes_"):  # a classifier
        shares: Array = value[:, 0] / value[:, 0].sum(1, keepdims=True)
        return shares
    return value[:, :, 0]


def _round_down(thresholds: Array) -> Singles:
    """Round down to float32, so that x <= threshold stays the same for every float32 x."""
    rounded = thresholds.astype(np.float32)
    down: Singles = np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
    return down
