"""Folds matched to the map keep held-out observations as far away as the map lies."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from soil_cnn_plugin.engine.assessment import knndm
from soil_cnn_plugin.engine.assessment.folds import PlacedTargets, knndm_folds, make_folds
from soil_cnn_plugin.engine.assessment.knndm import held_out_distances, match_distances, nearest_distances
from soil_cnn_plugin.engine.errors import EngineError

RNG = np.random.default_rng(5)
MAP = np.stack(np.meshgrid(np.arange(0, 100, 4.0), np.arange(0, 100, 4.0)), axis=-1).reshape(-1, 2)


def test_distances_to_other_folds_are_those_found_by_hand() -> None:
    line = np.array([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [7.0, 0.0]])
    assert held_out_distances(line, np.array([0, 1, 2, 3])).tolist() == [1.0, 1.0, 2.0, 4.0]
    assert held_out_distances(line, np.array([0, 0, 1, 1])).tolist() == [3.0, 2.0, 2.0, 6.0]
    assert nearest_distances(np.array([[5.5, 0.0], [3.0, 4.0]]), line).tolist() == [1.5, 4.0]


@pytest.mark.parametrize("size", [1, 3, 40, 300])
def test_distances_between_many_folds_are_those_of_all_pairs(size: int) -> None:
    """Folds of 300 lie so dense that none of another is among the nearest."""
    rng = np.random.default_rng(size)
    centres = np.repeat(rng.uniform(0, 100, (12 if size == 300 else 40, 2)), size, axis=0)
    points, fold = centres + 0.1 * rng.normal(size=centres.shape), np.arange(len(centres)) // size
    between = cdist(points, points)
    between[fold[:, None] == fold] = np.inf
    np.testing.assert_allclose(held_out_distances(points, fold), between.min(axis=1), rtol=1e-12)


def test_observations_of_one_place_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """To find one of another fold near 100,000 at one place, all of them would be looked at for each."""
    places = np.random.default_rng(2).uniform(0, 100, (60, 2))
    points, fold = np.concatenate([places, np.tile(places[:1], (2000, 1))]), np.concatenate([np.arange(60), [0] * 2000])
    alone, searched, look_around = held_out_distances(places, np.arange(60)), list[int](), knndm._look_around

    def count(coordinates: np.ndarray, fold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        searched.append(len(coordinates))
        return look_around(coordinates, fold)

    monkeypatch.setattr(knndm, "_look_around", count)
    np.testing.assert_array_equal(held_out_distances(points, fold), np.concatenate([alone, np.full(2000, alone[0])]))
    assert searched == [60]


def test_observations_spread_like_the_map_get_random_folds() -> None:
    observations = np.stack(np.meshgrid(np.arange(5, 100, 10.0), np.arange(6, 100, 12.0)), axis=-1).reshape(-1, 2)
    folds = knndm_folds(PlacedTargets(observations, np.arange(80)), MAP, 5, seed=2)
    assert folds.is_random
    assert "5 random folds, because the observations are not more clustered than the map" in folds.sentence
    assert (folds.fold == make_folds("random", PlacedTargets(observations, np.arange(80)), 5, seed=2).fold).all()


def test_five_clusters_are_held_out_whole_where_the_map_lies_far_away() -> None:
    centres = np.array([[10.0, 10], [90, 12], [50, 50], [12, 88], [91, 90]])
    observations = np.repeat(centres, 12, axis=0) + RNG.uniform(-1, 1, (60, 2))
    folds = knndm_folds(PlacedTargets(observations, np.arange(60)), 3 * MAP - 100, 5, seed=0)
    fold = folds.fold.reshape(5, 12)
    assert (fold == fold[:, :1]).all()
    assert sorted(fold[:, 0]) == [0, 1, 2, 3, 4]
    assert folds.sentence.startswith("5 folds of 5 clusters")


@pytest.mark.parametrize("sizes", [(15, 15, 15, 5), (14, 14, 14)])
def test_fewer_groups_than_folds_are_a_fold_each(sizes: tuple[int, ...]) -> None:
    """What a group shares would else seem to be known."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    centres = np.array([[10.0, 10], [85, 15], [20, 90], [90, 80]])
    observations = centres[group] + np.random.default_rng(0).normal(0, 2, (len(group), 2))
    folds = knndm_folds(PlacedTargets(observations, np.arange(len(group))), MAP, 5, seed=0)
    assert len(np.unique(np.stack([folds.fold, group]), axis=1).T) == len(sizes) == folds.count
    assert folds.sentence.startswith(f"{folds.count} folds of {folds.count} clusters")
    assert "5 folds would tear clusters apart" in folds.sentence


def test_two_groups_of_which_one_is_too_large_are_torn() -> None:
    observations = np.repeat([[10.0, 10.0], [80.0, 90.0]], [30, 20], axis=0) + RNG.normal(0, 1.5, (50, 2))
    folds = knndm_folds(PlacedTargets(observations, np.arange(50)), MAP, 5, seed=0)
    assert folds.count == 5 and np.bincount(folds.fold).max() <= 25


def test_observations_at_random_keep_the_folds_asked_for() -> None:
    """The map reaches far beyond, so two folds would match it best, but train on half of the observations."""
    for seed in range(20):
        observations = np.random.default_rng(seed).uniform(40, 60, (60, 2))
        folds = knndm_folds(PlacedTargets(observations, np.arange(60)), MAP, 5, seed=0)
        assert not folds.is_random and folds.count == 5


