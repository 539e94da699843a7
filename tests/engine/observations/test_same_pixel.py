"""Observations of one pixel: kept together, or made one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.engine.layers import layer_of, located

XY = [(5.0 + 10 * i, 505.0) for i in range(40)]
XY[1] = (2.0, 508.0)  # in the pixel of the first
XY[5] = XY[4] = XY[3]
NUMBERS = np.arange(40.0)


def test_kept_observations_of_a_pixel_are_one_site() -> None:
    found, _, notes, _ = located(layer_of(XY, zinc=NUMBERS), "zinc")
    assert len(found) == 40
    assert found.sites[0] == found.sites[1] and len(set(found.sites[3:6])) == 1
    assert len(np.unique(found.sites)) == 37
    assert notes.facts == [
        "5 observations share their pixel with another one. They are kept, and no fold tears them apart."
    ]


def test_numbers_of_a_pixel_are_averaged() -> None:
    lead = np.where(np.isin(NUMBERS, [0, 3, 4, 5]), np.nan, NUMBERS)
    found, _, notes, reasons = located(layer_of(XY, zinc=NUMBERS, lead=lead), "zinc", "lead", duplicates="average")
    assert found.values[:3, 0].tolist() == [0.5, 2.0, 4.0]
    assert found.values[0, 1] == 1 and np.isnan(found.values[2, 1])
    assert found.coordinates[0].tolist() == [3.5, 506.5]
    assert found.ids.tolist() == [1, 3, 4, *range(7, 41)]  # in the order of the layer
    assert (found.rows[0], found.cols[0]) == (49, 0) and not reasons
    assert notes.facts == [
        "5 observations share their pixel with another one. Each pixel counts as one observation with the mean of its"
        " own: 40 become 37."
    ]


def test_averaged_observations_join_the_groups_of_all() -> None:
    groups = ["a", "b", *["c"] * 2, *[f"g{i}" for i in range(36)]]
    groups[39] = "b"
    found, *_ = located(layer_of(XY, zinc=NUMBERS, profile=groups), "zinc", group="profile", duplicates="average")
    assert found.sites[0] == found.sites[-1]  # the first pixel holds an observation of b


def test_values_below_their_limit_count_half_of_it_unless_all_are() -> None:
    texts = ["<2", "<4", "7", "<2", "5", "6", *map(str, range(6, 40))]
    found, *_ = located(layer_of(XY, zinc=texts), "zinc", duplicates="average")
    assert found.values[:3, 0].tolist() == [3.0, 7.0, 4.0]  # 4 is the mean of 1, 5 and 6
    assert found.is_censored[:3, 0].tolist() == [True, False, False]


def test_errors_shrink_and_weights_are_averaged() -> None:
    errors, weights = np.full(40, 3.0), np.ones(40)
    errors[:2], weights[:2] = (3.0, 4.0), (1.0, 3.0)
    columns = {"zinc": NUMBERS, "zinc_sd": errors, "w": weights}
    found, *_ = located(layer_of(XY, **columns), "zinc", errors=("zinc_sd",), weight="w", duplicates="average")
    assert found.errors[0, 0] == pytest.approx(2.5)  # sqrt(9 + 16) / 2
    assert found.errors[2, 0] == pytest.approx(3 / np.sqrt(3))
    assert found.weights[0] / found.weights[1] == pytest.approx(2)


def test_the_most_frequent_class_of_a_pixel_counts() -> None:
    types = np.array(["Gley", "Moor"] * 20, object)
    types[3:6] = "Moor", "Gley", "Gley"
    found, classes, notes, _ = located(layer_of(XY, type=types), "type", duplicates="average")
    assert classes == {"type": ("Gley", "Moor")}
    assert found.values[[0, 2], 0].tolist() == [0.0, 0.0]  # of equally many the first in the list; two of three
    assert "with the most frequent class of its own: 40 become 37" in notes.facts[0]


def test_averaged_parts_still_sum_to_the_whole() -> None:
    columns = {"sand": NUMBERS + 10, "silt": 60 - 2 * NUMBERS % 30, "clay": 30 - NUMBERS / 2}
    found, *_ = located(layer_of(XY, **columns), *columns, composition=tuple(columns), duplicates="average")
    np.testing.assert_allclose(found.values.sum(axis=1), 100)
