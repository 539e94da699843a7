"""Log-ratios: what holds for all compositions, with zeros among the parts or without."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from soil_cnn_plugin.engine.targets.scales import CompositionScale, aitchison_distances, fit_composition

Array = NDArray[np.float64]

wholes = st.sampled_from([1.0, 100.0, 1000.0])
counts = st.integers(2, 5)
amounts = st.floats(0.001, 1000)


@st.composite
def compositions(draw: st.DrawFn, values: st.SearchStrategy[float] = amounts, rows: int = 0) -> Array:
    """(n, D) that sum to one whole."""
    amount = draw(arrays(np.float64, (rows or draw(st.integers(2, 12)), draw(counts)), elements=values))
    amount[amount.sum(axis=1) == 0, 0] = 1.0
    return amount / amount.sum(axis=1, keepdims=True) * draw(wholes)


def all_ratios_vary(parts: Array) -> bool:
    """By more than rounding, which is no spread."""
    others = parts.shape[1] - 1
    scale = replace(fit_composition(parts), centre=(0.0,) * others, spread=(1.0,) * others)
    return bool(scale.forward(parts).std(axis=0).min() > 1e-6)


with_zeros = compositions(st.just(0.0) | amounts)


@given(compositions())
def test_parts_above_their_floors_come_back(parts: Array) -> None:
    scale = fit_composition(parts)
    raised = np.maximum(parts, scale.floors)
    expected = raised / raised.sum(axis=1, keepdims=True) * scale.whole
    np.testing.assert_allclose(scale.back(scale.forward(parts).T).T, expected, rtol=1e-9)


@given(with_zeros)
def test_zeros_come_back_as_their_floors_with_the_ratios_of_all_others(parts: Array) -> None:
    scale = fit_composition(parts)
    learned = scale.forward(parts)
    assert np.isfinite(learned).all()
    back = scale.back(learned.T).T
    np.testing.assert_allclose(back.sum(axis=1), scale.whole)
    raised = np.maximum(parts, scale.floors)
    np.testing.assert_allclose(back / back[:, :1], raised / raised[:, :1], rtol=1e-8)


@given(with_zeros)
def test_a_floor_lies_below_all_that_was_measured_but_traces(parts: Array) -> None:
    scale = fit_composition(parts)
    for part, floor in zip(parts.T, scale.floors):
        assert 0 < floor <= 0.5 * scale.whole / parts.shape[1]
        measured = part[part > 0]
        assert (floor < measured[measured > 0.01 * np.median(measured)]).all() if len(measured) else True


@given(with_zeros, st.data())
def test_whatever_is_predicted_sums_to_the_whole(parts: Array, data: st.DataObject) -> None:
    scale = fit_composition(parts)
    ratios = data.draw(arrays(np.float64, (scale.columns, 3, 2), elements=st.floats(-1e6, 1e6)))
    back = scale.back(ratios)
    assert back.shape == (parts.shape[1], 3, 2)
    assert (back >= 0).all()
    np.testing.assert_allclose(back.sum(axis=0), scale.whole)


@given(counts, wholes, st.data())
def test_log_ratios_come_back_from_parts(count: int, whole: float, data: st.DataObject) -> None:
    numbers = arrays(np.float64, count - 1, elements=st.floats(-2, 2))
    spreads = arrays(np.float64, count - 1, elements=st.floats(0.1, 2))
    centre, spread = data.draw(numbers), data.draw(spreads)
    scale = CompositionScale(whole, (1e-12,) * count, tuple(centre.tolist()), tuple(spread.tolist()))
    ratios = data.draw(arrays(np.float64, (4, count - 1), elements=st.floats(-3, 3)))
    np.testing.assert_allclose(scale.forward(scale.back(ratios.T).T), ratios, atol=1e-9)


@given(compositions())
def test_learned_columns_have_no_mean_and_a_spread_of_one(parts: Array) -> None:
    assume(all_ratios_vary(parts))
    learned = fit_composition(parts).forward(parts)
    np.testing.assert_allclose(learned.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(learned.std(axis=0), 1, rtol=1e-6)


def test_a_part_that_is_always_zero_counts_as_a_thousandth() -> None:
    assert fit_composition(np.array([[70.0, 30.0, 0.0], [40.0, 60.0, 0.0]])).floors[2] == pytest.approx(0.1)


def test_parts_that_never_change_have_a_spread_of_one() -> None:
    assert fit_composition(np.full((3, 2), 0.5)).spread == (1.0,)


def test_a_ratio_that_never_changes_has_a_spread_of_one() -> None:
    assert fit_composition(np.array([[50.0, 50.0]] * 3)).spread == (1.0,)


@given(compositions())
def test_the_whole_does_not_matter(parts: Array) -> None:
    assume(all_ratios_vary(parts))
    one, other = fit_composition(parts), fit_composition(parts * 10)
    np.testing.assert_allclose(one.forward(parts), other.forward(parts * 10), atol=1e-6)
    assert other.whole == pytest.approx(one.whole * 10)


@given(compositions(rows=6))
def test_distances_are_a_metric_that_no_order_of_the_parts_changes(parts: Array) -> None:
    scale = fit_composition(parts)
    one, other, third = parts[:2], parts[2:4], parts[4:]
    apart = aitchison_distances(one, other, scale)
    np.testing.assert_allclose(aitchison_distances(one, one, scale), 0, atol=1e-12)
    np.testing.assert_allclose(aitchison_distances(other, one, scale), apart)
    assert (apart <= aitchison_distances(one, third, scale) + aitchison_distances(third, other, scale) + 1e-9).all()
    order = np.roll(np.arange(parts.shape[1]), 1)
    turned = CompositionScale(scale.whole, tuple(np.array(scale.floors)[order]), scale.centre, scale.spread)
    np.testing.assert_allclose(
        aitchison_distances(one[:, order], other[:, order], turned), apart, rtol=1e-9, atol=1e-12
    )


@given(compositions(rows=6))
def test_distances_are_those_between_log_ratios(parts: Array) -> None:
    scale = fit_composition(parts)
    one, other = (scale.forward(each) * scale.spread for each in (parts[:3], parts[3:]))
    expected = np.linalg.norm(one - other, axis=1)
    np.testing.assert_allclose(aitchison_distances(parts[:3], parts[3:], scale), expected, rtol=1e-9, atol=1e-9)


@given(compositions(), st.data())
def test_missing_compositions_stay_missing_and_do_not_change_the_scale(parts: Array, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(parts)))
    gap = np.insert(parts, at, np.nan, axis=0)
    assert fit_composition(gap) == fit_composition(parts)
    learned = fit_composition(parts).forward(gap)
    assert np.isnan(learned[at]).all()
    assert np.isfinite(np.delete(learned, at, axis=0)).all()
