"""The correlogram of held-out errors: simulated fields come back, few scores say nothing, folds stay apart."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from soil_cnn_plugin.engine.arrays import Array, Rows
from soil_cnn_plugin.engine.assessment import correlogram
from soil_cnn_plugin.engine.assessment.correlogram import MODELS, CorrelationModel, Correlogram, fit_correlogram
from soil_cnn_plugin.engine.assessment.error_correlation import (
    FoldErrors,
    correlation_between,
    nearest_correlation,
    noise_of_residuals,
)

TRUE = CorrelationModel(0.3, 400.0, 0.5)


def simulate(model: CorrelationModel, count: int, seed: int) -> tuple[Array, Array]:
    """Scores (count, 1) at random places (count, 2) in a square of 1000 m."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0, 1000, (count, 2))
    covariance = model.correlation(cdist(places, places))
    np.fill_diagonal(covariance, 1.0)
    return (np.linalg.cholesky(covariance) @ rng.normal(size=count))[:, None], places


def fit(scores: Array, places: Array, together: list[Rows] | None = None, error_share: float = 0.0) -> Correlogram:
    found = fit_correlogram(scores, places, together or [np.arange(len(scores))], error_share)
    assert found is not None
    return found


def test_a_model_falls_to_five_percent_at_its_range() -> None:
    for smoothness in (0.5, 1.5):
        model = CorrelationModel(0.0, 250.0, smoothness)
        assert model.correlation(np.array([0.0, 250.0])) == pytest.approx([1.0, 0.05], abs=1e-4)


def test_the_truth_lies_within_the_limits_of_most_simulated_fields() -> None:
    distances = np.array([20.0, 100.0, 200.0])
    inside = []
    for seed in range(8):
        low, high = fit(*simulate(TRUE, 120, seed)).limits(distances)
        truth = TRUE.correlation(distances)
        inside.append((low <= truth) & (truth <= high))
    assert np.mean(inside) > 0.75


def test_scores_without_any_correlation_have_a_large_nugget_or_a_short_range() -> None:
    rng = np.random.default_rng(1)
    found = fit(rng.normal(size=(200, 1)), rng.uniform(0, 1000, (200, 2)))
    assert len(found.models) == MODELS
    assert found.correlation(np.array([150.0]))[0] < 0.1


def test_too_few_scores_say_nothing() -> None:
    scores, places = simulate(TRUE, 40, 1)
    scores[19:] = np.nan
    assert fit_correlogram(scores, places, [np.arange(40)]) is None
    assert fit_correlogram(scores[:19], np.zeros((19, 2)), [np.arange(19)]) is None


def test_errors_of_measurement_are_taken_out_of_the_nugget() -> None:
    scores, places = simulate(TRUE, 150, 2)
    near = np.array([1.0])
    assert fit(scores, places, error_share=0.25).correlation(near) > fit(scores, places).correlation(near) + 0.1


def test_the_same_folds_twice_are_nothing_new() -> None:
    scores, places = simulate(TRUE, 120, 3)
    fold = np.random.default_rng(0).permutation(120) % 5
    together = [np.flatnonzero(fold == number) for number in range(5)]
    once = fit(scores, places, together)
    twice = fit(np.concatenate([scores, scores]), places, [*together, *(rows + 120 for rows in together)])
    assert twice.count == once.count == 120
    low, high = once.limits(np.array([100.0]))
    low_of_twice, high_of_twice = twice.limits(np.array([100.0]))
    assert (high_of_twice - low_of_twice)[0] == pytest.approx((high - low)[0], rel=0.15)


def dealt(count: int) -> list[Rows]:
    fold = np.random.default_rng(0).permutation(count) % 5
    return [np.flatnonzero(fold == number) for number in range(5)]


def test_pairs_across_folds_count_where_no_fold_learned_from_another(monkeypatch: pytest.MonkeyPatch) -> None:
    near, errors = np.array([100.0]), []
    for factors in (correlogram._ACROSS, (0.0,)):
        monkeypatch.setattr(correlogram, "_ACROSS", factors)
        found = np.array([fit(*simulate(TRUE, 60, seed), dealt(60)).correlation(near) for seed in range(6)])
        errors.append(np.abs(found - TRUE.correlation(near)).mean())
    assert errors[0] < 0.7 * errors[1]


