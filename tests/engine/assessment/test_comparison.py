"""The verdict follows the numbers, and its test errs as rarely as it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from soil_cnn_plugin.engine.assessment.comparison import better_forest, compare, differences, verdict, verdicts
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.significance import paired_test
from soil_cnn_plugin.engine.targets.assessed import Verdict
from soil_cnn_plugin.engine.targets.distributions import RMSE
from soil_cnn_plugin.engine.targets.metrics import HeldOut, score

OBSERVED = np.random.default_rng(0).normal(20, 10, 200)
FOLD = np.arange(200) % 5
NOTHING = np.full(200, np.nan)


def held_out(error: float, seed: int, wobble: float = 0.0) -> HeldOut:
    """Predictions with a standard error of about `error`, by `wobble` better and worse from fold to fold."""
    noise = np.random.default_rng(seed).normal(size=200)
    scale = error * (1 + wobble * np.array([-1, 1, -1, 1, 0])[FOLD])
    predicted = OBSERVED + noise / np.sqrt(np.mean(noise**2)) * scale
    return wrap(predicted)


def wrap(predicted: np.ndarray) -> HeldOut:
    folds = [number == FOLD for number in range(5)]
    scores = tuple(score(OBSERVED[rows], predicted[rows], NOTHING[rows], NOTHING[rows], 0.9) for rows in folds)
    overall = score(OBSERVED, predicted, NOTHING, NOTHING, 0.9)
    return HeldOut(predicted, NOTHING, NOTHING, np.full((200, 99), np.nan), overall, scores)


def scaled(method: HeldOut, factor: float) -> HeldOut:
    """The same errors, all of them larger or smaller by a factor."""
    return wrap(OBSERVED + factor * (method.mean - OBSERVED))


FOREST_RESULT = held_out(5.0, seed=1)
AVERAGE = wrap(np.full(200, OBSERVED.mean()))


def judge(network: HeldOut, forest: HeldOut, context: HeldOut, mean: HeldOut = AVERAGE) -> Verdict:
    return verdict({NETWORK: network, FOREST: forest, FOREST_CONTEXT: context, MEAN: mean})


def test_corrected_test_is_the_one_computed_by_hand() -> None:
    test = paired_test(np.array([1.0, 2.0, 3.0, 4.0, 5.0]), test_to_train=0.25)
    assert test is not None
    assert test.difference == 3
    assert test.standard_error == pytest.approx(np.sqrt(0.45 * 2.5))
    assert test.p == pytest.approx(0.047421, abs=1e-6)  # Student's t = sqrt(8) with 4 degrees of freedom, closed form
    assert test.low == pytest.approx(3 - 2.7764451 * np.sqrt(1.125))
    assert test.high == pytest.approx(3 + 2.7764451 * np.sqrt(1.125))


def test_equal_methods_do_not_differ_and_one_fold_says_nothing() -> None:
    same = compare(FOREST_RESULT, FOREST_RESULT)
    assert same is not None
    assert (same.difference, same.p) == (0, 1)
    assert paired_test(np.array([1.0]), 0.25) is None


def test_folds_without_observations_of_a_target_are_left_out() -> None:
    empty = score(NOTHING[:0], NOTHING[:0], NOTHING[:0], NOTHING[:0], 0.9)
    with_empty = replace(FOREST_RESULT, fold_scores=(*FOREST_RESULT.fold_scores, empty))
    worse = scaled(FOREST_RESULT, 1.2)
    worse_with_empty = replace(worse, fold_scores=(*worse.fold_scores, empty))
    assert compare(worse_with_empty, with_empty) == compare(worse, FOREST_RESULT)


def test_two_equally_good_methods_rarely_seem_different() -> None:
    rng = np.random.default_rng(4)
    corrected = plain = 0
    for _ in range(300):
        x, noise = rng.normal(size=(60, 2)), rng.normal(size=60)
        observed = x.sum(axis=1) + noise  # each method sees one of two equally useful columns
        differences = []
        for _ in range(4):
            fold = rng.permutation(60) % 5
            for number in range(5):
                train, test = fold != number, fold == number
                errors = []
                for column in (0, 1):
                    slope, intercept = np.polyfit(x[train, column], observed[train], 1)
                    errors.append(np.sqrt(np.mean((observed[test] - slope * x[test, column] - intercept) ** 2)))
                differences.append(errors[0] - errors[1])
        result = paired_test(np.array(differences), 0.25)
        assert result is not None
        corrected += result.p < 0.05
        plain += paired_test(np.array(differences), 0.0).p < 0.05  # type: ignore[union-attr]
    assert corrected / 300 <= 0.08
    assert plain / 300 > 0.2  # what the correction is for


def test_a_network_that_is_better_in_every_fold_is_better() -> None:
    result = judge(scaled(FOREST_RESULT, 0.8), scaled(FOREST_RESULT, 1.1), FOREST_RESULT)
    assert result.text.startswith(
        "The network is better than the random forest with context: the network's RMSE is 20.0 % lower (p = 0.001,"
        " detectable "
    )
    assert "Context helps: with focal means and deviations the random forest's RMSE is 9.1 % lower" in result.text
    assert result.rival == FOREST_CONTEXT
    assert result.difference_percent == pytest.approx(-20)
    assert result.p is not None and result.p < 0.001


def test_a_network_that_is_worse_in_every_fold_is_worse_than_the_better_forest() -> None:
    result = judge(scaled(FOREST_RESULT, 1.1), FOREST_RESULT, scaled(FOREST_RESULT, 1.3))
    assert result.text.startswith("The random forest is better than the network: the network's RMSE is 10.0 % higher")
    assert "Context harms here" in result.text
    assert result.rival == FOREST
    assert result.difference_percent == pytest.approx(10)


def test_a_difference_that_changes_from_fold_to_fold_is_not_clear() -> None:
    result = judge(held_out(4.9, seed=1, wobble=0.4), FOREST_RESULT, held_out(5.1, seed=1, wobble=0.3))
    assert result.text.startswith("No clear difference between the network and the random forest: ")
    assert "Context does not clearly help here" in result.text
    assert result.p is not None and result.p > 0.05


def test_nothing_better_than_the_mean_is_no_usable_signal() -> None:
    result = judge(scaled(AVERAGE, 1.02), scaled(AVERAGE, 1.05), scaled(AVERAGE, 1.04))
    assert result.text.startswith("No usable signal: nothing clearly beats the mean of the observations.")
    assert "that of the network, is 2.0 % higher than the mean's" in result.text
    assert result.difference_percent == pytest.approx(100 * (1.02 / 1.04 - 1))


def test_predictions_without_relation_to_the_observations_are_no_usable_signal() -> None:
    rng = np.random.default_rng(6)
    found = 0
    for _ in range(100):
        observed_mean = np.array([OBSERVED[number != FOLD].mean() for number in range(5)])[FOLD]
        guesses = [wrap(observed_mean + rng.normal(0, 1.5, 200)) for _ in range(3)]
        found += not judge(*guesses, mean=wrap(observed_mean)).text.startswith("No usable signal")
    assert found <= 10


def by_fold(errors: list[float], n: int = 100) -> HeldOut:
    """Errors of given sizes in two folds or more."""
    rng = np.random.default_rng(0)
    parts = [rng.permutation(np.r_[np.full(n // 2, -error), np.full(n // 2, error)]) for error in errors]
    observed = np.concatenate([rng.normal(20, 10, n) for _ in parts])
    predicted = observed + np.concatenate(parts)
    none = np.full(n * len(parts), np.nan)
    rows = np.split(np.arange(n * len(parts)), len(parts))
    scores = tuple(score(observed[own], predicted[own], none[own], none[own], 0.9) for own in rows)
    return HeldOut(predicted, none, none, none, score(observed, predicted, none, none, 0.9), scores)


def test_two_folds_that_say_little_are_no_evidence_that_there_is_no_signal() -> None:
    mean, better = by_fold([8.0, 12.0]), by_fold([7.9, 10.8])
    result = judge(better, better, better, mean)
    assert result.outcome == "unknown"
    assert result.text.startswith(
        "Not enough evidence to say whether there is a usable signal: nothing clearly beats the mean of the"
        " observations, but the test finds a gain only from "
    )
    assert "that of the network, is 7.2 % lower than the mean's (p = " in result.text
    assert "No usable signal" not in result.text
    far = by_fold([3.0, 9.0])  # 34 % below the mean's: a signal, whatever two folds tell
    assert judge(far, far, far, mean).outcome == "equal"


def test_a_test_that_would_have_found_a_gain_rules_it_out() -> None:
    mean, alike = by_fold([8.0, 12.0, 9.0, 10.0, 11.0]), by_fold([8.1, 11.9, 9.2, 10.0, 11.1])
    result = judge(alike, alike, alike, mean)
    assert result.outcome == "none"
    assert "and a gain of 10 % can be ruled out (95 % confidence)" in result.text


def test_many_targets_without_a_difference_make_no_verdict() -> None:
    """Each target alone has p just below 0.05; of twenty such, chance makes one."""
    network, forest = held_out(5.0, seed=1, wobble=0.05), scaled(FOREST_RESULT, 1.13)
    methods = {NETWORK: network, FOREST: forest, FOREST_CONTEXT: forest, MEAN: AVERAGE}
    alone = verdict(methods)
    assert alone.p is not None and 0.005 < alone.p < 0.025 and alone.outcome == "network"
    (first, *_) = verdicts([(methods, RMSE)] * 10)
    assert first.outcome == "equal" and first.p == alone.p
    assert first.claims[0].comparisons == 20 and first.claims[0].p == pytest.approx(20 * alone.p)
    assert "p is adjusted for 20 comparisons (Holm)" in first.text


def test_folds_of_repeats_are_tested_together() -> None:
    """The ratio of held-out observations to training ones is that of one repeat."""
    twice = {name: replace(each, fold_scores=each.fold_scores * 2) for name, each in blended(0.9).items()}
    once, found = compare(twice[NETWORK], twice[FOREST]), None
    found = paired_test(
        np.array([a.error - b.error for a, b in zip(twice[NETWORK].fold_scores, twice[FOREST].fold_scores)]), 0.25
    )
    assert once == found and once is not None and once.count == 10


def test_a_forest_that_beats_the_mean_is_signal_though_the_network_does_not() -> None:
    result = judge(scaled(AVERAGE, 1.1), FOREST_RESULT, FOREST_RESULT)
    assert result.text.startswith("The random forest is better than the network")


def blended(factor: float) -> dict[str, HeldOut]:
    """All five methods; the blend's errors are the better forest's times `factor`."""
    return {
        BLEND: scaled(FOREST_RESULT, factor),
        NETWORK: scaled(FOREST_RESULT, 1.1),
        FOREST: FOREST_RESULT,
        FOREST_CONTEXT: scaled(FOREST_RESULT, 1.3),
        MEAN: AVERAGE,
    }


def test_of_forests_that_are_alike_the_better_one_is_that_at_the_point() -> None:
    alike = held_out(5.0, seed=1)
    assert better_forest({FOREST_CONTEXT: alike, FOREST: alike}) == FOREST
    assert better_forest({FOREST_CONTEXT: scaled(alike, 0.9), FOREST: alike}) == FOREST_CONTEXT


def test_the_blend_is_compared_with_the_better_forest_where_it_predicts_the_map() -> None:
    result = verdict(blended(0.9), BLEND)
    assert result.text.startswith("The random forest is better than the network: ")
    assert result.outcome == "forest"  # is about the network, whatever predicts the map
    blend = result.claims[-1]
    assert (blend.method, blend.other, blend.direction) == (BLEND, FOREST, -1)
    assert (
        "The map is predicted by the blend: its RMSE is 10.0 % lower than that of the random forest"
        f" (p = 0.0015, detectable {blend.detectable_percent:.2g} %). A true difference" in result.text
    )
    assert "blend" not in verdict(blended(0.9)).text


def test_a_blend_that_hardly_differs_is_said_to() -> None:
    methods = {**blended(1.0), BLEND: held_out(4.9, seed=1, wobble=0.4)}
    found = verdict(methods, BLEND)
    assert " %), no clear difference. A true difference as large" in found.text
    assert found.claims[-1].direction == 0


def test_a_blend_that_beats_the_mean_alone_is_signal() -> None:
    poor = {name: scaled(AVERAGE, 1.02) for name in (NETWORK, FOREST, FOREST_CONTEXT)}
    assert verdict({**poor, MEAN: AVERAGE}).outcome == "none"
    assert verdict({**poor, BLEND: scaled(AVERAGE, 0.8), MEAN: AVERAGE}, BLEND).outcome == "equal"


def test_differences_set_the_predictor_beside_all_others() -> None:
    found = differences(blended(0.9), BLEND)
    assert [(it.method, it.other) for it in found] == [
        (BLEND, NETWORK),
        (BLEND, FOREST),
        (BLEND, FOREST_CONTEXT),
        (BLEND, MEAN),
        (NETWORK, FOREST),
        (FOREST_CONTEXT, FOREST),
    ]
    by_fold = np.array([np.sqrt(np.mean((FOREST_RESULT.mean - OBSERVED)[number == FOLD] ** 2)) for number in range(5)])
    assert found[1].percent == pytest.approx(-10)
    assert found[1].test is not None
    assert found[1].test.difference == pytest.approx(-0.1 * by_fold.mean())
    assert found[1].test.low < found[1].test.difference < found[1].test.high < 0
    assert [(it.folds_lower, it.folds) for it in found[-2:]] == [(0, 5), (0, 5)]


def test_differences_of_a_network_that_predicts_alone_repeat_nothing() -> None:
    methods = blended(1.0)
    del methods[BLEND]
    pairs = [(it.method, it.other) for it in differences(methods)]
    assert pairs == [(NETWORK, FOREST), (NETWORK, FOREST_CONTEXT), (NETWORK, MEAN), (FOREST_CONTEXT, FOREST)]
