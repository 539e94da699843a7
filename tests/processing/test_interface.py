"""IDs and names that users' models and scripts depend on, frozen here letter by letter."""

from __future__ import annotations

import re
from itertools import combinations

import pytest
import qgis.utils
from qgis.core import QgsApplication, QgsProcessingParameterDefinition, QgsProcessingParameterEnum

from soil_cnn_plugin.contract import jobs
from soil_cnn_plugin.processing.choices import WORDS

EXTRACTION = (
    "OBSERVATIONS TARGETS COVARIATES CATEGORICAL_COVARIATES DIRECTIONAL_COVARIATES REFERENCE CELL_SIZE PATCH_SIZE GROUP"
    " UNITS MAX_MISSING SNAP_CELLS TARGET_TYPE CLASS_TARGETS COMPOSITION DETECTION_LIMIT ERROR WEIGHT DUPLICATES"
    " RARE_CLASSES"
)
TRAINING = (
    "ARCHITECTURE PREDICTOR PRESET VALIDATION FOLDS REPEATS DOMAIN LOCATION MEMBERS EPOCHS BATCH_SIZE PATIENCE"
    " LEARNING_RATE WEIGHT_DECAY TRANSFORM COVERAGE EXCEEDANCE DEVICE FULL_GPU SEED"
)
SCORES = "RMSE MEC CCC PICP BASELINE_RMSE ACCURACY BRIER LOG_SCORE BASELINE_ACCURACY VERDICT"
RASTERS = (
    "PREDICTION MEDIAN LOWER UPPER STANDARD_DEVIATION DISSIMILARITY CLASSES PROBABILITIES CONFUSION_INDEX"
    " EXCEEDANCE_PROBABILITY TEXTURE_CLASSES"
)
MAPPING = f"EXTENT AREA BLOCK_SIZE PRECISION DISSIMILARITY_SPACE TEXTURE_SYSTEM {RASTERS}"
MAPS = f"{RASTERS} DISSIMILARITY_THRESHOLD APPLICABLE_SHARE"
PARAMETERS = {
    "checkobservations": (
        "OBSERVATIONS FIELDS COVARIATES COMPOSITION PROFILE UPPER LOWER DETECTION_LIMIT UNITS REPORT PROBLEMS METRICS"
    ),
    "standardizedepths": "HORIZONS PROFILE UPPER LOWER VALUES INTERVALS LAMBDA MIN_SHARE UNITS X Y CRS OUTPUT PROBLEMS",
    "extractpatches": f"{EXTRACTION} PATCHES DROPPED",
    "trainnetwork": f"PATCHES {TRAINING} RESUME NETWORK REPORT HELD_OUT METRICS",
    "predictmap": f"NETWORK COVARIATES EXCEEDANCE {MAPPING} DEVICE FULL_GPU CLUSTER",
    "mapsoilproperties": f"{EXTRACTION} RESULTS {TRAINING} {MAPPING} NETWORK REPORT HELD_OUT METRICS PATCHES DROPPED",
    "summarizeareas": (
        "NETWORK POLYGONS NAME COVARIATES EXCEEDANCE STOCK CARBON BULK_DENSITY STONES THICKNESS SOIL_MASS EXPRESSIONS"
        " LOWER UPPER COVERAGE PATCHES BLOCK_SIZE DEVICE FULL_GPU SEED AREAS REPORT METRICS"
    ),
    "assessmap": (
        "OBSERVATIONS TARGET TARGET_TYPE DETECTION_LIMIT MAP BAND LOWER UPPER COVERAGE SAMPLE STRATUM WEIGHT INCLUSION"
        " REPORT RESIDUALS METRICS"
    ),
    "comparemaps": (
        "QUESTION MAP BAND MAP_2 BAND_2 OBSERVATIONS TARGET TARGET_2 SAMPLE STRATUM WEIGHT INCLUSION LOWER UPPER"
        " LOWER_2 UPPER_2 COVERAGE REPORT DIFFERENCE DETECTABLE PAIRS METRICS"
    ),
    "plansampling": (
        "DESIGN POINTS SEED ITERATIONS COVARIATES CATEGORICAL_COVARIATES REFERENCE AREA EXCLUDED LEGACY TARGET STRATA"
        " STRATUM STRATA_COUNT NETWORK NETWORK_TARGET FOCUS VARIOGRAM DEVICE FULL_GPU COST COST_WEIGHT MIN_SPACING PLAN"
        " REPORT GPX CSV METRICS"
    ),
    "comparepatchsizes": "PATCHES SIZES ARCHITECTURE VALIDATION FOLDS DOMAIN DEVICE FULL_GPU SEED REPORT METRICS",
    "explainnetwork": "NETWORK PATCHES TARGET CLASS COVARIATES EXTENT DEVICE FULL_GPU SEED"
    " REPORT IMPORTANCE ATTRIBUTION METRICS",
    "explainpixel": "NETWORK POINT PATCHES COVARIATES NEIGHBOURS DEVICE FULL_GPU REPORT METRICS",
    "describenetwork": "NETWORK REPORT",
    "setupenvironment": "BUILD FOLDER PYTHON BASE WHEELS REPORT",
    "checkenvironment": "DEVICE REPORT METRICS",
}
OUTPUTS = {
    "checkobservations": "REPORT PROBLEMS METRICS COUNT PROBLEM_COUNT",
    "standardizedepths": "OUTPUT PROBLEMS COUNT PROBLEM_COUNT",
    "extractpatches": "PATCHES DROPPED COUNT DROPPED_COUNT",
    "trainnetwork": f"NETWORK REPORT HELD_OUT METRICS {SCORES}",
    "predictmap": MAPS,
    "mapsoilproperties": f"{MAPS} NETWORK REPORT HELD_OUT METRICS PATCHES DROPPED FOLDER COUNT DROPPED_COUNT {SCORES}",
    "summarizeareas": "AREAS REPORT METRICS COUNT AREA_HA",
    "assessmap": "REPORT RESIDUALS METRICS RMSE ME MEC CCC PICP ACCURACY COUNT",
    "comparemaps": (
        "REPORT DIFFERENCE DETECTABLE PAIRS METRICS RMSE RMSE_2 RMSE_DIFFERENCE CHANGE LOW HIGH SMALLEST"
        " MEAN_DIFFERENCE DETECTABLE_SHARE COUNT VERDICT"
    ),
    "plansampling": "PLAN REPORT GPX CSV METRICS COUNT WALK_KM VERDICT",
    "comparepatchsizes": "REPORT METRICS BEST_PATCH_SIZE VERDICT",
    "explainnetwork": "REPORT IMPORTANCE ATTRIBUTION METRICS CONTEXT_RADIUS VERDICT",
    "explainpixel": "REPORT METRICS SUMMARY",
    "describenetwork": "REPORT",
    "setupenvironment": "REPORT DEVICE",
    "checkenvironment": "REPORT METRICS DEVICE",
}
GROUPS = {
    "checkobservations": "1 Prepare",
    "standardizedepths": "1 Prepare",
    "extractpatches": "1 Prepare",
    "trainnetwork": "2 Train",
    "predictmap": "3 Map",
    "mapsoilproperties": "3 Map",
    "summarizeareas": "3 Map",
    "assessmap": "4 Assess",
    "comparemaps": "4 Assess",
    "plansampling": "1 Prepare",
    "comparepatchsizes": "4 Assess",
    "explainnetwork": "4 Assess",
    "explainpixel": "4 Assess",
    "describenetwork": "4 Assess",
    "setupenvironment": "0 Set up",
    "checkenvironment": "0 Set up",
}
CHOICES = {
    "TARGET_TYPE": ["auto", "continuous", "class"],
    "DUPLICATES": ["keep", "average"],
    "RARE_CLASSES": ["drop", "merge"],
    "ARCHITECTURE": ["ring", "padarian", "both"],
    "PREDICTOR": ["network", "blend", "forest", "best"],
    "LOCATION": ["auto", "on", "off"],
    "PRESET": ["fast", "standard", "best"],
    "TRANSFORM": ["auto", "none", "log", "logit"],
    "VALIDATION": ["knndm", "spatial_blocks", "random", "groups"],
    "PRECISION": ["auto", "float32", "half"],
    "DISSIMILARITY_SPACE": ["covariates", "embedding"],
    "TEXTURE_SYSTEM": ["usda", "wrb"],
    "DEVICE": ["auto", "cuda", "mps", "cpu"],
    "SAMPLE": ["none", "simple", "stratified", "probabilities", "map_classes"],
    "comparemaps.SAMPLE": ["none", "simple", "stratified", "probabilities"],
    "QUESTION": ["better", "change"],
    "DESIGN": [
        *("spatial_coverage", "feature_coverage", "latin_hypercube"),
        *("simple_random", "stratified_random", "balanced", "where_next"),
    ],
    "STOCK": ["none", "organic_carbon", "equivalent_soil_mass"],
    "FULL_GPU": ["processor", "wait"],
    "BUILD": ["auto", "cpu", "cuda"],
}
MODELS = {  # name -> steps, inputs in their order, outputs
    "Map in three steps": (
        "extractpatches trainnetwork predictmap",
        "OBSERVATIONS TARGETS COVARIATES CATEGORICAL_COVARIATES PATCH_SIZE PRESET VALIDATION",
        "trained_network report prediction lower_limit upper_limit dissimilarity_index",
    ),
    "Horizons to depth maps": (
        "standardizedepths extractpatches trainnetwork predictmap",
        "HORIZONS PROFILE UPPER LOWER VALUES INTERVALS COVARIATES CATEGORICAL_COVARIATES PRESET",
        "profiles_with_standard_depths trained_network report prediction lower_limit upper_limit dissimilarity_index",
    ),
}


