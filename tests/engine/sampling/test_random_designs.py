"""Random designs: inclusion probabilities by enumeration and by many draws, allocation, and what users get wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.sampling.pivotal import _duel, away_from_legacy, draw_pivotal, probabilities_of
from soil_cnn_plugin.engine.sampling.random_designs import allocate, draw_simple, draw_stratified
from tests.engine.sampling.places import candidates_of

DRAWS = 4000


def test_each_place_is_drawn_as_often_as_its_inclusion_probability_says() -> None:
    strata = [0] * 6 + [1] * 14
    frame = candidates_of(4, 5, stratum=strata)
    hits = np.zeros(20)
    for seed in range(DRAWS):
        rows, inclusion = draw_stratified(frame, 7, seed)
        assert len(set(rows.tolist())) == 7
        hits[rows] += 1
    expected = np.where(np.array(strata) == 0, 2 / 6, 5 / 14)  # 7 x 6/20 = 2.1 and 7 x 14/20 = 4.9 points
    assert inclusion == pytest.approx(expected[rows])
    assert np.abs(hits / DRAWS - expected).max() < 4 * np.sqrt(0.25 / DRAWS)


def test_a_simple_random_sample_has_the_chance_n_over_N_everywhere() -> None:
    rows, inclusion = draw_simple(candidates_of(5, 8), 10, seed=3)
    assert len(set(rows.tolist())) == 10
    assert inclusion == pytest.approx([10 / 40] * 10)


def test_the_inverse_of_inclusion_probabilities_counts_the_pixels() -> None:
    frame = candidates_of(10, 10, stratum=np.arange(100) // 37)
    _, inclusion = draw_stratified(frame, 17, seed=1)
    assert (1 / inclusion).sum() == pytest.approx(100)


def test_the_pivotal_method_keeps_unequal_probabilities() -> None:
    places = candidates_of(3, 4).metres
    wanted = probabilities_of(np.array([1, 1, 1, 2, 2, 2, 3, 3, 3, 1, 1, 4.0]), 5)
    hits = np.zeros(12)
    for seed in range(DRAWS):
        rows = draw_pivotal(places, wanted, seed)
        assert len(rows) == 5
        hits[rows] += 1
    assert wanted.sum() == pytest.approx(5)
    assert np.abs(hits / DRAWS - wanted).max() < 4 * np.sqrt(0.25 / DRAWS)


@pytest.mark.parametrize(("one", "other"), [(0.3, 0.4), (0.5, 0.5), (0.6, 0.7), (0.01, 0.98), (0.9, 0.95)])
def test_a_duel_changes_no_chance_on_average(one: float, other: float) -> None:
    """So inclusion probabilities are exact, whoever fights whom (Deville & Tillé 1998, Biometrika 85:89)."""
    draws = (np.arange(20_000) + 0.5) / 20_000
    after = np.array([_duel(one, other, draw) for draw in draws.tolist()])
    assert after.mean(axis=0) == pytest.approx([one, other], abs=1e-4)
    assert after.sum(axis=1) == pytest.approx(one + other)
    assert (np.isclose(after, 0) | np.isclose(after, 1)).any(axis=1).all()


def test_two_places_are_chosen_as_the_published_rule_says() -> None:
    """Grafström et al. 2012, eq. 1: of probabilities 0.3 and 0.4 the first keeps 0.7 with 3 in 7, the second with 4."""
    places = np.array([[0.0, 0.0], [1.0, 0.0], [50.0, 0.0]])
    hits = Counter[tuple[int, ...]]()
    for seed in range(DRAWS):
        hits[tuple(draw_pivotal(places, np.array([0.3, 0.4, 0.3]), seed).tolist())] += 1
    shares = {chosen[0]: count / DRAWS for chosen, count in hits.items()}
    assert [shares[row] for row in range(3)] == pytest.approx([0.3, 0.4, 0.3], abs=0.03)


def test_balanced_points_lie_farther_apart_than_simple_random_ones() -> None:
    places = candidates_of(30, 30).metres
    chance = np.full(900, 20 / 900)

    def spread(rows: np.ndarray) -> float:
        away = np.linalg.norm(places[:, None] - places[rows], axis=2).min(axis=1)
        return float((away**2).mean())

    balanced = np.mean([spread(draw_pivotal(places, chance, seed)) for seed in range(20)])
    rng = np.random.default_rng(0)
    simple = np.mean([spread(rng.choice(900, 20, replace=False)) for _ in range(20)])
    assert balanced < 0.8 * simple


def test_certain_places_leave_the_rest_to_the_others() -> None:
    found = probabilities_of(np.array([100.0, 1.0, 1.0, 2.0]), 2)
    assert found == pytest.approx([1, 0.25, 0.25, 0.5])


def test_chances_fall_towards_existing_points_but_nowhere_to_nothing() -> None:
    frame = candidates_of(20, 20)
    factors = away_from_legacy(frame.metres, frame.metres[[210]], frame.hectares, 10)
    assert factors[210] == 1e-6 and factors.max() > 0.99
    assert factors[211] < factors[213] < factors[219]


def test_points_are_shared_out_by_area_and_the_root_of_the_cost() -> None:
    assert allocate(np.array([10.0, 30.0, 60.0]), 20, np.array([99, 99, 99])).tolist() == [2, 6, 12]
    costly = allocate(np.array([50.0, 50.0]) / np.sqrt([1.0, 4.0]), 30, np.array([99, 99]))
    assert costly.tolist() == [20, 10]
    assert allocate(np.array([10.0, 30.0]), 8, np.array([2, 99])).tolist() == [2, 6]


@pytest.mark.parametrize(
    ("count", "stratum", "words"),
    [
        (5, [0] * 4 + [1] * 4 + [2] * 4, "5 points in 3 strata are fewer than two in each.*at least 6 points"),
        (6, [0] * 11 + [1], r"1 of 2 strata have fewer than two pixels: s1 \(1\)"),
        (13, [0] * 12, "13 points are asked for, but there are only 12 pixels to choose from"),
    ],
)
def test_too_few_points_or_pixels_are_refused_with_the_numbers(count: int, stratum: list[int], words: str) -> None:
    with pytest.raises(EngineError, match=words):
        draw_stratified(candidates_of(3, 4, stratum=stratum), count, seed=0)


def test_more_points_than_chances_are_refused() -> None:
    with pytest.raises(EngineError, match="3 points are asked for, but only 2 pixels have a chance"):
        probabilities_of(np.array([1.0, 0.0, 2.0]), 3)


def test_a_random_part_of_the_places_halves_the_chances() -> None:
    frame = candidates_of(4, 5)
    part = replace(frame.take(np.arange(10)), counts=frame.counts)
    _, inclusion = draw_simple(part, 5, seed=0)
    assert inclusion == pytest.approx([5 / 20] * 5)
