"""Numbers in pages are written as the user's language does; those of names and files are left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from soil_cnn_plugin.contract.language import use
from soil_cnn_plugin.engine.reports.drawing import draw
from soil_cnn_plugin.engine.reports.sections import CaptionedFigure, Page, Section, table, write_page
from soil_cnn_plugin.engine.reports.words import fixed, in_unit, percent


@pytest.fixture
def german() -> Iterator[None]:
    use("de")
    yield
    use("en")


def _paint(figure: Figure) -> None:
    axes = figure.subplots()
    axes.plot([0.125, 0.375], [0, 1])
    axes.set_xticks([0.125, 0.375])
    axes.set_yticks([0, 1], ["pH 1.5", "pH 2.5"])
    shares = axes.twiny()
    shares.set_xticks([0.001, 0.005])
    shares.xaxis.set_major_formatter(PercentFormatter(1, decimals=1, symbol=" %"))


@pytest.mark.usefixtures("german")
def test_tables_and_axes_have_decimal_commas(tmp_path: Path) -> None:
    rows = [("pH 1.5", fixed(-0.25, 2), in_unit(1.234, "g/kg"), percent(0.0125, 2))]
    items = [table(("", "ME", "RMSE", "PICP"), rows), CaptionedFigure(draw("numbers", 3, 2, _paint), "")]
    write_page(str(tmp_path / "page.html"), Page("", "", (), (), [Section("all", "", items)]))
    html = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert all(f">{text}</td>" in html for text in ("pH 1.5", "−0,25", "1,23 g/kg", "1,25 %"))
    assert all(f">{text}</text>" in html for text in ("0,125", "0,375", "0,1 %", "0,5 %", "pH 1.5", "pH 2.5"))
    assert '<html lang="de">' in html


def test_english_keeps_its_points() -> None:
    svg = draw("numbers", 3, 2, _paint)
    assert all(f">{text}</text>" in svg for text in ("0.125", "0.5 %", "pH 1.5"))
