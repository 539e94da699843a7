"""A trial of contributions to a forest's answers, which also compiles what shares them out, for all later jobs."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.contract.language import tr
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.explaining.attribution import tree_shapley
from soil_cnn_plugin.engine.forests.trees import Trees


def try_contributions() -> None:
    """Share out the answers of a tree of two leaves.

    Raises:
        EngineError: the shares do not go to the feature that the tree asks.
    """
    children, feature = np.array([[1, 2], [1, 1], [2, 2]], np.int32), np.array([1, 0, 0], np.int32)
    threshold, value = np.array([0.5, np.inf, np.inf], np.float32), np.array([[0], [0], [3]], np.float32)
    tree = Trees(np.array([0, 3]), children, feature, threshold, value)
    features, background = np.ones((4, 2), np.float32), np.zeros((2, 2), np.float32)
    shares = tree_shapley(tree, features, background, np.arange(2), 2, np.ones((4, 2, 1)))
    if not np.allclose(shares, [[0, 3]] * 4):
        raise EngineError(tr("Compiled code shares out the answers of a random forest wrongly."))
