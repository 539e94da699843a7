"""The held-out report, read as its file; of its figures only the words are there."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from soil_cnn_plugin.contract.jobs import Covariate
from soil_cnn_plugin.engine.assessment.applicability import SpaceInWords
from soil_cnn_plugin.engine.assessment.assessment import Assessment
from soil_cnn_plugin.engine.assessment.comparison import compare
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.assessment.nearness import Nearness
from soil_cnn_plugin.engine.forests.forest import growth_in_words
from soil_cnn_plugin.engine.rasters.summaries import CovariateSummary
from soil_cnn_plugin.engine.reports import drawing
from soil_cnn_plugin.engine.reports.closing_words import tell_results
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from tests.engine.landscape import Log

pytestmark = pytest.mark.usefixtures("words_of_all_figures")
Make = Callable[..., Assessment]


class Reader(HTMLParser):
    """The text that a reader sees, the tags, what each refers to, and the tables as rows of cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: list[str] = []
        self.references: list[str] = []
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(page)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.references += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self._in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self._in_cell:
            self.rows[-1][-1] += data.strip()


def write(folder: Path, content: Assessment) -> str:
    write_report(str(folder / "report.html"), content)
    assert not list(folder.glob("*.part"))
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(words_of_all_figures: None, tmp_path_factory: pytest.TempPathFactory, make_assessment: Make) -> str:
    """That of the usual assessment."""
    return write(tmp_path_factory.mktemp("report"), make_assessment())


def test_the_report_holds_what_a_reviewer_asks_for(page: str, make_assessment: Make) -> None:
    content = make_assessment()
    text = Reader(page).text
    blend = content.targets[0].methods[BLEND].scores
    for words in (
        "Zinc and clay 5-15 cm",
        "120 observations",
        "patches of 31 × 31 cells of 40 m (1240 m across)",
        "The map is predicted by a blend of network, random forest and Gaussian process",
        content.targets[0].verdict.text,
        "5 folds of square blocks of 600 m",
        f"The map explains {100 * (blend.mec or 0):.0f} % of the variance of the held-out observations",
        f"its 90 % prediction intervals hold {100 * blend.picp:.0f} % of them",
        "needs an independent probability sample",
        "Mean of the training observations",
        "Observed zinc (mg/kg)",
        "Predicted clay 5-15 cm (%)",
        "Predicted − observed zinc (mg/kg)",
        "Coverage of intervals (PICP)",
        "PIT histogram",
        "Easting (km)",
        "Fold 3 (n = 24)",
        "Two observations share a cell.",
        "2.13.0",
        "were mapped with a blend of convolutional networks, a random forest and a Gaussian process (Soil CNN 0.1.0,"
        " PyTorch 2.13.0)",
    ):
        assert words in text, words


def test_scores_of_all_methods_stand_beside_each_other(page: str, make_assessment: Make) -> None:
    content = make_assessment()
    rows = Reader(page).rows
    head = next(number for number, row in enumerate(rows) if row[:3] == ["Method", "n", "ME"])
    assert rows[head][3:] == ["RMSE", "MEC", "CCC", "RPIQ", "PICP", "Width", "Interval score", "CRPS"]
    assert rows[head + 1] == ["Zinc (mg/kg)"]
    assert [row[0].replace(", covariates at the point", "") for row in rows[head + 2 : head + 7]] == [
        "Blend of network, random forest and Gaussian process",
        "Network",
        "Random forest",
        "Random forest with context (focal means and deviations)",
        "Mean of the training observations",
    ]
    scores = content.targets[0].methods[BLEND].scores
    assert rows[head + 2][6] == f"{scores.rpiq:.2f}"
    assert rows[head + 2][7] == f"{100 * scores.picp:.0f} %"
    assert [float(text) for text in rows[head + 2][8:]] == pytest.approx(
        [scores.width, scores.interval_score, scores.crps], abs=0.005
    )


