"""The message for a value that Processing refuses names the rule that it breaks."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture(autouse=True)
def environment(monkeypatch) -> None:
    monkeypatch.setenv("SOILCNN_PYTHON", sys.executable)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"PATCHES": "/x/dem.tif"}, "“Patches” is /x/dem.tif; it must be a file whose name ends in .h5."),
        (
            {"VALIDATION": "spatial"},
            "“Validation” is spatial; it must be one of: 'knndm', 'spatial_blocks', 'random', 'groups'.",
        ),
        ({"FOLDS": 1}, "“Folds” is 1; it must be a whole number of at least 2."),
        (
            {"COVERAGE": 1.5},
            "“Coverage of the prediction interval” is 1.5; it must be a number of at least 0.5 and at most 0.99.",
        ),
    ],
)
def test_a_value_that_breaks_a_rule_is_told_with_it(provider, context, tmp_path, values, message) -> None:
    good = {"PATCHES": "/x/p.h5", "NETWORK": str(tmp_path / "n.safetensors")}
    algorithm = provider.algorithm("trainnetwork")
    assert algorithm.checkParameterValues(good, context)[0]
    assert algorithm.checkParameterValues({**good, **values}, context) == (False, message)


def test_without_a_window_messages_name_parameters_as_scripts_do(provider, context, headless) -> None:
    values = {"PATCHES": "/x/p.h5", "NETWORK": "/x/n.safetensors", "FOLDS": 1}
    message = "FOLDS is 1; it must be a whole number of at least 2."
    assert provider.algorithm("trainnetwork").checkParameterValues(values, context) == (False, message)


def test_the_number_of_a_choice_is_taken_as_qgis_process_lists_it(provider, context, job_of, tmp_path) -> None:
    patches = tmp_path / "p.h5"
    patches.touch()
    values = {"PATCHES": str(patches), "NETWORK": str(tmp_path / "n.safetensors")}
    algorithm = provider.algorithm("trainnetwork")
    for number, word in enumerate(algorithm.parameterDefinition("VALIDATION").options()):
        for given in (number, str(number)):
            assert algorithm.checkParameterValues({**values, "VALIDATION": given}, context)[0]
            assert job_of("trainnetwork", {**values, "VALIDATION": given}).validation == word
    assert not algorithm.checkParameterValues({**values, "VALIDATION": 4}, context)[0]


def test_a_value_that_is_missing_is_left_to_processing(provider, context) -> None:
    is_right, message = provider.algorithm("trainnetwork").checkParameterValues({}, context)
    assert not is_right and "PATCHES" in message
