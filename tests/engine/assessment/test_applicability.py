"""The dissimilarity index equals its definition, computed by hand and pair by pair."""

from __future__ import annotations

import numpy as np
import pytest

from soil_cnn_plugin.engine.assessment import applicability
from soil_cnn_plugin.engine.assessment.applicability import fit_dissimilarity
from soil_cnn_plugin.engine.errors import EngineError

LINE = np.array([[0.0], [1.0], [3.0], [10.0]])
RNG = np.random.default_rng(3)


def test_four_observations_of_one_covariate_give_the_numbers_computed_by_hand() -> None:
    fitted = fit_dissimilarity(LINE, np.array([0.3]), np.array([0, 0, 1, 1]))
    # pairs 1, 3, 10, 2, 9, 7: mean 16 / 3, in standard deviations times the weight; the scale cancels in the index
    assert fitted.training_index == pytest.approx(np.array([3, 2, 2, 9]) * 3 / 16)
    # Q25 0.375, Q75 0.84375, and 0.84375 + 1.5 * 0.46875 is below the maximum of 1.6875
    assert fitted.threshold == pytest.approx(1.546875)
    assert fitted.index(np.array([[5.0], [0.0], [-8.0]])) == pytest.approx([0.375, 0, 1.5])


def test_the_threshold_is_never_above_the_largest_index_of_the_observations() -> None:
    fitted = fit_dissimilarity(np.array([[0.0], [1.0], [2.5], [4.5]]), np.ones(1), np.arange(4))
    # nearest 1, 1, 1.5, 2; mean distance 2.5; Q75 + 1.5 IQR would be (1.625 + 0.9375) / 2.5
    assert fitted.threshold == pytest.approx(0.8)
    assert fitted.threshold == fitted.training_index.max()


def test_the_index_equals_its_definition_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(applicability, "DISTANCES_AT_ONCE", 150)  # several rounds
    covariates = RNG.normal(size=(40, 5)) * (1, 10, 0.1, 1000, 3) + (0, 5, 900, -4000, 1)
    importance, fold = np.array([2.0, 0.5, 1.0, 0.0, -1.0]), np.arange(40) % 4
    new = covariates[:25] + RNG.normal(size=(25, 5)) * (1, 10, 0.1, 1000, 3)
    fitted = fit_dissimilarity(covariates, importance, fold)

    mean, deviation = covariates.mean(axis=0), covariates.std(axis=0, ddof=1)

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        weights = (2.0, 0.5, 1.0, 0.0, 0.0)
        return sum(((w * (x - y) / d) ** 2 for w, x, y, d in zip(weights, a, b, deviation, strict=True))) ** 0.5

    others = [[distance(a, covariates[j]) for j in range(40) if j != i] for i, a in enumerate(covariates)]
    scale = np.mean([np.mean(distances) for distances in others])
    own = [min(distance(a, covariates[j]) for j in range(40) if fold[j] != fold[i]) for i, a in enumerate(covariates)]
    assert fitted.centre == pytest.approx(mean)
    assert fitted.mean_distance == pytest.approx(scale)
    assert fitted.training_index == pytest.approx(np.array(own) / scale)
    assert fitted.index(new) == pytest.approx([min(distance(a, b) for b in covariates) / scale for a in new])


def test_missing_covariates_give_no_index_and_take_no_part_in_training() -> None:
    with_gap = np.vstack([LINE, [[np.nan]]])
    fitted = fit_dissimilarity(with_gap, np.ones(1), np.array([0, 0, 1, 1, 2]))
    assert len(fitted.training) == 4
    assert fitted.threshold == pytest.approx(1.546875)
    assert np.isnan(fitted.index(np.array([[np.nan], [5.0]]))).tolist() == [True, False]


def test_columns_that_do_not_vary_and_importances_of_zero_are_no_trouble() -> None:
    covariates = np.column_stack([LINE, np.full(4, 7.0)])
    for importance in (np.array([1.0, 5.0]), np.zeros(2)):
        fitted = fit_dissimilarity(covariates, importance, np.array([0, 0, 1, 1]))
        assert fitted.index(np.array([[5.0, 8.0]])) == pytest.approx([0.375])


@pytest.mark.parametrize("few", [0, 1000])  # by a tree, by comparing with each
def test_a_nearest_observation_is_found_exactly_among_close_and_distant_ones(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(applicability, "FEW_OBSERVATIONS", few)
    training = np.vstack([RNG.normal(size=(500, 8)), RNG.normal(size=(5, 8)) * 1e3])
    fitted = fit_dissimilarity(training, np.ones(8), np.arange(505) % 5)
    assert fitted.index(training) == pytest.approx(np.zeros(505), abs=1e-12)
    new = RNG.normal(size=(50, 8)) * 3
    scaled = (new - fitted.centre) * fitted.factor
    distances = np.sqrt(((scaled[:, None] - fitted.training) ** 2).sum(axis=2)).min(axis=1)
    assert fitted.index(new) == pytest.approx(distances / fitted.mean_distance)


def test_observations_without_difference_or_folds_are_refused() -> None:
    with pytest.raises(EngineError, match="All 4 observations have the same covariates"):
        fit_dissimilarity(np.ones((4, 2)), np.ones(2), np.array([0, 0, 1, 1]))
    with pytest.raises(EngineError, match="4 observations without missing covariates lie in fewer than two folds"):
        fit_dissimilarity(LINE, np.ones(1), np.zeros(4, dtype=np.int64))
