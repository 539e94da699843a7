"""The conditioned Latin hypercube beside a plain reading of Minasny & McBratney (2006)."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.sampling.hypercube import Marginals, draw_hypercube
from soil_cnn_plugin.engine.sampling.spacing import Spacing
from tests.engine.sampling.plain_hypercube import objective, plain_hypercube

COVARIATES = [Covariate("/a.tif", "a"), Covariate("/b.tif", "b"), Covariate("/c.tif", "c", kind="categorical")]
NOTHING = np.empty((0, 3), np.float32)


def landscape(count: int = 400) -> np.ndarray:
    rng = np.random.default_rng(1)
    first = rng.gamma(2, 1, count)
    return np.column_stack([first, 0.6 * first + rng.normal(0, 1, count), rng.integers(0, 3, count)]).astype(np.float32)


def drawn(values: np.ndarray, count: int, iterations: int = 2000, seed: int = 0, **changes):
    metres = np.column_stack([np.arange(len(values)) * 10.0, np.zeros(len(values))])
    options = {
        "legacy": NOTHING,
        "cost": np.ones(len(values)),
        "is_free": np.ones(len(values), bool),
        "spacing": Spacing(metres, 0.0, np.empty((0, 2))),
        **changes,
    }
    return draw_hypercube(values, COVARIATES, count, iterations=iterations, seed=seed, **options)


def test_the_objective_is_that_of_the_paper() -> None:
    values = landscape()
    chosen = np.arange(0, 400, 40)
    marginals = Marginals.of(values, COVARIATES, 10)
    assert marginals.objective(values[chosen]) == pytest.approx(objective(values, chosen, (0, 1), (2,)))


def test_the_annealing_is_as_good_as_the_plain_one_with_as_many_steps() -> None:
    values = landscape()
    own = [drawn(values, 8, 200, seed).objective for seed in range(5)]
    chosen = [plain_hypercube(values, 8, 200, seed, (0, 1), (2,)) for seed in range(5)]
    assert np.mean(own) <= np.mean([objective(values, rows, (0, 1), (2,)) for rows in chosen])


def test_what_is_updated_step_by_step_is_the_objective_of_the_result() -> None:
    values = landscape()
    found = drawn(values, 15)
    assert found.objective == pytest.approx(objective(values, found.rows, (0, 1), (2,)))
    assert found.course[-1] == pytest.approx(found.objective)
    assert len(set(found.rows.tolist())) == 15


def test_existing_points_count_and_the_new_ones_go_elsewhere() -> None:
    values = landscape()
    low = values[np.argsort(values[:, 0])[:40:4]]  # ten points, all low
    found = drawn(values, 10, legacy=low)
    assert (values[found.rows, 0] > np.sort(values[:, 0])[40]).sum() >= 9
    together = np.concatenate([values[found.rows], low])
    assert found.objective == pytest.approx(Marginals.of(values, COVARIATES, 20).objective(together))


def test_costs_spacing_and_places_that_are_not_free_are_respected() -> None:
    values, rng = landscape(), np.random.default_rng(0)
    cost = np.where(rng.random(400) < 0.5, 1.0, 5.0)
    metres = np.column_stack([np.arange(400) * 10.0, np.zeros(400)])
    free = np.arange(400) % 3 > 0
    found = drawn(values, 10, cost=cost, spacing=Spacing(metres, 45.0, np.empty((0, 2))), is_free=free)
    assert np.diff(np.sort(metres[found.rows, 0])).min() >= 45
    assert free[found.rows].all() and cost[found.rows].mean() < 2


def test_intervals_of_one_value_count_as_one() -> None:
    """Three quarters of the pixels are 0: of eight points six should be 0, and two above."""
    values = np.column_stack([np.r_[np.zeros(300), np.arange(1, 101)], np.zeros(400), np.zeros(400)])
    covariates = [Covariate("/a.tif", "a")]
    marginals = Marginals.of(values[:, :1].astype(np.float32), covariates, 8)
    assert marginals.objective(np.array([[0]] * 6 + [[30], [80]], np.float32)) == 0
    assert marginals.objective(np.array([[0]] * 8, np.float32)) == 4


def test_the_same_seed_gives_the_same_points() -> None:
    values = landscape()
    assert drawn(values, 8, 300, seed=4).rows.tolist() == drawn(values, 8, 300, seed=4).rows.tolist()
