"""Moran's I, beside its definition and beside chance."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.assessment.significance import NEIGHBOURS, likeness

RNG = np.random.default_rng(0)
XY = RNG.uniform(0, 1000, (60, 2))


def by_definition(values: np.ndarray, xy: np.ndarray) -> float:
    z = values - values.mean()
    distance = np.linalg.norm(xy[:, None] - xy, axis=2)
    np.fill_diagonal(distance, np.inf)
    weights = np.zeros(distance.shape)
    for own, row in zip(weights, distance):
        own[np.argsort(row)[:NEIGHBOURS]] = 1
    return len(z) / weights.sum() * (weights * np.outer(z, z)).sum() / (z**2).sum()


def test_moran_is_that_of_its_definition() -> None:
    values = RNG.normal(size=60)
    found = likeness(values, XY)
    assert found is not None and found.places == 60
    assert found.moran_i == pytest.approx(by_definition(values, XY))
    assert found.expected == pytest.approx(-1 / 59)
    distance = np.sort(np.linalg.norm(XY[:, None] - XY, axis=2), axis=1)[:, NEIGHBOURS]
    assert found.distance == pytest.approx(np.median(distance))


def test_p_is_that_of_permutations() -> None:
    values = RNG.exponential(size=60)
    values += 0.15 * np.sin(XY[:, 0] / 150)
    found = likeness(values, XY)
    assert found is not None
    shuffled = np.array([by_definition(RNG.permutation(values), XY) for _ in range(2000)])
    share = np.mean(np.abs(shuffled - found.expected) >= abs(found.moran_i - found.expected))
    assert found.p == pytest.approx(share, abs=0.03)


def test_smooth_residuals_are_alike_and_noise_is_not() -> None:
    smooth = likeness(np.sin(XY[:, 0] / 200), XY)
    assert smooth is not None and smooth.moran_i > 0.5 and smooth.p < 1e-6 and smooth.are_alike
    often = [likeness(RNG.normal(size=60), XY).p < 0.05 for _ in range(300)]  # type: ignore[union-attr]
    assert np.mean(often) < 0.09


def test_observations_of_one_place_count_once() -> None:
    """Repeated horizons of a site would make any residuals look alike."""
    values = RNG.normal(size=60)
    once, thrice = likeness(values, XY), likeness(np.tile(values, 3), np.tile(XY, (3, 1)))
    assert thrice is not None and once is not None
    assert (thrice.places, thrice.moran_i) == (60, pytest.approx(once.moran_i))


def test_few_places_and_equal_residuals_tell_nothing() -> None:
    assert likeness(np.ones(60), XY) is None
    assert likeness(RNG.normal(size=15), XY[:15]) is None