def test_the_best_of_the_methods_is_marked_and_the_mean_is_not(tmp_path: Path, make_assessment: Make) -> None:
    content = make_assessment()
    scores = {name: held_out.scores for name, held_out in content.targets[0].methods.items()}
    order = [BLEND, NETWORK, FOREST, FOREST_CONTEXT, MEAN]
    rows = re.findall(
        r"<tr[^>]*><td>[A-Z][^<]*</td>(<td class=\"number[^\"]*\"><span.*?)</tr>", write(tmp_path, content)
    )
    marked = [[" best" in cell for cell in re.findall(r"<td class=\"number[^\"]*\"", row)] for row in rows[:5]]
    assert np.argmin([scores[name].rmse for name in order]) == [row[2] for row in marked].index(True)
    assert np.argmin([scores[name].crps for name in order]) == [row[9] for row in marked].index(True)
    assert not any(marked[4])


def test_depths_are_named_and_ordered_from_the_top(tmp_path: Path, make_assessment: Make) -> None:
    properties = [("clay_15_30", "%"), ("pH", ""), ("clay_100_200", "%"), ("clay_0_5", "%")]
    reader = Reader(write(tmp_path, make_assessment(60, properties)))
    headings = [row[0] for row in reader.rows if len(row) == 1]
    assert headings[:4] == ["Clay 0-5 cm (%)", "Clay 15-30 cm (%)", "Clay 100-200 cm (%)", "pH"]
    assert "Clay 0-5, 15-30 and 100-200 cm and pH" in reader.text


def test_differences_over_the_folds_come_with_their_uncertainty(tmp_path: Path, make_assessment: Make) -> None:
    content = make_assessment()
    rows = Reader(write(tmp_path, content)).rows
    row = next(row for row in rows if row[0] == "Blend against random forest")
    methods = content.targets[0].methods
    test = compare(methods[BLEND], methods[FOREST])
    assert test is not None
    low, high = (float(text.replace("−", "-")) for text in row[3].split(" to "))
    assert (low, high) == (pytest.approx(test.low, abs=0.005), pytest.approx(test.high, abs=0.005))
    assert row[1] == f"−{abs(100 * (methods[BLEND].scores.rmse / methods[FOREST].scores.rmse - 1)):.1f} %"
    assert {"Blend against mean", "Random forest with context against random forest"} <= {row[0] for row in rows}


def test_random_folds_stand_beside_the_chosen_ones_where_there_are_any(
    tmp_path: Path, make_assessment: Make, page: str
) -> None:
    assert "Random folds beside" not in Reader(page).text
    content = make_assessment(1000, has_random_folds=True)
    reader = Reader(write(tmp_path, content))
    random = content.targets[0].other_methods[BLEND].scores
    assert random.rmse < 0.95 * content.targets[0].methods[BLEND].scores.rmse
    assert any(row[0] == "Blend" and row[2] == f"{random.rmse:.2f}" for row in reader.rows)
    assert "the error is smaller under random folds, because a held-out observation then has neighbours" in reader.text


def test_the_contents_lead_to_every_section_and_the_short_print_version_to_the_least(page: str) -> None:
    anchors = re.findall(r'<section id="([a-z0-9-]+)"', page)
    assert [f"#{anchor}" for anchor in anchors] == re.findall(r'<li><a href="(#[a-z0-9-]+)">', page)
    short = [anchor for anchor in anchors if f'<section id="{anchor}" class="detail">' not in page]
    assert {"accuracy", "how-to-cite"} <= set(short) <= {"accuracy", "covariates", "notes", "how-to-cite"}
    assert ":has(#print-all:checked)" in page and 'id="print-all"' in page
    assert f"written {date.today():%Y-%m-%d}" in page


def test_no_colour_of_the_page_is_fixed_where_the_screen_is_dark(page: str) -> None:
    styles = page[page.index("<style>") : page.index("</style>")]
    light, dark = re.findall(r":root {([^}]*)}", styles)
    assert set(re.findall(r"--[a-z-]+(?=:)", light)) == set(re.findall(r"--[a-z-]+(?=:)", dark))
    rules = styles[styles.index("html {") :]
    assert "prefers-color-scheme: dark" in styles and not re.findall(r"#[0-9a-f]{6}", rules)