@pytest.fixture(params=PARAMETERS)
def algorithm(request, provider):
    return QgsApplication.processingRegistry().createAlgorithmById(f"soilcnn:{request.param}")


def test_the_provider_has_exactly_these_algorithms(provider) -> None:
    assert {item.name() for item in provider.algorithms()} == {*PARAMETERS, *MODELS}
    assert (provider.id(), provider.name()) == ("soilcnn", "Soil CNN")


def test_parameters_keep_their_names(algorithm) -> None:
    names = [item.name() for item in algorithm.parameterDefinitions()]
    assert sorted(names) == sorted(PARAMETERS[algorithm.name()].split())


def test_outputs_keep_their_names(algorithm) -> None:
    names = [item.name() for item in algorithm.outputDefinitions()]
    assert sorted(names) == sorted(OUTPUTS[algorithm.name()].split())


def test_groups_keep_their_names(algorithm) -> None:
    assert algorithm.groupId() == algorithm.group() == GROUPS[algorithm.name()]


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_stands_in_the_same_group_as_the_mapping_algorithms(provider, name) -> None:
    model = provider.algorithm(name)
    assert (model.groupId(), model.group()) == ("3 Map", "3 Map")


def test_choices_are_words_that_keep_their_spelling(algorithm) -> None:
    for item in algorithm.parameterDefinitions():
        if isinstance(item, QgsProcessingParameterEnum):
            assert item.usesStaticStrings()
            own = f"{algorithm.name()}.{item.name()}"
            assert item.options() == CHOICES.get(own, CHOICES[item.name()])


