"""What the held-out report shows of compositions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.methods import BLEND, MEAN
from soil_cnn_plugin.engine.reports.composition_sections import (
    composition_columns,
    composition_figures,
    composition_groups,
    composition_words,
    compositions_by_depth,
    draw_triangle,
    has_triangle,
    place,
)
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.targets.compositions import CompositionAssessment, assess_composition
from tests.engine.reports.test_held_out_report import Reader

Make = Callable[..., Assessment]
TEXTURE = ("sand", "silt", "clay")


def make_composition(parts: tuple[str, ...] = TEXTURE, depth: str = "0_30", count: int = 60) -> CompositionAssessment:
    rng = np.random.default_rng(len(depth))
    observed = rng.dirichlet(2 + np.arange(len(parts)), count) * 100
    mean = np.broadcast_to(observed.mean(axis=0), observed.shape)
    predicted = {BLEND: 0.6 * observed + 0.4 * mean, MEAN: mean}
    fields = tuple(SoilProperty(f"{part}_{depth}" if depth else part, "%") for part in parts)
    return assess_composition(depth.replace("_", "-") + " cm" if depth else "", fields, observed, predicted)


@pytest.mark.usefixtures("words_of_figures")
def test_compositions_have_scores_words_and_a_triangle(make_assessment: Make, tmp_path: Path) -> None:
    assessment = make_assessment(40, [("zinc", "mg/kg")])
    composition = make_composition()
    write_report(str(tmp_path / "r.html"), replace(assessment, compositions=(composition,)))
    page = Reader((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert "Sand, silt and clay 0-30 cm are parts of a whole." in page.text
    scores = composition.scores[BLEND]
    assert scores.right_class is not None
    row = ["Blend of network, random forest and Gaussian process", "60", f"{scores.aitchison_distance:.3f}"]
    (found,) = [each for each in page.rows if each[:3] == row]
    assert found[3] == f"{100 * scores.right_class:.0f} %"
    for text in ("Sand 100 %", "Clay 100 %", "SiCL", "Predicted: blend", "SiCL silty clay loam"):
        assert text in page.text
    for doi in ("10.1023/A:1023818214614", "10.1023/A:1023866030544", "10.1023/A:1007529726302"):
        assert page.text.count(doi) == 1
    assert "Soil survey manual" in page.text
    assert "as parts of a whole in isometric log-ratios" in page.text


@pytest.mark.usefixtures("words_of_figures")
def test_without_compositions_nothing_is_said_of_them(make_assessment: Make, tmp_path: Path) -> None:
    write_report(str(tmp_path / "r.html"), make_assessment(40, [("zinc", "mg/kg")]))
    text = Reader((tmp_path / "r.html").read_text(encoding="utf-8")).text
    for word in ("composition", "Aitchison", "texture class", "log-ratio"):
        assert word not in text


def test_compositions_stand_from_the_top_of_the_soil_down(make_assessment: Make) -> None:
    compositions = tuple(make_composition(depth=depth) for depth in ("30_60", "0_5", "5_15"))
    found = compositions_by_depth(replace(make_assessment(40), compositions=compositions))
    assert [each.name for each in found] == ["0-5 cm", "5-15 cm", "30-60 cm"]
    assert [group.heading for group in composition_groups(found)] == [
        f"Sand, silt and clay {depth}" for depth in ("0-5 cm", "5-15 cm", "30-60 cm")
    ]


def test_parts_that_are_no_texture_have_neither_classes_nor_borders(make_assessment: Make) -> None:
    minerals = make_composition(("quartz", "feldspar", "mica"), "")
    assert composition_columns([minerals]) == ("n", "Aitchison distance")
    assert "texture" not in composition_words([minerals])
    assert all(len(row) == 3 for group in composition_groups([minerals]) for row in group.rows)
    svg = draw_triangle("t", minerals, BLEND, "blend")
    ElementTree.fromstring(svg)
    assert "Quartz 100 %" in svg and "SiCL" not in svg
    (figure,) = composition_figures(replace(make_assessment(40), compositions=(minerals,)), [minerals])
    assert "USDA" not in figure.caption


def test_more_or_fewer_parts_have_no_triangle_unless_they_are_a_texture(make_assessment: Make) -> None:
    assert not has_triangle(make_composition(("quartz", "feldspar")))
    assert not has_triangle(make_composition(("quartz", "feldspar", "mica", "rest")))
    divided = make_composition(("coarse_sand", "fine_sand", "silt", "clay"))
    assert has_triangle(divided)
    assert "Sand 100 %" in draw_triangle("t", divided, BLEND, "blend")
    assert composition_figures(make_assessment(40), [make_composition(("quartz", "feldspar"))]) == []


@pytest.mark.parametrize(
    ("first", "top", "expected"),
    [(100, 0, (0, 0)), (0, 0, (100, 0)), (0, 100, (50, 86.6)), (40, 20, (50, 17.32)), (0, 50, (75, 43.3))],
)
def test_corners_and_sides_lie_where_they_belong(first: float, top: float, expected: tuple[float, float]) -> None:
    x, y = place(np.array(first, float), np.array(top, float))
    assert (float(x), float(y)) == pytest.approx(expected, abs=0.01)


def test_names_from_a_strangers_file_are_escaped() -> None:
    hostile = make_composition(("<script>alert(1)</script>", "b$x$", "c"), "")
    svg = draw_triangle("t", hostile, BLEND, "blend")
    ElementTree.fromstring(svg)
    assert "<script" not in svg


def test_many_observations_are_drawn_as_an_image() -> None:
    svg = draw_triangle("t", make_composition(count=3000), BLEND, "blend")
    assert len(svg) < 400_000
    assert "<image" in svg


def test_observations_in_one_place_are_one_larger_point() -> None:
    composition = make_composition(count=50)
    single = draw_triangle("t", composition, BLEND, "blend")
    twice = {name: np.repeat(parts, 4, axis=0) for name, parts in composition.predicted.items()}
    repeated = replace(composition, observed=np.repeat(composition.observed, 4, axis=0), predicted=twice)
    assert draw_triangle("t", repeated, BLEND, "blend").count("<use") == single.count("<use")
    assert repeated.observed.shape == (200, 3)


def test_the_depths_of_one_composition_are_named_once() -> None:
    words = composition_words([make_composition(depth=depth) for depth in ("0_5", "5_15")])
    assert words.startswith("Sand, silt and clay, at 2 depths, are parts of a whole.")
