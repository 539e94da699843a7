"""The report of soil classes: the verdict first, honest numbers by class, and names that do nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax

from soil_cnn_plugin.contract.soil_property import SoilProperty
from soil_cnn_plugin.engine.assessment.assessment import Assessment, FoldsInWords, LossCurve
from soil_cnn_plugin.engine.assessment.comparison import verdict
from soil_cnn_plugin.engine.assessment.methods import BLEND, FOREST, FOREST_CONTEXT, MEAN, NETWORK
from soil_cnn_plugin.engine.reports.class_tables import class_folds_in_words, doubts_in_words, reliability_in_words
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.targets.assessed import ClassTarget
from soil_cnn_plugin.engine.targets.class_scores import ClassHeldOut, score_classes
from soil_cnn_plugin.engine.targets.classes import BRIER

NAMES = ("Auenboden, kalkhaltig", 'Gley "nass"', "<script>alert(1)</script>", "Böden & Schutt")
SIGNALS = {BLEND: 1.6, NETWORK: 1.5, FOREST: 0.9, FOREST_CONTEXT: 1.2, MEAN: 0.0}


def make(
    names: tuple[str, ...] = NAMES,
    count: int = 200,
    sharper: float = 1.0,
    near: float = 1.0,
    other_kind: str = "random",
    seed: int = 1,
) -> Assessment:
    """Held-out probabilities that are right as often as they say, `sharper` times as sure; under the other folds the
    signal is `near` times as strong. The first class is the most frequent one."""
    rng = np.random.default_rng(seed)
    size = len(names)
    shares = np.linspace(2, 1, size) / np.linspace(2, 1, size).sum()
    fold = np.arange(count) % 5

    def predict(signal: float, observed: np.ndarray) -> ClassHeldOut:
        # Evidence for the true class, as strong as its noise, makes the posterior right.
        evidence = signal * (signal * np.eye(size)[observed] + rng.normal(size=(count, size)))
        probabilities = softmax(sharper * (evidence + np.log(shares)), axis=1)
        by_fold = tuple(score_classes(observed[fold == each], probabilities[fold == each]) for each in range(5))
        return ClassHeldOut(probabilities, score_classes(observed, probabilities), by_fold)

    observed = rng.choice(size, count, p=shares)
    observed[:size] = np.arange(size)
    methods = {name: predict(signal, observed) for name, signal in SIGNALS.items()}
    coordinates = rng.uniform((178500, 330000), (181500, 333500), (count, 2))
    other_methods = {name: predict(near * signal, observed) for name, signal in SIGNALS.items()}
    target = ClassTarget(
        soil_property=SoilProperty("soil type"),
        rows=np.arange(count),
        observed=observed,
        fold=fold,
        classes=names,
        methods=methods,
        verdict=verdict(methods, BLEND, measure=BRIER),
        other_methods=other_methods,
    )
    return Assessment(
        targets=(target,),
        coverage=0.9,
        folds=FoldsInWords("knndm", 5, "5 folds of 40 clusters.", 60.0, other_kind),
        coordinates=coordinates,
        crs_name="EPSG:28992",
        cell_size=40.0,
        patch_size=31,
        loss_curves=(LossCurve("ring", (10, 20), (1.5, 1.2), (1.6, 1.4), 20),) * 2,
        settings={"seed": "0"},
        versions={"Soil CNN": "0.1.0"},
        notes=("Two observations share a cell.",),
        predictor=BLEND,
    )


def page_of(assessment: Assessment, folder: Path) -> str:
    path = folder / "report.html"
    write_report(str(path), assessment)
    return path.read_text(encoding="utf-8")


def text_of(page: str) -> str:
    """What a reader sees, without figures."""
    parts: list[str] = []

    class Texts(HTMLParser):
        skipped = 0

        def handle_starttag(self, tag: str, attrs: object) -> None:
            self.skipped += tag in ("style", "svg")

        def handle_endtag(self, tag: str) -> None:
            self.skipped -= tag in ("style", "svg")

        def handle_data(self, data: str) -> None:
            if not self.skipped:
                parts.append(data)

    Texts().feed(page)
    return re.sub(r"\s+", " ", " ".join(parts).replace("\u00a0", " "))


@pytest.mark.usefixtures("words_of_figures")
def test_the_page_begins_with_what_the_map_is_worth(tmp_path: Path) -> None:
    assessment = make()
    text = text_of(page_of(assessment, tmp_path))
    (target,) = assessment.classes
    accuracy, most = target.methods[BLEND].scores.accuracy, target.counts.max() / 200
    first = f"The map names the right one of 4 classes at {100 * accuracy:.0f} % of the held-out observations."
    assert f"{first} A map that shows only Auenboden, kalkhaltig, the most frequent class, would be right at" in text
    assert f"would be right at {100 * most:.0f} %." in text
    assert text.index(first) < text.index(target.verdict.text) < text.index("5 folds of 40 clusters.")


def test_names_of_classes_are_only_text(tmp_path: Path) -> None:
    page = page_of(make(), tmp_path)
    assert "<script" not in page and page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    assert "Gley &#34;nass&#34;" in page and "Böden &amp; Schutt" in page and 'src="http' not in page


@pytest.mark.usefixtures("words_of_figures")
def test_the_table_of_classes_is_recomputed(tmp_path: Path) -> None:
    assessment = make()
    text = text_of(page_of(assessment, tmp_path))
    (target,) = assessment.classes
    observed, predicted = target.observed, target.methods[BLEND].predicted
    for number, name in enumerate(NAMES):
        of_it, as_it = observed == number, predicted == number
        right = (of_it & as_it).sum()
        row = text[text.index(f"{name} {of_it.sum()}") :]
        cells = rf"{as_it.sum()}(?: \*)? {100 * right / as_it.sum():.0f} % {100 * right / of_it.sum():.0f} %"
        assert re.match(rf"{re.escape(name)} {of_it.sum()}(?: \*)? {cells}", row), name


@pytest.mark.usefixtures("words_of_figures")
def test_cross_validated_points_have_no_intervals_of_a_random_sample(tmp_path: Path) -> None:
    text = text_of(page_of(make(), tmp_path))
    table = text[text.index("Most often taken for") : text.index("Confusion matrix")]
    assert not re.search(r"\d[–-]\d", table)
    assert "these observations are no random sample of the map, and neighbours resemble one another" in table
    assert "Assess map gives intervals, from an independent random sample." in table


@pytest.mark.usefixtures("words_of_figures")
def test_the_score_table_has_all_methods_and_the_skill(tmp_path: Path) -> None:
    assessment = make()
    text = text_of(page_of(assessment, tmp_path))
    (target,) = assessment.classes
    blend, mean = target.methods[BLEND].scores, target.methods[MEAN].scores
    row = text[text.index("Blend of network, random forest and Gaussian process 200") :][:200]
    for number in (f"{100 * blend.accuracy:.1f} %", f"{blend.brier:.3f}", f"{1 - blend.brier / mean.brier:.2f}"):
        assert number in row
    assert "Frequencies of the classes in the training observations 200" in text


def test_probabilities_that_hold_are_said_to_hold() -> None:
    assert "as chance alone allows" in reliability_in_words(make(count=2000).classes[0], BLEND)
    assert "the map is surer than it should be" in reliability_in_words(make(count=2000, sharper=2.5).classes[0], BLEND)
    assert "the map is less sure than it could be" in reliability_in_words(
        make(count=2000, sharper=0.4).classes[0], BLEND
    )


@pytest.mark.parametrize(
    ("near", "other_kind", "words"),
    [
        (1.6, "random", "More classes are right under random folds"),
        (0.4, "random", "Fewer classes are right under random folds"),
        (0.4, "spatial_blocks", "More classes are right under random folds"),
        (1.0, "random", "Both kinds of folds give nearly the same"),
    ],
)
def test_other_folds_are_told_by_what_they_change(near: float, other_kind: str, words: str) -> None:
    (target,) = make(count=4000, near=near, other_kind=other_kind).classes
    assert class_folds_in_words(target, BLEND, other_kind).startswith(words)


def test_rare_classes_are_told_and_only_those() -> None:
    (target,) = make(tuple(f"class {number}" for number in range(6)), count=110).classes
    text = doubts_in_words(target, BLEND)
    assert 0 < (target.counts < 20).sum() < 6
    for number, count in enumerate(target.counts):
        assert (f"class {number} ({count})" in text) == (count < 20)


def test_a_class_in_one_fold_alone_is_told() -> None:
    (target,) = make().classes
    observed = target.observed.copy()
    observed[observed == 3] = 0
    observed[target.fold == 2] = np.where(np.arange(40) < 6, 3, observed[target.fold == 2])
    text = doubts_in_words(replace(target, observed=observed), BLEND)
    assert text.startswith("Classes with all observations in one fold (in brackets: how many): Böden & Schutt (6).")


@pytest.mark.parametrize("count", [2, 40, 100])
def test_few_and_many_classes_fit_on_the_page(count: int, tmp_path: Path) -> None:
    names = tuple(
        f"{'a very long name of a soil type, number ' if number == 1 else ''}{number}" for number in range(count)
    )
    page = page_of(make(names, count=max(60, 6 * count)), tmp_path)
    assert "</html>" in page and len(page) < 4_000_000
    assert f"{count} classes" in text_of(page)