def test_every_parameter_has_a_label_and_help(algorithm) -> None:
    for item in algorithm.parameterDefinitions():
        assert item.description(), item.name()
        assert len(item.help()) > 20 and item.help().endswith("."), item.name()


def test_help_is_plain_text(algorithm, monkeypatch) -> None:
    monkeypatch.setattr(qgis.utils, "iface", None)  # in the window, labels of parameters are bold
    assert algorithm.shortDescription().endswith(".")
    texts = [algorithm.shortHelpString(), algorithm.shortDescription()]
    texts += [item.help() for item in algorithm.parameterDefinitions()]
    assert [text for text in texts if re.search(r"<|&\w+;", text)] == []  # a tool tip loses all text after a <


def test_the_dialog_shows_the_summary_too(algorithm, qgis_iface, monkeypatch) -> None:
    monkeypatch.setattr(qgis.utils, "iface", None)  # as in qgis_process, which prints both
    assert algorithm.shortDescription() not in algorithm.shortHelpString()
    monkeypatch.setattr(qgis.utils, "iface", qgis_iface)
    assert algorithm.shortHelpString().startswith(algorithm.shortDescription())


def test_report_is_no_html_output_because_batch_mode_would_show_errors(algorithm) -> None:
    assert "outputHtml" not in [item.type() for item in algorithm.outputDefinitions()]


