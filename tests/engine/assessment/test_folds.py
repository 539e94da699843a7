"""Observations are held out as the folds' names and sentences say."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from soil_cnn_plugin.engine.assessment.folds import PlacedTargets, make_folds, overlap_share
from soil_cnn_plugin.engine.errors import EngineError

RNG = np.random.default_rng(1)
SPREAD = RNG.uniform((180_000, 330_000), (182_000, 334_000), (150, 2))
SINGLE = np.arange(150)


def test_random_folds_have_the_same_size_and_hold_each_observation_out_once() -> None:
    folds = make_folds("random", PlacedTargets(SPREAD, SINGLE), 5, seed=3)
    assert np.bincount(folds.fold).tolist() == [30] * 5
    assert folds.block_size is None
    assert folds.sentence.startswith("5 random folds of 150 sites")
    assert folds.sentence.endswith("trained on. 30 of 150 observations are held out at a time.")
    uneven = make_folds("random", PlacedTargets(SPREAD, SINGLE), 4, seed=3)
    assert uneven.sentence.endswith("trained on. 37 to 38 of 150 observations are held out at a time.")


@pytest.mark.parametrize("kind", ["random", "spatial_blocks", "groups"])
def test_the_seed_decides_the_folds(kind: str) -> None:
    first, again, other = (make_folds(kind, PlacedTargets(SPREAD, SINGLE), 5, seed).fold for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("kind", ["random", "spatial_blocks", "groups", "knndm"])
def test_observations_of_one_site_are_never_torn_apart(kind: str) -> None:
    sites = RNG.integers(0, 40, 150) * 7  # numbers with gaps, sites that reach across blocks
    folds = make_folds(kind, PlacedTargets(SPREAD, sites), 4, seed=0, domain=SPREAD)
    assert all(len(np.unique(folds.fold[sites == site])) == 1 for site in np.unique(sites))
    assert len(np.unique(folds.fold)) == 4


def test_sites_of_different_size_are_dealt_evenly() -> None:
    sites = np.repeat(np.arange(8), (20, 20, 10, 10, 5, 5, 5, 5))
    folds = make_folds("groups", PlacedTargets(RNG.random((80, 2)), sites), 4, seed=0)
    assert np.bincount(folds.fold).tolist() == [20] * 4
    assert "8 groups" in folds.sentence


def test_observations_in_one_block_share_a_fold() -> None:
    folds = make_folds("spatial_blocks", PlacedTargets(SPREAD, SINGLE), 5, seed=0)
    assert folds.block_size is not None
    assert f"square blocks of {folds.block_size:.10g} m" in folds.sentence
    distance = np.abs(SPREAD[:, None] - SPREAD[None]).max(axis=2)
    far = distance >= folds.block_size
    same_fold = folds.fold[:, None] == folds.fold[None]
    # Of neighbours closer than a tenth of a block, at most about one in five lies across a block's edge.
    near = (distance < 0.1 * folds.block_size) & ~np.eye(150, dtype=bool)
    assert same_fold[near].mean() > 0.8
    assert same_fold[far].mean() < 0.3
    sizes = np.bincount(folds.fold)
    assert sizes.max() - sizes.min() <= 6


def test_blocks_are_recovered_from_observations_at_their_middles() -> None:
    rows, columns = np.divmod(np.arange(36), 6)
    middles = np.column_stack([columns, rows]) * 1000.0
    around = np.repeat(middles, 4, axis=0) + np.tile([[-9, -9], [9, -9], [-9, 9], [9, 9]], (36, 1))
    folds = make_folds("spatial_blocks", PlacedTargets(around, np.arange(144)), 5, seed=4)
    fold = folds.fold.reshape(36, 4)
    assert (fold == fold[:, :1]).all()


def test_the_values_of_a_rare_target_are_spread_over_the_folds() -> None:
    targets = np.column_stack([np.ones(150), np.where(np.arange(150) < 10, 1.0, np.nan)])
    folds = make_folds("random", PlacedTargets(SPREAD, SINGLE, targets=targets), 5, seed=0)
    assert np.bincount(folds.fold[:10], minlength=5).tolist() == [2] * 5
    assert np.bincount(folds.fold).tolist() == [30] * 5


def test_a_target_measured_at_one_site_is_refused_by_name() -> None:
    targets = np.column_stack([np.ones(150), np.where(np.arange(150) == 0, 1.0, np.nan)])
    with pytest.raises(EngineError, match="All 1 values of target 'zinc' fall into one fold"):
        make_folds("random", PlacedTargets(SPREAD, SINGLE, targets=targets, fields=("lead", "zinc")), 5, seed=0)


def test_one_group_is_refused() -> None:
    with pytest.raises(EngineError, match="All 150 observations belong to one group"):
        make_folds("groups", PlacedTargets(SPREAD, np.full(150, 8)), 5, seed=0)
    with pytest.raises(EngineError, match="All 150 observations belong to one group"):
        make_folds("groups", PlacedTargets(SPREAD, np.full(150, 8)), 5, seed=0, inner=True)


def test_fewer_sites_than_folds_are_refused_with_both_numbers() -> None:
    with pytest.raises(EngineError, match="belong to 4 groups or sites, too few for 5 folds.* at most 4 folds"):
        make_folds("groups", PlacedTargets(SPREAD, SINGLE % 4), 5, seed=0)


def test_inner_folds_make_do_with_the_groups_there_are() -> None:
    folds = make_folds("groups", PlacedTargets(SPREAD, SINGLE % 4), 5, seed=0, inner=True)
    assert folds.count == 4
    assert len(np.unique(folds.fold)) == 4


def test_tight_clusters_are_refused_for_spatial_folds() -> None:
    clusters = np.repeat([[0.0, 0.0], [9000.0, 500.0], [4000.0, 8000.0]], 50, axis=0) + RNG.random((150, 2))
    with pytest.raises(EngineError, match=r"lie in \d clusters.* too few for 5 spatial folds"):
        for seed in range(20):  # a block's edge may by chance cut a cluster in two
            make_folds("spatial_blocks", PlacedTargets(clusters, SINGLE), 5, seed=seed)


def test_overlapping_patches_are_counted_as_pixel_sets_are() -> None:
    cell, origin, size = (25.0, 50.0), (1000.0, 9000.0), 5
    xy = np.column_stack([RNG.uniform(1000, 3500, 60), RNG.uniform(5000, 9000, 60)])
    fold = RNG.integers(0, 3, 60)
    columns, rows = np.floor((xy[:, 0] - 1000) / 25), np.floor((9000 - xy[:, 1]) / 50)
    pixels = [{(r + i, c + j) for i in range(-2, 3) for j in range(-2, 3)} for r, c in zip(rows, columns, strict=True)]
    expected = sum(any(pixels[i] & pixels[j] for j in range(60) if fold[j] != fold[i]) for i in range(60))
    assert 0 < expected < 60
    assert overlap_share(xy, fold, size, cell, origin) == pytest.approx(100 * expected / 60)


@pytest.mark.parametrize("inner", [False, True])
def test_random_folds_have_as_many_of_each_class(inner: bool) -> None:
    classes = RNG.permutation(np.repeat(np.arange(4), (80, 50, 13, 7)))
    folds = make_folds("random", PlacedTargets(SPREAD, SINGLE, classes=(classes,)), 5, seed=0, inner=inner)
    counts = np.array([np.bincount(folds.fold[classes == number], minlength=5) for number in range(4)])
    assert (counts.max(axis=1) - counts.min(axis=1)).max() <= 1
    assert np.bincount(folds.fold).max() - np.bincount(folds.fold).min() <= 3


@pytest.mark.parametrize(("count", "seed"), [(3, 0), (4, 1), (5, 2), (8, 3)])
def test_blocks_are_the_largest_that_hold_enough_and_not_too_much(count: int, seed: int) -> None:
    """The same search, with blocks as pairs of numbers."""
    shift = np.random.default_rng(seed).random(2)
    below, extent = SPREAD.min(axis=0), float(np.ptp(SPREAD, axis=0).max())

    def blocks_of(side: float) -> Counter[tuple[float, float]]:
        return Counter(map(tuple, np.floor((SPREAD - below) / side + shift).tolist()))

    sides = [float(f"{side:.2g}") for side in np.geomspace(extent, extent / 50, 80)]
    fit = [side for side in sides if len(blocks_of(side)) >= 5 * count and max(blocks_of(side).values()) <= 225 / count]
    folds = make_folds("spatial_blocks", PlacedTargets(SPREAD, SINGLE), count, seed)
    assert folds.block_size == fit[0]
    assert f"({len(blocks_of(fit[0]))} hold observations)" in folds.sentence


def test_as_many_clusters_as_folds_are_enough() -> None:
    cluster = np.repeat([0, 1, 2], 20)
    coordinates = np.array([[0.0, 0.0], [1e5, 2e4], [3e4, 9e4]])[cluster]
    folds = make_folds("spatial_blocks", PlacedTargets(coordinates, np.arange(60)), 3, seed=0)
    assert len(set(zip(folds.fold.tolist(), cluster.tolist()))) == 3


def test_inner_folds_make_do_with_two_sites_and_with_fine_blocks() -> None:
    sites = np.repeat([0, 1], 10)
    assert make_folds("groups", PlacedTargets(SPREAD[:20], sites), 5, seed=0, inner=True).count == 2
    near = np.vstack([np.tile([1e5, 1e5], (10, 1)), np.random.default_rng(0).uniform(0, 500, (50, 2))])
    with pytest.raises(EngineError, match="too few for 5 spatial folds"):
        make_folds("spatial_blocks", PlacedTargets(near, np.arange(60)), 5, seed=0)
    assert make_folds("spatial_blocks", PlacedTargets(near, np.arange(60)), 5, seed=0, inner=True).count == 5


@pytest.mark.parametrize(("origin", "share"), [((0.0, 0.0), 0.0), ((0.5, 0.0), 100.0), ((-0.5, 0.0), 100.0)])
def test_patches_overlap_by_the_pixels_of_the_grid(origin: tuple[float, float], share: float) -> None:
    for coordinates, corner in (([[0.9, 0], [1.1, 0]], origin), ([[0, -0.9], [0, -1.1]], origin[::-1])):
        assert overlap_share(np.array(coordinates), np.array([0, 1]), 1, (1.0, 1.0), corner) == share


def test_folds_matched_to_the_map_need_points_of_the_map() -> None:
    with pytest.raises(EngineError, match="need points of the map"):
        make_folds("knndm", PlacedTargets(SPREAD, SINGLE), 5, seed=0)


def test_a_target_without_a_name_is_counted() -> None:
    values = np.full((150, 2), np.nan)
    values[:, 0], values[3, 1] = 1.0, 1.0
    with pytest.raises(EngineError, match="target number 2 fall into one fold"):
        make_folds("random", PlacedTargets(SPREAD, SINGLE, targets=values, fields=("clay",)), 5, seed=0)


def test_a_fold_that_leaves_one_place_to_train_on_is_refused() -> None:
    sites = np.concatenate([np.zeros(200, dtype=int), np.arange(1, 21)])
    placed = PlacedTargets(np.stack([sites, sites], axis=1).astype(float), sites)
    with pytest.raises(EngineError, match="While fold [12] is held out, all 200 observations .* Ask for more"):
        make_folds("random", placed, 2, seed=0)
    assert make_folds("random", placed, 3, seed=0).count == 3
