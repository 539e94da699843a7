"""The held-out report, read as its file."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import (
    FOREST,
    FOREST_CONTEXT,
    MEAN,
    NETWORK,
    Assessment,
    FoldsInWords,
    HeldOut,
    LossCurve,
    Scores,
    TargetAssessment,
    Verdict,
)
from soil_cnn_plugin.engine.pages.held_out_report import write_report

FOLDS = 3


def held_out(observed: np.ndarray, error: float, fold: np.ndarray, rmse: float, picp: float = 0.9) -> HeldOut:
    """Predictions with a random error, and scores that are made up so that they can be recognized."""
    mean = observed + np.random.default_rng(3).normal(0, error, len(observed))
    scores = Scores(len(observed), -1.5, rmse, 0.61, 0.77, picp, 4 * rmse)
    by_fold = tuple(replace(scores, rmse=rmse + step) for step in range(FOLDS))
    return HeldOut(mean, mean - 2 * error, mean + 2 * error, scores, by_fold)


def target(field: str, unit: str, rows: np.ndarray, p: float = 0.01, percent: float = -12.0) -> TargetAssessment:
    observed = np.random.default_rng(2).lognormal(5, 0.5, len(rows))
    fold = (rows % FOLDS).astype(np.int64)
    methods = {
        NETWORK: held_out(observed, 30, fold, 111.0, 0.88),
        FOREST: held_out(observed, 40, fold, 222.0, 0.97),
        FOREST_CONTEXT: held_out(observed, 35, fold, 133.0, 0.95),
        MEAN: held_out(observed, 90, fold, 444.0, 0.9),
    }
    verdict = Verdict("The network is better than the random forest with context.", FOREST_CONTEXT, percent, p)
    return TargetAssessment(SoilProperty(field, unit), rows, observed, fold, methods, "log", verdict)


def assessment(count: int = 40, overlap: float = 10.0, crs_name: str = "EPSG:28992") -> Assessment:
    coordinates = np.random.default_rng(1).uniform((178000, 330000), (181000, 333500), (count, 2))
    curve = LossCurve("ring", (10, 20, 30), (0.9, 0.5, 0.4), (0.95, 0.7, 0.75), (20, 20, 30))
    return Assessment(
        targets=(target("zinc", "mg/kg", np.arange(count)), target("clay_5_15", "%", np.arange(0, count, 2))),
        folds=FoldsInWords("spatial_blocks", FOLDS, "Held out in 3 spatial blocks.", overlap_percent=overlap),
        coverage=0.9,
        coordinates=coordinates,
        crs_name=crs_name,
        cell_size=40.0,
        patch_size=31,
        loss_curves=(curve, curve),
        settings={"Preset": "standard"},
        versions={"torch": "2.13.0"},
        notes=("Two observations share a cell.",),
    )


class Reader(HTMLParser):
    """The text that a reader sees, the tags, and what each refers to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def write(folder: Path, content: Assessment) -> str:
    write_report(str(folder / "report.html"), content)
    assert not list(folder.glob("*.part"))
    return (folder / "report.html").read_text(encoding="utf-8")


def test_the_report_holds_what_a_reviewer_asks_for(tmp_path: Path) -> None:
    text = Reader(write(tmp_path, assessment())).text
    for words in (
        "Zinc and clay 5-15 cm",
        "40 observations",
        "patches of 31 × 31 cells of 40 m (1240 m across)",
        "The network is better than the random forest with context.",
        "Held out in 3 spatial blocks.",
        "The network explains 61 % of the variance of the held-out observations; its typical error (RMSE) is 111 mg/kg",
        "88 % of them lie inside the 90 % prediction interval",
        "Mean of the training observations",
        "Observed zinc (mg/kg)",
        "Predicted clay 5-15 cm (%)",
        "Predicted − observed zinc (mg/kg)",
        "Easting (km)",
        "Fold 3 (n = 13)",
        "Two observations share a cell.",
        "2.13.0",
        "10.1111/ecog.02881",
        "Duan",
    ):
        assert words in text, words


