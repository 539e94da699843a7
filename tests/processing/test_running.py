"""Algorithms run through Processing with a worker that speaks the protocol and computes nothing."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessingAlgRunnerTask,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputHtml,
)
from qgis.PyQt.QtCore import QTimer

from soil_cnn_plugin.bridge import environment
from soil_cnn_plugin.processing import algorithm as algorithm_module
from soil_cnn_plugin.processing.algorithms import set_up_environment
from soil_cnn_plugin.processing.report_title import report_title


@pytest.fixture
def run(provider, context):
    def run_algorithm(algorithm_id: str, parameters: dict) -> dict:
        import processing

        return processing.run(f"soilcnn:{algorithm_id}", parameters, context=context, feedback=context.feedback())

    return run_algorithm


@pytest.fixture
def chain(observations, raster, tmp_path) -> dict:
    return {
        "OBSERVATIONS": observations,
        "TARGETS": ["zinc"],
        "COVARIATES": [raster("dem")],
        "PREDICTION": str(tmp_path / "p.tif"),
    }


@pytest.fixture
def no_environment(monkeypatch, tmp_path):
    monkeypatch.delenv("SOILCNN_PYTHON", raising=False)
    monkeypatch.setattr(environment, "default_folder", lambda: tmp_path / "environment")
    monkeypatch.setattr(environment.QgsSettings, "value", lambda *_, **__: "")


def test_extract_patches_returns_paths_and_numbers(run, stand_in, observations, raster, tmp_path) -> None:
    patches = str(tmp_path / "p.h5")
    parameters = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], "COVARIATES": [raster("dem")], "PATCHES": patches}
    assert run("extractpatches", parameters) == {"PATCHES": patches, "COUNT": 7, "DROPPED_COUNT": 2}
    assert json.loads(Path(patches).read_text())["job"] == "extract_patches"


def test_map_soil_properties_returns_only_files_that_were_asked_for(run, stand_in, chain, tmp_path) -> None:
    results = run("mapsoilproperties", {**chain, "REPORT": str(tmp_path / "r.html")})
    assert results == {
        "PREDICTION": str(tmp_path / "p.tif"),
        "REPORT": str(tmp_path / "r.html"),
        "RMSE": 1.5,
        "MEC": 0.5,
        "CCC": 0.6,
        "PICP": 0.9,
        "BASELINE_RMSE": 2.5,
        "COUNT": 7,
        "DROPPED_COUNT": 2,
        "VERDICT": "Better.",
    }


def test_assess_map_returns_its_files_and_numbers(run, stand_in, observations, raster, tmp_path) -> None:
    residuals = str(tmp_path / "r.gpkg")
    parameters = {"OBSERVATIONS": observations, "TARGET": "zinc", "MAP": raster("dem"), "RESIDUALS": residuals}
    results = run("assessmap", parameters)
    assert results == {"RESIDUALS": residuals, "RMSE": 1.5, "MEC": 0.5, "CCC": 0.6, "PICP": 0.9, "COUNT": 7}


def test_check_environment_returns_the_device(run, stand_in) -> None:
    assert run("checkenvironment", {}) == {"DEVICE": "CPU"}


@pytest.mark.parametrize(
    ("behaviour", "words"), [("failed", "The field zinc holds text"), ("kill", r"killed.* \(signal SIGKILL\)")]
)
def test_a_failing_worker_is_an_exception_with_its_words(run, stand_in, chain, behaviour, words) -> None:
    stand_in(behaviour)
    with pytest.raises(QgsProcessingException, match=words):
        run("mapsoilproperties", chain)


def test_a_rule_of_the_job_is_an_exception_with_its_words(run, stand_in, chain) -> None:
    with pytest.raises(QgsProcessingException, match="The patch size is 10 pixels, but it must be odd.*Use 9 or 11"):
        run("mapsoilproperties", {**chain, "PATCH_SIZE": 10})


def test_cancelling_is_an_exception_too(run, stand_in, chain, context) -> None:
    stand_in("silent")
    context.feedback().cancel()
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        run("mapsoilproperties", chain)


def test_without_environment_every_way_in_names_the_set_up(
    provider, no_environment, chain, context, job_of, qgis_iface, monkeypatch
) -> None:
    monkeypatch.setattr(algorithm_module.qgis.utils, "iface", None)
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:mapsoilproperties")
    is_executable, sentence = algorithm.canExecute()
    assert not is_executable and "soilcnn:setupenvironment" in sentence
    assert algorithm.checkParameterValues(chain, context) == (False, sentence)
    algorithm.prepareAlgorithm(chain, context, context.feedback())
    with pytest.raises(QgsProcessingException, match="soilcnn:setupenvironment"):
        algorithm.processAlgorithm(chain, context, context.feedback())
    monkeypatch.setattr(algorithm_module.qgis.utils, "iface", qgis_iface)  # its dialog shows HTML
    assert '<a href="soilcnn:set-up">' in algorithm.canExecute()[1]
    assert algorithm.checkParameterValues(chain, context) == (False, sentence)


def test_the_set_up_itself_needs_no_environment(provider, no_environment, context) -> None:
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:setupenvironment")
    assert algorithm.canExecute() == (True, "")
    assert algorithm.checkParameterValues({}, context)[0]


def test_an_interpreter_whose_name_has_no_dot_is_accepted(provider, context) -> None:
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:setupenvironment")
    assert algorithm.checkParameterValues({"PYTHON": "/opt/env/bin/python"}, context) == (True, "")


def test_the_set_up_never_moves_its_bar_back(run, stand_in, context, monkeypatch) -> None:
    def adopt(python: Path, feedback: QgsProcessingFeedback) -> Path:
        feedback.setProgress(88)
        return Path(sys.executable)

    monkeypatch.setattr(set_up_environment.install, "adopt", adopt)
    seen: list[float] = []
    context.feedback().progressChanged.connect(seen.append)
    assert run("setupenvironment", {"PYTHON": sys.executable}) == {"DEVICE": "CPU"}
    assert seen[:2] == [88, 90]
    assert min(seen[2:], default=90) >= 90


def test_the_shipped_model_chains_the_three_steps(run, stand_in, chain, tmp_path) -> None:
    report = str(tmp_path / "r.html")
    inputs = {name: chain[name] for name in ("OBSERVATIONS", "TARGETS", "COVARIATES")}
    outputs = {"prediction": chain["PREDICTION"], "trained_network": str(tmp_path / "n.safetensors"), "report": report}
    results = run("Map in three steps", {**inputs, **outputs, "PRESET": "fast"})
    assert {name: results[name] for name in outputs} == outputs
    training = json.loads(Path(report).read_text())
    assert (training["preset"], training["network"]) == ("fast", outputs["trained_network"])
    prediction = json.loads(Path(chain["PREDICTION"]).read_text())
    assert (prediction["job"], prediction["network"]) == ("predict_map", outputs["trained_network"])


def test_windows_answer_while_a_job_that_tells_much_runs_in_the_background(
    provider, stand_in, chain, tmp_path, qgis_iface, monkeypatch
) -> None:
    """A timer of the main thread ticks on: whatever a worker computes on, QGIS only reads its events."""
    stand_in("talkative")
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:checkenvironment")
    task = QgsProcessingAlgRunnerTask(algorithm, {"REPORT": str(tmp_path / "r.html")}, context, feedback)
    finished, ticks = [], [time.monotonic()]
    task.executed.connect(lambda is_successful, results: finished.append(is_successful))
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(time.monotonic()))
    timer.start(10)
    QgsApplication.taskManager().addTask(task)
    while not finished:
        QgsApplication.processEvents()
        time.sleep(0.001)
    gaps = [later - earlier for earlier, later in zip(ticks, ticks[1:])]
    assert finished == [True] and max(gaps) < 0.5 * (ticks[-1] - ticks[0])  # a blocked window would have one gap


def test_a_report_is_listed_once_by_its_title_also_where_a_model_gives_it(
    run, stand_in, chain, tmp_path, qgis_iface, monkeypatch
) -> None:
    from processing.core.ProcessingResults import resultsList

    monkeypatch.setattr(algorithm_module.qgis.utils, "iface", qgis_iface)
    monkeypatch.setattr(resultsList, "results", [])
    monkeypatch.setattr(algorithm_module, "report_title", lambda path: f"Held-out report: {Path(path).stem}")
    inputs = {name: chain[name] for name in ("OBSERVATIONS", "TARGETS", "COVARIATES")}
    run("mapsoilproperties", {**chain, "REPORT": str(tmp_path / "zinc.html")})
    assert [item.name for item in resultsList.getResults()] == ["Held-out report: zinc"]
    report = str(tmp_path / "r.html")
    outputs = {"prediction": str(tmp_path / "p2.tif"), "trained_network": str(tmp_path / "n.safetensors")}
    run("Map in three steps", {**inputs, **outputs, "report": report})
    assert len(resultsList.getResults()) == 1  # the model's dialog adds its own
    model = QgsApplication.processingRegistry().algorithmById("soilcnn:Map in three steps")
    assert isinstance(model.outputDefinition("report"), QgsProcessingOutputHtml)


def test_a_report_without_title_has_none(tmp_path) -> None:
    (tmp_path / "r.html").write_text("<head><title>Held-out report: A &amp; B</title>", encoding="utf-8")
    (tmp_path / "n.html").write_bytes(b"\xff\xfe")
    titles = [report_title(str(tmp_path / name)) for name in ("r.html", "n.html", "none.html")]
    assert titles == ["Held-out report: A & B", "", ""]


def test_a_run_in_the_background_keeps_the_results_viewers_entry_for_the_main_thread(
    provider, stand_in, chain, tmp_path, qgis_iface, monkeypatch
) -> None:
    from processing.core.ProcessingResults import resultsList

    monkeypatch.setattr(algorithm_module.qgis.utils, "iface", qgis_iface)
    monkeypatch.setattr(resultsList, "results", [])
    report = str(tmp_path / "r.html")
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:checkenvironment")
    task = QgsProcessingAlgRunnerTask(algorithm, {"REPORT": report}, context, feedback)
    finished = []
    task.executed.connect(lambda is_successful, results: finished.append((is_successful, results)))
    QgsApplication.taskManager().addTask(task)
    while not finished:
        QgsApplication.processEvents()
    assert finished == [(True, {"REPORT": report, "DEVICE": "CPU"})]
    assert [(item.name, item.filename) for item in resultsList.getResults()] == [
        ("Check the compute environment", report)
    ]