def test_covariates_are_listed_with_kinds_files_and_importance(tmp_path: Path, make_assessment: Make) -> None:
    covariates = (
        CovariateSummary(Covariate("/data/dem.tif", "dem", unit="m"), tuple(np.linspace(0, 9, 129)), (), ()),
        CovariateSummary(Covariate("/data/soil.tif", "soil", 2, "categorical"), (), (1, 2), ("gley", "podzol")),
    )
    space = SpaceInWords("covariates", {"dem": 0.25, "soil": 0.75}, 10, 10, 1.0, 0.3)
    content = write(tmp_path, replace(make_assessment(), covariates=covariates, spaces=(space,)))
    section = content[content.index('<section id="covariates"') :]
    rows = Reader(section[: section.index("</section>")]).rows
    assert rows[0] == ["Covariate", "Importance", "Kind", "Unit", "Values where it was trained", "File"]
    assert [row[:4] for row in rows[1:]] == [["soil", "75 %", "categorical", "–"], ["dem", "25 %", "continuous", "m"]]
    assert [row[5] for row in rows[1:]] == ["/data/soil.tif, band 2", "/data/dem.tif"]
    assert "data/<wbr>dem.tif" in section  # a narrow column breaks between folders


def test_a_high_overlap_is_cautioned_and_a_low_one_is_told(tmp_path: Path, make_assessment: Make, page: str) -> None:
    low, high = page, write(tmp_path, make_assessment(overlap=80.0))
    assert 'class="caution"' not in low and "10 % of the held-out observations overlap" in Reader(low).text
    assert 'class="caution"' in high and "may be worse than they say" in Reader(high).text


def test_scores_that_are_too_good_for_the_map_are_cautioned_below_the_verdicts(
    tmp_path: Path, make_assessment: Make
) -> None:
    content = make_assessment()
    near, far = (
        replace(content, folds=replace(content.folds, nearness=Nearness(120.0, metres))) for metres in (90, 3e3)
    )
    told, page = write(tmp_path, near), write(tmp_path, far)
    assert 'class="caution"' not in told and "mapped area 90 m from the nearest observation" in Reader(told).text
    assert page.index('class="caution"') < page.index('id="observations"')
    assert "https://doi.org/10.1038/s41467-022-29838-9" in Reader(page).references
    assert Reader(page).text.count("Held-out observations lie 120 m from the nearest one trained on") == 1
    log = Log()
    tell_results(log, far, {})
    assert [text[-40:] for text in log.warnings] == ["holds out observations farther from the others."[-40:]]
    tell_results(log, near, {})
    assert len(log.warnings) == 1


@pytest.mark.parametrize("outcome", ["network", "equal", "forest", "none"])
def test_the_colour_of_a_verdict_follows_its_outcome(tmp_path: Path, make_assessment: Make, outcome: str) -> None:
    content = make_assessment(60, [("zinc", "mg/kg")])
    first = replace(content.targets[0], verdict=replace(content.targets[0].verdict, outcome=outcome))
    assert f'class="verdict {outcome}"' in write(tmp_path, replace(content, targets=(first,)))


@pytest.mark.parametrize(("widen", "words"), [(0.5, "too narrow"), (1.0, "the intervals hold"), (2.0, "wider than")])
def test_the_report_tells_whether_intervals_hold(
    tmp_path: Path, make_assessment: Make, widen: float, words: str
) -> None:
    content = make_assessment(1000, [("zinc", "mg/kg")], widen=widen)
    text = Reader(write(tmp_path, content)).text
    told = re.search(r"hold (\d+) % of the 1000 observations, [^.]*\. (\d+) % lie below the interval and (\d+) %", text)
    assert told and words in told[0]
    assert sum(map(int, told.groups())) == pytest.approx(100, abs=1)


