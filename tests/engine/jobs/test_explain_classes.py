"""Explain network and Compare patch sizes on soil classes: the same questions, answered by the Brier score."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from soil_cnn_plugin.contract.jobs import ComparePatchSizes, ExplainNetwork, TrainNetwork
from soil_cnn_plugin.engine.errors import EngineError
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import compare_patch_sizes, explain_network, train_network
from soil_cnn_plugin.engine.report import Report
from soil_cnn_plugin.engine.training import plan
from soil_cnn_plugin.engine.training.plan import Shape
from tests.engine.class_landscape import FIELD, NAMES, extract_classes
from tests.engine.landscape import Landscape, Log, extract, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures")
QUIET = Report(lambda event: None)


@pytest.fixture(scope="module", autouse=True)
def few_trees(quick_fits: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 60)
        yield


@pytest.fixture(scope="module")
def landscape(tmp_path_factory: pytest.TempPathFactory) -> Landscape:
    return make_landscape(tmp_path_factory.mktemp("landscape"))


@pytest.fixture(scope="module")
def trained(landscape: Landscape) -> TrainNetwork:
    quick = {"architecture": "ring", "members": 3, "epochs": 60, "validation": "random", "folds": 2, "repeats": 1}
    patches = extract_classes(landscape, count=150)
    job = TrainNetwork(patches, str(landscape.folder / "n.safetensors"), device="cpu", **quick)  # type: ignore[arg-type]
    train_network.run(job, QUIET)
    return job


def explain(trained: TrainNetwork, folder: Path, patches: str = "") -> ExplainNetwork:
    files = {"report": "why.html", "importance": "why.csv", "metrics": "why.json"}
    paths = {name: str(folder / file) for name, file in files.items()}
    return ExplainNetwork(trained.network, patches or trained.patches, **paths, device="cpu")  # type: ignore[arg-type]


def test_the_covariates_that_classes_follow_are_important(trained: TrainNetwork, tmp_path: Path) -> None:
    job, log = explain(trained, tmp_path), Log()
    explain_network.run(job, log)
    with open(job.importance, encoding="utf-8") as file:
        rows = {row["covariate"]: float(row["importance_percent"]) for row in csv.DictReader(file)}
    assert max(rows, key=lambda name: rows[name]) == "elevation"
    assert rows["elevation"] > 5 and rows["elevation"] > rows["flow"] > rows["soil"] - 1
    content = json.loads(Path(job.metrics).read_text(encoding="utf-8"))["targets"][FIELD]
    assert 0.3 < content["root_brier"]["map"] < content["standard_deviation"] < 1
    assert content["context"]["root_brier"]["map"][-1] == pytest.approx(content["root_brier"]["map"], rel=1e-6)
    html = Path(job.report).read_text(encoding="utf-8")
    assert "root Brier score" in html and "RMSE" not in html
    assert any("Exchanging a covariate makes the held-out error grow most for elevation" in line for line in log.infos)


def test_contributions_to_a_class_that_there_is_not_are_refused_at_once(trained: TrainNetwork, tmp_path: Path) -> None:
    job = replace(explain(trained, tmp_path), attribution=str(tmp_path / "a.tif"), target_class="peat")
    with pytest.raises(EngineError, match="soil type has no class 'peat'. Its classes are: .* leave CLASS empty"):
        explain_network.run(job, QUIET)
    assert list(tmp_path.iterdir()) == []


def test_classes_of_other_observations_are_found_by_name(trained: TrainNetwork, tmp_path: Path) -> None:
    """They lack the network's first class, Böden, so that their file counts the others otherwise."""
    other = make_landscape(tmp_path)
    patches = extract_classes(other, 60, NAMES[:2], noise=0.0, seed=9)
    job = explain(trained, tmp_path, patches)
    explain_network.run(job, QUIET)
    content = json.loads(Path(job.metrics).read_text(encoding="utf-8"))["targets"][FIELD]
    assert content["root_brier"]["map"] < 1.1  # counted otherwise it is 1.28


def test_unknown_classes_and_numbers_are_told(trained: TrainNetwork, tmp_path: Path) -> None:
    other = make_landscape(tmp_path)
    patches = extract_classes(other, 60, (*NAMES[:2], "Ranker"), seed=9)
    with pytest.raises(
        EngineError, match="holds classes of soil type that the network does not know: Ranker. It knows: "
    ):
        explain_network.run(explain(trained, tmp_path, patches), QUIET)
    numbers = extract_classes(other, 60, (1.5, 2.5, 3.5), "continuous", seed=9)
    with pytest.raises(EngineError, match="soil type are classes for the network, but numbers in"):
        explain_network.run(explain(trained, tmp_path, numbers), QUIET)
    with pytest.raises(EngineError, match="lacks targets of the network: soil type"):
        explain_network.run(explain(trained, tmp_path, extract(other)), QUIET)


def test_patch_sizes_are_compared_by_the_brier_score(
    trained: TrainNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "_RING", replace(plan._RING, shape=Shape("ring", 31, 5), steps=200))
    report, metrics = tmp_path / "sizes.html", tmp_path / "sizes.json"
    log = Log()
    job = ComparePatchSizes(
        trained.patches,
        report=str(report),
        metrics=str(metrics),
        sizes=(3, 9),
        architecture="ring",
        validation="random",
        folds=2,
        device="cpu",
    )
    outputs = compare_patch_sizes.run(job, log)
    found = json.loads(metrics.read_text(encoding="utf-8"))["targets"][FIELD]
    assert outputs["best_patch_size"] in (3, 9) and found["n"] == 150
    for name in ("blend", "network", "forest_context"):
        for curve, size in zip(found["curves"][name], ("3", "9")):
            scores = found["scores"][name][size]
            assert curve["error"] == pytest.approx(sum(scores["fold_brier"]) / 2)
            assert 0 < scores["brier"] < found["scores"]["mean"]["brier"] and 0 < scores["accuracy"] < 1
    html = report.read_text(encoding="utf-8")
    assert "Brier score" in html and "RMSE" not in html and "Frequencies of the classes" in html
    assert any("Brier score of blend" in line for line in log.infos)
