"""Numbers, parts of a whole and a class in one assessment: its report, numbers and held-out points hold all of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pyproj
import pytest

from soil_cnn_plugin.engine.assessment.assessment import Assessment, ClassTarget
from soil_cnn_plugin.engine.assessment.comparison import verdict
from soil_cnn_plugin.engine.assessment.methods import BLEND, NETWORK
from soil_cnn_plugin.engine.reports.held_out_files import numbers, write_held_out, write_metrics
from soil_cnn_plugin.engine.reports.held_out_report import write_report
from soil_cnn_plugin.engine.targets.classes import BRIER, ClassHeldOut, score_classes
from tests.engine.reports.test_class_report import NAMES, make
from tests.engine.reports.test_composition_report import make_composition
from tests.engine.reports.test_held_out_report import Reader

Make = Callable[..., Assessment]
COUNT = 120
HEADINGS = [
    "Observations and folds",
    "Accuracy",
    "Parts of a whole",
    "Which classes are right",
    "Do the probabilities hold?",
    "Where the map is right",
    "Is one method better than another?",
    "Random folds beside the chosen ones",
    "Zinc (mg/kg)",
    "Clay 5-15 cm (%)",
    "Training",
    "Notes",
    "What the measures mean",
    "Settings and software",
    "How to cite",
]


def known_only(target: ClassTarget, rows: np.ndarray) -> ClassTarget:
    """As if only these observations had a class."""

    def chosen(held_out: ClassHeldOut) -> ClassHeldOut:
        observed, fold, probabilities = target.observed[rows], target.fold[rows], held_out.probabilities[rows]
        by_fold = tuple(score_classes(observed[fold == each], probabilities[fold == each]) for each in range(5))
        return ClassHeldOut(probabilities, score_classes(observed, probabilities), by_fold)

    methods = {name: chosen(held_out) for name, held_out in target.methods.items()}
    return replace(
        target,
        rows=rows,
        observed=target.observed[rows],
        fold=target.fold[rows],
        methods=methods,
        other_methods={name: chosen(held_out) for name, held_out in target.other_methods.items()},
        verdict=verdict(methods, BLEND, measure=BRIER),
    )


@pytest.fixture
def mixed(make_assessment: Make) -> Assessment:
    """The class stands between the two numbers; each third observation has none."""
    of_numbers = make_assessment(COUNT, has_random_folds=True)
    (of_class,) = make(count=COUNT).classes
    zinc, clay = of_numbers.targets
    return replace(
        of_numbers,
        targets=(zinc, known_only(of_class, np.flatnonzero(np.arange(COUNT) % 3)), clay),
        compositions=(make_composition(),),
        weights=np.where(np.arange(COUNT) < 60, 0.5, 1.5),
    )


def test_targets_keep_their_order_and_know_their_kind(mixed: Assessment) -> None:
    assert [target.soil_property.field for target in mixed.targets] == ["zinc", "soil type", "clay_5_15"]
    assert mixed.numbers == (mixed.targets[0], mixed.targets[2])
    assert mixed.classes == (mixed.targets[1],)


def test_the_report_has_the_sections_of_each_kind(mixed: Assessment, tmp_path: Path) -> None:
    write_report(str(tmp_path / "report.html"), mixed)
    content = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Reader(content)
    for words in (
        "Held-out report Zinc, soil type and clay 5-15 cm 4 classes · 120 observations",
        "The map is predicted by a blend",
        "the map shows the most probable class",
        *(target.verdict.text for target in mixed.targets),
        "The map names the right one of 4 classes",
        "120 observations tell as much as 96 of equal weight",
        "Observed zinc (mg/kg)",
        "Sand, silt and clay 0-30 cm are parts of a whole.",
        "Confusion matrix of the map’s predictor",
        "their errors are compared fold by fold",
        "their Brier scores are compared fold by fold",
        "Purity of a class",
        "RMSE, root mean square error",
        "Zinc, clay 5-15 cm and 4 classes (soil type) were mapped with",
        "probabilities of classes were calibrated by one temperature",
        "10.1023/A:1023818214614",
        "10.48550/arXiv.1706.04599",
        "10.1007/BF00117832",
    ):
        assert words in page.text, words
    assert re.findall(r"<h2>(.*?)</h2>", content) == HEADINGS
    heads = [row for row in page.rows if row[:2] == ["Method", "n"]]
    assert [row[2] for row in heads] == ["ME", "Accuracy", "Aitchison distance"]
    anchors = re.findall(r'<section id="([a-z0-9-]+)"', content)
    assert len(set(anchors)) == len(anchors) == len(HEADINGS)
    assert "<script" not in content


def test_metrics_hold_each_target_by_its_kind(mixed: Assessment, tmp_path: Path) -> None:
    write_metrics(str(tmp_path / "metrics.json"), mixed)
    found: dict[str, Any] = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert list(found["targets"]) == ["zinc", "soil type", "clay_5_15"]
    assert found["coverage"] == 0.9 and found["observations"] == COUNT
    assert set(found["folds"]["other_scores"]) == {"zinc", "clay_5_15"}
    (composition,) = found["compositions"]
    assert composition["parts"] == ["sand_0_30", "silt_0_30", "clay_0_30"]
    zinc, _, _ = mixed.targets
    (soil,) = mixed.classes
    assert found["targets"]["zinc"]["methods"][BLEND]["rmse"] == zinc.methods[BLEND].scores.rmse
    of_class = found["targets"]["soil type"]
    assert sum(of_class["classes"].values()) == np.array(of_class["methods"][NETWORK]["confusion"]).sum() == 80
    assert of_class["methods"][BLEND]["brier"] == soil.methods[BLEND].scores.brier
    assert of_class["methods_other_folds"][BLEND]["n"] == 80


def test_numbers_to_branch_on_are_those_of_both_kinds(mixed: Assessment) -> None:
    found = numbers(mixed)
    of_numbers, of_classes = (numbers(replace(mixed, targets=part)) for part in (mixed.numbers, mixed.classes))
    assert list(of_numbers) == ["rmse", "mec", "ccc", "picp", "baseline_rmse"]
    assert list(of_classes) == ["accuracy", "brier", "log_score", "baseline_accuracy"]
    assert found == {**of_numbers, **of_classes}
    (soil,) = mixed.classes
    assert found["accuracy"] == pytest.approx((soil.methods[BLEND].predicted == soil.observed).mean())
    rmse = [target.methods[BLEND].scores.rmse for target in mixed.numbers]
    assert found["rmse"] == pytest.approx(sum(rmse) / 2)


def test_held_out_points_are_empty_where_a_target_is_missing(mixed: Assessment, tmp_path: Path) -> None:
    path = str(tmp_path / "held_out.gpkg")
    write_held_out(path, mixed, pyproj.CRS("EPSG:28992").to_wkt(), np.arange(COUNT))
    points = geopandas.read_file(path)
    (soil,), clay = mixed.classes, mixed.numbers[1]
    np.testing.assert_allclose(points["clay_5_15_predicted"].to_numpy()[clay.rows], clay.methods[BLEND].mean)
    assert points["clay_5_15_predicted"].isna().sum() == COUNT - len(clay.rows)
    missing = np.arange(COUNT) % 3 == 0
    for name in ("observed", "predicted", "probability", "probability_of_observed", "correct"):
        assert (points[f"soil type_{name}"].isna().to_numpy() == missing).all(), name
    names = np.array(NAMES, object)
    assert (points["soil type_observed"].to_numpy()[~missing] == names[soil.observed]).all()
    right = points["soil type_correct"][~missing].astype(bool).to_numpy()
    assert (right == (soil.methods[BLEND].predicted == soil.observed)).all()
    assert points["fold"].min() >= 1


@pytest.mark.usefixtures("words_of_figures")
def test_a_report_of_classes_tells_of_weights(tmp_path: Path) -> None:
    weighted = replace(make(), weights=np.where(np.arange(200) < 100, 0.5, 1.5))
    write_report(str(tmp_path / "report.html"), weighted)
    text = Reader((tmp_path / "report.html").read_text(encoding="utf-8")).text
    assert "the largest is 3.00 times the smallest, and 200 observations tell as much as 160 of equal weight" in text
