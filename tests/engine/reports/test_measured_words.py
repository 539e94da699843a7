"""What the held-out report says of limits, errors of measurement, weights and thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.reports.number_words import intervals_in_words, measured_sentences, number_worth_in_words
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.measured import reporting_limits
from soil_cnn_plugin.engine.targets.metrics import QUANTILE_LEVELS, HeldOut, measured_coverage, score

Make = Callable[..., Assessment]


@pytest.fixture
def content(make_assessment: Make) -> Assessment:
    return make_assessment(120, [("zinc", "mg/kg")])


def limited(content: Assessment, limit: list[float]) -> Assessment:
    """As laboratories with these limits, one after the other, report the zinc."""
    (target,) = content.targets
    each = np.resize(limit, len(target.observed))
    is_censored, reported = target.observed < each, np.maximum(target.observed, each)
    limits = reporting_limits(reported, is_censored)
    return replace(content, targets=(replace(target, observed=reported, is_censored=is_censored, limits=limits),))


def with_target(content: Assessment, **changes: object) -> Assessment:
    return replace(content, targets=(replace(content.targets[0], **changes),))


def test_nothing_is_said_where_all_was_measured_alike(content: Assessment) -> None:
    assert measured_sentences(content) == []
    assert measured_sentences(replace(content, weights=np.ones(120))) == []


def test_limits_are_counted_and_their_scores_explained(content: Assessment) -> None:
    target: NumberTarget = limited(content, [15.0]).targets[0]
    (words,) = measured_sentences(limited(content, [15.0]))
    count = int(target.is_censored.sum())
    share = f"{100 * count / 120:.0f} %"
    assert words.startswith(f"Zinc: {count} of 120 values ({share}) lie below their detection limit (15.0 mg/kg).")
    assert "what laboratories reported" in words and "dealt out" not in words
    (words,) = measured_sentences(limited(content, [12.0, 18.0]))
    assert "(12.0 to 18.0 mg/kg)" in words and "dealt out" in words


def test_errors_and_weights_are_told(content: Assessment) -> None:
    errors = np.where(np.arange(120) < 60, 2.0, 4.0)
    (words,) = measured_sentences(with_target(content, errors=errors))
    assert words.startswith("Zinc: the median error of measurement (standard deviation) is 3.00 mg/kg, ")
    assert "intervals are those of the true soil property" in words
    (words,) = measured_sentences(replace(content, weights=np.where(np.arange(120) < 60, 0.5, 1.5)))
    assert "the largest is 3.00 times the smallest, and 120 observations tell as much as 96 of equal weight" in words


def test_thresholds_below_all_limits_are_named(content: Assessment) -> None:
    found = with_target(limited(content, [15.0]), thresholds=(Threshold("zinc", 3.0),))
    assert "exceeding zinc > 3 hold cannot be checked" in measured_sentences(found)[1]


@pytest.mark.usefixtures("words_of_figures")
def test_the_page_draws_triangles_at_limits_and_checks_thresholds(content: Assessment, tmp_path: Path) -> None:
    thresholds = (Threshold("zinc", 40.0), Threshold("zinc", 5000.0), Threshold("zinc", 3.0))
    path = tmp_path / "report.html"
    write_report(str(path), with_target(limited(content, [15.0]), thresholds=thresholds))
    page = path.read_text(encoding="utf-8")
    count = int(limited(content, [15.0]).targets[0].is_censored.sum())
    for words in (
        f"Open triangles are the {count} values below a detection limit, at that limit",
        "A value below its detection limit counts as that limit.",
        "predicted minus observed zinc (mg/kg), as reported.",
        "zinc &gt; 40 mg/kg came true at ",
        "zinc &gt; 5000 mg/kg came true at none of 120 observations: beyond what was observed nothing shows",
        "zinc &gt; 3 mg/kg cannot be checked: all observations have a detection limit above it.",
        "Tobin, J. (1958)",
        "Czado, C.",
    ):
        assert words in page, words
    plain = tmp_path / "plain.html"
    write_report(str(plain), content)
    without = plain.read_text(encoding="utf-8")
    assert "Tobin" not in without and "Open triangles" not in without and "as reported" not in without


def test_coverage_of_measured_values_stands_apart_from_what_the_prediction_says_of_others(content: Assessment) -> None:
    (target,) = limited(content, [15.0]).targets
    name = content.predictor
    held_out, censored = target.methods[name], int(target.is_censored.sum())
    found = measured_coverage(target.observed, held_out, 0.9, target.is_censored, target.limits)
    assert found is not None and (found.n, found.censored) == (120 - censored, censored)
    inside = (target.observed >= held_out.lower) & (target.observed <= held_out.upper)
    assert found.picp == pytest.approx(inside[~target.is_censored].mean())
    assert found.expected != pytest.approx(0.9, abs=1e-3)  # values above their limits are no random choice
    words = intervals_in_words(target, held_out, 0.9)
    assert f"of the {120 - censored} measured values" in words
    assert f"The true values of the {censored} below limits are unknown" in words
    assert "The prediction itself decides part of this coverage." in words
    worth = number_worth_in_words(target, name, 0.9)
    assert f"of the {120 - censored} measured values" in worth and f"{censored} values lie below" in worth
    (plain,) = content.targets
    assert "measured values" not in intervals_in_words(plain, held_out, 0.9)


def test_the_expected_coverage_of_measured_values_is_that_of_draws_above_their_limits() -> None:
    rng = np.random.default_rng(0)
    centre, limits = rng.normal(size=40_000), np.where(np.arange(40_000) % 2, 0.4, -np.inf)
    quantiles = centre[:, None] + norm.ppf(QUANTILE_LEVELS)
    truth = centre + rng.normal(size=40_000)
    is_censored = truth < limits
    lower, upper = (centre + norm.ppf(level) for level in (0.05, 0.95))
    scores = score(truth, centre, lower, upper, 0.9)
    held_out = HeldOut(centre, lower, upper, quantiles, scores, ())
    found = measured_coverage(np.maximum(truth, limits), held_out, 0.9, is_censored, limits)
    assert found is not None and found.picp == pytest.approx(found.expected, abs=0.005)
    assert found.expected < 0.896
    assert measured_coverage(truth, held_out, 0.9, np.zeros(40_000, bool), limits) is None


def test_means_outside_their_intervals_are_counted(content: Assessment) -> None:
    (target,) = content.targets
    held_out = target.methods[content.predictor]
    assert "outside its own" not in intervals_in_words(target, held_out, 0.9)
    mean = np.where(np.arange(120) < 3, held_out.upper + 1, held_out.mean)
    words = intervals_in_words(target, replace(held_out, mean=mean), 0.9)
    assert "At 3 of 120 observations the prediction, a mean, lies outside its own 90 % interval" in words
