"""Verdicts on networks of classes, in words that hold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax

from soil_cnn_plugin.engine.assessment.comparison import verdict
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.targets.class_scores import ClassHeldOut, score_classes
from soil_cnn_plugin.engine.targets.classes import BRIER

RNG = np.random.default_rng(2)
OBSERVED = RNG.choice(3, 300, p=(0.5, 0.3, 0.2))
FOLDS = [np.arange(300) % 5 == number for number in range(5)]


def held_out(signal: float) -> ClassHeldOut:
    """Probabilities that know the class with that signal."""
    logits = signal * np.eye(3)[OBSERVED] + np.log((0.5, 0.3, 0.2)) + RNG.normal(0, 0.5 * (signal > 0), (300, 3))
    probabilities = softmax(logits, axis=1)
    by_fold = tuple(score_classes(OBSERVED[fold], probabilities[fold]) for fold in FOLDS)
    return ClassHeldOut(probabilities, score_classes(OBSERVED, probabilities), by_fold)


def verdict_of(network: float, forest: float, context: float, blend: float):
    signals = {NETWORK: network, FOREST: forest, FOREST_CONTEXT: context, BLEND: blend, MEAN: 0.0}
    return verdict({name: held_out(signal) for name, signal in signals.items()}, BLEND, measure=BRIER)


def test_a_network_that_knows_more_is_better_than_the_better_forest() -> None:
    found = verdict_of(network=2.5, forest=0.8, context=1.2, blend=2.5)
    assert (found.outcome, found.rival) == ("network", FOREST_CONTEXT)
    assert found.difference_percent < -20 and found.p is not None and found.p < 0.05
    assert found.text.startswith(
        "The network is better than the random forest with context: the network's Brier score is"
    )
    assert "Share of right classes: blend " in found.text and "the most frequent class alone" in found.text


def test_a_forest_that_knows_more_is_better() -> None:
    found = verdict_of(network=0.6, forest=2.5, context=1.2, blend=2.0)
    assert (found.outcome, found.rival) == ("forest", FOREST)
    assert found.text.startswith("The random forest is better than the network")


def test_where_nothing_beats_the_frequencies_there_is_no_signal() -> None:
    found = verdict_of(network=0.01, forest=0.0, context=0.02, blend=0.01)
    assert found.outcome == "none"
    assert "nothing clearly beats the frequencies of the classes" in found.text
    assert "higher than theirs" in found.text or "lower than theirs" in found.text


def test_methods_that_know_the_same_are_equal() -> None:
    assert verdict_of(network=1.5, forest=1.5, context=1.5, blend=1.5).outcome == "equal"


def test_shares_of_right_classes_are_those_of_the_methods() -> None:
    methods = {name: held_out(1.5) for name in (NETWORK, FOREST, FOREST_CONTEXT, BLEND)} | {MEAN: held_out(0.0)}
    text = verdict(methods, BLEND, measure=BRIER).text
    for name, words in ((BLEND, "blend"), (NETWORK, "network"), (MEAN, "the most frequent class alone")):
        right = (methods[name].predicted == OBSERVED).mean()
        assert f"{words} {100 * right:.1f} %" in text
    assert methods[MEAN].scores.accuracy == pytest.approx((OBSERVED == 0).mean())
