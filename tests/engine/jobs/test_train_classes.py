"""Train network on soil classes as a whole: its files, its numbers recomputed, and classes that are awkward."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
from sklearn import metrics

from soil_cnn_plugin.contract.jobs import TrainNetwork
from soil_cnn_plugin.engine.assessment.methods import MEAN, METHODS
from soil_cnn_plugin.engine.forests import forest
from soil_cnn_plugin.engine.jobs import train_network
from soil_cnn_plugin.engine.observations.patch_file import PatchFile
from soil_cnn_plugin.engine.training import designs
from soil_cnn_plugin.engine.training.network_file import read_description
from tests.engine.class_landscape import FIELD, NAMES, extract_classes
from tests.engine.landscape import Log, make_landscape

pytestmark = pytest.mark.usefixtures("words_of_all_figures")
WITH_OTHER_FOLDS = designs._with_other_folds  # which other tests leave out
Trained = tuple[TrainNetwork, dict[str, Any], Log]


def make_job(patches: str, folder: Path, **options: Any) -> TrainNetwork:
    files = {"report": "report.html", "held_out": "held_out.gpkg", "metrics": "metrics.json"}
    quick = {"architecture": "ring", "preset": "fast", "members": 3, "epochs": 60, "validation": "random", "folds": 3}
    paths = {name: str(folder / file) for name, file in files.items()}
    return TrainNetwork(patches, str(folder / "network.safetensors"), **{**paths, **quick, **options})


@pytest.fixture(scope="module", autouse=True)
def few_trees(quick_fits: None) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forest, "TREES", 60)
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    patches = extract_classes(make_landscape(tmp_path_factory.mktemp("landscape")), count=150)
    job, log = make_job(patches, tmp_path_factory.mktemp("trained")), Log()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(designs, "_with_other_folds", WITH_OTHER_FOLDS)
        return job, train_network.run(job, log), log


def read(job: TrainNetwork) -> tuple[geopandas.GeoDataFrame, dict[str, Any]]:
    content = json.loads(Path(job.metrics).read_text(encoding="utf-8"))
    return geopandas.read_file(job.held_out), content["targets"][FIELD]


def test_all_outputs_are_written_and_numbers_are_those_of_classes(trained: Trained) -> None:
    job, outputs, log = trained
    numbers = {"accuracy", "brier", "log_score", "baseline_accuracy"}
    assert set(outputs) == {"network", "report", "held_out", "metrics", "verdict", *numbers}
    assert sorted(os.listdir(Path(job.network).parent)) == [
        *("held_out.gpkg", "metrics.json", "network.safetensors", "report.html")
    ]
    assert f"{FIELD}: " in outputs["verdict"] and "Brier score" in outputs["verdict"]
    assert any("3 classes of soil type" in line for line in log.infos)
    assert any("misclassified" in line and "most frequent class" in line for line in log.infos)


def test_classes_that_follow_the_covariates_are_found(trained: Trained) -> None:
    _, outputs, _ = trained
    _, content = read(trained[0])
    assert outputs["accuracy"] > content["methods"][MEAN]["accuracy"] + 0.15
    assert outputs["brier"] < 0.85 * content["methods"][MEAN]["brier"]


def test_the_held_out_layer_recomputes_the_scores(trained: Trained) -> None:
    """By scikit-learn, and by the definition of the log score."""
    job, outputs, _ = trained
    layer, content = read(job)
    observed, predicted = layer[f"{FIELD}_observed"], layer[f"{FIELD}_predicted"]
    scores = content["methods"]["blend"]
    assert len(layer) == 150 and layer.crs.to_epsg() == 28992 and sorted(layer["fold"].unique()) == [1, 2, 3]
    assert outputs["accuracy"] == pytest.approx(metrics.accuracy_score(observed, predicted)) == scores["accuracy"]
    assert scores["kappa"] == pytest.approx(metrics.cohen_kappa_score(observed, predicted))
    assert (layer[f"{FIELD}_correct"].astype(bool) == (observed == predicted)).all()
    given = layer[f"{FIELD}_probability_of_observed"]
    assert outputs["log_score"] == pytest.approx(-np.log(given).mean())
    assert (layer[f"{FIELD}_probability"] >= given - 1e-12).all()
    matrix = metrics.confusion_matrix(observed, predicted, labels=list(content["classes"]))
    np.testing.assert_array_equal(scores["confusion"], matrix)
    right = np.diag(matrix)
    assert [*scores["representation"].values()] == pytest.approx(right / matrix.sum(axis=1))
    assert [*scores["purity"].values()] == pytest.approx(right / matrix.sum(axis=0))


def test_metrics_tell_all_methods_under_both_kinds_of_folds(trained: Trained) -> None:
    _, content = read(trained[0])
    assert set(content["classes"]) == set(NAMES) and sum(content["classes"].values()) == 150
    for key in ("methods", "methods_other_folds"):
        assert set(content[key]) == set(METHODS)
        for scores in content[key].values():
            assert sum(each["n"] for each in scores["folds"]) == scores["n"] == np.sum(scores["confusion"]) == 150
    assert content["verdict"]["outcome"] in ("network", "forest", "equal")
    first = content["differences"][0]
    blend, other = (content["methods"][name]["brier"] for name in (first["method"], first["other"]))
    assert first["percent"] == pytest.approx(100 * (blend / other - 1))


def test_the_network_file_knows_its_classes(trained: Trained) -> None:
    job, outputs, _ = trained
    description = read_description(job.network)
    assert set(description.words.classes[FIELD]) == set(NAMES) and description.columns == 3
    assert description.scores.keys() == {FIELD}
    assert description.scores[FIELD]["blend"].accuracy == outputs["accuracy"]
    assert {space.space for space in description.spaces} == {"covariates", "embedding"}


def test_names_do_nothing_in_the_report(trained: Trained) -> None:
    html = Path(trained[0].report).read_text(encoding="utf-8")
    assert "<script>" not in html and "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "Gley, nass" in html and "Moor &#34;tief&#34;" in html


def test_one_job_gives_one_result(trained: Trained, tmp_path: Path) -> None:
    again = train_network.run(make_job(trained[0].patches, tmp_path), Log())
    assert again["brier"] == trained[1]["brier"] and again["verdict"] == trained[1]["verdict"]


@pytest.mark.parametrize(
    ("names", "target_type"), [(("ja", "nein"), "auto"), (tuple(range(13)), "class")], ids=["two", "thirteen numbers"]
)
def test_two_classes_and_thirteen_are_learned(names: Any, target_type: str, tmp_path: Path) -> None:
    patches = extract_classes(make_landscape(tmp_path), 260, names, target_type, noise=0.0)
    with PatchFile(patches) as file:
        classes = file.words.classes
    assert classes == {FIELD: tuple(map(str, names))}
    job = make_job(patches, tmp_path, predictor="network", members=2, folds=2)
    outputs = train_network.run(job, Log())
    _, content = read(job)
    assert outputs["accuracy"] > content["methods"][MEAN]["accuracy"]
    assert len(content["classes"]) == len(names) and "</html>" in Path(job.report).read_text(encoding="utf-8")


def test_a_class_that_is_missing_from_a_training_fold_is_missed_and_no_more(tmp_path: Path) -> None:
    """Held out by groups, the last class is held out as a whole: nobody can know it, and its scores say so."""
    patches = extract_classes(make_landscape(tmp_path), 150, group=True)
    job = make_job(patches, tmp_path, validation="groups", members=2)
    outputs = train_network.run(job, Log())
    layer, content = read(job)
    lost = layer[f"{FIELD}_observed"] == NAMES[2]
    assert len(layer["fold"][lost].unique()) == 1
    assert (layer[f"{FIELD}_predicted"][lost] != NAMES[2]).all()
    for method, scores in content["methods"].items():
        assert scores["representation"][NAMES[2]] == 0, method
        assert np.isfinite(scores["log_score"]) and scores["log_score"] < -np.log(1e-6)
    assert np.isfinite(outputs["brier"])
    alone = "Classes with all observations in one fold (in brackets: how many): Böden"
    assert alone in Path(job.report).read_text("utf-8")
