"""Estimates of maps of classes equal published ones, and their intervals hold over repeated samples."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.assessment.class_map_assessment import (
    ClassEstimates,
    Land,
    estimate_classes,
    sample_of_map_classes,
)
from soil_cnn_plugin.engine.assessment.design_based import Estimate
from soil_cnn_plugin.engine.assessment.probability_sample import ProbabilitySample
from soil_cnn_plugin.engine.errors import EngineError

Z = 1.96


def spread(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Observed and predicted classes of a confusion matrix whose rows are the map's classes."""
    rows, columns = np.indices(counts.shape)
    return np.repeat(columns.ravel(), counts.ravel()), np.repeat(rows.ravel(), counts.ravel())


def told(found: Estimate | None) -> tuple[float, float]:
    assert found is not None
    return found.value, Z * found.standard_error


@pytest.fixture(scope="module")
def olofsson() -> ClassEstimates:
    """Table 8 of Olofsson et al. 2014, 10.1016/j.rse.2014.02.015: deforestation, forest gain, stable forest and stable
    non-forest in Landsat pixels of 30 m, sampled by the classes of the map."""
    counts = np.array([[66, 0, 5, 4], [0, 55, 8, 12], [1, 0, 153, 11], [2, 1, 9, 313]])
    observed, predicted = spread(counts)
    pixels = {0: 200_000.0, 1: 150_000.0, 2: 3_200_000.0, 3: 6_450_000.0}
    sample = ProbabilitySample(predicted.tolist(), pixels)
    return estimate_classes(observed, predicted, 4, sample, Land(sum(pixels.values()) * 0.09, "ha"))


def test_accuracies_are_those_that_olofsson_et_al_published(olofsson: ClassEstimates) -> None:
    assert told(olofsson.accuracy) == pytest.approx((0.95, 0.02), abs=0.005)
    users = [(0.88, 0.07), (0.73, 0.10), (0.93, 0.04), (0.96, 0.02)]
    for found, expected in zip(olofsson.purity, users):
        assert told(found) == pytest.approx(expected, abs=0.005)
    # The paper prints 0.23 and 0.01 for the intervals of the second and the last, but its equation 7 gives these.
    producers = [(0.75, 0.21), (0.85, 0.254), (0.93, 0.03), (0.96, 0.018)]
    for found, expected in zip(olofsson.representation, producers):
        assert told(found) == pytest.approx(expected, abs=0.0051)


def test_areas_are_those_that_olofsson_et_al_published(olofsson: ClassEstimates) -> None:
    hectares = [(21_158, 6_158), (11_686, 3_756), (285_770, 15_510), (581_386, 16_282)]
    for found, expected in zip(olofsson.share, hectares):
        assert tuple(each * olofsson.land.area for each in told(found)) == pytest.approx(expected, abs=1)


def test_the_matrix_holds_shares_of_the_area(olofsson: ClassEstimates) -> None:
    # Table 9 of the paper, observed classes in rows here.
    expected = [[0.0176, 0, 0.0019, 0.0040], [0, 0.0110, 0, 0.0020], [0.0013, 0.0016, 0.2967, 0.0179]]
    np.testing.assert_allclose(olofsson.matrix[:3], expected, atol=0.00006)
    assert olofsson.matrix.sum() == pytest.approx(1)
    np.testing.assert_allclose(olofsson.matrix.sum(axis=0), [0.02, 0.015, 0.32, 0.645])
    assert "stratified random sample of 640 observations in 4 strata" in olofsson.sentence


def test_strata_other_than_the_maps_classes_give_what_stehman_published() -> None:
    """The example of Stehman 2014, 10.1080/01431161.2014.930207: areas of A and C, accuracy, purity and representation
    of B, with their standard errors."""
    strata = np.repeat(list("ABCD"), 10)
    predicted = np.array(list("AAAAAAABBBABBBBBBBBBBBCCCCCCBBDDDDDDDDDD"))
    observed = np.array(list("AAAAACBABCABBBBBAABBCCCCCDDBBADDDDDDDCCB"))
    sample = ProbabilitySample(strata.tolist(), {"A": 40_000.0, "B": 30_000.0, "C": 20_000.0, "D": 10_000.0})
    number = {name: index for index, name in enumerate("ABCD")}
    numbers = [np.array([number[name] for name in names]) for names in (observed, predicted)]
    found = estimate_classes(*numbers, 4, sample, Land(1.0, "ha"))
    published = [
        (found.share[0], 0.35, 0.082),
        (found.share[2], 0.20, 0.064),
        (found.accuracy, 0.63, 0.085),
        (found.purity[1], 0.574, 0.125),
        (found.representation[1], 0.794, 0.117),
    ]
    for estimate, value, standard_error in published:
        assert estimate is not None
        assert (estimate.value, estimate.standard_error) == pytest.approx((value, standard_error), abs=0.0006)