def test_folds_that_learned_from_each_other_leave_pairs_of_one_fold_to_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    values, places = simulate(CorrelationModel(0.05, 800.0, 0.5), 150, 8)
    folds, errors = dealt(150), np.empty((150, 1))
    covariance = CorrelationModel(0.05, 800.0, 0.5).correlation(cdist(places, places))
    np.fill_diagonal(covariance, 1.0)
    for own in folds:  # kriging from the other folds, which leaves nothing alike across folds
        others = np.setdiff1d(np.arange(150), own)
        told = np.linalg.solve(covariance[np.ix_(others, others)], values[others])
        errors[own] = values[own] - covariance[np.ix_(own, others)] @ told
    errors /= errors.std()
    near = np.array([20.0])
    found = fit(errors, places, folds).correlation(near)
    monkeypatch.setattr(correlogram, "_ACROSS", (0.0,))
    assert found == pytest.approx(fit(errors, places, folds).correlation(near), abs=0.05)
    assert found > 0.2


def test_columns_of_classes_share_a_correlogram() -> None:
    scores, places = simulate(TRUE, 100, 4)
    of_classes = np.column_stack([scores, -scores, 0 * scores]) / np.sqrt(2)
    alone, together = fit(scores, places), fit(of_classes, places)
    assert together.correlation(np.array([50.0])) == pytest.approx(alone.correlation(np.array([50.0])), abs=0.02)


def test_correlations_between_targets_are_found_and_positive_definite() -> None:
    rng = np.random.default_rng(5)
    one = rng.normal(size=300)
    scores = np.column_stack([one, 0.8 * one + 0.6 * rng.normal(size=300), rng.normal(size=300)])
    scores[:, 2][8:] = np.nan  # too few have both
    found = correlation_between(scores)
    assert found[0, 1] == pytest.approx(0.8, abs=0.06)
    assert found[2, 0] == 0 and (np.diag(found) == 1).all()
    broken = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])
    assert np.linalg.eigvalsh(broken).min() < 0 < np.linalg.eigvalsh(nearest_correlation(broken)).min()


def folds_of(scores: Array, places: Array, repeats: int, known: Array | None = None) -> list[FoldErrors]:
    """Five folds dealt several times, in the way that a map is made; residuals are the scores or else `known`."""
    rng, told = np.random.default_rng(1), scores if known is None else known
    dealt = [rng.permutation(len(scores)) % 5 for _ in range(repeats)]
    return [
        FoldErrors(places[fold != number], told[fold != number], places[fold == number], scores[fold == number])
        for fold in dealt
        for number in range(5)
    ]


@pytest.mark.parametrize(("nugget", "helps"), [(0.05, True), (0.97, False)])
def test_residuals_are_used_only_where_they_tell_errors_nearby(nugget: float, helps: bool) -> None:
    scores, places = simulate(CorrelationModel(nugget, 800.0, 0.5), 200, 6)
    assert (noise_of_residuals(folds_of(scores, places, 1), fit(scores, places)) is not None) == helps


def test_folds_of_all_repeats_find_what_those_of_one_miss() -> None:
    """Residuals that tell nothing, of another field at the same places, are seldom taken for some that do."""
    count, found = 80, []
    known = Correlogram((TRUE,), (), (), (), count)
    for seed in range(16):
        scores, places = simulate(TRUE, count, seed)
        covariance = TRUE.correlation(cdist(places, places)) + TRUE.nugget * np.eye(count)
        others = np.linalg.cholesky(covariance) @ np.random.default_rng(100 + seed).normal(size=(count, 1))
        ways = [folds_of(scores, places, 1), folds_of(scores, places, 3), folds_of(scores, places, 3, others)]
        found.append([noise_of_residuals(folds, known) is not None for folds in ways])
    of_one, of_all, of_others = np.mean(found, axis=0)
    assert of_all >= 0.75 > 0.5 >= of_one
    assert of_others <= 0.1
