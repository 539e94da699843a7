"""Folds tell how far held-out observations and the map lie, and warn where the map lies farther."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.assessment.folds import PlacedTargets, make_folds
from soil_cnn_plugin.engine.assessment.nearness import Nearness, measure_nearness

RNG = np.random.default_rng(3)
AREA = RNG.uniform(0, 100_000, (3000, 2))
SPREAD = RNG.uniform(0, 100_000, (150, 2))
CLUSTERS = np.repeat(RNG.uniform(0, 100_000, (5, 2)), 30, axis=0) + RNG.normal(0, 500, (150, 2))


def nearness_of(kind: str, places: np.ndarray) -> Nearness:
    folds = make_folds(kind, PlacedTargets(places, np.arange(len(places))), 5, seed=0, domain=AREA)
    return measure_nearness(places, folds.fold, AREA)


def test_distances_are_medians_to_the_nearest_of_other_folds_and_of_all() -> None:
    places, fold = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 10.0], [0.0, 14.0]]), np.array([0, 0, 1, 1])
    found = measure_nearness(places, fold, np.array([[3.0, 14.0], [5.0, 14.0], [7.0, 14.0]]))
    assert (found.held_out_metres, found.map_metres) == (np.median([10, 9, 9, 13]), 5)


@pytest.mark.parametrize("kind", ["random", "spatial_blocks", "knndm"])
def test_observations_spread_over_the_map_are_no_doubt(kind: str) -> None:
    assert not nearness_of(kind, SPREAD).is_doubtful


def test_only_folds_matched_to_the_map_hold_out_whole_clusters() -> None:
    doubtful = [kind for kind in ("random", "spatial_blocks", "knndm") if nearness_of(kind, CLUSTERS).is_doubtful]
    assert doubtful == ["random", "spatial_blocks"]


def test_words_tell_distances_and_the_remedy() -> None:
    text = Nearness(801.4, 113_315.0).in_words("spatial_blocks")
    assert text == (
        "Held-out observations lie 801 m from the nearest one trained on, and pixels of the mapped area 113 km from the"
        " nearest observation (medians). So the scores hold near the observations, and are probably too good for most"
        " of the map. Choose the validation knndm, which holds out observations farther from the others."
    )
    matched = Nearness(801.4, 113_315.0).in_words("knndm")
    assert matched.endswith("knndm found no folds of these observations that match the map better.")
    assert Nearness(801.4, 1500.0).in_words("random").endswith("1.5 km from the nearest observation (medians).")
