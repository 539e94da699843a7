"""Independent errors: groups that share errors count by their number, and places at random by theirs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from soil_cnn_plugin.engine.assessment.independent_errors import independent_share
from soil_cnn_plugin.engine.targets.widening import widened

GROUPS, SIZE = 20, 15


def draw(shared: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors and places of groups whose errors have the correlation `shared`."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(GROUPS), SIZE)
    errors = np.sqrt(shared) * rng.normal(size=GROUPS)[group] + np.sqrt(1 - shared) * rng.normal(size=len(group))
    return errors, rng.uniform(0, 1000, (GROUPS, 2))[group] + rng.normal(0, 5, (len(group), 2))


@pytest.mark.parametrize(("shared", "counted"), [(0.0, 300.0), (0.6, 49.7), (0.9, 24.3)])
def test_groups_that_share_errors_count_as_satterthwaite_says(shared: float, counted: float) -> None:
    found = [300 * independent_share(*draw(shared, seed)) for seed in range(20)]
    assert 0.6 * counted < np.median(found) < 1.05 * counted  # n / (1 + 14 x shared^2); cautious, with 20 groups


@pytest.mark.parametrize("shared", [0.2, 0.6, 0.9])
def test_limits_from_four_groups_hold_what_they_promise(shared: float) -> None:
    """Residuals as they are hold 88, 82 and 73 % instead of 90."""
    rng, held = np.random.default_rng(7), []
    group = np.repeat(np.arange(4), 13)
    for _ in range(150):
        places = rng.uniform(0, 160, (4, 2))[group] + rng.normal(0, 3, (len(group), 2))
        z = np.sqrt(shared) * rng.normal(size=4)[group] + np.sqrt(1 - shared) * rng.normal(size=len(group))
        wide, _ = widened(np.sort(z), independent_share(z, places))
        levels = np.arange(1, len(z) + 1) / (len(z) + 1)
        held.append(np.diff(ndtr(np.interp([0.05, 0.95], levels, wide)))[0])
    assert 0.86 < np.mean(held) < 0.93


def test_a_part_of_many_errors_stands_for_all() -> None:
    rng = np.random.default_rng(1)
    places = rng.uniform(0, 100, (20_000, 2))
    assert independent_share(rng.normal(size=20_000), places) == pytest.approx(1, abs=0.3)
    assert independent_share(np.sin(places[:, 0] / 15), places) < 0.005


def test_too_few_or_unknown_errors_count_as_independent() -> None:
    errors, places = draw(0.9, 1)
    assert independent_share(errors[:9], places[:9]) == 1
    assert independent_share(np.full(300, np.nan), places) == 1
    assert independent_share(errors, np.zeros((300, 2))) == 1  # all at one place: no distance to compare
    missing = errors.copy()
    missing[::2] = np.nan
    assert independent_share(missing, places) < 0.5