def test_defaults_are_those_of_the_job(provider) -> None:
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:mapsoilproperties")
    for part in (jobs.ExtractPatches, jobs.TrainNetwork, jobs.PredictMap):
        for field in part.__dataclass_fields__.values():
            parameter = algorithm.parameterDefinition(field.name.upper())
            is_plain = isinstance(field.default, (int, float, str)) and field.default != ""
            if parameter is not None and is_plain and not parameter.isDestination():
                assert parameter.defaultValue() == field.default, field.name


def test_rarely_used_parameters_are_advanced(provider) -> None:
    algorithm = QgsApplication.processingRegistry().createAlgorithmById("soilcnn:mapsoilproperties")
    advanced = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    shown = [
        item.name()
        for item in algorithm.parameterDefinitions()
        if not item.flags() & advanced and not item.isDestination()
    ]
    assert shown == ["OBSERVATIONS", "TARGETS", "COVARIATES", "CATEGORICAL_COVARIATES", "RESULTS"]
    outputs = algorithm.destinationParameterDefinitions()
    assert all(
        item.flags() & advanced and item.flags() & QgsProcessingParameterDefinition.Flag.FlagOptional
        for item in outputs
    )
    assert [item.name() for item in outputs if item.createByDefault()] == [
        *("PREDICTION", "LOWER", "UPPER", "DISSIMILARITY", "CLASSES", "PROBABILITIES"),
        *("NETWORK", "REPORT", "HELD_OUT", "PATCHES"),
    ]


def test_every_choice_has_words(algorithm) -> None:
    for item in algorithm.parameterDefinitions():
        if isinstance(item, QgsProcessingParameterEnum):
            known = list(WORDS[item.name()])
            own = f"{algorithm.name()}.{item.name()}"
            assert [value for value in known if value in CHOICES.get(own, known)] == item.options()


@pytest.mark.parametrize("name", MODELS)
def test_a_shipped_model_has_its_children_inputs_and_outputs(provider, name) -> None:
    children, inputs, outputs = (names.split() for names in MODELS[name])
    model = QgsApplication.processingRegistry().createAlgorithmById(f"soilcnn:{name}")
    assert {child.algorithmId() for child in model.childAlgorithms().values()} == {f"soilcnn:{id}" for id in children}
    assert all(child.algorithm() is not None for child in model.childAlgorithms().values())
    assert [item.name() for item in model.parameterDefinitions() if not item.isDestination()] == inputs
    assert {item.name() for item in model.destinationParameterDefinitions()} == set(outputs)
    owners = [provider.algorithm(child) for child in children]
    for item in model.parameterDefinitions():
        if not item.isDestination():
            own = (owner.parameterDefinition(item.name()) for owner in owners)
            original = next(definition for definition in own if definition is not None)
            assert item.toVariantMap() == original.toVariantMap(), f"{item.name()}: run .ci/build_model.py"
    assert set(outputs) <= {item.name() for item in provider.algorithm(name).outputDefinitions()}


@pytest.mark.parametrize("name", MODELS)
def test_boxes_of_a_shipped_model_do_not_cover_each_other(provider, name) -> None:
    model = QgsApplication.processingRegistry().createAlgorithmById(f"soilcnn:{name}")
    children = list(model.childAlgorithms().values())
    boxes = [*model.parameterComponents().values(), *children]
    boxes += [output for child in children for output in child.modelOutputs().values()]
    places = [(box.position().x(), box.position().y()) for box in boxes]
    size = max(box.size().width() for box in boxes), max(box.size().height() for box in boxes)
    for (x, y), (other_x, other_y) in combinations(places, 2):
        assert abs(x - other_x) >= size[0] + 50 or abs(y - other_y) >= size[1] + 20
