"""The held-out report with its figures: one file, sound, small, and safe with any name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from tests.engine.reports.test_held_out_report import Reader, write

Make = Callable[..., Assessment]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, make_assessment: Make) -> str:
    return write(tmp_path_factory.mktemp("report"), make_assessment())


def test_the_report_is_one_file_that_opens_offline(page: str) -> None:
    reader = Reader(page)
    assert not {"script", "link", "iframe", "img"} & set(reader.tags)
    assert all(it.startswith(("#", "https://doi.org/", "data:image/png")) for it in reader.references)
    assert reader.tags.count("svg") == 8  # observations, three a target, loss


def test_figures_are_sound_and_their_identifiers_do_not_clash(page: str) -> None:
    figures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    roots = [ElementTree.fromstring(figure) for figure in figures]
    names = [{item.get("id") for item in root.iter() if item.get("id")} for root in roots]
    assert len(set.union(*names)) == sum(map(len, names)) > 0
    for figure, own in zip(figures, names):
        assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", figure)) <= own


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script> a$b$c_{%", "</svg><img src=x onerror=alert(1)> \\frac"])
def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path, make_assessment: Make, hostile: str) -> None:
    content = make_assessment()
    first = replace(content.targets[0], soil_property=SoilProperty(hostile, hostile))
    content = replace(content, targets=(first,), crs_name=hostile, settings={hostile: hostile}, notes=(hostile,))
    reader = Reader(write(tmp_path, content))
    assert not {"script", "img"} & set(reader.tags)
    assert f"Observed {hostile} ({hostile})" in reader.text  # an axis label, inside the SVG


def test_many_observations_keep_the_file_small(tmp_path: Path, make_assessment: Make) -> None:
    write(tmp_path, make_assessment(3000, [("clay", "%"), ("sand", "%")], has_random_folds=True))
    assert (tmp_path / "report.html").stat().st_size < 2_700_000
    page = write(tmp_path, make_assessment(4000, [("clay", "%")]))
    assert "Colour is the number of observations" in page and len(page) < 2_000_000


def test_one_assessment_gives_one_page(tmp_path: Path, make_assessment: Make, page: str) -> None:
    assert write(tmp_path, make_assessment()) == page