@pytest.mark.parametrize("spread", [2, 40])
def test_four_named_groups_are_four_folds(spread: float) -> None:
    group = np.repeat(np.arange(4), 12)
    observations = np.array([[10.0, 10], [85, 15], [20, 90], [90, 80]])[group] + RNG.normal(0, spread, (48, 2))
    folds = make_folds("knndm", PlacedTargets(observations, group), 5, seed=0, domain=MAP)
    assert len(np.unique(np.stack([folds.fold, group]), axis=1).T) == 4 == folds.count
    assert re.search("5 folds would tear (clusters|groups) apart", folds.sentence)


@pytest.mark.parametrize("found", [1, 2])
def test_one_or_two_named_groups_cannot_be_held_out_in_any_number_of_folds(found: int) -> None:
    observations = RNG.uniform(0, 100, (48, 2))
    with pytest.raises(EngineError, match="belong to one group or lie at one place.* Choose another group field, or"):
        make_folds("knndm", PlacedTargets(observations, np.arange(48) % found), 5, seed=0, domain=MAP)


def test_the_best_of_all_numbers_of_clusters_is_chosen() -> None:
    """An independent, slow computation of the published algorithm on a line, where everything is found by sorting."""
    xs = np.sort(100 * np.random.default_rng(5).random(36) ** 3)  # denser at one end, without clusters that lie apart
    observations = np.column_stack([xs, np.zeros(36)])
    domain = np.column_stack([np.linspace(0, 100, 201), np.zeros(201)])
    match = match_distances(observations, domain, np.arange(36), observations, 3)
    to_map = np.sort(np.abs(domain[:, :1] - xs).min(axis=1))

    def difference(fold: np.ndarray) -> float:
        gaps = np.abs(xs[:, None] - xs)
        gaps[fold[:, None] == fold] = np.inf
        steps = np.linspace(0, 101, 400_001)
        share = np.searchsorted(np.sort(gaps.min(axis=1)), steps, side="right") / 36
        return float(np.abs(share - np.searchsorted(to_map, steps, side="right") / 201).mean() * 101)

    def ward(count: int) -> list[list[int]]:
        """Ward's method by trying all pairs: merge where the sum of squares grows least."""
        groups = [[i] for i in range(36)]
        while len(groups) > count:
            pairs = [(i, j) for i in range(len(groups)) for j in range(i)]
            middles = [xs[group].mean() for group in groups]
            growth = [
                len(groups[i]) * len(groups[j]) / (len(groups[i]) + len(groups[j])) * (middles[i] - middles[j]) ** 2
                for i, j in pairs
            ]
            i, j = pairs[int(np.argmin(growth))]
            groups[j] += groups.pop(i)
        return sorted(groups, key=lambda group: xs[group].mean())

    found = []
    for count in range(3, 35):
        groups, fold = ward(count), np.full(36, -1)
        own = 0
        for group in groups:
            if len(group) >= 12:
                fold[group] = own
                own += 1
        for turn, group in enumerate([group for group in groups if len(group) < 12]):
            fold[group] = own + turn % (3 - own)
        if np.bincount(fold).max() <= 18:
            found.append((difference(fold), count))
    assert match.difference == pytest.approx(min(found)[0], abs=1e-3)
    assert match.clusters == min(found)[1]
    assert match.fold is not None
    assert difference(match.fold) == pytest.approx(match.difference, abs=1e-3)


def test_clustered_observations_end_closer_to_the_map_than_random_folds() -> None:
    centres = RNG.uniform(0, 100, (12, 2))
    observations = np.repeat(centres, 10, axis=0) + RNG.normal(0, 1.5, (120, 2))
    folds = knndm_folds(PlacedTargets(observations, np.arange(120)), MAP, 5, seed=0)
    random = make_folds("random", PlacedTargets(observations, np.arange(120)), 5, seed=0)

    def quantile_gap(fold: np.ndarray) -> float:
        gaps = cdist(observations, observations)
        gaps[fold[:, None] == fold] = np.inf
        levels = np.linspace(0, 1, 2001)
        to_map = cdist(MAP, observations).min(axis=1)
        return float(np.abs(np.quantile(gaps.min(axis=1), levels) - np.quantile(to_map, levels)).mean())

    assert quantile_gap(folds.fold) < 0.5 * quantile_gap(random.fold)
    assert np.bincount(folds.fold).max() <= 60


def test_a_site_with_most_observations_is_refused() -> None:
    sites = np.concatenate([np.zeros(70, dtype=int), np.arange(1, 31)])
    observations = np.where(sites[:, None] == 0, 0.0, RNG.uniform(0, 8, (100, 2)))
    with pytest.raises(EngineError, match="more than 50 % of the 100 observations"):
        knndm_folds(PlacedTargets(observations, sites), MAP, 5, seed=0)


def test_clustered_observations_have_two_folds_as_well() -> None:
    """Hardly ever does each of two folds of whole clusters hold exactly a half."""
    observations = np.repeat([[10.0, 10.0], [80.0, 20.0], [50.0, 90.0]], [21, 24, 20], axis=0)
    observations += RNG.normal(0, 1.5, (65, 2))
    folds = knndm_folds(PlacedTargets(observations, np.arange(65)), MAP, 2, seed=0)
    assert not folds.is_random and sorted(np.bincount(folds.fold))[0] >= 16


def test_a_target_that_lies_in_one_fold_alone_is_refused() -> None:
    observations = np.repeat([[10.0, 10.0], [80.0, 20.0], [50.0, 90.0]], 20, axis=0) + RNG.normal(0, 1.5, (60, 2))
    values = np.where(np.arange(60) < 20, 1.0, np.nan)[:, None]
    with pytest.raises(EngineError, match="All 20 values of target 'clay' fall into one fold"):
        make_folds("knndm", PlacedTargets(observations, np.arange(60), values, fields=("clay",)), 3, 0, domain=MAP)
