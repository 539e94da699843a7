"""Results without a file name go to the user's folder, and each run is noted for the menu."""

from __future__ import annotations

from pathlib import Path

import pytest
from qgis.core import QgsApplication, QgsProcessing, QgsProcessingException, QgsSettings

from soil_cnn_plugin.processing.recent_runs import KEPT, recent_runs


@pytest.fixture(autouse=True)
def no_settings(qgis_app):
    """Remove all settings of Soil CNN before and after a test."""
    QgsSettings().remove("soilcnn")
    yield
    QgsSettings().remove("soilcnn")


@pytest.fixture
def run(provider, context, stand_in, observations, raster, tmp_path):
    def run_mapping(**outputs: object) -> dict:
        import processing

        given = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], "COVARIATES": [raster("dem")], **outputs}
        return processing.run("soilcnn:mapsoilproperties", given, context=context, feedback=context.feedback())

    return run_mapping


def test_temporary_results_go_to_the_results_folder_run_by_run(run, context, tmp_path) -> None:
    QgsSettings().setValue("soilcnn/results_folder", str(tmp_path / "results"))
    named = str(tmp_path / "upper.tif")
    wanted = {"PREDICTION": QgsProcessing.TEMPORARY_OUTPUT, "REPORT": QgsProcessing.TEMPORARY_OUTPUT, "UPPER": named}
    results, again = run(**wanted), run(**wanted)
    folders = sorted((tmp_path / "results").iterdir())
    assert len(folders) == 2 and all(folder.name.startswith("Map soil properties 20") for folder in folders)
    found = {Path(each["PREDICTION"]).parent for each in (results, again)}
    assert found == set(folders)
    assert Path(results["PREDICTION"]).name == "prediction.tif" and Path(results["REPORT"]).name == "report.html"
    assert results["UPPER"] == named
    assert "Results without a file name go to" in context.feedback().textLog()


def test_without_a_results_folder_nothing_changes(run) -> None:
    path = run(PREDICTION=QgsProcessing.TEMPORARY_OUTPUT)["PREDICTION"]
    assert Path(path).name == "PREDICTION.tif" and "processing_" in path


def test_a_results_folder_that_cannot_be_made_is_named(run, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    QgsSettings().setValue("soilcnn/results_folder", str(tmp_path / "file"))
    with pytest.raises(QgsProcessingException, match=r"The results folder .*file cannot be used: .*Settings"):
        run(PREDICTION=QgsProcessing.TEMPORARY_OUTPUT)


def test_a_failed_run_leaves_no_folder_and_is_not_noted(run, stand_in, tmp_path) -> None:
    stand_in("failed")
    QgsSettings().setValue("soilcnn/results_folder", str(tmp_path / "results"))
    with pytest.raises(QgsProcessingException):
        run(PREDICTION=QgsProcessing.TEMPORARY_OUTPUT)
    assert list((tmp_path / "results").iterdir()) == [] and recent_runs() == []


def test_runs_are_noted_with_their_report_and_layers_the_newest_first(run, tmp_path) -> None:
    first = {"PREDICTION": str(tmp_path / "a.tif"), "REPORT": str(tmp_path / "a.html")}
    run(**first)
    run(PREDICTION=str(tmp_path / "b.tif"), NETWORK=str(tmp_path / "n.safetensors"))
    newest, oldest = recent_runs()
    assert (newest.title, newest.report) == ("Map soil properties", "")
    assert newest.results == {"PREDICTION": str(tmp_path / "b.tif")}
    assert oldest.report == first["REPORT"] and oldest.has_report()
    for _ in range(KEPT):
        run(**first)
    assert len(recent_runs()) == KEPT and newest not in recent_runs()


def test_checking_the_environment_is_no_run_to_go_back_to(provider, context, stand_in, tmp_path) -> None:
    import processing

    processing.run("soilcnn:checkenvironment", {"REPORT": str(tmp_path / "r.html")}, context=context)
    assert QgsApplication.processingRegistry() is not None and recent_runs() == []
