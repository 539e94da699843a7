"""What the held-out report shows of properties at several depths."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import BLEND
from soil_cnn_plugin.engine.reports.depth_section import (
    _staircase,
    at_several_depths,
    choose_profiles,
    depth_rows,
    depths_in_words,
    draw_profiles,
    shared_outcome,
)
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.reports.words import titles
from soil_cnn_plugin.engine.targets.assessed import NumberTarget
from tests.engine.reports.test_held_out_report import Reader

Make = Callable[..., Assessment]
DEPTHS = ("15_30", "0_5", "100_200")
IN_ORDER = ("0-5 cm", "15-30 cm", "100-200 cm")


@pytest.fixture
def assessment(make_assessment: Make) -> Assessment:
    return make_assessment(60, [(f"clay_{depth}", "%") for depth in DEPTHS] + [("zinc", "mg/kg")])


def of_clay(assessment: Assessment) -> list[NumberTarget]:
    return at_several_depths(assessment.numbers)["clay"]


def test_titles_name_the_depths_of_a_property_together() -> None:
    fields = ("clay_5_15", "zinc", "clay_0_5", "ph_0_30", "clay_100_200", "sand_60_2.5")
    assert titles([SoilProperty(field) for field in fields]) == [
        "clay 0-5, 5-15 and 100-200 cm",
        "zinc",
        "ph 0-30 cm",
        "sand_60_2.5",
    ]


@pytest.mark.usefixtures("words_of_figures")
def test_the_depths_of_a_property_stand_together_in_the_report(assessment: Assessment, tmp_path: Path) -> None:
    write_report(str(tmp_path / "r.html"), assessment)
    content = (tmp_path / "r.html").read_text(encoding="utf-8")
    page = Reader(content)
    assert "Clay 0-5, 15-30 and 100-200 cm and zinc" in page.text
    assert "Clay at 3 depths (%)" in page.text
    assert [row[0] for row in page.rows if row and row[0] in IN_ORDER] == list(IN_ORDER)
    summaries = [f"Clay {depth} (%): verdict and figures" for depth in IN_ORDER]
    places = [page.text.index(summary) for summary in summaries]
    assert places == sorted(places)
    assert page.tags.count("details") == 3
    for words in ("Scores of clay by depth", "Observed clay by depth (black)", "at 8 profiles, in even steps"):
        assert page.text.count(words) == 1
    for texts in ("Depth (cm)", "RMSE (%)", "PICP", "n = 60"):
        assert texts in page.text
    scores = content[content.index("<h2>Clay by depth") :]
    scores = scores[: scores.index("</svg>")]
    for name in ("Blend", "Random forest with context", "Mean"):
        assert f">{name}</text>" in scores


@pytest.mark.usefixtures("words_of_figures")
def test_a_property_with_one_depth_has_no_figure_by_depth(make_assessment: Make, tmp_path: Path) -> None:
    write_report(str(tmp_path / "r.html"), make_assessment(40, [("clay_0_30", "%"), ("zinc", "mg/kg")]))
    page = Reader((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "by depth" not in page.text
    assert "details" not in page.tags
    assert "Clay 0-30 cm (%)" in page.text


def test_the_box_tells_the_range_over_the_depths(assessment: Assessment) -> None:
    targets = of_clay(assessment)
    scores = [target.methods[BLEND].scores for target in targets]
    rows = depth_rows(targets, BLEND)
    assert [row[0] for row in rows] == [f"{target.soil_property.title.removeprefix('clay ')}" for target in targets]
    assert [row[1] for row in rows] == [str(len(target.rows)) for target in targets]
    text = depths_in_words(targets, BLEND, 0.9)
    for values in ([each.mec or 0 for each in scores], [each.picp for each in scores]):
        assert f"{100 * min(values):.0f} to {100 * max(values):.0f} %" in text
    assert text.endswith("of them, by depth.")


def test_depths_that_agree_share_their_verdict_and_others_have_none(assessment: Assessment) -> None:
    one, other, *_ = of_clay(assessment)
    better = replace(one, verdict=replace(one.verdict, outcome="network"))
    assert shared_outcome([better, better]) == "network"
    assert shared_outcome([better, replace(other, verdict=replace(other.verdict, outcome="forest"))]) == "equal"


def test_profiles_are_chosen_from_the_lowest_to_the_highest_with_all_depths(assessment: Assessment) -> None:
    targets = of_clay(assessment)
    rows = choose_profiles(targets)
    complete = set.intersection(*(set(target.rows.tolist()) for target in targets))
    assert len(rows) == 8 and set(rows.tolist()) <= complete
    standard = np.mean(
        [
            (target.observed[np.searchsorted(target.rows, rows)] - target.observed.mean()) / target.observed.std()
            for target in targets
        ],
        axis=0,
    )
    assert (np.diff(standard) >= 0).all()
    assert standard[0] < -0.4 and standard[-1] > 0.4


def test_profiles_that_lack_a_depth_are_chosen_where_no_others_are_left(assessment: Assessment) -> None:
    one, other, *_ = of_clay(assessment)
    halves = [_only(one, one.rows < 30), _only(other, other.rows >= 28)]
    rows = choose_profiles(halves)
    assert len(rows) == 8
    assert rows.min() < 28 and rows.max() > 30
    assert len(choose_profiles([_only(each, each.rows < 3) for each in (one, other)])) <= 3


def _only(target: NumberTarget, kept: np.ndarray) -> NumberTarget:
    methods = {
        name: replace(
            held_out,
            mean=held_out.mean[kept],
            lower=held_out.lower[kept],
            upper=held_out.upper[kept],
            quantiles=held_out.quantiles[kept],
        )
        for name, held_out in target.methods.items()
    }
    return replace(
        target, rows=target.rows[kept], observed=target.observed[kept], fold=target.fold[kept], methods=methods
    )


def test_lines_break_where_depths_leave_a_gap_or_overlap() -> None:
    x, y = _staircase([(20.0, 0.0, 5.0), (25.0, 5.0, 15.0), (30.0, 30.0, 60.0), (28.0, 50.0, 90.0)])
    np.testing.assert_array_equal(x, [20, 20, 25, 25, np.nan, 30, 30, np.nan, 28, 28])
    np.testing.assert_array_equal(y, [0, 5, 5, 15, np.nan, 30, 60, np.nan, 50, 90])


def test_profiles_with_gaps_overlaps_and_without_intervals_are_drawn(assessment: Assessment) -> None:
    targets = of_clay(assessment)[:3]
    fields = ("clay_0_5", "clay_3_60", "clay_100_101")
    targets = [
        replace(
            target,
            soil_property=SoilProperty(field, "%"),
            methods={
                name: replace(held_out, lower=held_out.lower + np.nan) for name, held_out in target.methods.items()
            },
        )
        for target, field in zip(targets, fields)
    ]
    rows = choose_profiles(targets, most=3)
    svg = draw_profiles("p", targets, BLEND, rows, assessment.coordinates, "#1b6896")
    assert svg.startswith("<svg")
    for row in rows:
        x, y = assessment.coordinates[row]
        assert f"{x:.0f}, {y:.0f}" in svg
