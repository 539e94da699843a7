"""Intervals from held-out predictions by few trees, for a forest of many."""

import numpy as np
import pytest

from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.forests.forest import steps_to_a_forest
from soil_cnn_plugin.engine.training.fewer_trees import narrowing

ROWS = 20_000


@pytest.mark.parametrize("unequal", [0.0, 0.4])
@pytest.mark.parametrize("between", [0.3, 1.0])
def test_intervals_of_a_forest_hold_though_a_fifth_of_its_trees_gave_the_residuals(
    between: float, unequal: float
) -> None:
    """Trees lie around the truth's mean, `between` times as far as the truth does."""
    rng = np.random.default_rng(1)
    spread = np.exp(unequal * rng.standard_normal(ROWS))
    truth = spread * rng.standard_normal(ROWS)
    trees = between * spread[:, None] * rng.standard_normal((ROWS, 100), np.float32)
    by_all, by_part, by_half = ((part.mean(1), part.std(1)) for part in (trees, trees[:, 20:40], trees[:, 20:30]))
    factor = narrowing(truth, by_part, by_half, steps_to_a_forest(100_000))

    def covered(factor: float) -> float:
        low, high = np.quantile(factor * (truth - by_part[0]) / by_part[1], [0.05, 0.95])
        z = (truth - by_all[0]) / by_all[1]
        return float(((z >= low) & (z <= high)).mean())

    assert covered(1.0) > 0.913  # the fault
    assert covered(factor) == pytest.approx(0.9, abs=0.005)


def test_what_rests_on_no_trees_stays_as_it_is() -> None:
    place = np.arange(5.0), np.ones(5)
    assert narrowing(np.zeros(5), place, (place[0].copy(), place[1].copy()), 0.7) == 1


def test_only_forests_with_fewer_trees_than_usual_are_corrected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert steps_to_a_forest(20_000) == 0
    assert steps_to_a_forest(1_000_000) == pytest.approx((1 / 19 - 1 / 99) / (1 / 9 - 1 / 19))
    monkeypatch.setattr(forest, "FEWEST_TREES", 20)
    monkeypatch.setattr(forest, "MOST_DRAWN", 1000)
    assert steps_to_a_forest(20_000) == 0  # parts of four trees tell nothing
