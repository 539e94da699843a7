"""What the held-out report says of limits, errors of measurement, weights and thresholds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import Threshold
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.reports.number_words import measured_sentences
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from soil_cnn_plugin.engine.targets.censored import reporting_limits

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