def test_the_best_of_the_methods_is_marked_and_the_mean_is_not(tmp_path: Path) -> None:
    rows = re.findall(r"<tr><td>(.*?)</td>(.*?)</tr>", write(tmp_path, assessment()))
    marked = {name: re.findall(r"number best\">([^<]*)<", cells) for name, cells in rows[:4]}
    assert "111" in marked["Network"] and "88 %" in marked["Network"]
    assert marked["Mean of the training observations"] == []
    assert "222" not in str(marked) and "133" not in str(marked)


def test_the_report_is_one_file_that_opens_offline(tmp_path: Path) -> None:
    reader = Reader(write(tmp_path, assessment()))
    assert not {"script", "link", "iframe", "img"} & set(reader.tags)
    assert all(it.startswith(("#", "https://doi.org/", "data:image/png")) for it in reader.references)
    assert reader.tags.count("svg") == 6  # folds, two a target, loss


def test_figures_are_sound_and_their_identifiers_do_not_clash(tmp_path: Path) -> None:
    figures = re.findall(r"<svg.*?</svg>", write(tmp_path, assessment()), re.DOTALL)
    roots = [ElementTree.fromstring(figure) for figure in figures]
    names = [{item.get("id") for item in root.iter() if item.get("id")} for root in roots]
    assert len(set.union(*names)) == sum(map(len, names)) > 0
    for figure, own in zip(figures, names):
        assert set(re.findall(r"(?:url\(|href=\")#([^)\"]+)", figure)) <= own


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</svg><img src=x onerror=alert(1)>", "a$b$c_{%", "\\frac"]
)
def test_hostile_names_are_shown_and_do_nothing(tmp_path: Path, hostile: str) -> None:
    content = assessment()
    first = replace(content.targets[0], soil_property=SoilProperty(hostile, hostile))
    content = replace(content, targets=(first,), crs_name=hostile, settings={hostile: hostile}, notes=(hostile,))
    reader = Reader(write(tmp_path, content))
    assert not {"script", "img"} & set(reader.tags)
    assert f"Observed {hostile} ({hostile})" in reader.text  # an axis label, inside the SVG


def test_a_high_overlap_is_cautioned_and_a_low_one_is_told(tmp_path: Path) -> None:
    low, high = write(tmp_path, assessment(overlap=10.0)), write(tmp_path, assessment(overlap=80.0))
    assert 'class="caution"' not in low and "10 % of the held-out observations overlap" in Reader(low).text
    assert 'class="caution"' in high and "may be worse than they say" in Reader(high).text


@pytest.mark.parametrize(("p", "percent", "tone"), [(0.01, -12.0, "good"), (0.01, 9.0, "poor"), (0.4, -12.0, "even")])
def test_the_colour_of_a_verdict_follows_its_test(tmp_path: Path, p: float, percent: float, tone: str) -> None:
    content = replace(assessment(), targets=(target("zinc", "mg/kg", np.arange(40), p, percent),))
    assert f'class="verdict {tone}"' in write(tmp_path, content)


def test_degrees_and_unknown_coordinate_systems_have_fitting_axes(tmp_path: Path) -> None:
    degrees = replace(assessment(crs_name="EPSG:4326"), coordinates=assessment().coordinates / 10000)
    assert "Longitude (°)" in write(tmp_path, degrees)
    assert "x (CRS units)" in write(tmp_path, assessment(crs_name="a local grid"))


@pytest.mark.parametrize("count", [1500, 4000])
def test_many_observations_keep_the_file_small(tmp_path: Path, count: int) -> None:
    write(tmp_path, assessment(count))
    assert (tmp_path / "report.html").stat().st_size < 3_000_000


def test_one_assessment_gives_one_page(tmp_path: Path) -> None:
    assert write(tmp_path, assessment()) == write(tmp_path, assessment())


def test_scores_that_cannot_be_computed_are_dashes(tmp_path: Path) -> None:
    content = assessment()
    methods = content.targets[0].methods
    network = replace(methods[NETWORK], scores=replace(methods[NETWORK].scores, mec=None, ccc=None))
    content = replace(content, targets=(replace(content.targets[0], methods={NETWORK: network}),), loss_curves=())
    assert "MEC –" in Reader(write(tmp_path, content)).text
