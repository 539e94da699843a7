"""Depths of horizons: what is wrong with each, and between those of a profile."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.checks.findings import Finding
from soil_cnn_plugin.engine.checks.horizons import HorizonSummary, check_horizons, check_profile_places


def check(rows: list[tuple[str | None, float, float]]) -> tuple[HorizonSummary, list[Finding]]:
    profiles = np.array([row[0] for row in rows] + [None], object)[:-1]  # not an array of texts
    upper, lower = np.array([row[1:] for row in rows], float).T
    return check_horizons(upper, lower, profiles, ("top", "bottom"))


def found_rows(found: list[Finding]) -> dict[str, list[int]]:
    return {each.kind: each.rows.tolist() for each in found}


def test_good_profiles_have_no_findings() -> None:
    summary, found = check([("a", 20, 50), ("a", 0, 20), ("b", 0, 30), ("a", 50, 120)])
    assert found == []
    assert (summary.horizons, summary.profiles, summary.per_profile) == (4, 2, (1, 2.0, 3))
    assert (summary.thickness, summary.deepest, summary.maximum) == (30, 75, 120)


def test_missing_and_reversed_limits_are_found() -> None:
    _, found = check([("a", 0, 20), ("a", np.nan, 40), ("a", 40, np.nan), ("b", 30, 10), ("b", 5, 5)])
    assert found_rows(found) == {"depth_missing": [1, 2], "depth_reversed": [3, 4]}
    assert found[0].texts == ["The upper limit is missing.", "The lower limit is missing."]


def test_overlaps_and_gaps_are_found_inside_profiles_only() -> None:
    rows = [("a", 0, 20), ("a", 15, 30), ("a", 35, 60), ("b", 0, 50), ("b", 50, 60), ("c", 0, 20), ("c", 0, 20)]
    _, found = check(rows)
    assert found_rows(found) == {"depth_overlap": [1, 6], "depth_gap": [2]}
    assert found[0].texts[0] == "Profile a: 15 to 30 cm overlaps with 0 to 20 cm."
    assert found[0].texts[1] == "Profile c: 0 to 20 cm is there twice."
    assert found[1].texts == ["Profile a: nothing between 30 and 35 cm."]


def test_a_thin_horizon_inside_a_thick_one_overlaps_and_leaves_no_gap_below() -> None:
    _, found = check([("a", 0, 100), ("a", 20, 30), ("a", 60, 120)])
    assert found_rows(found) == {"depth_overlap": [1, 2]}
    assert found[0].texts[1] == "Profile a: 60 to 120 cm overlaps with a horizon above."


def test_organic_layers_in_both_conventions_are_to_be_checked_and_not_repaired() -> None:
    _, found = check([("a", -5, 0), ("a", 0, 20), ("b", 8, 5), ("b", 5, 0), ("b", 0, 30)])
    assert found_rows(found) == {"depth_negative": [0], "depth_upward": [2, 3]}
    assert {each.severity for each in found} == {"check"}


def test_profiles_that_begin_below_the_surface_are_told() -> None:
    _, found = check([("a", 10, 20), ("b", 0, 20)])
    assert [each.kind for each in found] == ["depth_start"] and found[0].sentence.startswith("1 of 2 profiles begins")


@pytest.mark.parametrize(("factor", "unit"), [(0.01, "metres"), (10.0, "millimetres")])
def test_depths_in_another_unit_are_suspected(factor: float, unit: str) -> None:
    _, found = check([("a", 0, 20 * factor), ("a", 20 * factor, 90 * factor)])
    assert [each.kind for each in found] == ["depth_unit"] and unit in found[0].sentence


def test_horizons_without_a_profile_are_not_compared() -> None:
    _, found = check([(None, 0, 20), (None, 10, 30)])
    assert found == []


def test_a_profile_at_two_places_is_torn() -> None:
    profiles = np.array(["a", "a", "b", "b", None], object)
    found = check_profile_places(profiles, np.array([1, 2, 3, 3, 9]), "pit")
    assert found_rows(found) == {"torn_profile": [0, 1]}
    assert "1 of 2 profiles" in found[0].sentence