@pytest.mark.parametrize("design", ["simple", "map_classes"])
def test_intervals_hold_the_truth_as_often_as_they_say(design: str) -> None:
    rng = np.random.default_rng(5)
    truth = rng.choice(3, 20_000, p=[0.6, 0.3, 0.1])
    shown = np.where(rng.uniform(size=20_000) < 0.75, truth, rng.choice(3, 20_000))
    right = truth == shown
    of_shown, of_true = ([right[each == k].mean() for k in range(3)] for each in (shown, truth))
    expected = [right.mean(), *of_shown, *of_true]
    areas = np.bincount(shown).astype(float)
    hits = np.zeros(7)
    for _ in range(80):
        if design == "simple":
            rows, sample = rng.choice(20_000, 120), ProbabilitySample()
        else:
            rows = np.concatenate([rng.choice(np.flatnonzero(shown == k), 40) for k in range(3)])
            sample, kept, spoken = sample_of_map_classes(shown[rows], areas, "abc", [])
            assert kept.all() and spoken == 1
        found = estimate_classes(truth[rows], shown[rows], 3, sample, Land(1.0, "ha"))
        estimates = [found.accuracy, *found.purity, *found.representation]
        for place, (estimate, value) in enumerate(zip(estimates, expected)):
            assert estimate is not None
            hits[place] += estimate.low <= value <= estimate.high
    # Large strata hide places of the rare class that a sample may miss, so that its representation seems surer.
    assert (hits[:6] / 80 >= 0.93).all() and hits[6] / 80 >= 0.85, hits / 80


def test_a_class_that_was_never_met_has_no_purity_and_one_always_right_is_not_certain() -> None:
    observed, predicted = np.array([0] * 8 + [2] * 2), np.array([0] * 10)
    found = estimate_classes(observed, predicted, 3, ProbabilitySample(), Land(1.0, "ha"))
    assert found.purity[1:] == (None, None) and found.representation[1] is None
    (first, last) = found.representation[0], found.representation[2]
    assert first is not None and (first.value, first.high) == (1.0, 1.0)
    assert first.low == pytest.approx(0.025 ** (1 / 8))  # Clopper and Pearson's for 8 of 8, not of 10
    assert last is not None and last.high == pytest.approx(1 - 0.025 ** (1 / 2))


def test_unequal_weights_leave_fewer_observations_where_all_are_right() -> None:
    strata, areas = list("aaaabbbb"), {"a": 100.0, "b": 1.0}
    right = np.zeros(8, np.int64)
    found = estimate_classes(right, right, 1, ProbabilitySample(strata, areas), Land(1.0, "ha"))
    weights = np.repeat([100.0, 1.0], 4)
    assert found.accuracy.low == pytest.approx(0.025 ** (1 / (weights.sum() ** 2 / (weights**2).sum())))


def test_classes_with_one_observation_are_left_out_aloud() -> None:
    notes: list[str] = []
    predicted = np.array([0, 0, 0, 1, 3, 3])
    sample, kept, spoken = sample_of_map_classes(predicted, np.array([60.0, 20, 10, 10, 0]), list("abcde"), notes)
    assert kept.tolist() == [True, True, True, False, True, True] and spoken == pytest.approx(0.7)
    assert sample.strata == list("aaadd") and sample.areas == {"a": 60.0, "d": 10.0}
    assert "fewer than 2 observations lie: b 1, c 0." in notes[0] and "the other 70 % of the map" in notes[0]
    with pytest.raises(EngineError, match="No class of the map has 2 observations"):
        sample_of_map_classes(np.array([0, 1]), np.array([1.0, 1]), list("ab"), [])