def test_intervals_that_miss_on_one_side_are_named(tmp_path: Path, make_assessment: Make) -> None:
    content = make_assessment(400, [("zinc", "mg/kg")])
    first = content.targets[0]
    blend = first.methods[BLEND]
    low = replace(blend, lower=blend.lower * 0.75, upper=blend.upper * 0.75, quantiles=blend.quantiles * 0.75)
    content = replace(content, targets=(replace(first, methods={**first.methods, BLEND: low}),))
    assert "high values are underestimated more often" in Reader(write(tmp_path, content)).text


def test_degrees_and_unknown_coordinate_systems_have_fitting_axes(tmp_path: Path, make_assessment: Make) -> None:
    degrees = make_assessment(crs_name="EPSG:4326")
    degrees = replace(degrees, coordinates=degrees.coordinates / 10000)
    assert "Longitude (°)" in write(tmp_path, degrees)
    assert "x (CRS units)" in write(tmp_path, make_assessment(crs_name="a local grid"))


def test_the_report_tells_where_the_forests_could_be_better(tmp_path: Path, make_assessment: Make) -> None:
    usual = make_assessment()
    bounded = replace(usual, settings={**usual.settings, "random forests": growth_in_words(10**6)})
    sentence = "In the random forests a forest of 1,000,000 observations has 100 trees"
    assert sentence in Reader(write(tmp_path, bounded)).text
    assert "each tree" not in Reader(write(tmp_path, usual)).text


def test_a_network_alone_without_distributions_is_reported_too(tmp_path: Path, make_assessment: Make) -> None:
    content = make_assessment(
        60, [("zinc", "mg/kg")], errors={NETWORK: 0.4, FOREST: 0.4, FOREST_CONTEXT: 0.4, MEAN: 0.6}
    )
    network = content.targets[0].methods[NETWORK]
    nothing = np.full_like(network.mean, np.nan)
    scores = replace(network.scores, mec=None, ccc=None, rpiq=None, picp=np.nan, width=np.nan, crps=np.nan)
    network = replace(
        network, lower=nothing, upper=nothing, quantiles=np.full_like(network.quantiles, np.nan), scores=scores
    )
    methods = {**content.targets[0].methods, NETWORK: network}
    content = replace(content, targets=(replace(content.targets[0], methods=methods),), loss_curves=())
    reader = Reader(write(tmp_path, content))
    assert "The map is predicted by the network, an ensemble of convolutional networks" in reader.text
    assert "MEC –" in reader.text and "PIT histogram" not in reader.text


def test_only_methods_that_were_used_are_cited(tmp_path: Path, make_assessment: Make) -> None:
    full = Reader(write(tmp_path, make_assessment(60))).references
    for doi in (
        "10.1007/BF00117832",
        "10.1111/ecog.02881",
        "10.1080/01621459.1983.10478017",
        "10.1016/j.trac.2010.05.006",
    ):
        assert f"https://doi.org/{doi}" in full, doi
    content = make_assessment(
        60, [("zinc", "mg/kg")], errors={NETWORK: 0.4, FOREST: 0.4, FOREST_CONTEXT: 0.4, MEAN: 0.6}
    )
    content = replace(
        content,
        targets=(replace(content.targets[0], transform="none"),),
        folds=replace(content.folds, kind="random"),
        loss_curves=content.loss_curves[:1],
    )
    few = Reader(write(tmp_path, content)).references
    for unused in ("BF00117832", "ecog.02881", "gmd-17-5897", "1983.10478017", "2203.09168"):
        assert not any(unused in it for it in few), unused


def test_maps_of_many_observations_show_some_and_say_so(
    tmp_path: Path, make_assessment: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing, "MOST_POINTS", 50)
    content = make_assessment()
    found = Reader(write(tmp_path, content)).text
    told = re.findall(r"The map shows 50 of the (\d+) observations, drawn at random\.", found)
    assert sorted(map(int, told)) == sorted([120, *(len(target.rows) for target in content.targets)])
    counts = dict(re.findall(r"Fold (\d+) \(n = (\d+)\)", found))
    assert sum(map(int, counts.values())) == 120
