"""Messages name the labels that a person sees, and leave words alone that only look like parameters."""

from __future__ import annotations

import pytest

from soil_cnn_plugin.processing.labels import with_labels


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("no field 'lead' (TARGETS). Their", "no field 'lead' (What to map). Their"),
        ("Leave EXCEEDANCE empty.", "Leave “Thresholds” empty."),
        ("list it under CATEGORICAL_COVARIATES: as", "list it under “Categorical covariates”: as"),
        ("LOWER, UPPER.", "“Lower limit”, “Upper limit”."),
        ("/data/COVARIATES/dem.tif, band 1", "/data/COVARIATES/dem.tif, band 1"),
        ("The field UPPER holds text", "The field UPPER holds text"),
        ("COVARIATES_2020 has no CRS", "COVARIATES_2020 has no CRS"),
        ("'PRESET' and \"SEED\"", "'PRESET' and \"SEED\""),
    ],
)
def test_parameters_are_told_by_their_labels(provider, text: str, shown: str) -> None:
    assert with_labels(text, provider.algorithm("mapsoilproperties")) == shown


def test_the_name_of_a_reference_system_stays(provider) -> None:
    assert with_labels("dem.tif has no CRS.", provider.algorithm("standardizedepths")) == "dem.tif has no CRS."


def test_choices_are_told_by_their_words(provider) -> None:
    text = "The design is spatial_coverage. Choose where_next, or leave NETWORK empty; the field soil_type is other."
    shown = (
        "The design is “even over the area”. Choose “where a trained network gains most”, or leave “Trained network”"
        " empty; the field soil_type is other."
    )
    assert with_labels(text, provider.algorithm("plansampling")) == shown


def test_scripts_see_the_names_that_they_use(provider, headless) -> None:
    assert with_labels("Leave EXCEEDANCE empty.", provider.algorithm("predictmap")) == "Leave EXCEEDANCE empty."
