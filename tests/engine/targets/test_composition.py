"""Isometric log-ratios: their formulas, the way back, zeros, and scales that make no sense."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from soil_cnn_plugin.engine.targets.scales import CompositionScale, fit_composition

Array = NDArray[np.float64]
TEXTURE = np.array([[60.0, 30.0, 10.0], [20.0, 65.0, 15.0], [5.0, 40.0, 55.0], [33.0, 33.0, 34.0]])


def unscaled(parts: int, whole: float = 100.0) -> CompositionScale:
    return CompositionScale(whole, (1e-9,) * parts, (0.0,) * (parts - 1), (1.0,) * (parts - 1))


def draw_parts(count: int, parts: int, whole: float = 100.0, seed: int = 0) -> Array:
    found: Array = np.random.default_rng(seed).dirichlet(np.arange(3, parts + 3), count) * whole
    return found


def test_log_ratios_of_three_parts_are_those_of_the_book() -> None:
    sand, silt, clay = TEXTURE.T
    expected = np.column_stack([np.log(sand / silt) / np.sqrt(2), np.log(sand * silt / clay**2) / np.sqrt(6)])
    np.testing.assert_allclose(unscaled(3).forward(TEXTURE), expected, atol=1e-12)


@pytest.mark.parametrize("parts", [2, 3, 6])
def test_distances_between_log_ratios_are_aitchison_distances(parts: int) -> None:
    one, other = draw_parts(2, parts)
    logs = np.log(one), np.log(other)
    differences = [np.subtract.outer(log, log) for log in logs]
    expected = np.sqrt(((differences[0] - differences[1]) ** 2).sum() / (2 * parts))
    first, second = unscaled(parts).forward(np.stack([one, other]))
    assert np.linalg.norm(first - second) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("whole", [1.0, 100.0, 1000.0])
@pytest.mark.parametrize("parts", [2, 3, 6])
def test_parts_come_back_from_their_log_ratios(parts: int, whole: float) -> None:
    values = draw_parts(50, parts, whole)
    scale = fit_composition(values)
    assert scale.whole == pytest.approx(whole)
    np.testing.assert_allclose(scale.back(scale.forward(values).T).T, values, rtol=1e-9)


def test_learned_columns_are_standardized() -> None:
    values = draw_parts(80, 4)
    learned = fit_composition(values).forward(values)
    np.testing.assert_allclose(learned.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(learned.std(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("far", [0.0, 3.0, -300.0])
def test_whatever_is_predicted_the_parts_are_positive_and_sum_to_the_whole(far: float) -> None:
    scale = fit_composition(TEXTURE)
    members = scale.back(far + np.random.default_rng(1).normal(size=(2, 5, 7, 6)))  # (C, members, h, w)
    assert members.shape == (3, 5, 7, 6)
    assert (members > 0).all()
    np.testing.assert_allclose(members.sum(axis=0), 100, rtol=1e-12)


def test_zeros_count_as_a_part_of_the_smallest_value_and_leave_the_other_ratios_alone() -> None:
    values = np.vstack([TEXTURE, [[75.0, 25.0, 0.0]]])
    scale = fit_composition(values)
    assert scale.floors == pytest.approx((0.65 * 5, 0.65 * 25, 0.65 * 10))
    sand, silt, clay = scale.back(scale.forward(values[-1:]).T)[:, 0]
    assert sand / silt == pytest.approx(3.0)
    assert clay / silt == pytest.approx(6.5 / 25)


def test_what_rounding_left_of_a_part_does_not_outweigh_all_others() -> None:
    values = draw_parts(99, 3)
    clean = fit_composition(values)
    values[0] = [50.0, 50.0 - 1e-9, 1e-9]
    scale = fit_composition(values)
    assert scale.floors[2] == pytest.approx(0.65 * 0.01 * np.median(values[:, 2]))
    np.testing.assert_allclose(scale.spread, clean.spread, rtol=0.5)
    assert np.abs(scale.forward(values)).max() < 8


def test_a_part_that_is_zero_everywhere_in_the_training_part_can_still_be_learned() -> None:
    values = np.array([[60.0, 40.0, 0.0], [30.0, 70.0, 0.0]])
    learned = fit_composition(values).forward(values)
    assert np.isfinite(learned).all()


def test_observations_without_all_parts_stay_missing() -> None:
    values = np.vstack([TEXTURE, [[np.nan] * 3], [[50.0, np.nan, 50.0]]])
    scale = fit_composition(values)
    assert scale == fit_composition(TEXTURE)
    assert np.isnan(scale.forward(values)).all(axis=1).tolist() == [False] * 4 + [True] * 2


def test_centred_log_ratios_are_linear_in_what_is_learned() -> None:
    scale = fit_composition(TEXTURE)
    factors, offsets = scale.centred()
    logs = np.log(TEXTURE)
    expected = logs - logs.mean(axis=1, keepdims=True)  # divided by the geometric mean
    np.testing.assert_allclose(scale.forward(TEXTURE) @ factors.T + offsets, expected, atol=1e-12)


@pytest.mark.parametrize(
    "change",
    [
        {"whole": 0.0},
        {"whole": float("nan")},
        {"floors": (0.1,)},
        {"floors": (0.1, 0.1)},
        {"floors": (0.1, 0.1, -0.1)},
        {"floors": ()},
        {"centre": (0.0,)},
        {"centre": (0.0, 1e9)},
        {"centre": (0.0, float("nan"))},
        {"spread": (1.0, 0.0)},
        {"spread": (1.0, 1e300)},
        {"spread": (1.0, float("inf"))},
    ],
    ids=str,
)
def test_a_scale_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    whole: dict[str, object] = {"whole": 100.0, "floors": (0.1,) * 3, "centre": (0.0, 0.0), "spread": (1.0, 1.0)}
    with pytest.raises(ValueError, match="no scale of a composition"):
        CompositionScale(**(whole | change))  # type: ignore[arg-type]
