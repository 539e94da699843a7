"""Where next: greedy choices beside kriging by matrices, and what they avoid."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.sampling.spacing import Spacing
from soil_cnn_plugin.engine.sampling.where_next import ErrorProcess, Uncertainty, choose_next
from tests.engine.sampling.places import candidates_of

METRES = candidates_of(12, 12, cell=10.0).metres
NOTHING = np.empty((0, 2))
EVERYWHERE = np.full(144, 1 / 144)


def correlation(distances: np.ndarray) -> np.ndarray:
    return 0.8 * np.exp(-distances / 30)


def uncertainty(members: int = 4, spread: float = 0.3, deviation: float = 1.0) -> Uncertainty:
    rng = np.random.default_rng(3)
    anomalies = rng.normal(0, spread / np.sqrt(members), (144, members, 1))
    return Uncertainty(METRES, anomalies, np.full((144, 1), deviation))


def process(found: Uncertainty, legacy: np.ndarray = NOTHING) -> ErrorProcess:
    return ErrorProcess(found, found, legacy, EVERYWHERE, correlation)


def choose(found: Uncertainty, count: int, legacy: np.ndarray = NOTHING, **changes):
    options = {"cost": np.ones(144), "is_free": np.ones(144, bool), "spacing": Spacing(METRES, 0.0, legacy)}
    return choose_next(process(found, legacy), count, **{**options, **changes})


def test_point_by_point_gives_what_kriging_from_all_points_at_once_gives() -> None:
    found, legacy = uncertainty(), METRES[[5, 77]] + 1
    chosen = choose(found, 6, legacy)
    assert chosen.variance[-1] == pytest.approx(process(found, legacy).after(chosen.rows), rel=1e-5)
    assert (np.diff(chosen.variance) < 0).all() and chosen.variance[0] == 1


def test_the_variance_left_is_that_of_simple_kriging() -> None:
    """An independent reckoning with the full matrix of all places, existing points included."""
    found, legacy = uncertainty(), METRES[[30]] + 2
    rows = np.array([3, 90, 120])
    members = found.members[:, :, 0]
    local = np.sqrt(1 - (members**2).sum(axis=1))
    places = np.concatenate([METRES, legacy])
    spatial = correlation(np.linalg.norm(places[:, None] - places, axis=2))
    prior = spatial[:144, :144] - np.outer(spatial[:144, 144], spatial[:144, 144]) / (1 + 1e-9)
    covariance = members @ members.T + np.outer(local, local) * prior
    noise = np.diag((local**2 * 0.2 + 1e-6)[rows])
    left = covariance.diagonal() + 0.2 * local**2
    told = covariance[:, rows] @ np.linalg.inv(covariance[np.ix_(rows, rows)] + noise) @ covariance[rows]
    expected = (left - told.diagonal()).mean() / left.mean()
    assert process(found, legacy).after(rows) == pytest.approx(expected, rel=1e-5)


def test_the_first_point_is_the_best_of_all_single_points() -> None:
    found = uncertainty()
    best = min(range(144), key=lambda row: process(found).after(np.array([row])))
    assert choose(found, 1).rows.tolist() == [best]


def test_points_do_not_crowd_where_the_deviation_is_largest() -> None:
    peak = np.exp(-(((METRES - (60, -60)) / 40) ** 2).sum(axis=1))
    found = Uncertainty(METRES, np.zeros((144, 2, 1)), (0.5 + peak)[:, None])
    chosen = choose(found, 8).rows
    largest = np.argsort(-found.deviation[:, 0])[:8]

    def nearest(rows: np.ndarray) -> float:
        away = np.linalg.norm(METRES[rows][:, None] - METRES[rows], axis=2)
        return float(away[away > 0].reshape(8, 7).min(axis=1).mean())

    assert nearest(chosen) > 2 * nearest(largest)
    assert process(found).after(chosen) < process(found).after(largest)


def test_what_members_disagree_on_is_learned_far_away_too() -> None:
    """Two distant places that all members see alike: one sample tells of both."""
    alike = np.zeros((144, 2, 1))
    alike[[0, 143], 0, 0] = 0.9
    found = Uncertainty(METRES, alike, np.ones((144, 1)))
    told = process(found)
    told.observe(0)
    assert told.variance[143, 0] < 0.6 * process(found).variance[143, 0]
    assert told.variance[70, 0] == pytest.approx(process(found).variance[70, 0], rel=0.02)


def test_existing_points_turn_the_choice_elsewhere() -> None:
    west = METRES[METRES[:, 0] < 60]
    assert (METRES[choose(uncertainty(spread=1e-6), 4, west).rows, 0] > 60).all()


def test_costs_free_places_and_spacing_are_respected() -> None:
    cost = np.where(METRES[:, 0] < 60, 1.0, 50.0)
    assert (METRES[choose(uncertainty(), 3, cost=cost).rows, 0] < 60).all()
    free = METRES[:, 1] > -50
    spaced = choose(uncertainty(), 4, is_free=free, spacing=Spacing(METRES, 35.0, NOTHING)).rows
    away = np.linalg.norm(METRES[spaced][:, None] - METRES[spaced], axis=2)
    assert free[spaced].all() and away[away > 0].min() >= 35


def test_targets_alone_decide_what_counts() -> None:
    found = uncertainty(spread=1e-6)
    corner = found.take(np.flatnonzero((METRES[:, 0] < 30) & (METRES[:, 1] > -30)))
    weights = np.full(len(corner.metres), 1 / len(corner.metres))
    one = ErrorProcess(corner, found, NOTHING, weights, correlation)
    chosen = choose_next(one, 1, cost=np.ones(144), is_free=np.ones(144, bool), spacing=Spacing(METRES, 0.0, NOTHING))
    assert METRES[chosen.rows[0]].tolist() == [15.0, -15.0]
