"""The mass-preserving spline and its means over intervals: what holds for all profiles, with gaps or without."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from soil_cnn_plugin.contract.jobs import StandardizeDepths
from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.profiles.bounded import BoundedSplines
from soil_cnn_plugin.engine.profiles.depths import Layers, Splines, fit_splines
from soil_cnn_plugin.engine.profiles.interval_means import IntervalMeans, average_intervals

Floats = NDArray[np.float64]

ROUNDING = 1e-3  # of values that reach to 1000
smoothings = st.just(0.0) | st.floats(0.001, 100)
values = st.floats(0, 1000)
gaps = st.just(0.0) | st.floats(1, 30)


@st.composite
def layers(draw: st.DrawFn, gap: st.SearchStrategy[float] = gaps) -> Layers:
    """One to four profiles of one to five layers, 1 to 60 cm thick."""
    rows: list[tuple[int, float, float, float]] = []
    for profile in range(draw(st.integers(1, 4))):
        depth = draw(st.floats(0, 20))
        for _ in range(draw(st.integers(1, 5))):
            lower = depth + draw(st.floats(1, 60))
            rows.append((profile, depth, lower, draw(values)))
            depth = lower + draw(gap)
    number, upper, lower_, mean = map(np.array, zip(*rows))
    return Layers(number.astype(np.int64), upper, lower_, mean)


without_gaps = layers(st.just(0.0))


def mass(splines: Splines, upper: float, lower: float) -> Floats:
    """(P,) over the part of an interval that each profile reaches over."""
    found = splines.interval_means(upper, lower, profiles(splines.layers))
    return np.where(found.covered > 0, found.mean * found.covered * (lower - upper), 0.0)


def profiles(given_layers: Layers) -> int:
    return int(given_layers.profile.max()) + 1


def averaged(given_layers: Layers, intervals: list[tuple[float, float]], unit: str = "", **job: float) -> IntervalMeans:
    measured = SoilProperty("clay", unit)
    depths = StandardizeDepths("h.csv", "id", "top", "bottom", (measured,), "o.gpkg", intervals=tuple(intervals), **job)
    return average_intervals(given_layers, measured, "clay", depths, profiles(given_layers))


@given(layers())
def test_without_smoothing_each_layer_keeps_its_mass(given_layers: Layers) -> None:
    splines = fit_splines(given_layers, 0.0)
    for profile, upper, lower, mean in zip(given_layers.profile, *columns(given_layers)):
        assert mass(splines, upper, lower)[profile] == pytest.approx(mean * (lower - upper), abs=ROUNDING)


@given(layers(), smoothings)
def test_a_layers_mean_is_what_was_fitted(given_layers: Layers, smoothing: float) -> None:
    splines = fit_splines(given_layers, smoothing)
    for row, (profile, upper, lower) in enumerate(zip(given_layers.profile, given_layers.upper, given_layers.lower)):
        found = splines.interval_means(upper, lower, profiles(given_layers))
        assert found.mean[profile] == pytest.approx(splines.fitted[row], abs=ROUNDING)
        assert found.covered[profile] == pytest.approx(1) and found.measured[profile] == pytest.approx(1)


@given(layers(), smoothings)
def test_smoothing_takes_from_some_layers_what_it_gives_to_others(given_layers: Layers, smoothing: float) -> None:
    left = np.bincount(given_layers.profile, given_layers.mean - fit_splines(given_layers, smoothing).fitted)
    np.testing.assert_allclose(left, 0, atol=ROUNDING)


@given(layers(), smoothings, st.lists(st.floats(1, 200), min_size=1, max_size=6, unique=True))
def test_masses_of_parts_add_up_to_that_of_the_whole(
    given_layers: Layers, smoothing: float, limits: list[float]
) -> None:
    splines = fit_splines(given_layers, smoothing)
    all_limits = [0.0, *sorted(limits), 1000.0]
    parts = sum(mass(splines, upper, lower) for upper, lower in zip(all_limits, all_limits[1:]))
    np.testing.assert_allclose(parts, mass(splines, 0.0, 1000.0), rtol=1e-9, atol=ROUNDING)


@given(without_gaps, smoothings)
def test_value_and_slope_are_continuous(given_layers: Layers, smoothing: float) -> None:
    splines = fit_splines(given_layers, smoothing)
    for row in np.flatnonzero(given_layers.joins):
        limit = given_layers.lower[row]
        above, below = (splines.values(row + k, np.array([limit - 1, limit, limit + 1])) for k in (0, 1))
        assert above[1] == pytest.approx(below[1], abs=ROUNDING)
        assert (above[2] - above[0]) / 2 == pytest.approx((below[2] - below[0]) / 2, abs=ROUNDING)


@given(layers(), smoothings, st.floats(-500, 500))
def test_the_spline_follows_a_shift_of_all_values(given_layers: Layers, smoothing: float, shift: float) -> None:
    moved = Layers(given_layers.profile, given_layers.upper, given_layers.lower, given_layers.mean + shift)
    one, other = fit_splines(given_layers, smoothing), fit_splines(moved, smoothing)
    np.testing.assert_allclose(other.fitted, one.fitted + shift, atol=ROUNDING)
    np.testing.assert_allclose(other.slope, one.slope, atol=ROUNDING)


@given(layers(), smoothings)
def test_no_profile_knows_of_another(given_layers: Layers, smoothing: float) -> None:
    splines = fit_splines(given_layers, smoothing)
    for profile in range(profiles(given_layers)):
        own = given_layers.profile == profile
        alone = Layers(np.zeros(own.sum(), np.int64), *(each[own] for each in columns(given_layers)))
        np.testing.assert_allclose(fit_splines(alone, smoothing).fitted, splines.fitted[own], atol=ROUNDING)


def columns(given_layers: Layers) -> tuple[Floats, Floats, Floats]:
    return given_layers.upper, given_layers.lower, given_layers.mean


@given(layers(), smoothings)
def test_smoothing_never_costs_more_than_leaving_it(given_layers: Layers, smoothing: float) -> None:
    """Neither the unsmoothed curve nor level ones are better by the criterion that the spline minimises."""
    for profile in range(profiles(given_layers)):
        own = given_layers.profile == profile
        alone = Layers(np.zeros(own.sum(), np.int64), *(each[own] for each in columns(given_layers)))
        level = Splines(alone, np.full(len(alone), alone.mean.mean()), np.zeros(len(alone) + 1))
        best = cost(fit_splines(alone, smoothing), smoothing)
        for other in (fit_splines(alone, 0.0), level):
            assert best <= cost(other, smoothing) * (1 + 1e-9) + 1e-6


def cost(splines: Splines, smoothing: float) -> float:
    """1/n sum (y - s)^2 + lambda * integral of f'^2, the slope being linear in layers and constant in gaps."""
    above, below = splines.slope[:-1], splines.slope[1:]
    rough = (splines.layers.thickness * (above**2 + above * below + below**2) / 3).sum()
    rough += (splines.layers.gaps * splines.slope[1:-1] ** 2).sum()
    return float(((splines.layers.mean - splines.fitted) ** 2).mean() + smoothing * rough)


