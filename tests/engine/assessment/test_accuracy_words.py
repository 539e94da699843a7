"""How good a map is, in a sentence."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.accuracy_words import accuracy_sentence
from soil_cnn_plugin.engine.targets.class_scores import ClassScores
from soil_cnn_plugin.engine.targets.metrics import Scores

ZINC = SoilProperty("zinc", "mg/kg")


def scores(mec: float | None, rmse: float = 226.4) -> Scores:
    return Scores(155, 1.0, rmse, mec, 0.7, 2.0, 0.914, 700.0, 900.0, 100.0)


@pytest.mark.parametrize(
    ("mec", "words"),
    [
        (0.617, "the map explains 62 % of the variation; typical error 226 mg/kg; the 90 % limits hold 91 % of"),
        (-0.1, "the map explains nothing: the mean of the observations would be as good; typical error"),
        (None, "the map cannot be judged, because the observations do not vary; typical error"),
    ],
)
def test_numbers(mec: float | None, words: str) -> None:
    assert words in accuracy_sentence(ZINC, scores(mec), 0.9)


def test_errors_are_no_powers_of_ten() -> None:
    assert "typical error 12300 mg/kg" in accuracy_sentence(ZINC, scores(0.5, 12_345.0), 0.9)
    assert "typical error 0.00123 mg/kg" in accuracy_sentence(ZINC, scores(0.5, 0.001234), 0.9)


def test_classes() -> None:
    sentence = accuracy_sentence(SoilProperty("soil type"), ClassScores(100, 0.62, 0.41, 0.5, 1.1), 0.9)
    assert sentence == "soil type: the most probable class is right at 62 % of places (kappa 0.41)."
