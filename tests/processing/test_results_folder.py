"""Results without a file name go to the user's folder, and each run is noted for the menu."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from qgis.core import (
    QgsApplication,
    QgsProcessing,
    QgsProcessingException,
    QgsProcessingOutputLayerDefinition,
    QgsSettings,
)

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


def test_a_script_without_a_results_folder_gets_temporary_files_and_is_told(run, context, headless, documents) -> None:
    path = run(PREDICTION=QgsProcessing.TEMPORARY_OUTPUT)["PREDICTION"]
    assert Path(path).name == "PREDICTION.tif" and "processing_" in path
    assert "Prediction will lie in QGIS's temporary folder" in context.feedback().textLog()
    assert "The trained network is not kept" in context.feedback().textLog()
    assert not documents.exists()


def test_in_the_window_nothing_is_temporary(run, documents) -> None:
    path = run(PREDICTION=QgsProcessing.TEMPORARY_OUTPUT)["PREDICTION"]
    assert Path(path).parents[1] == documents


def test_the_results_folder_of_a_run_gets_what_has_no_file_name(run, tmp_path, headless) -> None:
    results = run(
        RESULTS=str(tmp_path / "mine"), PATCHES=str(tmp_path / "p.h5"), UPPER="skip", LOWER="", METRICS="skip"
    )
    folder = Path(results["FOLDER"])
    assert folder.parent == tmp_path / "mine"
    maps, others = ("prediction", "lower", "dissimilarity"), {"held_out.gpkg", "report.html", "network.safetensors"}
    files = {path.name for path in folder.iterdir()}
    assert files == {*(f"{name}.tif" for name in maps), *others}  # the stand-in leaves out what does not fit
    assert results["PATCHES"] == str(tmp_path / "p.h5") and "UPPER" not in results and "CLASSES" not in results
    job = json.loads((folder / "prediction.tif").read_text())["predict"]
    assert job["where_fitting"] == ["lower", "dissimilarity", "classes", "probabilities"]
    assert job["exceedance_probability"] == ""


def test_thresholds_ask_for_their_map_in_the_results_folder(job_of, observations, raster, tmp_path) -> None:
    values = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], "COVARIATES": [raster("dem")]}
    place = {"RESULTS": str(tmp_path), "EXCEEDANCE": "zinc > 5"}
    assert job_of("mapsoilproperties", {**values, **place}).predict.exceedance_probability.endswith(".tif")


def test_without_any_place_the_map_is_refused(run) -> None:
    with pytest.raises(QgsProcessingException, match=r"There is no place for the map. Choose a .*\(Results folder\)"):
        run()


def test_what_was_left_out_is_no_layer_to_load(provider, context, stand_in, observations, raster, tmp_path) -> None:
    def file(name: str) -> QgsProcessingOutputLayerDefinition:
        return QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", context.project())

    values = {"OBSERVATIONS": observations, "TARGETS": ["zinc"], "COVARIATES": [raster("dem")]}
    outputs = {name: file(name) for name in ("PREDICTION", "CLASSES", "LOWER")}
    algorithm = provider.algorithm("mapsoilproperties").create()
    results, is_done = algorithm.run({**values, **outputs, "RESULTS": str(tmp_path)}, context, context.feedback())
    assert is_done and "CLASSES" not in results
    assert sorted(Path(path).name for path in context.layersToLoadOnCompletion()) == ["lower.tif", "prediction.tif"]


def test_later_steps_begin_with_the_last_network_and_its_patches(provider, run, tmp_path, documents) -> None:
    def proposed(algorithm_id: str, name: str) -> object:
        algorithm = provider.algorithm(algorithm_id).create()
        return algorithm.parameterDefinition(name).defaultValueForGui()

    assert proposed("explainnetwork", "NETWORK") is None
    first = run(RESULTS=str(documents))
    assert proposed("predictmap", "NETWORK") == proposed("describenetwork", "NETWORK") == first["NETWORK"]
    assert proposed("explainnetwork", "PATCHES") == proposed("comparepatchsizes", "PATCHES") == first["PATCHES"]
    assert proposed("plansampling", "NETWORK") is None  # it may be left out, and would decide on the design
    named = {"NETWORK": str(tmp_path / "n.safetensors"), "PATCHES": str(tmp_path / "p.h5")}
    run(PREDICTION=str(tmp_path / "p.tif"), **named)
    assert (proposed("explainnetwork", "NETWORK"), proposed("explainnetwork", "PATCHES")) == tuple(named.values())
    (tmp_path / "n.safetensors").unlink()
    assert proposed("explainnetwork", "NETWORK") == first["NETWORK"]
    assert proposed("explainnetwork", "PATCHES") == first["PATCHES"]
    assert proposed("mapsoilproperties", "RESULTS") == str(documents)


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
    assert newest.results == {"PREDICTION": str(tmp_path / "b.tif"), "NETWORK": str(tmp_path / "n.safetensors")}
    assert oldest.report == first["REPORT"] and oldest.has_report()
    for _ in range(KEPT):
        run(**first)
    assert len(recent_runs()) == KEPT and newest not in recent_runs()


def test_checking_the_environment_is_no_run_to_go_back_to(provider, context, stand_in, tmp_path) -> None:
    import processing

    processing.run("soilcnn:checkenvironment", {"REPORT": str(tmp_path / "r.html")}, context=context)
    assert QgsApplication.processingRegistry() is not None and recent_runs() == []
