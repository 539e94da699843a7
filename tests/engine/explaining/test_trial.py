"""What the set-up compiles is what jobs need: no job compiles the same functions anew."""

from __future__ import annotations

import numpy as np

from soil_cnn_plugin.engine.explaining import attribution
from soil_cnn_plugin.engine.explaining.trial import try_contributions
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.forests.forest import fit_parts
from soil_cnn_plugin.engine.forests.trial import try_forest
from tests.engine.landscape import learned_of


def test_forests_of_any_number_of_features_are_grown_and_explained_by_what_the_set_up_compiles() -> None:
    try_contributions()
    try_forest()
    for features in (1, 2, 7):
        numbers = np.random.default_rng(features).normal(size=(40, features)).astype(np.float32)
        ((trees, _),) = fit_parts(numbers, learned_of(numbers[:, :1].astype(float)), np.arange(40) % 2, seed=0)
        for order in "CF":
            seen, background = numbers.copy(order), numbers[:3].copy(order)
            factors = np.ones((40, 3, 1))
            attribution.tree_shapley(trees, seen, background, np.zeros(features, np.int64), 1, factors)
    assert len(forest.grow_tree.signatures) == len(attribution._share_out.signatures) == 1
