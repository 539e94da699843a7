"""Coverage designs, spacing and the way past the points."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.sampling.coverage import (
    farthest_first,
    in_covariate_space,
    mean_squared_distance,
    pick_places,
    place_centres,
)
from soil_cnn_plugin.engine.sampling.route import shortest_walk
from soil_cnn_plugin.engine.sampling.spacing import Spacing
from tests.engine.sampling.places import candidates_of

NOTHING = np.empty((0, 2))


def spacing_of(metres: np.ndarray, least: float = 0.0, legacy: np.ndarray = NOTHING) -> Spacing:
    return Spacing(metres, least, legacy)


def test_four_points_on_a_square_lie_in_the_middles_of_its_quarters() -> None:
    metres = candidates_of(20, 20, cell=1.0).metres
    centres = place_centres(metres, np.ones(400), 4, NOTHING, seed=0)
    rows, lost = pick_places(metres, centres, NOTHING, np.ones(400), spacing_of(metres), np.zeros(400, bool))
    assert lost == 0
    assert np.sort(np.abs(np.abs(metres[rows] - (10, -10)) - 5).ravel()) == pytest.approx([0.5] * 8)


def test_existing_points_stay_and_new_ones_fill_the_other_half() -> None:
    metres = candidates_of(10, 20, cell=1.0).metres
    legacy = metres[metres[:, 0] < 10][::3]
    centres = place_centres(metres, np.ones(200), 4, legacy, seed=0)
    assert (centres[:, 0] > 10).all()
    both = np.concatenate([legacy, centres])
    rng = np.random.default_rng(0)
    random = [np.concatenate([legacy, metres[rng.choice(200, 4, replace=False)]]) for _ in range(20)]
    assert mean_squared_distance(metres, both) < min(mean_squared_distance(metres, each) for each in random)


def test_points_get_past_existing_ones_that_part_the_area() -> None:
    metres = candidates_of(1, 60, cell=1.0).metres
    legacy = metres[26:34]
    even = np.array([3.25, 9.75, 16.25, 22.75])  # 4 on each side, each of 6.5 pixels
    best = mean_squared_distance(metres, np.concatenate([legacy, np.column_stack([[*even, *(60 - even)], [-0.5] * 8])]))
    for seed in range(6):
        centres = place_centres(metres, np.ones(60), 8, legacy, seed)
        assert mean_squared_distance(metres, np.concatenate([legacy, centres])) < 1.02 * best


def test_a_cheaper_place_near_the_centre_is_taken() -> None:
    metres = candidates_of(1, 9, cell=1.0).metres
    cost = np.array([1, 1, 1, 1, 9, 1, 1, 1, 1.0])
    free = np.zeros(9, bool)
    rows, _ = pick_places(metres, metres[[4]], NOTHING, np.ones(9), spacing_of(metres), free)
    cheap, _ = pick_places(metres, metres[[4]], NOTHING, cost, spacing_of(metres), free)
    assert (rows.tolist(), cheap.tolist()[0] in (3, 5)) == ([4], True)


def test_points_keep_their_spacing_and_what_finds_no_place_is_counted() -> None:
    metres = candidates_of(6, 6, cell=10.0).metres
    centres = place_centres(metres, np.ones(36), 9, NOTHING, seed=0)
    rows, lost = pick_places(metres, centres, NOTHING, np.ones(36), spacing_of(metres, 30.0), np.zeros(36, bool))
    away = [np.linalg.norm(metres[a] - metres[b]) for a, b in itertools.combinations(rows, 2)]
    assert min(away) >= 30 and len(rows) + lost == 9


def test_legacy_points_keep_others_away() -> None:
    metres = candidates_of(1, 5, cell=10.0).metres
    assert spacing_of(metres, 20.0, metres[[0]]).free().tolist() == [False, False, True, True, True]


def test_the_first_points_spread_already() -> None:
    places = np.array([[0.0], [1.0], [2.0], [9.0], [10.0]])
    order = farthest_first(places, np.arange(5), np.array([[0.0]]))
    assert order[:2].tolist() == [4, 2]


def test_classes_are_as_far_apart_as_two_deviations() -> None:
    covariates = [Covariate("/a.tif", "a"), Covariate("/b.tif", "b", kind="categorical")]
    values = np.array([[1.0, 7], [3.0, 7], [5.0, 9]], np.float32)
    space = in_covariate_space(values, covariates, values)
    assert space[:, 0] == pytest.approx([-np.sqrt(1.5), 0, np.sqrt(1.5)])
    assert np.linalg.norm(space[2, 1:] - space[1, 1:]) == pytest.approx(2)


def test_the_way_past_few_points_is_the_shortest() -> None:
    metres = np.random.default_rng(5).uniform(0, 100, (7, 2))
    order, length = shortest_walk(metres)
    ways = (metres[list(way)] for way in itertools.permutations(range(7)))
    shortest = min(np.linalg.norm(np.diff(way, axis=0), axis=1).sum() for way in ways)
    assert sorted(order.tolist()) == list(range(7))
    assert length == pytest.approx(np.linalg.norm(np.diff(metres[order], axis=0), axis=1).sum())
    assert shortest <= length <= 1.1 * shortest


def test_one_and_two_points_need_no_search() -> None:
    assert shortest_walk(np.array([[3.0, 4.0]]))[1] == 0
    assert shortest_walk(np.array([[0.0, 0.0], [3.0, 4.0]]))[1] == 5
