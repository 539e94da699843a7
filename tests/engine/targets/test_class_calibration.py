"""Probabilities of classes hold after calibration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import softmax

from soil_cnn_plugin.engine.targets.class_scores import SMALLEST, calibrate_classes, sharpen
from soil_cnn_plugin.engine.targets.classes import ClassOutcome, ScaledClasses
from soil_cnn_plugin.engine.targets.learned import Learned, class_columns

RNG = np.random.default_rng(3)
TRUE = softmax(RNG.normal(0, 1.2, (4000, 4)), axis=1)
CLASS = (TRUE.cumsum(axis=1) < RNG.random((4000, 1))).sum(axis=1)
LEARNED = np.eye(4)[CLASS]


def log_score(probabilities: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(CLASS)), CLASS]).mean())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_probabilities_that_are_too_sure_or_too_flat(temperature: float) -> None:
    wrong = TRUE**temperature
    wrong /= wrong.sum(axis=1, keepdims=True)
    found = calibrate_classes(LEARNED, wrong)
    assert found == pytest.approx(temperature, rel=0.06)
    np.testing.assert_allclose(sharpen(wrong.T, found).T, TRUE, atol=0.03)


def test_the_temperature_is_the_one_of_a_general_optimizer() -> None:
    wrong = softmax(RNG.normal(0, 2, (4000, 4)) + 2 * np.log(TRUE), axis=1)

    def cost(logarithm: np.ndarray) -> float:
        return log_score(softmax(np.log(np.maximum(wrong, SMALLEST)) / np.exp(logarithm[0]), axis=1))

    expected = float(np.exp(minimize(cost, [0.0], method="Nelder-Mead").x[0]))
    assert calibrate_classes(LEARNED, wrong) == pytest.approx(expected, rel=1e-3)


def test_sharpening_keeps_the_order_and_the_sum() -> None:
    for temperature in (0.2, 1.0, 5.0):
        found = sharpen(TRUE.T, temperature)
        np.testing.assert_allclose(found.sum(axis=0), 1)
        np.testing.assert_array_equal(found.argmax(axis=0), TRUE.argmax(axis=1))
    np.testing.assert_allclose(sharpen(TRUE.T, 1.0), TRUE.T)


def test_what_a_forest_held_to_be_impossible_stays_possible() -> None:
    found = sharpen(np.array([[1.0], [0.0]]), 1.0)
    assert 0 < found[1, 0] < 1e-5 and np.isfinite(np.log(found)).all()


def test_rows_that_were_not_predicted_do_not_count() -> None:
    gaps = TRUE.copy()
    gaps[::2] = np.nan
    assert calibrate_classes(LEARNED, gaps) == pytest.approx(calibrate_classes(LEARNED[1::2], TRUE[1::2]))


def test_a_class_that_the_training_part_lacks_does_no_harm() -> None:
    """Its column is never 1, and all components give it next to nothing."""
    learned = np.column_stack([LEARNED, np.zeros(4000)])
    probabilities = np.column_stack([TRUE, np.zeros(4000)])
    nothing, one = np.zeros_like(learned), np.ones(4000)
    told = Learned(learned, learned > 2, nothing, one, learned, class_columns(5))
    outcome = ScaledClasses(("a", "b", "c", "d", "e")).calibrate(told, probabilities, np.ones_like(learned))
    assert isinstance(outcome, ClassOutcome) and outcome.scaled.columns.count == 5
    found = outcome.values(probabilities.T, np.ones((5, 4000)))
    assert outcome.temperature == pytest.approx(1, rel=0.05) and (found[4] < 1e-4).all()


def test_an_outcome_of_one_or_too_many_classes_or_of_no_temperature_makes_no_sense() -> None:
    for names, temperature in ((("a",), 1.0), (("a", "b"), 0.0), (("a", "b"), np.inf), (("a",) * 256, 1.0)):
        with pytest.raises(ValueError, match="classes make no sense"):
            ClassOutcome(names, temperature)