@given(layers(), smoothings, st.floats(0.01, 1))
def test_means_are_given_where_a_profile_reaches_over_enough(
    given_layers: Layers, smoothing: float, min_share: float
) -> None:
    intervals = [(0.0, 5.0), (5.0, 15.0), (30.0, 60.0), (100.0, 200.0)]
    found = averaged(given_layers, intervals, smoothing=smoothing, min_share=min_share)
    assert found.means.shape == (profiles(given_layers), 4)
    for profile in range(len(found.means)):
        own = given_layers.profile == profile
        top, bottom = given_layers.upper[own].min(), given_layers.lower[own].max()
        shares = [max(0.0, min(bottom, lower) - max(top, upper)) / (lower - upper) for upper, lower in intervals]
        for mean, share in zip(found.means[profile], shares):
            if abs(share - min_share) > 1e-6:
                assert np.isfinite(mean) == (share > min_share)


@given(layers(), smoothings)
def test_means_stay_possible_and_those_that_were_clipped_are_flagged(given_layers: Layers, smoothing: float) -> None:
    percent = Layers(given_layers.profile, given_layers.upper, given_layers.lower, given_layers.mean / 10)
    found = averaged(percent, [(0.0, 30.0), (30.0, 100.0)], "%", smoothing=smoothing, min_share=0.1)
    free = fit_splines(percent, smoothing)
    known = np.isfinite(found.means)
    assert ((found.means[known] >= 0) & (found.means[known] <= 100)).all()
    for k, (upper, lower) in enumerate(((0.0, 30.0), (30.0, 100.0))):
        unclipped = free.interval_means(upper, lower, profiles(percent)).mean
        for profile in np.flatnonzero(known[:, k]):
            moved = abs(unclipped[profile] - found.means[profile, k]) > 1e-6
            flags = found.flags[profile] or ""
            is_told = any(f"{upper:g}-{lower:g} {flag}" in flags for flag in ("clipped", "adjusted"))
            assert is_told or not moved


@given(without_gaps, smoothings, st.lists(st.floats(1, 200), min_size=1, max_size=8, unique=True), st.booleans())
def test_profiles_that_overshoot_keep_their_mass_over_all_depths(
    given_layers: Layers, smoothing: float, limits: list[float], is_percentage: bool
) -> None:
    """The intervals are between any depths; together they cover all horizons."""
    percent = Layers(given_layers.profile, given_layers.upper, given_layers.lower, given_layers.mean / 10)
    all_limits = [0.0, *sorted(limits), 1000.0]
    intervals = list(zip(all_limits, all_limits[1:]))
    found = averaged(percent, intervals, "%" if is_percentage else "", smoothing=smoothing, min_share=1e-9)
    count, free = profiles(percent), fit_splines(percent, smoothing)
    covered = [free.interval_means(*each, count).covered * (each[1] - each[0]) for each in intervals]
    masses = np.nansum(found.means * np.column_stack(covered), axis=1)
    np.testing.assert_allclose(masses, mass(free, 0.0, 1000.0), rtol=1e-6, atol=10 * ROUNDING)
    np.testing.assert_allclose(found.gained, 0, atol=1e-6)
    if smoothing == 0:
        own = np.bincount(percent.profile, percent.mean * percent.thickness)
        np.testing.assert_allclose(masses, own, rtol=1e-6, atol=10 * ROUNDING)


@given(layers(), smoothings)
def test_a_bounded_layer_keeps_its_mass_where_its_mean_is_possible(given_layers: Layers, smoothing: float) -> None:
    free = fit_splines(given_layers, smoothing)
    bounded, count = BoundedSplines(free, (0.0, np.inf)), profiles(given_layers)
    is_possible = np.bincount(given_layers.profile, free.fitted < 0)[given_layers.profile] == 0
    for row in np.flatnonzero(is_possible):
        upper, lower = given_layers.upper[row], given_layers.lower[row]
        own = bounded.masses(upper, lower, count)[given_layers.profile[row]]
        assert own == pytest.approx(free.fitted[row] * (lower - upper), rel=1e-6, abs=ROUNDING)
        parts = [bounded.masses(*each, count)[given_layers.profile[row]] for each in ((upper, 30.0), (30.0, lower))]
        assert min(parts) >= 0
